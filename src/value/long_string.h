// value/long_string.h — a long string as an object of pages: chunks in order, of which a change
// touches those it reaches, in memory and in the next checkpoint.
//
// Problem: a string that is one run of bytes comes into memory, is copied for a reply that outlives
// its change, and goes into a checkpoint as a whole, whichever byte was meant. Idea: cut it into
// chunks of equal size, each as long as fills a page, and keep these in a counted tree by position:
// byte `b` lies in chunk `b / chunk_bytes`, O(log n) away; appending and overwriting never move
// what lies behind. What a chunk lacks at its end is zero, and a chunk of nothing but zeros is
// empty: so a bitmap of 512 MB with three bits set costs some pages of empty chunks, and growing a
// string writes nothing.
//
// Strings never shrink but by being set anew, so there is no way to cut one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "value/object.h"

namespace diskdb::value {

/// A string in pages. The object's extent() has its size.
class LongString : public ObjectHandle {
 public:
  LongString(Object& object, const ObjectUse& use) : ObjectHandle(object, use) {
    ASSERT_SLOW(object.layout() == Layout::kChunks);
  }

  std::uint64_t size() const { return object_->extent().bytes; }

  class Parts;
  /// The bytes [offset, offset + size) in their order. Requires: they are there. Cost: O(log n) for
  /// the first, and for each after a cold page.
  Parts parts(std::uint64_t offset, std::uint64_t size) const;
  /// Copies them.
  void copy_to(char* to, std::uint64_t offset, std::uint64_t size) const;

  // ---- `bytes` must not lie in this object.

  /// New bytes are zero. Requires: size >= this->size(), below 2^48. Cost: some ns a chunk.
  void grow(std::uint64_t size);
  /// Requires: offset + bytes.size() <= size().
  void write(std::uint64_t offset, Bytes bytes);
  void append(Bytes bytes);
  /// Requires: this one has no bytes, and chunks of the same size.
  void copy_from(const LongString& source);

 private:
  std::uint32_t chunk_bytes() const { return object_->extent().chunk_bytes; }
  StringExtent& extent() { return object_->trees_->extent; }
  void write_in_chunk(std::uint64_t index, std::size_t offset, Bytes bytes);
  void add_chunk(Bytes bytes);
};

/// Goes through a range of bytes by the runs they lie in. Valid until the string is next changed,
/// or another cursor of it moves.
class LongString::Parts {
 public:
  bool is_at_end() const { return offset_ == end_; }

  // ---- Requires: !is_at_end().

  /// Never empty.
  Bytes bytes() const { return bytes_; }
  /// Where in the string they begin.
  std::uint64_t offset() const { return offset_; }
  /// They are zeros that lie nowhere in the object.
  bool is_zeros() const { return is_zeros_; }
  /// The block in which bytes() lie, for who needs them longer. Requires: !is_zeros().
  SharedBytes block() const { return chunk_->block(); }
  void next();

 private:
  friend class LongString;
  Parts(const LongString& string, std::uint64_t offset, std::uint64_t size);
  void find_run();

  std::uint32_t chunk_bytes_;
  std::uint64_t offset_;
  std::uint64_t end_;
  std::optional<ElementCursor> chunk_;  ///< that of offset_
  Bytes bytes_;
  bool is_zeros_ = false;
};

}  // namespace diskdb::value
