#include "value/page.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <string>

namespace diskdb::value {
namespace {

constexpr std::uint64_t kEvenBytes = 0x00FF00FF00FF00FFU;
constexpr std::uint64_t kEvenPairs = 0x0000FFFF0000FFFFU;
// A guess is mostly off by no more than so many entries: by half of the square root of a page's
// entries where keys are hashes.
constexpr std::size_t kGuessError = 8;
// What a pair with an expiry begins with, and no varint does, as it would be longer than needed.
constexpr char kDateMark[] = {'\x80', '\0'};
constexpr std::size_t kDateBytes = sizeof(Millis::count);
constexpr std::size_t kMarkAndDateBytes = sizeof(kDateMark) + kDateBytes;
// The bit of the shape that says that keys are short.
constexpr unsigned kShortKeys = 64;
// No sum of a base and a short key is too large.
constexpr std::uint64_t kKeyBaseMax = UINT64_MAX - UINT32_MAX;

std::uint64_t load_word(const char* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

std::uint64_t load_number(const char* at) {
  std::uint64_t number = 0;
  std::memcpy(&number, at, 6);
  return number;
}

/// The narrowest column in which `length` fits.
std::size_t width_of(std::size_t length) {
  if (length == 0) return 0;
  if (length <= UINT8_MAX) return 1;
  return length <= UINT16_MAX ? 2 : 4;
}

std::size_t width_of_entry(const PageView& page, std::size_t length) {
  return std::max(page.length_bytes(), width_of(length));
}

void set_header(char* page, std::size_t width, std::size_t count, std::size_t heap_bytes) {
  ASSERT(count <= kPageEntriesMax);
  ASSERT(heap_bytes <= kPageHeapBytesMax);
  const unsigned code = width == 4 ? 3U : static_cast<unsigned>(width);
  page[1] = static_cast<char>((static_cast<unsigned char>(page[1]) & ~12U) | code << 2U);
  const auto count16 = static_cast<std::uint16_t>(count);
  const auto heap32 = static_cast<std::uint32_t>(heap_bytes);
  std::memcpy(page + 2, &count16, sizeof count16);
  std::memcpy(page + 4, &heap32, sizeof heap32);
}

void put_length(char* lengths, std::size_t width, std::size_t index, std::size_t length) {
  const auto length32 = static_cast<std::uint32_t>(length);
  std::memcpy(lengths + index * width, &length32, width);
}

/// `base`: of short keys.
void put_key(char* at, std::size_t key_bytes, PageKey key, std::uint64_t base = 0) {
  if (key_bytes == 1) *at = static_cast<char>(key.high);
  if (key_bytes == 4) {
    ASSERT(key.high - base <= UINT32_MAX);
    const auto above = static_cast<std::uint32_t>(key.high - base);
    std::memcpy(at, &above, sizeof above);
  }
  if (key_bytes >= 8) std::memcpy(at, &key.high, 8);
  if (key_bytes == 16) std::memcpy(at + 8, &key.low, 8);
}

void put_key_at(char* page, const PageView& view, std::size_t index, PageKey key) {
  char* const keys = page + (view.keys() - page);
  put_key(keys + index * view.key_bytes(), view.key_bytes(), key);
}

void put_link(char* at, PageLink link) {
  ASSERT(link.id <= kPageNumberMax);
  ASSERT(link.count <= kPageNumberMax);
  std::memcpy(at, &link.id, 6);
  std::memcpy(at + 6, &link.count, 6);
}

/// Makes the column of lengths, the last of the page but for a base, `width` bytes wide.
void widen(char* page, std::size_t width) {
  const PageView view(page);
  if (width <= view.length_bytes()) return;
  char* lengths = page + (view.lengths() - page);
  std::memmove(lengths + view.count() * width, lengths + view.count() * view.length_bytes(),
               view.has_short_keys() ? kPageKeyBaseBytes : 0);
  for (std::size_t i = view.count(); i-- > 0;) put_length(lengths, width, i, view.length(i));
  set_header(page, width, view.count(), view.heap_bytes());
}

/// What the page's keys count from if they are short and this is one of them, or the first of some.
std::uint64_t base_with(const PageView& page, PageKey key) {
  if (!page.has_short_keys()) return 0;
  return page.count() > 0 ? page.key_base() : std::min(key.high, kKeyBaseMax);
}

/// Requires: the page has short keys.
void put_base(char* page, std::uint64_t base) {
  std::memcpy(page + PageView(page).size() - sizeof base, &base, sizeof base);
}

/// By how much the page grows when short keys become whole; of one or none it shrinks.
std::ptrdiff_t whole_keys_growth(const PageView& page) {
  return static_cast<std::ptrdiff_t>(4 * page.count()) -
         static_cast<std::ptrdiff_t>(kPageKeyBaseBytes);
}

/// Makes short keys whole.
void make_keys_whole(char* page) {
  const PageView view(page);
  const std::uint64_t base = view.key_base();
  char* const keys = page + (view.keys() - page);
  char* const lengths = page + (view.lengths() - page);
  std::memmove(lengths + 4 * view.count(), lengths, view.count() * view.length_bytes());
  for (std::size_t i = view.count(); i-- > 0;) {
    std::uint32_t above = 0;
    std::memcpy(&above, keys + i * sizeof above, sizeof above);
    put_key(keys + i * 8, 8, {base + above, 0});
  }
  page[1] = static_cast<char>(static_cast<unsigned char>(page[1]) & ~kShortKeys);
}

/// Would these keys of another page lie in the column as it is?
bool has_room_for_keys(const PageView& page, const PageView& from, std::size_t first,
                       std::size_t last) {
  if (!page.has_short_keys() || first == last) return true;
  const std::uint64_t base = base_with(page, from.key(first));
  while (first < last && from.key(first).high - base <= UINT32_MAX) ++first;
  return first == last;
}

/// At most five bytes; how many. Requires: number <= kPageHeapBytesMax.
std::uint8_t write_varint(std::size_t number, char* out) {
  std::uint8_t size = 0;
  for (; number >= 128; number >>= 7U) out[size++] = static_cast<char>(number | 128U);
  out[size++] = static_cast<char>(number);
  return size;
}

/// A varint of at most five bytes; its size, 0 if it is none or longer than needed.
std::size_t read_varint(Bytes bytes, std::size_t* number) {
  *number = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(bytes.size(), 5); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    *number |= static_cast<std::size_t>(byte & 127U) << 7U * i;
    if (byte < 128) return i > 0 && byte == 0 ? 0 : i + 1;
  }
  return 0;
}

bool has_date(Bytes entry) {
  return entry.size() > kMarkAndDateBytes &&
         std::memcmp(entry.data(), kDateMark, sizeof(kDateMark)) == 0;
}

/// Requires: has_date().
Millis date_in(Bytes entry) {
  Millis date;
  std::memcpy(&date.count, entry.data() + sizeof(kDateMark), kDateBytes);
  return date;
}

/// Is this a pair, whatever the bytes say?
bool is_pair(Bytes entry) {
  if (has_date(entry)) {
    if (date_in(entry).count <= 0) return false;
    entry.remove_prefix(kMarkAndDateBytes);
  }
  std::size_t key_size = 0;
  const std::size_t prefix_size = read_varint(entry, &key_size);
  return prefix_size != 0 && key_size <= entry.size() - prefix_size;
}

Status corrupt(const char* what) { return {Code::kCorrupt, std::string("page: ") + what}; }

/// Of the eight bytes of a word.
std::size_t sum_of_word(std::uint64_t word) {
  std::uint64_t sums = (word & kEvenBytes) + (word >> 8U & kEvenBytes);
  sums = (sums & kEvenPairs) + (sums >> 16U & kEvenPairs);
  return (sums & UINT32_MAX) + (sums >> 32U);
}

/// Sums bytes. Requires: eight bytes before `at` may be read, as a page's header.
std::size_t sum_bytes(const char* at, std::size_t count) {
  std::size_t sum = 0;
#ifdef __SSE2__
  __m128i sums = _mm_setzero_si128();
  for (; count >= 16; count -= 16, at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    sums = _mm_add_epi64(sums, _mm_sad_epu8(bytes, _mm_setzero_si128()));
  }
  sum = static_cast<std::size_t>(_mm_cvtsi128_si64(_mm_add_epi64(sums, _mm_srli_si128(sums, 8))));
#endif
  for (; count >= 8; count -= 8, at += 8) sum += sum_of_word(load_word(at));
  // What is left, as the end of a word that begins in what lies before.
  return count == 0 ? sum : sum + sum_of_word(load_word(at + count - 8) >> (64 - 8 * count));
}

}  // namespace

// ---- Entries ----

Entry Entry::pair(Bytes key, Bytes value, Millis expiry) {
  Entry entry(key, value);
  if (expiry.count != 0) {
    ASSERT(expiry.count > 0);
    std::memcpy(entry.prefix_, kDateMark, sizeof(kDateMark));
    std::memcpy(entry.prefix_ + sizeof(kDateMark), &expiry.count, kDateBytes);
    entry.prefix_size_ = kMarkAndDateBytes;
  }
  ASSERT(key.size() <= kPageHeapBytesMax);
  entry.prefix_size_ += write_varint(key.size(), entry.prefix_ + entry.prefix_size_);
  return entry;
}

void Entry::copy_to(char* out) const {
  std::memcpy(out, prefix_, prefix_size_);
  out += prefix_size_;
  if (!first_.empty()) std::memcpy(out, first_.data(), first_.size());
  out += first_.size();
  if (!second_.empty()) std::memcpy(out, second_.data(), second_.size());
}

PairView split_long_pair(Bytes entry) {
  Millis expiry{};
  if (has_date(entry)) {
    expiry = date_in(entry);
    entry.remove_prefix(kMarkAndDateBytes);
  }
  std::size_t key_size = 0;
  const std::size_t prefix_size = read_varint(entry, &key_size);
  return {entry.substr(prefix_size, key_size), entry.substr(prefix_size + key_size), expiry};
}

// ---- Reading ----

PageLink PageView::link(std::size_t index) const {
  const char* at = links() + index * kPageLinkBytes;
  return {load_number(at), load_number(at + 6)};
}

std::uint64_t PageView::narrow_key(std::size_t index) const {
  if (key_bytes_ == 0) return 0;
  if (key_bytes_ == 1) return static_cast<unsigned char>(keys()[index]);
  std::uint32_t above = 0;
  std::memcpy(&above, keys() + index * sizeof above, sizeof above);
  return key_base() + above;
}

std::size_t PageView::sum_of_lengths(std::size_t first, std::size_t last) const {
  if (length_bytes_ == 1) [[likely]]
    return sum_bytes(lengths() + first, last - first);
  if (length_bytes_ == 0) return 0;
  std::size_t sum = 0;
  for (std::size_t i = first; i < last; ++i) sum += length(i);
  return sum;
}

std::size_t PageView::longest(std::size_t first, std::size_t last) const {
  std::size_t longest = 0;
  for (std::size_t i = first; i < last; ++i) longest = std::max(longest, length(i));
  return longest;
}

std::uint64_t PageView::sum_of_links(std::size_t first, std::size_t last) const {
  std::uint64_t sum = 0;
  for (; first + kLinkGroup <= last; first += kLinkGroup) sum += sum_of_link_group(first);
  for (; first < last; ++first) sum += link_count(first);
  return sum;
}

std::size_t PageView::key_bound(PageKey key, std::size_t first, std::size_t guess) const {
  if (key_bytes_ != 8) [[unlikely]]
    return other_key_bound(key, first, guess);
  std::size_t low = first;
  std::size_t size = count_ - first;
  const char* keys_at = keys();
  const auto is_below = [&](std::size_t index) { return word(keys_at + index * 8) < key.high; };
  if (guess != kNoGuess) {
    if (first <= guess && guess < count_ && !is_below(guess) &&
        (guess == first || is_below(guess - 1))) {
      return guess;
    }
    const std::size_t from = guess > first + kGuessError ? guess - kGuessError : first;
    const std::size_t until = guess + kGuessError < count_ ? guess + kGuessError : count_;
    if (from > first && !is_below(from - 1)) {
      size = from - 1 - first;
    } else if (until < count_ && is_below(until)) {
      low = until + 1;
      size = count_ - low;
    } else {
      // So few are counted: quicker than halving, whose steps wait for each other.
      std::size_t below = from;
      if (until - from == 2 * kGuessError) [[likely]] {
#pragma GCC unroll 16
        for (std::size_t i = 0; i < 2 * kGuessError; ++i) below += is_below(from + i) ? 1 : 0;
      } else {
        for (std::size_t i = from; i < until; ++i) below += is_below(i) ? 1 : 0;
      }
      return below;
    }
  }
  while (size > 0) {
    const std::size_t half = size / 2;
    const bool is_upper = is_below(low + half);
    low = is_upper ? low + half + 1 : low;
    size = is_upper ? size - half - 1 : half;
  }
  return low;
}

std::size_t PageView::other_key_bound(PageKey key, std::size_t first, std::size_t guess) const {
  if (key_bytes_ == 0) return first;
  std::size_t low = first;
  std::size_t size = count_ - first;
  // Where a look-up came to is where the next one does, or one further.
  if (first <= guess && guess < count_) {
    if (this->key(guess) < key) {
      low = guess + 1;
      size = count_ - low;
      if (size == 0 || this->key(low) >= key) return low;
    } else {
      size = guess - first;
      if (size == 0 || this->key(guess - 1) < key) return guess;
    }
  }
  while (size > 0) {
    const std::size_t half = size / 2;
    const bool is_below = this->key(low + half) < key;
    low = is_below ? low + half + 1 : low;
    size = is_below ? size - half - 1 : half;
  }
  return low;
}

PageView::Found PageView::lower_bound(PageKey key, Bytes tail, std::size_t first,
                                      std::size_t guess) const {
  // What grows grows at its end, and where the last entry begins needs no sum.
  static_assert(kNoGuess + 1 == 0);
  if (guess + 1 >= count_ && first < count_ && is_last_below(key, tail)) return {count_, false};
  std::size_t low = key_bound(key, first, guess);
  if (low == count_ || this->key(low) != key) return {low, false};
  // Mostly one entry has the key; and queues are taken from where the first of many is.
  const int first_order = this->tail(low).compare(tail);
  if (first_order >= 0) return {low, first_order == 0};
  ++low;
  // What grows grows at its end, and where the last entry begins needs no sum.
  const std::size_t last = count_ - 1;
  if (last >= low && this->key(last) == key && last_tail().compare(tail) < 0) {
    return {count_, false};
  }
  // Of many, tails are searched in halves as well.
  std::size_t end = low;
  for (std::size_t step = 1; end < count_ && this->key(end) == key; step *= 2) {
    end = std::min(end + step, count_);
    while (this->key(end - 1) != key) --end;
  }
  while (low < end) {
    const std::size_t middle = low + (end - low) / 2;
    const int order = this->tail(middle).compare(tail);
    if (order == 0) return {middle, true};
    if (order < 0) {
      low = middle + 1;
    } else {
      end = middle;
    }
  }
  return {low, false};
}

Bytes PageView::last_tail() const {
  const std::size_t length = this->length(count_ - 1);
  const Bytes entry = entry_at(count_ - 1, heap_bytes_ - length);
  return is_pairs_ ? split_pair(entry).key : entry;
}

std::size_t PageView::find_tag(std::uint8_t tag, std::size_t first) const {
  const char* const tags = keys();
  std::size_t i = first;
#ifdef __SSE2__
  const __m128i wanted = _mm_set1_epi8(static_cast<char>(tag));
  for (; i + sizeof wanted <= count_; i += sizeof wanted) {
    const __m128i some = _mm_loadu_si128(reinterpret_cast<const __m128i*>(tags + i));
    const auto equal = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(some, wanted)));
    if (equal != 0) return i + static_cast<std::size_t>(std::countr_zero(equal));
  }
#endif
  while (i < count_ && static_cast<unsigned char>(tags[i]) != tag) ++i;
  return i;
}

std::size_t PageView::find_tail(Bytes tail, std::size_t first, std::size_t stride) const {
  if (has_tags() && stride == 1) {
    const std::uint8_t tag = tag_of(tail);
    std::size_t i = find_tag(tag, std::min(first, count_));
    while (i < count_ && entry(i) != tail) i = find_tag(tag, i + 1);
    return i;
  }
  std::size_t offset = this->offset(std::min(first, count_));
  // What the entry begins with, a date apart, and how long it must be at least.
  const std::size_t prefix_size = is_pairs_ ? Entry::pair(tail, {}).size() - tail.size() : 0;
  const std::size_t least = prefix_size + tail.size();
  // Names often begin alike: the last eight bytes tell most of them apart.
  const bool has_end = tail.size() >= 8;
  const std::size_t end_at = has_end ? least - 8 : 0;
  const std::uint64_t end = has_end ? load_word(tail.data() + tail.size() - 8) : 0;
  const auto may_be = [&](const char* at, std::size_t length) {
    return length >= least &&
           (!has_end || load_word(at + end_at) == end || (is_pairs_ && at[0] == kDateMark[0]));
  };
  const auto is_it = [&](const char* at, std::size_t length) {
    if (!may_be(at, length)) [[likely]]
      return false;
    if (is_pairs_ && has_date({at, length})) {
      at += kMarkAndDateBytes;
      length -= kMarkAndDateBytes;
    }
    const bool can_be = is_pairs_ ? length >= least : length == tail.size();
    return can_be && std::memcmp(at + prefix_size, tail.data(), tail.size()) == 0 &&
           (!is_pairs_ || split_pair({at, length}).key.size() == tail.size());
  };
  if (stride == 1 && length_bytes_ == 1) [[likely]] {
    const char* at = heap() + offset;
    const char* const lengths = this->lengths();
    for (std::size_t i = first; i < count_; ++i) {
      const auto length = static_cast<unsigned char>(lengths[i]);
      if (is_it(at, length)) return i;
      at += length;
    }
    return count_;
  }
  for (std::size_t i = first; i < count_; i += stride) {
    const std::size_t length = this->length(i);
    if (is_it(heap() + offset, length)) return i;
    offset += length;
    for (std::size_t skipped = i + 1; skipped < std::min(i + stride, count_); ++skipped) {
      offset += this->length(skipped);
    }
  }
  return count_;
}

void PageView::prefetch_columns(std::size_t guess) const {
  const auto prefetch = [](const char* from, const char* until) {
    for (; from < until; from += kCacheLineBytes) __builtin_prefetch(from);
    __builtin_prefetch(until - 1);
  };
  const char* const end = lengths() + count_ * length_bytes_;
  if (guess == kNoGuess) return prefetch(keys(), end);
  const std::size_t from = guess > kGuessError ? guess - kGuessError - 1 : 0;
  const std::size_t until = std::min(guess + kGuessError + 1, count_);
  prefetch(keys() + from * key_bytes_, keys() + until * key_bytes_);
  prefetch(lengths(), end);
}

// ---- Bytes that are not trusted ----

Status verify_page(Bytes page) {
  if (page.size() < kPageHeaderBytes) return corrupt("too short for a header");
  if (static_cast<unsigned char>(page[0]) != kPageVersion) return corrupt("unknown version");
  const auto shape = static_cast<unsigned char>(page[1]);
  if (shape >= 128) return corrupt("unknown shape");
  const PageView view(page);
  if ((shape & kShortKeys) != 0 && (!view.has_short_keys() || view.is_inner() || view.is_pairs())) {
    return corrupt("short keys of what has none");
  }
  if (view.has_tags() && (view.is_inner() || view.is_pairs())) return corrupt("tags of no members");
  if (view.is_inner() && view.is_pairs()) return corrupt("an inner page of pairs");
  if (!view.is_inner() && view.length_bytes() == 0) return corrupt("a leaf without lengths");
  // Nothing overflows: 65535 entries of 32 bytes and 4 GiB of heap.
  if (view.size() != page.size()) return corrupt("of another size than it says");
  if (view.has_short_keys() && view.count() > 0 && view.key_base() > kKeyBaseMax) {
    return corrupt("short keys above a base too large");
  }
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < view.count(); ++i) sum += view.length(i);
  if (sum != view.heap_bytes()) return corrupt("lengths do not add up");
  for (std::size_t i = 0; view.is_inner() && i < view.count(); ++i) {
    if (view.link(i).id == 0) return corrupt("a link to nothing");
  }
  for (PageWalk walk(view); view.has_tags() && !walk.is_at_end(); walk.next()) {
    if (view.key(walk.index()).high != tag_of(walk.entry())) return corrupt("another entry's tag");
  }
  if (!view.is_pairs()) return Status::okay();
  for (PageWalk walk(view); !walk.is_at_end(); walk.next()) {
    if (!is_pair(walk.entry())) return corrupt("a pair whose key does not end in it");
  }
  return Status::okay();
}

bool is_ordered(PageView page, std::size_t first) {
  std::size_t offset = page.offset(first);
  Bytes before;
  for (std::size_t i = first; i < page.count(); ++i) {
    const Bytes entry = page.entry_at(i, offset);
    const Bytes tail = page.is_pairs() ? split_pair(entry).key : entry;
    if (i > first) {
      if (page.key(i) < page.key(i - 1)) return false;
      if (page.key(i) == page.key(i - 1) && before.compare(tail) >= 0) return false;
    }
    before = tail;
    offset += entry.size();
  }
  return true;
}

// ---- Changes ----

void page_begin(char* page, PageShape shape, std::size_t longest, KeyForm keys) {
  const bool has_tags = shape.key_bytes == 1;
  ASSERT(has_tags || shape.key_bytes == 0 || shape.key_bytes == 8 || shape.key_bytes == 16);
  ASSERT(!(shape.is_inner && shape.is_pairs));
  ASSERT(!(has_tags && (shape.is_inner || shape.is_pairs)));
  const bool has_short_keys = keys == KeyForm::kShort;
  ASSERT(!has_short_keys || (shape.key_bytes == 8 && !shape.is_inner && !shape.is_pairs));
  page[0] = static_cast<char>(kPageVersion);
  page[1] = static_cast<char>((has_tags ? 3U : shape.key_bytes / 8U) | (shape.is_inner ? 16U : 0U) |
                              (shape.is_pairs ? 32U : 0U) | (has_short_keys ? kShortKeys : 0U));
  set_header(page, std::max<std::size_t>(width_of(longest), shape.is_inner ? 0 : 1), 0, 0);
  if (has_short_keys) put_base(page, 0);
}

std::size_t page_insert_growth(PageView page, PageKey key, std::size_t length) {
  const std::size_t width = width_of_entry(page, length);
  const std::size_t growth = length + page.key_bytes() + (page.is_inner() ? kPageLinkBytes : 0) +
                             width + page.count() * (width - page.length_bytes());
  if (page.has_room_for(key)) [[likely]]
    return growth;
  return growth + static_cast<std::size_t>(4 + whole_keys_growth(page));  // never below 0
}

std::ptrdiff_t page_resize_growth(PageView page, std::size_t old_length, std::size_t length) {
  const std::size_t width = width_of_entry(page, length);
  return static_cast<std::ptrdiff_t>(length + page.count() * (width - page.length_bytes())) -
         static_cast<std::ptrdiff_t>(old_length);
}

char* page_open(char* page, std::size_t index, PageKey key, std::size_t length, PageLink link) {
  if (!PageView(page).has_room_for(key)) [[unlikely]]
    make_keys_whole(page);
  widen(page, width_of(length));
  const PageView view(page);
  const std::size_t count = view.count();
  const std::uint64_t base = base_with(view, key);
  ASSERT(index <= count);
  ASSERT(view.is_inner() == (link.id != 0));
  const std::size_t key_bytes = view.key_bytes();
  const std::size_t width = view.length_bytes();
  const std::size_t link_bytes = view.is_inner() ? kPageLinkBytes : 0;
  char* const place = page + kPageHeaderBytes + view.offset(index);
  // Four runs move, the last first: each ends where its column is opened.
  char* const links = page + (view.links() - page);
  char* const keys = page + (view.keys() - page);
  char* const lengths = page + (view.lengths() - page);
  char* const end = page + view.size();
  char* const link_place = links + index * link_bytes;
  char* const key_place = keys + index * key_bytes;
  char* const length_place = lengths + index * width;
  const auto move = [](char* from, const char* until, std::size_t by) {
    std::memmove(from + by, from, static_cast<std::size_t>(until - from));
  };
  move(length_place, end, length + link_bytes + key_bytes + width);
  if (key_bytes != 0) {
    move(key_place, length_place, length + link_bytes + key_bytes);
    move(link_place, key_place, length + link_bytes);
    move(place, link_place, length);
  } else {
    move(link_place, length_place, length + link_bytes);
    move(place, link_place, length);
  }
  set_header(page, width, count + 1, view.heap_bytes() + length);
  if (link_bytes != 0) put_link(link_place + length, link);
  put_key(key_place + length + link_bytes, key_bytes, key, base);
  const auto length32 = static_cast<std::uint32_t>(length);
  std::memcpy(length_place + length + link_bytes + key_bytes, &length32, width);
  if (count == 0 && view.has_short_keys()) put_base(page, base);
  return place;
}

void page_insert(char* page, std::size_t index, PageKey key, const Entry& entry, PageLink link) {
  const PageView view(page);
  ASSERT_SLOW(view.is_pairs() == entry.is_pair());
  if (view.has_tags()) key = {tag_of(entry.tail()), 0};
  entry.copy_to(page_open(page, index, key, entry.size(), link));
}

char* page_resize(char* page, std::size_t index, std::size_t length) {
  widen(page, width_of(length));
  const PageView view(page);
  ASSERT(index < view.count());
  const std::size_t old_length = view.length(index);
  char* const place = page + kPageHeaderBytes + view.offset(index);
  if (length == old_length) return place;
  char* const behind = place + old_length;
  std::memmove(place + length, behind, static_cast<std::size_t>(page + view.size() - behind));
  set_header(page, view.length_bytes(), view.count(), view.heap_bytes() - old_length + length);
  char* const lengths = page + (PageView(page).lengths() - page);
  put_length(lengths, view.length_bytes(), index, length);
  return place;
}

void page_replace(char* page, std::size_t index, const Entry& entry) {
  ASSERT_SLOW(PageView(page).is_pairs() == entry.is_pair());
  entry.copy_to(page_resize(page, index, entry.size()));
  const PageView view(page);
  if (view.has_tags()) put_key_at(page, view, index, {tag_of(entry.tail()), 0});
}

void page_erase(char* page, std::size_t first, std::size_t count) {
  const PageView view(page);
  ASSERT(first + count <= view.count());
  const std::size_t last = first + count;
  const std::size_t link_bytes = view.is_inner() ? kPageLinkBytes : 0;
  char* to = page + kPageHeaderBytes + view.offset(first);
  const std::size_t erased_bytes = view.sum_of_lengths(first, last);
  const char* from = to + erased_bytes;
  // Four runs move, the first first: each begins behind what is erased of its column.
  const auto keep = [&to](const char* begin, const char* end) {
    std::memmove(to, begin, static_cast<std::size_t>(end - begin));
    to += end - begin;
  };
  const char* const links = view.links();
  const char* const keys = view.keys();
  const char* const lengths = view.lengths();
  keep(from, links + first * link_bytes);
  keep(links + last * link_bytes, keys + first * view.key_bytes());
  keep(keys + last * view.key_bytes(), lengths + first * view.length_bytes());
  keep(lengths + last * view.length_bytes(), page + view.size());
  set_header(page, view.length_bytes(), view.count() - count, view.heap_bytes() - erased_bytes);
}

std::size_t page_append_growth(PageView page, PageView from, std::size_t first, std::size_t last) {
  const std::size_t width = width_of_entry(page, from.longest(first, last));
  const std::size_t column_bytes = page.key_bytes() + (page.is_inner() ? kPageLinkBytes : 0);
  const std::size_t growth = from.sum_of_lengths(first, last) +
                             (last - first) * (column_bytes + width) +
                             page.count() * (width - page.length_bytes());
  if (has_room_for_keys(page, from, first, last)) return growth;
  return growth + (last - first) * 4 + static_cast<std::size_t>(whole_keys_growth(page));
}

void page_append(char* page, PageView from, std::size_t first, std::size_t last) {
  if (!has_room_for_keys(PageView(page), from, first, last)) make_keys_whole(page);
  widen(page, width_of(from.longest(first, last)));
  const PageView view(page);
  ASSERT(view.shape() == from.shape());
  ASSERT(first <= last && last <= from.count());
  if (first == last) return;
  const std::size_t count = last - first;
  const std::size_t added_bytes = from.sum_of_lengths(first, last);
  const std::size_t key_bytes = view.key_bytes();
  const std::uint64_t base = base_with(view, from.key(first));
  const std::size_t link_bytes = view.is_inner() ? kPageLinkBytes : 0;
  const std::size_t width = view.length_bytes();
  char* const links = page + (view.links() - page);
  char* const keys = page + (view.keys() - page);
  char* const lengths = page + (view.lengths() - page);
  char* const new_links = links + added_bytes;
  char* const new_keys = keys + added_bytes + count * link_bytes;
  char* const new_lengths = lengths + added_bytes + count * (link_bytes + key_bytes);
  std::memmove(new_lengths, lengths, view.count() * width);
  std::memmove(new_keys, keys, view.count() * key_bytes);
  std::memmove(new_links, links, view.count() * link_bytes);
  std::memcpy(links, from.heap() + from.offset(first), added_bytes);
  std::memcpy(new_links + view.count() * link_bytes, from.links() + first * link_bytes,
              count * link_bytes);
  if (view.has_short_keys() || from.has_short_keys()) {
    for (std::size_t i = first; i < last; ++i) {
      put_key(new_keys + (view.count() + i - first) * key_bytes, key_bytes, from.key(i), base);
    }
  } else {
    std::memcpy(new_keys + view.count() * key_bytes, from.keys() + first * key_bytes,
                count * key_bytes);
  }
  for (std::size_t i = first; i < last; ++i) {
    put_length(new_lengths, width, view.count() + i - first, from.length(i));
  }
  set_header(page, width, view.count() + count, view.heap_bytes() + added_bytes);
  if (view.has_short_keys()) put_base(page, base);
}

void page_set_key(char* page, std::size_t index, PageKey key) {
  const PageView view(page);
  ASSERT(index < view.count() && !view.has_tags() && !view.has_short_keys());
  put_key_at(page, view, index, key);
}

void page_set_link(char* page, std::size_t index, PageLink link) {
  const PageView view(page);
  ASSERT(view.is_inner() && index < view.count());
  put_link(page + (view.links() - page) + index * kPageLinkBytes, link);
}

void page_add_to_count(char* page, std::size_t index, std::int64_t by) {
  const PageView view(page);
  ASSERT(view.is_inner() && index < view.count());
  const std::uint64_t count = view.link_count(index) + static_cast<std::uint64_t>(by);
  ASSERT(count <= kPageNumberMax);
  std::memcpy(page + (view.links() - page) + index * kPageLinkBytes + 6, &count, 6);
}

}  // namespace diskdb::value
