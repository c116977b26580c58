// Any bytes as a HyperLogLog: nothing is read or written beside them, what one function calls sound
// all others do, and what is corrupt stays as it is. The first four bytes of the input choose what
// is done.
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "value/hyperloglog.h"

namespace diskdb::value {
namespace {

/// Sound: all functions agree on the registers.
void check_sound(const std::string& text) {
  HllRegisters registers{};
  ASSERT(hll_merge(text, &registers));
  std::string dense = text;
  ASSERT(hll_make_dense(&dense));
  ASSERT(is_hyperloglog(dense));
  for (std::size_t i = 0; i < registers.size(); ++i) {
    ASSERT(hll_dense_register(dense, i) == registers[i]);
  }
  ASSERT(hll_histogram(text) == hll_histogram(registers));
}

void check_corrupt(const std::string& text) {
  HllRegisters registers{};
  ASSERT(!hll_merge(text, &registers));
  std::string copy = text;
  ASSERT(!hll_make_dense(&copy));
  ASSERT(copy == text);
}

void raise(std::string text, std::size_t index, unsigned value, std::size_t sparse_bytes_max) {
  const bool was_sound = hll_histogram(text).has_value();
  const std::string before = text;
  const HllChange change = hll_raise(&text, index, value, sparse_bytes_max);
  ASSERT(is_hyperloglog(text));
  ASSERT((text == before) == (change != HllChange::kRaised));
  if (!was_sound) return;
  ASSERT(change != HllChange::kCorrupt);
  check_sound(text);
  ASSERT(hll_raise(&text, index, value, sparse_bytes_max) == HllChange::kNone);
}

void check(Bytes input) {
  if (input.size() < 4) return;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(input[i]); };
  const std::size_t index = (static_cast<std::size_t>(byte(0)) << 8U | byte(1)) % kHllRegisterCount;
  const unsigned value = 1 + byte(2) % kHllRegisterMax;
  const std::size_t sparse_bytes_max = byte(3) * 64U;
  // Most inputs would fail at the header: the rest is taken as runs, unless it has a header itself.
  std::string text(input.substr(4));
  if (!is_hyperloglog(text)) text = make_hyperloglog().substr(0, kHllHeaderBytes) + text;

  if (hll_histogram(text)) {
    check_sound(text);
  } else {
    check_corrupt(text);
  }
  if (hll_encoding(text) == HllEncoding::kSparse) hll_describe_runs(text);
  raise(text, index, value, sparse_bytes_max);
}

}  // namespace
}  // namespace diskdb::value

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  diskdb::value::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
