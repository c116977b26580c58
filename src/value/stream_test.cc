// A stream against maps, with pages that come and go, and the bytes of its words.
#include "value/stream.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "value/object_testing.h"
#include "value/page_testing.h"

namespace diskdb::value {
namespace {

using Fields = std::vector<std::string>;

std::vector<Bytes> words_of(const Fields& fields) { return {fields.begin(), fields.end()}; }

struct Rig {
  Rig() {
    use.source = &pages;
    use.edit.epoch = 5;
    use.edit.watcher = &watcher;
    object = ObjectRef(Object::create_stream({.birth_slot = 7, .number = 1}, use.edit));
  }
  ~Rig() {
    while (!object->free_some(100)) {
    }
  }
  Stream stream() { return {*object, use}; }

  TestPages pages;
  NoWatcher watcher;
  ObjectUse use;
  ObjectRef object;
};

// ---- Bytes

TEST(StreamEntry, NumbersKeepTheirOrder) {
  const std::uint64_t numbers[] = {0,     1,     239,        240,        255,       256,
                                   65535, 65536, UINT32_MAX, 1ULL << 40, UINT64_MAX};
  std::string before;
  for (const std::uint64_t number : numbers) {
    std::string bytes;
    append_ordered(number, &bytes);
    EXPECT_TRUE(number == 0 || before < bytes) << number;
    Bytes left(bytes);
    EXPECT_EQ(take_ordered(&left), number);
    EXPECT_TRUE(left.empty());
    before = bytes;
  }
}

TEST(StreamEntry, HeadsKeepTheOrderOfSequenceNumbers) {
  const std::uint64_t numbers[] = {0, 1, 58, 59, 60, 61, 255, 256, 65536, 1ULL << 40, UINT64_MAX};
  std::string before;
  for (const std::uint64_t seq : numbers) {
    EXPECT_TRUE(seq == 0 || before < head_bound(seq)) << seq;
    for (const std::uint8_t names : std::initializer_list<std::uint8_t>{0, 1, 2, 255}) {
      for (const bool ends_in_text : {false, true}) {
        std::string bytes;
        append_head({.seq = seq, .names = names, .ends_in_text = ends_in_text}, &bytes);
        EXPECT_LE(head_bound(seq), bytes);
        before = std::max(before, bytes + "\xff");
        Bytes left(bytes);
        const EntryHead head = take_head(&left);
        EXPECT_TRUE(left.empty());
        EXPECT_EQ(head.seq, seq);
        EXPECT_EQ(head.names, names);
        EXPECT_EQ(head.ends_in_text, ends_in_text);
      }
    }
  }
}

TEST(StreamEntry, WordsComeBackAsTheyWere) {
  Fields words = {"",
                  "0",
                  "63",
                  "64",
                  "-1",
                  "127",
                  "128",
                  "-128",
                  "-129",
                  "007",
                  "+1",
                  "-0",
                  "1.5",
                  "x",
                  "32767",
                  "-32769",
                  "a\0b",
                  "9223372036854775807",
                  "12 ",
                  "-9223372036854775808",
                  "9223372036854775808",
                  "65536",
                  "16777216"};
  for (const std::size_t size : {126U, 127U, 128U, 255U, 256U, 65535U, 65536U, 100'000U}) {
    words.push_back(std::string(size, 'w'));
  }
  std::string packed;
  append_fields(words_of(words), true, false, &packed);
  StreamFields fields;
  if (words.size() % 2 == 1) words.push_back("even");
  packed.clear();
  append_fields(words_of(words), true, false, &packed);
  fields.decode(packed, nullptr, false);
  ASSERT_EQ(fields.words().size(), words.size());
  for (std::size_t i = 0; i < words.size(); ++i) EXPECT_EQ(fields.words()[i], words[i]) << i;
}

// The example of docs/format/store.md.
TEST(StreamEntry, GoldenBytes) {
  std::string bytes;
  for (const Bytes word : {Bytes("12"), Bytes("ab"), Bytes("-300"), Bytes("70000")}) {
    append_word(word, &bytes);
  }
  EXPECT_EQ(bytes, Bytes("\x0c\x42\x61\x62\xc1\xd4\xfe\xc2\x70\x11\x01", 11));
  bytes.clear();
  for (const std::uint64_t number : {5ULL, 239ULL, 240ULL, 70'000ULL})
    append_ordered(number, &bytes);
  const Bytes fields[] = {"a", "7", "b", "ab"};
  std::string entry;
  append_head({.seq = 2, .names = 1, .ends_in_text = ends_in_text(fields)}, &entry);
  append_fields(fields, false, true, &entry);
  EXPECT_EQ(entry, Bytes("\x0b\x07\x61\x62", 4));
  EXPECT_EQ(bytes, Bytes("\x05\xef\xf0\xf0\xf2\x01\x11\x70", 8));
}

TEST(StreamEntry, SmallWordsAreSmall) {
  const auto size_of = [](Bytes word) {
    std::string bytes;
    append_word(word, &bytes);
    return bytes.size();
  };
  EXPECT_EQ(size_of("7"), 1U);
  EXPECT_EQ(size_of("-100"), 2U);
  EXPECT_EQ(size_of("1700000000000"), 7U);
  EXPECT_EQ(size_of("twenty letters long."), 21U);
}

// Whatever the bytes are, nothing is read behind them.
TEST(StreamEntry, AnyBytesCanBeDecoded) {
  Numbers numbers(11);
  StreamFields fields;
  for (int i = 0; i < 20'000; ++i) {
    const std::string bytes = numbers.text(numbers.below(40));
    fields.decode(bytes, nullptr, numbers.below(2) == 0);
    EXPECT_LE(fields.words().size(), 2 * bytes.size() + 2);
    Bytes left(bytes);
    take_head(&left);
  }
}

// ---- Entries and groups

struct ModelGroup {
  StreamGroup group;
  std::map<std::string, StreamConsumer> consumers;
  std::map<StreamId, StreamPending> pending;
};

struct Model {
  std::map<StreamId, Fields> entries;
  std::map<std::string, ModelGroup> groups;
};

void expect_same_entries(const Stream& stream, const Model& model) {
  ASSERT_EQ(stream.length(), model.entries.size());
  auto expected = model.entries.begin();
  for (StreamEntries e = stream.entry_at(0); !e.is_at_end(); e.next(), ++expected) {
    ASSERT_EQ(e.id(), expected->first);
    const auto words = e.fields();
    ASSERT_EQ(Fields(words.begin(), words.end()), expected->second);
  }
  if (model.entries.empty()) return;
  auto backward = model.entries.rbegin();
  for (StreamEntries e = stream.entry_at(stream.length() - 1); !e.is_at_end(); e.previous()) {
    ASSERT_EQ(e.id(), (backward++)->first);
  }
  ASSERT_EQ(backward, model.entries.rend());
}

void expect_same_groups(const Stream& stream, const Model& model) {
  ASSERT_EQ(stream.group_count(), model.groups.size());
  auto expected = model.groups.begin();
  for (StreamWalk g = stream.groups(); !g.is_at_end(); g.next(), ++expected) {
    ASSERT_EQ(g.name(), expected->first);
    const StreamGroup group = g.group();
    const ModelGroup& other = expected->second;
    ASSERT_EQ(group.number, other.group.number);
    ASSERT_EQ(group.last_id, other.group.last_id);
    ASSERT_EQ(group.read_count, other.group.read_count);
    ASSERT_EQ(stream.consumer_count(group.number), other.consumers.size());
    auto consumer = other.consumers.begin();
    for (StreamWalk c = stream.consumers(group.number); !c.is_at_end(); c.next(), ++consumer) {
      ASSERT_EQ(c.name(), consumer->first);
      ASSERT_EQ(c.consumer().number, consumer->second.number);
      ASSERT_EQ(c.consumer().active, consumer->second.active);
    }
    ASSERT_EQ(stream.pending_count(group.number), other.pending.size());
    std::map<std::uint64_t, std::set<StreamId>> owned;
    auto pending = other.pending.begin();
    for (StreamWalk p = stream.pending(group.number); !p.is_at_end(); p.next(), ++pending) {
      ASSERT_EQ(p.id(), pending->first);
      ASSERT_EQ(p.pending().consumer, pending->second.consumer);
      ASSERT_EQ(p.pending().delivered, pending->second.delivered);
      ASSERT_EQ(p.pending().delivery_count, pending->second.delivery_count);
      owned[pending->second.consumer].insert(pending->first);
    }
    for (const auto& [name, one] : other.consumers) {
      std::set<StreamId> ids;
      for (StreamWalk o = stream.owned(group.number, one.number); !o.is_at_end(); o.next()) {
        ids.insert(o.id());
      }
      ASSERT_EQ(ids, owned[one.number]);
      ASSERT_EQ(stream.owned_count(group.number, one.number), ids.size());
    }
  }
}

class Player {
 public:
  explicit Player(std::uint64_t seed) : numbers_(seed) {}

  void step() {
    if (numbers_.below(40) == 0) rig.pages.store_and_evict(*rig.object, &rig.use);
    Stream stream = rig.stream();
    const std::size_t choice = numbers_.below(20);
    if (choice < 9) return append(stream);
    if (choice < 11) return erase_range(stream);
    const std::string name(1, static_cast<char>('a' + numbers_.below(3)));
    const auto group = stream.find_group(name);
    ASSERT_EQ(group.has_value(), model.groups.contains(name));
    if (!group) {
      model.groups[name].group = stream.add_group(name, {1, 2}, kUnknownReadCount);
      return;
    }
    change_group(stream, name, *group, choice);
  }

  Rig rig;
  Model model;

 private:
  void append(Stream& stream) {
    StreamId id = stream.extent().last_id;
    if (numbers_.below(3) == 0) id.ms += numbers_.below(1000);
    id.seq += 1 + numbers_.below(300);
    const std::size_t kind = numbers_.below(many_names ? 400 : 4);
    Fields fields;
    for (std::size_t i = 0; i <= numbers_.below(4); ++i) {
      fields.push_back("field" + std::to_string(kind + i));
      fields.push_back(numbers_.below(2) == 0 ? std::to_string(numbers_.below(100'000))
                                              : numbers_.text(numbers_.below(200)));
    }
    if (numbers_.below(200) == 0) fields[1] = numbers_.text(5000);
    stream.append(id, words_of(fields));
    model.entries[id] = fields;
    EXPECT_TRUE(stream.contains(id));
    EXPECT_EQ(stream.rank_behind(id), model.entries.size());
  }

  void erase_range(Stream& stream) {
    const std::uint64_t length = model.entries.size();
    std::uint64_t first = numbers_.below(3) == 0 ? 0 : numbers_.below(length + 1);
    std::uint64_t last =
        std::min(length, first + numbers_.below(numbers_.below(10) == 0 ? 500 : 4));
    if (numbers_.below(150) == 0) first = 0, last = length;
    if (first < last) {
      EXPECT_EQ(stream.rank(stream.id_at(first)), first);
    }
    stream.erase(first, last);
    model.entries.erase(std::next(model.entries.begin(), static_cast<std::ptrdiff_t>(first)),
                        std::next(model.entries.begin(), static_cast<std::ptrdiff_t>(last)));
  }

  void change_group(Stream& stream, const std::string& name, StreamGroup group,
                    std::size_t choice) {
    ModelGroup& other = model.groups[name];
    const std::string who = "consumer" + std::to_string(numbers_.below(4));
    auto consumer = stream.find_consumer(group.number, who);
    ASSERT_EQ(consumer.has_value(), other.consumers.contains(who));
    if (!consumer) {
      consumer = stream.add_consumer(group.number, who, Millis{123456789});
      other.consumers[who] = *consumer;
    }
    const StreamId id{numbers_.below(60), numbers_.below(400)};
    if (choice < 16) {
      for (std::uint64_t i = 0; i < 5; ++i) {
        const StreamPending pending{.consumer = numbers_.below(9) == 0 ? 0 : consumer->number,
                                    .delivered = {static_cast<std::int64_t>(numbers_.below(5000))},
                                    .delivery_count = numbers_.below(500)};
        stream.put_pending(group.number, {id.ms, id.seq + i}, pending);
        other.pending[{id.ms, id.seq + i}] = pending;
      }
    } else if (choice < 18) {
      const auto at = other.pending.lower_bound(id);
      const StreamId gone = at == other.pending.end() ? id : at->first;
      EXPECT_EQ(stream.erase_pending(group.number, gone), other.pending.erase(gone) == 1);
    } else if (choice == 18) {
      group.last_id = id;
      group.read_count = static_cast<std::int64_t>(numbers_.below(9));
      consumer->active = Millis{77};
      stream.set_group(name, group);
      stream.set_consumer(group.number, who, *consumer);
      other.group = group;
      other.consumers[who] = *consumer;
    } else if (numbers_.below(8) == 0) {
      stream.erase_group(name, group);
      model.groups.erase(name);
    } else if (numbers_.below(3) == 0) {
      stream.erase_consumer(group.number, who, *consumer);
      std::erase_if(other.pending,
                    [&](const auto& p) { return p.second.consumer == consumer->number; });
      other.consumers.erase(who);
    }
  }

  Numbers numbers_;

 public:
  bool many_names = false;
};

TEST(Stream, IsAMapWithGroups) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Player player(seed);
    player.many_names = seed % 3 == 0;
    for (int i = 0; i < 2500; ++i) {
      player.step();
      if (i % 250 != 249) continue;
      expect_same_entries(player.rig.stream(), player.model);
      expect_same_groups(player.rig.stream(), player.model);
      player.rig.stream().verify_invariants();
      if (::testing::Test::HasFailure()) return;
    }
    EXPECT_GT(player.rig.pages.load_count, 0U);
  }
}

TEST(Stream, ACopyIsTheSame) {
  Player player(5);
  for (int i = 0; i < 1500; ++i) player.step();
  player.rig.pages.store_and_evict(*player.rig.object, &player.rig.use);
  Rig rig;
  Stream copy = rig.stream();
  copy.copy_from(player.rig.stream());
  expect_same_entries(copy, player.model);
  expect_same_groups(copy, player.model);
  copy.verify_invariants();
  EXPECT_EQ(copy.extent().last_id, player.rig.stream().extent().last_id);
  EXPECT_EQ(copy.extent().added_count, player.rig.stream().extent().added_count);
}

TEST(Stream, WhatIsStoredMakesTheSameStream) {
  Player player(6);
  for (int i = 0; i < 800; ++i) player.step();
  Rig& rig = player.rig;
  rig.pages.store_and_evict(*rig.object, &rig.use);
  std::string encoded;
  append_object_root(rig.object->root(), &encoded);
  const auto root = decode_object_root(Layout::kStream, rig.object->id(), encoded);
  ASSERT_TRUE(root.ok());
  const auto made = Object::create_large(Layout::kStream, 0, root.value());
  ASSERT_TRUE(made.ok());
  while (!rig.object->free_some(100)) {
  }
  rig.object = ObjectRef(made.value());
  expect_same_entries(rig.stream(), player.model);
  expect_same_groups(rig.stream(), player.model);
  for (std::size_t size = 0; size < encoded.size(); ++size) {
    EXPECT_FALSE(decode_object_root(Layout::kStream, {1, 1}, encoded.substr(0, size)).ok());
  }
}

// One set of names for all, and integers as such.
TEST(Stream, AnEntryCostsLittleMoreThanItsValues) {
  Rig rig;
  Stream stream = rig.stream();
  const Bytes fields[] = {"temperature", "21", "humidity", "48", "device", "sensor-0001"};
  constexpr std::uint64_t kCount = 20'000;
  for (std::uint64_t i = 1; i <= kCount; ++i) stream.append({1'700'000'000'000 + i, 0}, fields);
  EXPECT_LT(rig.object->bytes() / kCount, 21U);  // 13 of values, 4 and 1 of the id, 1 of length
  stream.erase(0, kCount);
  rig.object->tree().free_graves(SIZE_MAX);
  EXPECT_LT(rig.object->bytes(), 12'000U);
  EXPECT_EQ(stream.length(), 0U);
}

}  // namespace
}  // namespace diskdb::value
