#include "value/long_string.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace diskdb::value {
namespace {

constexpr std::array<char, kChunkBytes> kZeros{};

}  // namespace

// ---- Reading

LongString::Parts LongString::parts(std::uint64_t offset, std::uint64_t size) const {
  ASSERT(offset + size <= this->size());
  return {*this, offset, size};
}

void LongString::copy_to(char* to, std::uint64_t offset, std::uint64_t size) const {
  for (Parts run = parts(offset, size); !run.is_at_end(); run.next()) {
    std::memcpy(to + (run.offset() - offset), run.bytes().data(), run.bytes().size());
  }
}

LongString::Parts::Parts(const LongString& string, std::uint64_t offset, std::uint64_t size)
    : chunk_bytes_(string.chunk_bytes()), offset_(offset), end_(offset + size) {
  if (is_at_end()) return;
  chunk_ = string.at(offset / chunk_bytes_);
  find_run();
}

// Within a chunk: the bytes it has, and then the zeros it lacks.
void LongString::Parts::find_run() {
  const std::size_t from = offset_ % chunk_bytes_;
  const std::size_t wanted = std::min<std::uint64_t>(chunk_bytes_ - from, end_ - offset_);
  const Bytes entry = chunk_->entry().substr(0, chunk_bytes_);
  is_zeros_ = from >= entry.size();
  bytes_ = is_zeros_ ? Bytes(kZeros.data(), wanted) : entry.substr(from, wanted);
}

void LongString::Parts::next() {
  offset_ += bytes_.size();
  if (is_at_end()) return;
  if (offset_ % chunk_bytes_ == 0) chunk_->next();
  find_run();
}

// ---- Changing

void LongString::grow(std::uint64_t size) {
  ASSERT(size >= this->size() && size <= kPageNumberMax);
  extent().bytes = size;
  const std::uint64_t chunk_count = object_->extent().chunk_count();
  if (count() < chunk_count) need_range(count(), count());  // the end stays in memory from then on
  while (count() < chunk_count) add_chunk({});
}

void LongString::write(std::uint64_t offset, Bytes bytes) {
  ASSERT(offset + bytes.size() <= size());
  while (!bytes.empty()) {
    const std::size_t from = offset % chunk_bytes();
    const Bytes part = bytes.substr(0, chunk_bytes() - from);
    write_in_chunk(offset / chunk_bytes(), from, part);
    offset += part.size();
    bytes.remove_prefix(part.size());
  }
}

void LongString::append(Bytes bytes) {
  ASSERT(size() + bytes.size() <= kPageNumberMax);
  const std::size_t from = size() % chunk_bytes();
  if (from != 0) {
    const Bytes part = bytes.substr(0, chunk_bytes() - from);
    if (!part.empty()) write_in_chunk(count() - 1, from, part);
    extent().bytes += part.size();
    bytes.remove_prefix(part.size());
  }
  if (bytes.empty()) return;
  need_range(count(), count());
  while (!bytes.empty()) {
    const Bytes chunk = bytes.substr(0, chunk_bytes());
    add_chunk(chunk);
    extent().bytes += chunk.size();
    bytes.remove_prefix(chunk.size());
  }
}

void LongString::copy_from(const LongString& source) {
  ASSERT(size() == 0 && chunk_bytes() == source.chunk_bytes());
  for (ElementCursor c = source.at(0); !c.is_at_end(); c.next()) add_chunk(c.entry());
  extent() = source.object().extent();
}

void LongString::write_in_chunk(std::uint64_t index, std::size_t offset, Bytes bytes) {
  need_range(index, index + 1);
  char* chunk = tree().grow_at(index, offset + bytes.size(), edit());
  std::memcpy(chunk + offset, bytes.data(), bytes.size());
}

void LongString::add_chunk(Bytes bytes) { tree().insert_at(count(), Entry::whole(bytes), edit()); }

}  // namespace diskdb::value
