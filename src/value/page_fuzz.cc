// Any bytes as a page: what verify_page() passes can be read, searched and changed without a byte
// beside it touched, and stays a page. The first eight bytes of the input choose what is done.
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/assert.h"
#include "value/page.h"
#include "value/page_testing.h"

namespace diskdb::value {
namespace {

Entry entry_for(PageView page, Bytes bytes, std::size_t cut) {
  if (!page.is_pairs()) return Entry::whole(bytes);
  cut = std::min(cut, bytes.size());
  return Entry::pair(bytes.substr(0, cut), bytes.substr(cut),
                     Millis{bytes.size() % 2 == 0 ? 0 : 7});
}

void read_all(PageView page) {
  PageWalk walk(page);
  std::size_t read = 0;
  for (std::size_t i = 0; i < page.count(); ++i, walk.next()) {
    ASSERT(walk.entry() == page.entry(i));
    const Bytes tail = page.tail(i);
    read += walk.entry().size();
    if (i % 64 == 0) {
      ASSERT(page.find_tail(tail) <= i);
      ASSERT(page.lower_bound(page.key(i), tail).index <= page.count());
    }
  }
  ASSERT(walk.is_at_end());
  ASSERT(read == page.heap_bytes());
  is_ordered(page);
}

void check(Bytes input) {
  if (input.size() < 8) return;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(input[i]); };
  // A block of exactly this size, so that a step beside it is seen.
  TestPage page = TestPage::of(std::string(input.substr(8)));
  if (!verify_page(page.bytes()).ok()) return;
  read_all(page.view());
  const std::size_t count = page.view().count();
  const PageLink link = page.view().is_inner() ? PageLink{byte(5) + 1U, byte(6) + 1U} : PageLink{};
  const std::string bytes(byte(1) * (byte(2) % 3U == 0 ? 300U : 1U), 'x');
  const Entry entry = entry_for(page.view(), bytes, byte(3));
  const std::size_t index = byte(4) * (byte(7) + 1U);

  switch (byte(0) % 4) {
    case 0:
      if (count == kPageEntriesMax) return;
      page.insert(index % (count + 1), {byte(5), byte(6)}, entry, link);
      ASSERT(page.view().count() == count + 1);
      break;
    case 1:
      if (count == 0) return;
      page.replace(index % count, entry);
      ASSERT(page.view().length(index % count) == entry.size());
      break;
    case 2:
      page.erase(index % (count + 1), byte(5) % (count - index % (count + 1) + 1));
      break;
    default: {
      const std::size_t middle = index % (count + 1);
      TestPage left(page.view().shape(), 0, page.view().key_form());
      left.append(page, 0, middle);
      TestPage right(page.view().shape(), 0, page.view().key_form());
      right.append(page, middle, count);
      left.append(right, 0, count - middle);
      ASSERT(left.view().count() == count);
      for (std::size_t i = 0; i < count; i += 1 + count / 16) {
        ASSERT(left.view().entry(i) == page.view().entry(i));
        ASSERT(left.view().key(i) == page.view().key(i));
      }
      page = left;
    }
  }
  ASSERT(verify_page(page.bytes()).ok());
  read_all(page.view());
}

}  // namespace
}  // namespace diskdb::value

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  diskdb::value::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
