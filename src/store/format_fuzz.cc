// Fuzzes the decoders of what lies in the sorted files. The first byte chooses one; the rest is its
// input, for the marker with a checksum put behind it, so that the fuzzer gets past that. What is
// accepted encodes to the very same bytes again: there is one way to write each thing.
#include "base/crc.h"
#include "store/format.h"

namespace {

using namespace diskdb;
using namespace diskdb::store;

void try_record_key(Bytes input) {
  auto found = decode_record_key(input);
  if (!found.ok()) return;
  std::string again;
  encode_record_key(found->place, found->key, &again);
  ASSERT(again == input);
}

void try_expiry_key(Bytes input) {
  auto found = decode_expiry_key(input);
  if (!found.ok()) return;
  std::string again;
  encode_expiry_key(found->generation, found->when, found->slot, found->key, &again);
  ASSERT(again == input);
}

void try_record(Bytes input) {
  auto found = decode_record(input);
  if (!found.ok()) return;
  std::string again;
  append_record(*found, &again);
  ASSERT(again == input);
}

void try_expiry_value(Bytes input) {
  auto found = decode_expiry_value(input);
  if (!found.ok()) return;
  std::string again;
  append_expiry_value(*found, &again);
  ASSERT(again == input);
}

void try_marker(std::string input) {
  (void)decode_marker(input);
  const std::uint32_t crc = crc32c(input);
  for (unsigned i = 0; i < 4; ++i) input.push_back(static_cast<char>(crc >> (8 * i)));
  auto found = decode_marker(input);
  if (!found.ok()) return;
  std::string again;
  append_marker(*found, &again);
  ASSERT(again == input);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      try_record_key(input);
      break;
    case 1:
      try_expiry_key(input);
      break;
    case 2:
      try_record(input);
      break;
    case 3:
      try_expiry_value(input);
      break;
    default:
      try_marker(std::string(input));
      break;
  }
  return 0;
}
