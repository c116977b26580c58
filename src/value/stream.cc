#include "value/stream.h"

#include <algorithm>
#include <cstring>

namespace diskdb::value {
namespace {

// What is in the state, in its order. Persisted. Of the stream itself:
enum class Kind : std::uint8_t {
  kNothing = 0,
  kNames = 1,
  kNumbers = 2,
  kGroup = 3,
  kMemory = 4,
  kProducer = 5,
  kMessage = 6,
  kMessageOrder = 7,
  kEnd = 8,
};
// and of a group:
enum class GroupKind : std::uint8_t { kConsumer = 1, kConsumerName = 2, kPending = 3, kOwned = 4 };

constexpr std::uint64_t kNameSetsMax = 255;
constexpr std::size_t kNamesBytesMax = 1024;
constexpr std::uint8_t kNamesInEntry = 0;

constexpr PageKey key_of(Kind kind, std::uint64_t low = 0) {
  return {static_cast<std::uint64_t>(kind), low};
}
constexpr PageKey key_of(std::uint64_t group, GroupKind kind, std::uint64_t low = 0) {
  return {group << 8U | static_cast<std::uint64_t>(kind), low};
}
/// Behind all of that kind.
constexpr PageKey key_behind(std::uint64_t group, GroupKind kind) {
  return {(group << 8U | static_cast<std::uint64_t>(kind)) + 1, 0};
}

std::string ordered(std::uint64_t number) {
  std::string bytes;
  append_ordered(number, &bytes);
  return bytes;
}

std::uint64_t big_endian(Bytes bytes) {
  std::uint64_t number = 0;
  for (const char c : bytes.substr(0, 8)) number = number << 8U | static_cast<unsigned char>(c);
  return number;
}

Millis take_millis(Bytes* bytes) { return {static_cast<std::int64_t>(take_ordered(bytes))}; }
void append_millis(Millis millis, std::string* out) {
  append_ordered(static_cast<std::uint64_t>(std::max<std::int64_t>(millis.count, 0)), out);
}

std::string encode(const StreamGroup& group) {
  std::string bytes;
  append_ordered(group.number, &bytes);
  append_ordered(group.last_id.ms, &bytes);
  append_ordered(group.last_id.seq, &bytes);
  append_ordered(static_cast<std::uint64_t>(group.read_count + 1), &bytes);
  return bytes;
}

StreamGroup decode_group(Bytes bytes) {
  StreamGroup group;
  group.number = take_ordered(&bytes);
  group.last_id.ms = take_ordered(&bytes);
  group.last_id.seq = take_ordered(&bytes);
  group.read_count = static_cast<std::int64_t>(take_ordered(&bytes) - 1);
  return group;
}

std::string encode(const StreamConsumer& consumer) {
  std::string bytes;
  append_ordered(consumer.number, &bytes);
  append_millis(consumer.seen, &bytes);
  if (consumer.active) append_millis(*consumer.active, &bytes);
  return bytes;
}

StreamConsumer decode_consumer(Bytes bytes) {
  StreamConsumer consumer;
  consumer.number = take_ordered(&bytes);
  consumer.seen = take_millis(&bytes);
  if (!bytes.empty()) consumer.active = take_millis(&bytes);
  return consumer;
}

std::string encode(const StreamPending& pending) {
  std::string bytes;
  append_ordered(pending.consumer, &bytes);
  append_millis(pending.delivered, &bytes);
  append_ordered(pending.delivery_count, &bytes);
  return bytes;
}

StreamPending decode_pending(Bytes bytes) {
  StreamPending pending;
  pending.consumer = take_ordered(&bytes);
  pending.delivered = take_millis(&bytes);
  pending.delivery_count = take_ordered(&bytes);
  return pending;
}

}  // namespace

// ---- StreamWalk

StreamWalk::StreamWalk(Object& object, const ObjectUse& use, std::uint64_t position,
                       std::uint64_t end)
    : object_(&object), use_(&use), position_(std::min(position, end)), end_(end) {
  if (!is_at_end()) enter();
}

void StreamWalk::enter() {
  CountedTree& state = object_->trees_->stream->state;
  std::vector<MissingPage> missing;
  for (;;) {
    missing.clear();
    state.missing_in(position_, position_ + 1, 1, &missing);
    if (missing.empty()) break;
    use_->source->load(*object_, missing[0]);
  }
  in_tree_ = state.at(position_);
}

void StreamWalk::next() {
  ++position_;
  if (is_at_end()) return;
  in_tree_->next();
  if (in_tree_->is_cold()) enter();
}

StreamGroup StreamWalk::group() const { return decode_group(pair().value); }
StreamConsumer StreamWalk::consumer() const { return decode_consumer(pair().value); }
StreamPending StreamWalk::pending() const { return decode_pending(pair().value); }

StreamId StreamWalk::id() const {
  const PageKey key = in_tree_->key();
  Bytes tail = pair().key;
  if ((key.high & 255U) == static_cast<std::uint64_t>(GroupKind::kPending)) {
    return {key.low, take_ordered(&tail)};
  }
  const std::uint64_t ms = big_endian(tail);
  tail.remove_prefix(std::min<std::size_t>(8, tail.size()));
  return {ms, take_ordered(&tail)};
}

// ---- StreamEntries

StreamId StreamEntries::id() const {
  Bytes entry = cursor_.entry();
  return {cursor_.key(), take_head(&entry).seq};
}

std::span<const Bytes> StreamEntries::fields() {
  Bytes entry = cursor_.entry();
  const EntryHead head = take_head(&entry);
  fields_.decode(entry, head.names == kNamesInEntry ? nullptr : &names(head.names),
                 head.ends_in_text);
  return fields_.words();
}

const std::vector<Bytes>& StreamEntries::names(std::uint8_t number) {
  Names& names = names_at(number);
  if (!names.words.empty()) return names.words;
  // Pages of the other tree alone are loaded: the cursor stays.
  const Bytes packed = stream_->find_names(number).value_or(Bytes());
  names.bytes.reserve(packed.size() * 21);  // of an integer a byte may become 20 behind them all
  names.bytes = packed;
  Bytes left = Bytes(names.bytes);
  while (!left.empty()) names.words.push_back(take_word(&left, &names.bytes));
  return names.words;
}

StreamEntries::Names& StreamEntries::names_at(std::uint8_t number) {
  if (number == kFirstNames) return first_names_;
  if (other_names_.size() <= number) other_names_.resize(number + 1U);
  std::unique_ptr<Names>& names = other_names_[number];
  if (names == nullptr) names = std::make_unique<Names>();
  return *names;
}

// ---- Places in the state

Stream::Place Stream::names_place(std::uint64_t number) {
  return {key_of(Kind::kNames, number), {}};
}

Stream::Place Stream::group_place(Bytes name) { return {key_of(Kind::kGroup), std::string(name)}; }

Stream::Place Stream::consumer_place(std::uint64_t group, Bytes name) {
  return {key_of(group, GroupKind::kConsumer), std::string(name)};
}

Stream::Place Stream::consumer_name_place(std::uint64_t group, std::uint64_t consumer) {
  return {key_of(group, GroupKind::kConsumerName, consumer), {}};
}

Stream::Place Stream::pending_place(std::uint64_t group, StreamId id) {
  return {key_of(group, GroupKind::kPending, id.ms), ordered(id.seq)};
}

Stream::Place Stream::owned_place(std::uint64_t group, std::uint64_t consumer, StreamId id) {
  std::string tail(8, '\0');
  for (unsigned i = 0; i < 8; ++i) tail[7 - i] = static_cast<char>(id.ms >> (8 * i));
  append_ordered(id.seq, &tail);
  return {key_of(group, GroupKind::kOwned, consumer), tail};
}

std::optional<Bytes> Stream::find(const Place& place) const {
  need([&] { return state().missing_for(place.key, place.tail); });
  const CountedTree::Cursor found = state().find(place.key, place.tail, fingers());
  if (found.is_at_end()) return std::nullopt;
  return found.pair().value;
}

bool Stream::put(const Place& place, Bytes value, std::string* replaced) {
  need([&] { return state().missing_for(place.key, place.tail); });
  return state().put(place.key, Entry::pair(place.tail, value), edit(), replaced);
}

bool Stream::erase(const Place& place, std::string* erased) {
  need([&] { return state().missing_to_erase(place.key, place.tail); });
  return state().erase(place.key, place.tail, edit(), erased);
}

std::uint64_t Stream::rank_of(const Place& place) const {
  need([&] { return state().missing_for(place.key, place.tail); });
  return state().rank(place.key, place.tail);
}

std::uint64_t Stream::rank_of(PageKey key) const {
  need([&] { return state().missing_for(key, {}); });
  return state().rank(key, {});
}

/// What stands from `first` to before `last`.
void Stream::erase_state(PageKey first, PageKey last) {
  const std::uint64_t begin = rank_of(first);
  const std::uint64_t end = rank_of(last);
  std::vector<MissingPage> missing;
  for (;;) {
    missing.clear();
    state().missing_for_erase(begin, end, 1, &missing);
    if (missing.empty()) break;
    use_->source->load(*object_, missing[0]);
  }
  state().erase_range(begin, end, edit());
}

// ---- Entries

std::uint64_t Stream::rank(StreamId id) const {
  const std::string tail = head_bound(id.seq);
  need([&] { return tree().missing_for({id.ms, 0}, tail); });
  return tree().rank({id.ms, 0}, tail) - 1;
}

std::uint64_t Stream::rank_behind(StreamId id) const {
  if (id == kLastStreamId) return length();
  return rank(id.seq == UINT64_MAX ? StreamId{id.ms + 1, 0} : StreamId{id.ms, id.seq + 1});
}

void Stream::append(StreamId id, std::span<const Bytes> fields) {
  ASSERT(id > extent().last_id);
  const std::uint8_t names = number_of_names(fields);
  const EntryHead head{.seq = id.seq, .names = names, .ends_in_text = value::ends_in_text(fields)};
  std::string entry;
  append_head(head, &entry);
  append_fields(fields, names == kNamesInEntry, head.ends_in_text, &entry);
  need([&] { return tree().missing_for({id.ms, 0}, entry); });
  tree().insert_last({id.ms, 0}, Entry::whole(entry), edit());
  extent().last_id = id;
  ++extent().added_count;
}

// Those of the first entry, which most have, stand before all else in the state.
std::optional<Bytes> Stream::find_names(std::uint64_t number) const {
  if (number != kFirstNames || !state().is_whole() || state().count() < 2) {
    return find(names_place(number));
  }
  const CountedTree::Cursor first = state().at(1);
  return first.key() == names_place(number).key ? std::optional(first.pair().value) : std::nullopt;
}

// A set is found by its names, and by its number when entries are read.
std::uint8_t Stream::number_of_names(std::span<const Bytes> fields) {
  std::string packed;
  append_names(fields, &packed);
  if (packed.size() > kNamesBytesMax) return kNamesInEntry;
  if (extent().next_names > kFirstNames && find_names(kFirstNames) == packed) return kFirstNames;
  const Place place{key_of(Kind::kNumbers, member_hash(packed)), packed};
  if (const auto number = find(place)) {
    Bytes bytes = *number;
    return static_cast<std::uint8_t>(take_ordered(&bytes));
  }
  if (extent().next_names > kNameSetsMax) return kNamesInEntry;
  const std::uint64_t number = extent().next_names++;
  put(place, ordered(number));
  put(names_place(number), packed);
  return static_cast<std::uint8_t>(number);
}

void Stream::erase(std::uint64_t first, std::uint64_t last) {
  ASSERT(first <= last && last <= length());
  if (first == last) return;
  need_for_erase(first + 1, last + 1);
  tree().erase_range(first + 1, last + 1, edit());
  if (length() > 0) return;
  erase_state(key_of(Kind::kNames), key_of(Kind::kGroup));
  extent().next_names = 1;
  extent().counted_from = extent().added_count;
}

void Stream::copy_from(const Stream& source) {
  for (StreamEntries e = source.entry_at(0); !e.is_at_end(); e.next()) append(e.id(), e.fields());
  const std::uint64_t next_names = extent().next_names;
  for (StreamWalk groups = source.groups(); !groups.is_at_end(); groups.next()) {
    copy_group(source, groups.name(), groups.group());
  }
  extent() = source.extent();
  extent().next_names = next_names;
  copy_memory(source);
}

// Numbers stay.
void Stream::copy_group(const Stream& source, Bytes name, const StreamGroup& group) {
  const std::uint64_t number = group.number;
  set_group(name, group);
  for (StreamWalk walk = source.consumers(number); !walk.is_at_end(); walk.next()) {
    const StreamConsumer consumer = walk.consumer();
    set_consumer(number, walk.name(), consumer);
    put(consumer_name_place(number, consumer.number), walk.name());
  }
  for (StreamWalk walk = source.pending(number); !walk.is_at_end(); walk.next()) {
    put_pending(number, walk.id(), walk.pending());
  }
}

// ---- Groups

std::uint64_t Stream::group_count() const { return groups().left(); }

StreamWalk Stream::groups() const {
  return walk(rank_of(key_of(Kind::kGroup)), rank_of(key_of(Kind::kMemory)));
}

std::optional<StreamGroup> Stream::find_group(Bytes name) const {
  const auto value = find(group_place(name));
  return value ? std::optional(decode_group(*value)) : std::nullopt;
}

StreamGroup Stream::add_group(Bytes name, StreamId last_id, std::int64_t read_count) {
  const StreamGroup group{
      .number = extent().next_group++, .last_id = last_id, .read_count = read_count};
  set_group(name, group);
  return group;
}

void Stream::set_group(Bytes name, const StreamGroup& group) {
  put(group_place(name), encode(group));
}

void Stream::erase_group(Bytes name, const StreamGroup& group) {
  erase_state(key_of(group.number, GroupKind{}), key_of(group.number + 1, GroupKind{}));
  erase(group_place(name));
}

// ---- Consumers

std::uint64_t Stream::consumer_count(std::uint64_t group) const { return consumers(group).left(); }

StreamWalk Stream::consumers(std::uint64_t group) const {
  return walk(rank_of(key_of(group, GroupKind::kConsumer)),
              rank_of(key_behind(group, GroupKind::kConsumer)));
}

std::optional<StreamConsumer> Stream::find_consumer(std::uint64_t group, Bytes name) const {
  const auto value = find(consumer_place(group, name));
  return value ? std::optional(decode_consumer(*value)) : std::nullopt;
}

StreamConsumer Stream::add_consumer(std::uint64_t group, Bytes name, Millis seen) {
  const StreamConsumer consumer{.number = extent().next_consumer++, .seen = seen};
  set_consumer(group, name, consumer);
  put(consumer_name_place(group, consumer.number), name);
  return consumer;
}

void Stream::set_consumer(std::uint64_t group, Bytes name, const StreamConsumer& consumer) {
  put(consumer_place(group, name), encode(consumer));
}

void Stream::erase_consumer(std::uint64_t group, Bytes name, const StreamConsumer& consumer) {
  std::vector<StreamId> ids;
  for (StreamWalk w = owned(group, consumer.number); !w.is_at_end(); w.next()) {
    ids.push_back(w.id());
  }
  for (const StreamId id : ids) erase(pending_place(group, id));
  erase_state(key_of(group, GroupKind::kOwned, consumer.number),
              key_of(group, GroupKind::kOwned, consumer.number + 1));
  erase(consumer_name_place(group, consumer.number));
  erase(consumer_place(group, name));
}

std::string Stream::consumer_name(std::uint64_t group, std::uint64_t consumer) const {
  return std::string(find(consumer_name_place(group, consumer)).value_or(Bytes()));
}

// ---- Pending entries

std::uint64_t Stream::pending_count(std::uint64_t group) const {
  return rank_of(key_behind(group, GroupKind::kPending)) -
         rank_of(key_of(group, GroupKind::kPending));
}

std::uint64_t Stream::owned_count(std::uint64_t group, std::uint64_t consumer) const {
  return rank_of(key_of(group, GroupKind::kOwned, consumer + 1)) -
         rank_of(key_of(group, GroupKind::kOwned, consumer));
}

StreamWalk Stream::pending(std::uint64_t group, StreamId from) const {
  return walk(rank_of(pending_place(group, from)), rank_of(key_behind(group, GroupKind::kPending)));
}

StreamWalk Stream::owned(std::uint64_t group, std::uint64_t consumer, StreamId from) const {
  return walk(rank_of(owned_place(group, consumer, from)),
              rank_of(key_of(group, GroupKind::kOwned, consumer + 1)));
}

StreamId Stream::last_pending(std::uint64_t group) const {
  const std::uint64_t end = rank_of(key_behind(group, GroupKind::kPending));
  return walk(end - 1, end).id();
}

std::optional<StreamPending> Stream::find_pending(std::uint64_t group, StreamId id) const {
  const auto value = find(pending_place(group, id));
  return value ? std::optional(decode_pending(*value)) : std::nullopt;
}

void Stream::put_pending(std::uint64_t group, StreamId id, const StreamPending& pending) {
  std::string old;
  const bool is_new = put(pending_place(group, id), encode(pending), &old);
  const std::uint64_t owner = is_new ? 0 : decode_pending(old).consumer;
  if (owner == pending.consumer) return;
  if (owner != 0) erase(owned_place(group, owner, id));
  if (pending.consumer != 0) put(owned_place(group, pending.consumer, id), {});
}

bool Stream::erase_pending(std::uint64_t group, StreamId id) {
  std::string old;
  if (!erase(pending_place(group, id), &old)) return false;
  const std::uint64_t owner = decode_pending(old).consumer;
  if (owner != 0) erase(owned_place(group, owner, id));
  return true;
}

// ---- Producers

std::optional<StreamMemory> Stream::memory() const {
  const auto value = find({key_of(Kind::kMemory), {}});
  if (!value) return std::nullopt;
  Bytes bytes = *value;
  StreamMemory memory;
  for (std::uint64_t* number : {&memory.seconds, &memory.messages_max, &memory.remembered_count,
                                &memory.repeated_count, &memory.next_number}) {
    *number = take_ordered(&bytes);
  }
  return memory;
}

void Stream::set_memory(const StreamMemory& memory) {
  std::string bytes;
  for (const std::uint64_t number : {memory.seconds, memory.messages_max, memory.remembered_count,
                                     memory.repeated_count, memory.next_number}) {
    append_ordered(number, &bytes);
  }
  put({key_of(Kind::kMemory), {}}, bytes);
}

std::uint64_t Stream::producer_count() const {
  return rank_of(key_of(Kind::kMessage)) - rank_of(key_of(Kind::kProducer));
}

std::uint64_t Stream::message_count() const {
  return rank_of(key_of(Kind::kMessageOrder)) - rank_of(key_of(Kind::kMessage));
}

std::optional<std::uint64_t> Stream::find_producer(Bytes name) const {
  const auto value = find({key_of(Kind::kProducer), std::string(name)});
  if (!value) return std::nullopt;
  Bytes bytes = *value;
  return take_ordered(&bytes);
}

std::optional<StreamMessage> Stream::find_message(Bytes producer, Bytes message) const {
  const auto number = find_producer(producer);
  if (!number) return std::nullopt;
  const auto value = find({key_of(Kind::kMessage, *number), std::string(message)});
  if (!value) return std::nullopt;
  Bytes bytes = *value;
  StreamMessage found;
  found.id.ms = take_ordered(&bytes);
  found.id.seq = take_ordered(&bytes);
  found.since = take_millis(&bytes);
  found.number = take_ordered(&bytes);
  return found;
}

void Stream::remember(Bytes producer, Bytes message, StreamId id, Millis now,
                      StreamMemory* memory) {
  auto owner = find_producer(producer);
  if (!owner) {
    owner = memory->next_number++;
    put({key_of(Kind::kProducer), std::string(producer)}, ordered(*owner));
  }
  if (const auto old = find_message(producer, message)) {
    erase({key_of(Kind::kMessageOrder, *owner), ordered(old->number)});
  }
  const std::uint64_t number = memory->next_number++;
  std::string bytes = ordered(id.ms) + ordered(id.seq);
  append_millis(now, &bytes);
  append_ordered(number, &bytes);
  put({key_of(Kind::kMessage, *owner), std::string(message)}, bytes);
  put({key_of(Kind::kMessageOrder, *owner), ordered(number)}, message);
}

void Stream::forget_some(Bytes producer, Millis before, std::uint64_t messages_max) {
  const Place place{key_of(Kind::kProducer), std::string(producer)};
  const std::uint64_t begin = rank_of(key_of(Kind::kProducer));
  const std::uint64_t count = producer_count();
  // The one behind it, or the first: so all are looked at in turn if all send.
  std::string other;
  if (count > 1) {
    const std::uint64_t behind = (rank_of(place) - begin + 1) % count;
    other = walk(begin + behind, begin + count).name();
  }
  if (const auto number = find_producer(producer)) {
    forget_of(producer, *number, before, messages_max);
  }
  if (other.empty() || other == producer) return;
  if (const auto number = find_producer(other)) forget_of(other, *number, before, messages_max);
}

void Stream::forget_of(Bytes name, std::uint64_t producer, Millis before,
                       std::uint64_t messages_max) {
  const PageKey first = key_of(Kind::kMessageOrder, producer);
  for (;;) {
    const std::uint64_t begin = rank_of(first);
    const std::uint64_t end = rank_of(key_of(Kind::kMessageOrder, producer + 1));
    if (begin == end) {
      erase({key_of(Kind::kProducer), std::string(name)});
      return;
    }
    const StreamWalk oldest = walk(begin, end);
    const std::string order(oldest.name());
    const std::string message(oldest.pair().value);
    const auto found = find_message(name, message);
    if (found && end - begin <= messages_max && found->since >= before) return;
    erase({key_of(Kind::kMessage, producer), message});
    erase({first, order});
  }
}

void Stream::forget_all() { erase_state(key_of(Kind::kProducer), key_of(Kind::kEnd)); }

void Stream::copy_memory(const Stream& source) {
  const auto memory = source.memory();
  if (!memory) return;
  set_memory(*memory);
  const std::uint64_t begin = source.rank_of(key_of(Kind::kProducer));
  const std::uint64_t end = source.rank_of(key_of(Kind::kEnd));
  for (StreamWalk things = source.walk(begin, end); !things.is_at_end(); things.next()) {
    put({things.in_tree_->key(), std::string(things.name())}, things.pair().value);
  }
}

// ---- Invariants

void Stream::verify_invariants() const {
  object_->verify_invariants();
  if (!state().is_whole()) return;
  for (StreamWalk g = groups(); !g.is_at_end(); g.next()) {
    const StreamGroup group = g.group();
    ASSERT(group.number < extent().next_group);
    std::uint64_t owned_together = 0;
    for (StreamWalk c = consumers(group.number); !c.is_at_end(); c.next()) {
      const StreamConsumer consumer = c.consumer();
      ASSERT(consumer.number < extent().next_consumer);
      ASSERT(consumer_name(group.number, consumer.number) == c.name());
      owned_together += owned_count(group.number, consumer.number);
    }
    for (StreamWalk p = pending(group.number); !p.is_at_end(); p.next()) {
      const StreamPending pending = p.pending();
      if (pending.consumer == 0) {
        ++owned_together;
      } else {
        ASSERT(find(owned_place(group.number, pending.consumer, p.id())).has_value());
      }
    }
    ASSERT(owned_together == pending_count(group.number));
  }
}

}  // namespace diskdb::value
