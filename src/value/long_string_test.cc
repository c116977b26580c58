// A long string against a std::string, with chunks of all sizes and pages that come and go.
#include "value/long_string.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "value/object_testing.h"
#include "value/page_testing.h"

namespace diskdb::value {
namespace {

struct Rig {
  explicit Rig(std::uint32_t chunk_bytes)
      : object(Object::create_string({.birth_slot = 7, .number = 1}, chunk_bytes)) {
    use.source = &pages;
    use.edit.epoch = 5;
    use.edit.watcher = &watcher;
  }
  ~Rig() {
    while (!object->free_some(100)) {
    }
  }
  LongString string() { return {*object, use}; }
  std::size_t page_count() {
    for (ElementCursor c(ObjectHandle(*object, use).at(0)); !c.is_at_end(); c.next()) {
    }
    return object->resident_page_count();
  }

  TestPages pages;
  NoWatcher watcher;
  ObjectUse use;
  ObjectRef object;
};

std::string text_of(const LongString& string, std::uint64_t offset, std::uint64_t size) {
  std::string text;
  for (LongString::Parts run = string.parts(offset, size); !run.is_at_end(); run.next()) {
    EXPECT_EQ(run.offset(), offset + text.size());
    EXPECT_FALSE(run.bytes().empty());
    if (!run.is_zeros()) {
      const SharedBytes block = run.block();
      EXPECT_TRUE(block.data() <= run.bytes().data() &&
                  run.bytes().data() + run.bytes().size() <= block.data() + block.size());
    }
    text += run.bytes();
  }
  return text;
}

// Chunks of a few bytes, so that many lie in a page and pages split and fill, and of a page each.
TEST(LongString, IsAString) {
  for (const std::uint32_t chunk_bytes : {1U, 7U, 30U, 100U, 1000U, kChunkBytes}) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
      SCOPED_TRACE("chunks of " + std::to_string(chunk_bytes) + ", seed " + std::to_string(seed));
      Numbers numbers(seed * 1000 + chunk_bytes);
      Rig rig(chunk_bytes);
      LongString string = rig.string();
      std::string model;
      const std::size_t size_max = chunk_bytes * 300;
      for (int i = 0; i < 1500; ++i) {
        const std::size_t offset = numbers.below(model.size() + 1);
        const std::size_t reach = numbers.below(3) == 0 ? 4 * chunk_bytes + 2 : 10;
        const std::size_t size = numbers.below(std::min(reach, model.size() - offset + 1));
        switch (numbers.below(6)) {
          case 0:
          case 1: {
            const std::string text = numbers.text(size);
            string.write(offset, text);
            model.replace(offset, size, text);
            break;
          }
          case 2: {
            const std::string text = numbers.text(numbers.below(reach));
            if (model.size() + text.size() > size_max) break;
            string.append(text);
            model += text;
            break;
          }
          case 3: {
            const std::size_t grown = model.size() + numbers.below(chunk_bytes * 40);
            if (numbers.below(8) != 0 || grown > size_max) break;
            string.grow(grown);
            model.resize(grown);
            break;
          }
          default:
            ASSERT_EQ(text_of(string, offset, size), model.substr(offset, size));
        }
        ASSERT_EQ(string.size(), model.size());
        if (numbers.below(40) == 0) rig.pages.store_and_evict(*rig.object, &rig.use);
        if (i % 100 == 0) rig.object->verify_invariants();
      }
      EXPECT_TRUE(text_of(string, 0, model.size()) == model);
      std::string copied(model.size(), '.');
      string.copy_to(copied.data(), 0, copied.size());
      EXPECT_TRUE(copied == model);
      rig.object->verify_invariants();
      EXPECT_GT(rig.pages.load_count, 0U);

      Rig other(chunk_bytes);
      LongString copy = other.string();
      copy.copy_from(string);
      EXPECT_TRUE(text_of(copy, 0, copy.size()) == model);
      other.object->verify_invariants();
    }
  }
}

TEST(LongString, AChunkFillsAPage) {
  Rig rig(kChunkBytes);
  const std::string text = std::string(1000 * std::size_t{kChunkBytes}, 'x');
  rig.string().append(text);
  // A thousand leaves of 4096 bytes, three inner pages and a root; frames and links beside them.
  EXPECT_EQ(rig.object->resident_page_count(), 1004U);
  EXPECT_NEAR(static_cast<double>(rig.object->bytes()), static_cast<double>(text.size()),
              static_cast<double>(text.size()) * 0.035);
}

TEST(LongString, ZerosTakeNoRoom) {
  Rig rig(kChunkBytes);
  LongString string = rig.string();
  string.grow(512ULL << 20U);
  EXPECT_EQ(string.size(), 512ULL << 20U);
  EXPECT_LT(rig.object->bytes(), 256U << 10U);
  string.write(300'000'000, "x");
  EXPECT_EQ(text_of(string, 299'999'999, 3), std::string("\0x\0", 3));
  EXPECT_LT(rig.object->bytes(), 256U << 10U);
  rig.object->verify_invariants();
}

TEST(LongString, ATouchedByteIsATouchedPage) {
  Rig rig(kChunkBytes);
  LongString string = rig.string();
  string.append(std::string(1000 * std::size_t{kChunkBytes}, 'x'));
  rig.pages.store_and_evict(*rig.object, &rig.use);
  while (rig.object->evict_some(SIZE_MAX, rig.use.edit.epoch - 1) > 0) {
  }
  EXPECT_EQ(rig.object->resident_page_count(), 0U);
  string.write(2'000'000, "y");
  EXPECT_EQ(rig.pages.load_count, 3U);  // the root, an inner page, the leaf
  std::vector<PageImage> images;
  Object::TakeCursor cursor;
  while (rig.object->take_dirty(rig.use.edit.epoch, 3, &cursor, &images)) {
  }
  EXPECT_EQ(images.size(), 1U);
  EXPECT_EQ(text_of(string, 1'999'999, 3), "xyx");
}

TEST(LongString, WritesTheExampleOfItsRoot) {
  const ObjectRoot root{
      .id = {.birth_slot = 12345, .number = 5},
      .tree = {.leaf_shape = {}, .levels = 2, .count = 18, .root = 3, .next_id = 20},
      .index = {},
      .string = StringExtent{.bytes = 70'000, .chunk_bytes = 4062}};
  std::string encoded;
  append_object_root(root, &encoded);
  const std::string example("\x06\x01\x00\x02\x12\x03\x14\x70\x11\x01\x00\x00\x00\x00\x00\xde\x0f",
                            17);
  EXPECT_EQ(encoded, example);
  auto read = decode_object_root(Layout::kChunks, root.id, example);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->string, root.string);
  EXPECT_EQ(read->tree, root.tree);

  // It is what a string of that size has.
  Rig rig(kChunkBytes);
  rig.string().append(std::string(70'000, 'x'));
  EXPECT_EQ(rig.object->root().tree, root.tree);
  EXPECT_EQ(rig.object->root().string, root.string);
}

TEST(LongString, WhatIsStoredMakesTheSameString) {
  Rig rig(100);
  LongString string = rig.string();
  string.append(std::string(5000, 'x'));
  string.grow(100'000);
  rig.pages.store_and_evict(*rig.object, &rig.use);
  std::string encoded;
  append_object_root(rig.object->root(), &encoded);
  const auto decoded = decode_object_root(Layout::kChunks, rig.object->id(), encoded);
  ASSERT_TRUE(decoded.ok());
  const auto made = Object::create_large(Layout::kChunks, 0, decoded.value());
  ASSERT_TRUE(made.ok());
  const ObjectRef again(made.value());
  EXPECT_EQ(again->extent(), rig.object->extent());
  EXPECT_EQ(text_of(LongString(*again, rig.use), 4990, 20),
            std::string(10, 'x') + std::string(10, 0));
  while (!again->free_some(10)) {
  }

  // Of other sizes than its chunks say, without a size, and for another type.
  for (const std::size_t at : {encoded.size() - 10, encoded.size() - 9, encoded.size() - 2}) {
    std::string damaged = encoded;
    damaged[at] = static_cast<char>(damaged[at] + 100);
    EXPECT_FALSE(decode_object_root(Layout::kChunks, rig.object->id(), damaged).ok()) << at;
  }
  EXPECT_FALSE(decode_object_root(Layout::kChunks, rig.object->id(),
                                  Bytes(encoded).substr(0, encoded.size() - 10))
                   .ok());
  const auto list = decode_object_root(Layout::kSequence, rig.object->id(), encoded);
  EXPECT_FALSE(list.ok() && Object::create_large(Layout::kSequence, 0, list.value()).ok());
  EXPECT_FALSE(Object::create_small(Layout::kChunks, 0, "garbage").ok());
}

}  // namespace
}  // namespace diskdb::value
