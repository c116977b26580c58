// Any bytes as a DUMP payload's value: it is refused, or is a value whose elements are all there.
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "types/rdb.h"

namespace diskdb::types {
namespace {

/// All pages of what is made here are in memory.
struct NoPages final : value::PageSource {
  void load(value::Object&, const value::MissingPage&) override { ASSERT(false); }
  value::ObjectId next_id() override { return {.birth_slot = 1, .number = 1}; }
};

void check_filled(const RdbStream& parts) {
  NoPages pages;
  const value::ObjectUse use{.source = &pages, .edit = {}};
  const value::ObjectRef object(value::Object::create_stream(pages.next_id(), use.edit));
  value::Stream stream(*object, use);
  fill_stream(parts, stream);
  stream.verify_invariants();
  ASSERT(stream.length() == parts.length);
}

void check(Bytes input) {
  std::string payload(input);
  payload.append(10, '\0');  // where version and checksum stand
  (void)is_dump_intact(payload);
  auto parsed = parse_dump(payload);
  if (!parsed.ok()) return;
  const RdbValue& value = parsed.value();
  if (value.type == keyspace::Type::kString) return;
  if (value.type == keyspace::Type::kStream) return check_filled(value.stream);
  if (value.type == keyspace::Type::kModule) return;  // JSON, or it would not have come so far
  ASSERT(!value.elements.empty());
  if (value.type == keyspace::Type::kSortedSet) {
    ASSERT(value.scores.size() == value.elements.size());
  }
}

}  // namespace
}  // namespace diskdb::types

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  diskdb::types::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
