// keyspace/string_text.h — the bytes of a string value, whatever form its record has: as one run,
// copied only where they lie in pages or are an integer, or run by run.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "keyspace/record.h"
#include "value/long_string.h"

namespace diskdb::keyspace {

/// Room for a text that lies nowhere in one run.
struct StringScratch {
  IntegerText integer;
  std::string run;
};

/// The text of a string. Borrows `record` and `scratch`. Requires: a string.
inline Bytes text_of(const Record& record, const value::ObjectUse& reading,
                     StringScratch& scratch) {
  if (!record.is_paged()) [[likely]]
    return text_of(record.string(), scratch.integer);
  const value::LongString text(record.object(), reading);
  scratch.run.resize(text.size());
  text.copy_to(scratch.run.data(), 0, text.size());
  return scratch.run;
}

/// Of the text the bytes [offset, offset + size), as far as there are any. Of pages it touches
/// those that have them. Borrows as text_of(). Requires: a string.
inline Bytes text_in(const Record& record, std::uint64_t offset, std::uint64_t size,
                     const value::ObjectUse& reading, StringScratch& scratch) {
  const auto cut = [&](std::uint64_t length) {
    offset = std::min(offset, length);
    size = std::min(size, length - offset);
  };
  if (!record.is_paged()) [[likely]] {
    const Bytes text = text_of(record.string(), scratch.integer);
    cut(text.size());
    return text.substr(offset, size);
  }
  const value::LongString text(record.object(), reading);
  cut(text.size());
  value::LongString::Parts runs = text.parts(offset, size);
  if (runs.is_at_end()) return {};
  if (runs.bytes().size() == size) return runs.bytes();
  scratch.run.resize(size);
  for (; !runs.is_at_end(); runs.next()) {
    runs.bytes().copy(scratch.run.data() + (runs.offset() - offset), runs.bytes().size());
  }
  return scratch.run;
}

/// Calls visit(offset, run) for the runs of bytes that [offset, offset + size) is made of, in
/// order, until it returns false. Requires: they are there.
template <typename Visit>
void for_runs(const Record& record, std::uint64_t offset, std::uint64_t size,
              const value::ObjectUse& reading, Visit visit) {
  if (!record.is_paged()) {
    IntegerText scratch;
    visit(offset, text_of(record.string(), scratch).substr(offset, size));
    return;
  }
  const value::LongString text(record.object(), reading);
  for (value::LongString::Parts runs = text.parts(offset, size); !runs.is_at_end(); runs.next()) {
    if (!visit(runs.offset(), runs.bytes())) return;
  }
}

}  // namespace diskdb::keyspace
