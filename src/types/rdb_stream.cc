#include "types/rdb_stream.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/number.h"
#include "types/stream.h"

namespace diskdb::types {

using value::Stream;
using value::StreamId;

namespace {

// Flags of an entry in a listpack.
constexpr std::int64_t kDeleted = 1;
constexpr std::int64_t kSameNames = 2;

// Long names that many entries share are stored with each of them: so many bytes at most.
constexpr std::size_t kSharedNameMin = 1024;
constexpr std::size_t kSharedNamesMax = 512U << 20U;

constexpr std::size_t kEntriesPerNode = 100;
constexpr std::size_t kNodeBytes = 4096;

Error corrupt(const char* what) { return {Code::kCorrupt, std::string("RDB: ") + what}; }

StreamId read_raw_id(Reader& reader) {
  const std::uint64_t ms = reader.big_endian(8);
  return {ms, reader.big_endian(8)};
}

StreamId read_id(Reader& reader) {
  const std::uint64_t ms = read_length(reader).value;
  return {ms, read_length(reader).value};
}

Millis read_millis(Reader& reader) { return {static_cast<std::int64_t>(reader.little_endian(8))}; }

/// Goes through the words of a listpack. What is not there makes the reader fail.
class Words {
 public:
  Words(const Elements& words, Reader& reader) : words_(words), reader_(reader) {}
  bool is_at_end() const { return next_ == words_.size() || reader_.has_failed(); }
  std::string text() {
    if (next_ == words_.size()) {
      reader_.fail();
      return {};
    }
    return words_[next_++];
  }
  std::int64_t integer() {
    const auto number = parse_integer(text());
    if (!number) reader_.fail();
    return number.value_or(0);
  }
  std::uint64_t count() {
    const std::int64_t number = integer();
    if (number < 0 || static_cast<std::uint64_t>(number) > words_.size()) reader_.fail();
    return reader_.has_failed() ? 0 : static_cast<std::uint64_t>(number);
  }

 private:
  const Elements& words_;
  Reader& reader_;
  std::size_t next_ = 0;
};

void read_node(Reader& reader, StreamId master, Bytes listpack, RdbStream* stream) {
  Elements elements;
  read_listpack(listpack, reader, &elements);
  Words words(elements, reader);
  words.integer();  // entries that are there
  words.integer();  // and that were deleted
  auto names = std::make_shared<std::vector<std::string>>();
  for (std::uint64_t left = words.count(); left > 0; --left) names->push_back(words.text());
  words.integer();  // ends the head
  while (!words.is_at_end()) {
    const std::int64_t flags = words.integer();
    RdbStream::Entry entry;
    entry.id.ms = master.ms + static_cast<std::uint64_t>(words.integer());
    entry.id.seq = master.seq + static_cast<std::uint64_t>(words.integer());
    const bool has_names = (flags & kSameNames) == 0;
    if (!has_names) entry.names = names;
    const std::uint64_t count = has_names ? words.count() * 2 : names->size();
    for (std::uint64_t i = 0; i < count && !reader.has_failed(); ++i) {
      entry.words.push_back(words.text());
    }
    words.integer();  // how many words it had
    if ((flags & kDeleted) == 0) stream->entries.push_back(std::move(entry));
  }
}

void read_group(Reader& reader, unsigned version, RdbStream::Group* group) {
  group->name = read_string(reader);
  group->state.last_id = read_id(reader);
  if (version >= 2) group->state.read_count = static_cast<std::int64_t>(read_length(reader).value);
  for (std::uint64_t left = read_count(reader); left > 0 && !reader.has_failed(); --left) {
    RdbStream::Pending pending;
    pending.id = read_raw_id(reader);
    pending.delivered = read_millis(reader);
    pending.delivery_count = read_length(reader).value;
    group->pending.push_back(pending);
  }
  for (std::uint64_t left = read_count(reader); left > 0 && !reader.has_failed(); --left) {
    RdbStream::Consumer consumer;
    consumer.name = read_string(reader);
    consumer.times.seen = read_millis(reader);
    consumer.times.active = version >= 3 ? read_millis(reader) : consumer.times.seen;
    if (consumer.times.active->count < 0) consumer.times.active.reset();
    for (std::uint64_t ids = read_count(reader); ids > 0 && !reader.has_failed(); --ids) {
      consumer.pending.push_back(read_raw_id(reader));
    }
    group->consumers.push_back(std::move(consumer));
  }
}

Status check_group(const RdbStream::Group& group) {
  if (group.state.read_count < value::kUnknownReadCount) return corrupt("a group's count");
  std::set<StreamId> pending;
  for (const RdbStream::Pending& one : group.pending) {
    if (one.delivered.count < 0) return corrupt("a time of delivery that cannot be");
    if (!pending.insert(one.id).second) return corrupt("a pending entry twice");
  }
  std::set<std::string> names;
  for (const RdbStream::Consumer& consumer : group.consumers) {
    if (!names.insert(consumer.name).second) return corrupt("a consumer twice");
    if (consumer.times.seen.count < 0) return corrupt("a consumer's time");
    for (const StreamId id : consumer.pending) {
      if (pending.erase(id) == 0) return corrupt("a pending entry that is not its group's");
    }
  }
  return {};
}

void fill_group(const RdbStream::Group& parts, Stream& stream) {
  const std::uint64_t number =
      stream.add_group(parts.name, parts.state.last_id, parts.state.read_count).number;
  std::map<StreamId, std::uint64_t> owners;
  for (const RdbStream::Consumer& consumer : parts.consumers) {
    value::StreamConsumer added = stream.add_consumer(number, consumer.name, consumer.times.seen);
    added.active = consumer.times.active;
    stream.set_consumer(number, consumer.name, added);
    for (const StreamId id : consumer.pending) owners[id] = added.number;
  }
  for (const RdbStream::Pending& pending : parts.pending) {
    const auto owner = owners.find(pending.id);
    stream.put_pending(number, pending.id,
                       {.consumer = owner == owners.end() ? 0 : owner->second,
                        .delivered = pending.delivered,
                        .delivery_count = pending.delivery_count});
  }
}

// ---- Writing

void append_raw_id(StreamId id, std::string* out) {
  append_big_endian(id.ms, 8, out);
  append_big_endian(id.seq, 8, out);
}

void append_id(StreamId id, std::string* out) {
  append_length(id.ms, out);
  append_length(id.seq, out);
}

void append_millis(Millis millis, std::string* out) {
  append_little_endian(static_cast<std::uint64_t>(millis.count), 8, out);
}

/// A node as it grows.
class NodeWriter {
 public:
  NodeWriter(StreamId master, std::span<const Bytes> fields, std::size_t count) : master_(master) {
    for (std::size_t i = 0; i < fields.size(); i += 2) names_.emplace_back(fields[i]);
    listpack_.add(static_cast<std::int64_t>(count));
    listpack_.add(std::int64_t{0});
    listpack_.add(static_cast<std::int64_t>(names_.size()));
    for (const std::string& name : names_) listpack_.add(Bytes(name));
    listpack_.add(std::int64_t{0});
  }
  void add(StreamId id, std::span<const Bytes> fields) {
    const bool has_same_names = has_names_of(fields);
    listpack_.add(has_same_names ? kSameNames : std::int64_t{0});
    listpack_.add(static_cast<std::int64_t>(id.ms - master_.ms));
    listpack_.add(static_cast<std::int64_t>(id.seq - master_.seq));
    auto count = static_cast<std::int64_t>(3 + names_.size());
    if (!has_same_names) {
      listpack_.add(static_cast<std::int64_t>(fields.size() / 2));
      count = static_cast<std::int64_t>(4 + fields.size());
    }
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (!has_same_names || i % 2 == 1) listpack_.add(fields[i]);
    }
    listpack_.add(count);
  }
  const std::string& finish() { return listpack_.finish(); }

 private:
  bool has_names_of(std::span<const Bytes> fields) const {
    if (fields.size() != names_.size() * 2) return false;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (fields[i * 2] != names_[i]) return false;
    }
    return true;
  }

  StreamId master_;
  std::vector<std::string> names_;
  ListpackWriter listpack_;
};

/// How many entries from `first` on make a node.
std::size_t node_size(const Stream& stream, std::uint64_t first) {
  std::size_t count = 0;
  std::size_t bytes = 0;
  for (value::StreamEntries e = stream.entry_at(first); !e.is_at_end(); e.next()) {
    for (const Bytes word : e.fields()) bytes += word.size();
    if (count > 0 && bytes > kNodeBytes) break;
    if (++count == kEntriesPerNode) break;
  }
  return count;
}

void append_nodes(const Stream& stream, std::string* out) {
  std::string nodes;
  std::uint64_t node_count = 0;
  for (std::uint64_t first = 0; first < stream.length(); ++node_count) {
    const std::size_t count = node_size(stream, first);
    value::StreamEntries e = stream.entry_at(first);
    const StreamId master = e.id();
    NodeWriter node(master, e.fields(), count);
    for (std::size_t i = 0; i < count; ++i, e.next()) node.add(e.id(), e.fields());
    std::string key;
    append_raw_id(master, &key);
    append_string(key, &nodes);
    append_string(node.finish(), &nodes);
    first += count;
  }
  append_length(node_count, out);
  out->append(nodes);
}

void append_group(const Stream& stream, Bytes name, const value::StreamGroup& group,
                  std::string* out) {
  append_string(name, out);
  append_id(group.last_id, out);
  append_length(static_cast<std::uint64_t>(group.read_count), out);
  value::StreamWalk pending = stream.pending(group.number);
  append_length(pending.left(), out);
  for (; !pending.is_at_end(); pending.next()) {
    append_raw_id(pending.id(), out);
    append_millis(pending.pending().delivered, out);
    append_length(pending.pending().delivery_count, out);
  }
  std::vector<std::pair<std::string, value::StreamConsumer>> consumers;
  for (value::StreamWalk w = stream.consumers(group.number); !w.is_at_end(); w.next()) {
    consumers.emplace_back(w.name(), w.consumer());
  }
  append_length(consumers.size(), out);
  for (const auto& [consumer_name, consumer] : consumers) {
    append_string(consumer_name, out);
    append_millis(consumer.seen, out);
    value::StreamWalk owned = stream.owned(group.number, consumer.number);
    append_length(owned.left(), out);
    for (; !owned.is_at_end(); owned.next()) append_raw_id(owned.id(), out);
  }
}

}  // namespace

std::vector<Bytes> RdbStream::Entry::fields() const {
  if (names == nullptr) return {words.begin(), words.end()};
  std::vector<Bytes> fields;
  for (std::size_t i = 0; i < words.size(); ++i) {
    fields.emplace_back((*names)[i]);
    fields.emplace_back(words[i]);
  }
  return fields;
}

// ---- Reading

void read_stream(Reader& reader, unsigned version, RdbStream* stream) {
  for (std::uint64_t left = read_count(reader); left > 0 && !reader.has_failed(); --left) {
    const std::string key = read_string(reader);
    if (key.size() != 16) return reader.fail();
    Reader key_reader(key);
    read_node(reader, read_raw_id(key_reader), read_string(reader), stream);
  }
  stream->length = read_length(reader).value;
  value::StreamExtent& extent = stream->extent;
  extent.last_id = read_id(reader);
  if (version >= 2) {
    read_id(reader);  // that of the first entry
    extent.max_deleted_id = read_id(reader);
    extent.added_count = read_length(reader).value;
  } else {
    extent.added_count = stream->length;
    stream->has_read_counts = false;
  }
  for (std::uint64_t left = read_count(reader); left > 0 && !reader.has_failed(); --left) {
    read_group(reader, version, &stream->groups.emplace_back());
  }
}

Status check_stream(const RdbStream& stream) {
  if (stream.entries.size() != stream.length) return corrupt("a stream of another length");
  StreamId before;
  std::size_t shared_bytes = 0;
  for (const RdbStream::Entry& entry : stream.entries) {
    if (entry.id <= before) return corrupt("ids that do not ascend");
    if (entry.words.empty()) return corrupt("an entry without fields");
    before = entry.id;
    for (std::size_t i = 0; entry.names != nullptr && i < entry.names->size(); ++i) {
      const std::size_t size = (*entry.names)[i].size();
      if (size >= kSharedNameMin) shared_bytes += size;
    }
    if (shared_bytes > kSharedNamesMax) return corrupt("names too long for so many entries");
  }
  if (stream.extent.last_id < before) return corrupt("a stream's last id");
  std::set<std::string> names;
  for (const RdbStream::Group& group : stream.groups) {
    if (!names.insert(group.name).second) return corrupt("a group twice");
    TRY(check_group(group));
  }
  return {};
}

void fill_stream(const RdbStream& parts, Stream& stream) {
  for (const RdbStream::Entry& entry : parts.entries) {
    stream.append(entry.id, entry.fields());
  }
  value::StreamExtent& extent = stream.extent();
  extent.last_id = parts.extent.last_id;
  extent.max_deleted_id = parts.extent.max_deleted_id;
  extent.added_count = parts.extent.added_count;
  extent.counted_from = extent.added_count - std::min(extent.added_count, stream.length());
  for (const RdbStream::Group& group : parts.groups) {
    fill_group(group, stream);
    if (parts.has_read_counts) continue;
    value::StreamGroup estimated = *stream.find_group(group.name);
    const auto read = count_added_up_to(stream, estimated.last_id);
    if (read) estimated.read_count = static_cast<std::int64_t>(*read);
    stream.set_group(group.name, estimated);
  }
}

// ---- Writing

void append_stream(const Stream& stream, std::string* out) {
  const value::StreamExtent& extent = stream.extent();
  append_nodes(stream, out);
  append_length(stream.length(), out);
  append_id(extent.last_id, out);
  append_id(stream.length() > 0 ? stream.id_at(0) : StreamId{}, out);
  append_id(extent.max_deleted_id, out);
  append_length(extent.added_count, out);
  std::vector<std::pair<std::string, value::StreamGroup>> groups;
  for (value::StreamWalk w = stream.groups(); !w.is_at_end(); w.next()) {
    groups.emplace_back(w.name(), w.group());
  }
  append_length(groups.size(), out);
  for (const auto& [name, group] : groups) append_group(stream, name, group, out);
}

}  // namespace diskdb::types
