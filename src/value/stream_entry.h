// value/stream_entry.h — how entries of a stream, and numbers beside them, are put into bytes
// (docs/format/store.md, "Streams").
//
// Problem: an entry of a stream is a few short words, and its field names are mostly those of the
// entry before. Redis packs a hundred entries into one listpack and names fields once in each. Here
// each entry stands by itself in the tree, so that ranges and deletions stay O(log n), and must be
// as small. Idea: names are said once in a stream and then by a byte, or by a bit if they are those
// of its first entry; that bit shares a byte with a small sequence number; a value has one byte
// before it and none behind, and the last, if it is a text, not even that; what spells an integer
// is kept as one.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace diskdb::value {

/// Appends a number so that the bytes are in the order of the numbers. Below 240 it is one byte.
void append_ordered(std::uint64_t number, std::string* out);
/// Takes a number off the front. Of bytes that are none: 0, and nothing is left.
std::uint64_t take_ordered(Bytes* bytes);

/// Appends a field's name or value.
void append_word(Bytes word, std::string* out);
/// Takes a word off the front; an integer's text is appended to `digits`, which has room for it and
/// does not move. Of bytes that are none: empty, and nothing is left.
Bytes take_word(Bytes* bytes, std::string* digits);

/// The number of the set of names that the first entry has.
constexpr std::uint8_t kFirstNames = 1;

/// What an entry begins with: its sequence number, in bytes of that order, and how to read the
/// rest.
struct EntryHead {
  std::uint64_t seq = 0;
  std::uint8_t names = 0;     ///< number of the set of names; 0: they stand in the entry
  bool ends_in_text = false;  ///< the last word is what is left of the entry
};
void append_head(const EntryHead& head, std::string* out);
/// Takes it off the front. Of bytes that are none: zeros, and nothing is left.
EntryHead take_head(Bytes* bytes);
/// What all heads with this sequence number, and larger ones, are not below.
std::string head_bound(std::uint64_t seq);

/// The names of the fields: every second word of `fields`, from the first on.
void append_names(std::span<const Bytes> fields, std::string* out);

/// The fields of one entry, taken apart.
class StreamFields {
 public:
  /// Name, value, name, value, ... Borrowed until the next decode, and from what that was given.
  std::span<const Bytes> words() const { return words_; }
  /// `packed`: behind the head. `names`: null if the names stand there, too.
  void decode(Bytes packed, const std::vector<Bytes>* names, bool ends_in_text);

 private:
  std::vector<Bytes> words_;
  std::string digits_;
};

/// Appends what decode() takes apart. `ends_in_text`: as ends_in_text() says, or false.
void append_fields(std::span<const Bytes> fields, bool with_names, bool ends_in_text,
                   std::string* out);
/// Is the last word no integer's text? Then it needs no length.
bool ends_in_text(std::span<const Bytes> fields);

}  // namespace diskdb::value
