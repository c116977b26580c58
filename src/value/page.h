// value/page.h — the packed page: an ordered sequence of entries in one block of bytes, the same in
// memory and on disk. Normative layout: docs/format/page.md. A small value is one page inside its
// key's record; a large one is a tree of pages (value/counted_tree.h).
//
//     | header 8 B | heap: the entries' bytes, in order | links | keys | lengths | base |
//
// Problem: values are measured in bytes per element beside Redis's listpacks, which spend two on an
// element of 20; a slot directory with offsets spends as much and needs lengths besides, and holes
// in a heap spend more. Idea: entries lie in order and without holes, and a column of lengths, one
// byte each as long as all are short, is the only directory; an offset is a sum over it, eight
// lengths at a time. Fixed-size keys (a hash, a score, an id) are a column of their own and are
// searched as integers without touching the entries; where they are close together, as ids are,
// each may be four bytes above a base (frame of reference: Goldstein, Ramakrishnan and Shaft 1998).
// Columns lie behind the heap, so that appending moves them alone. Cost: an insertion moves half
// the heap and the columns, about 1 KB; access by index sums a byte per entry before it. In return
// equal contents, split and merged in any way, are a memcpy, and there is nothing to compact.
//
// Who owns the bytes is the caller's matter: functions here work on a block with room enough.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"

namespace diskdb::value {

static_assert(std::endian::native == std::endian::little);  // pages are copied as they lie

constexpr std::uint8_t kPageVersion = 1;
constexpr std::size_t kPageHeaderBytes = 8;
/// Of what short keys count from.
constexpr std::size_t kPageKeyBaseBytes = 8;
/// No empty page has more.
constexpr std::size_t kPageBeginBytesMax = kPageHeaderBytes + kPageKeyBaseBytes;
constexpr std::size_t kPageLinkBytes = 12;
constexpr std::size_t kPageEntriesMax = 65535;
constexpr std::uint64_t kPageHeapBytesMax = UINT32_MAX;
/// Of page ids and of counts in links.
constexpr std::uint64_t kPageNumberMax = (1ULL << 48U) - 1;

/// What one prefetch brings near.
constexpr std::size_t kCacheLineBytes = 64;

/// What all entries of a page have in common; does not change while the page lives.
struct PageShape {
  /// Of the fixed-size key of each entry: 0, 8 or 16; or 1, which is a tag of the entry's tail, for
  /// a page in no order that is searched by tails.
  std::uint8_t key_bytes = 0;
  bool is_inner = false;  ///< entries have links: pages below, and what these count
  bool is_pairs = false;  ///< an entry is a key and a value, and an expiry if it has one
  friend bool operator==(const PageShape&, const PageShape&) = default;
};

/// How keys of 8 bytes lie in a leaf without pairs.
enum class KeyForm : std::uint8_t {
  kWhole,
  kShort,  ///< as four bytes above a base, until one comes that does not fit: then all are whole
};

/// A fixed-size key as two integers, compared high first. `low` is 0 where keys have 8 bytes.
struct PageKey {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend auto operator<=>(const PageKey&, const PageKey&) = default;
};

/// A hash of one byte, as cheap as can be: of the tail's length and its last eight bytes, in which
/// names mostly differ.
inline std::uint8_t tag_of(Bytes tail) {
  std::uint64_t end = 0;
  const std::size_t size = tail.size() < sizeof end ? tail.size() : sizeof end;
  if (size > 0) std::memcpy(&end, tail.data() + tail.size() - size, size);
  return static_cast<std::uint8_t>(((end + tail.size()) * 0x9E3779B97F4A7C15U) >> 56U);
}

/// A page below an inner one.
struct PageLink {
  std::uint64_t id = 0;     ///< 1 .. kPageNumberMax
  std::uint64_t count = 0;  ///< of entries in all leaves below it, up to kPageNumberMax
  friend bool operator==(const PageLink&, const PageLink&) = default;
};

/// An entry taken apart. In a page without pairs all of it is `key`.
struct PairView {
  Bytes key;
  Bytes value;
  Millis expiry{};  ///< 0: none
};

/// An entry's bytes about to be written. Borrows its parts, which must not lie in the page.
class Entry {
 public:
  static Entry whole(Bytes bytes) { return Entry(bytes, {}); }
  /// `expiry`: 0 for none. Requires: not negative.
  static Entry pair(Bytes key, Bytes value, Millis expiry = {});

  std::size_t size() const { return prefix_size_ + first_.size() + second_.size(); }
  bool is_pair() const { return prefix_size_ != 0; }
  /// What orders the entry in a tree: all of it, or the key of a pair.
  Bytes tail() const { return first_; }
  void copy_to(char* out) const;

 private:
  Entry(Bytes first, Bytes second) : first_(first), second_(second) {}

  char prefix_[15] = {};  ///< mark, expiry, varint
  std::uint8_t prefix_size_ = 0;
  Bytes first_;
  Bytes second_;
};

/// As split_pair() where the key has 128 bytes or more, or there is an expiry.
PairView split_long_pair(Bytes entry);
/// Takes an entry of a page with `is_pairs` apart. Requires: the page was verified or built here.
inline PairView split_pair(Bytes entry) {
  const std::size_t key_size = static_cast<unsigned char>(entry[0]);
  if (key_size >= 128) [[unlikely]]
    return split_long_pair(entry);
  return {{entry.data() + 1, key_size}, {entry.data() + 1 + key_size, entry.size() - 1 - key_size}};
}

/// Reads a page.
///
/// Threads: as the bytes it borrows for its life.
/// Requires of the bytes: written by the functions below, or passed by verify_page().
class PageView {
 public:
  /// Of nothing: no function may be called.
  PageView() = default;
  explicit PageView(Bytes page) : PageView(page.data()) {}
  explicit PageView(const char* page) : PageView(page, header_of(page)) {}
  /// With its first eight bytes, for who keeps them elsewhere, to touch the page later.
  PageView(const char* page, std::uint64_t header) : page_(page) {
    const auto shape = static_cast<std::size_t>(header >> 8U & 255U);
    key_bytes_ = ((shape & 3U) == 3U ? 1 : (shape & 3U) * 8) - (shape >> 4U & 4U);
    length_bytes_ = (std::size_t{1} << (shape >> 2U & 3U)) >> 1U;
    link_bytes_ = (shape & 16U) != 0 ? kPageLinkBytes : 0;
    is_pairs_ = (shape & 32U) != 0;
    count_ = header >> 16U & 65535U;
    heap_bytes_ = static_cast<std::uint32_t>(header >> 32U);
  }
  static std::uint64_t header_of(const char* page) { return word(page); }

  std::size_t count() const { return count_; }
  PageShape shape() const {
    const std::size_t key_bytes = has_short_keys() ? 8 : key_bytes_;
    return {static_cast<std::uint8_t>(key_bytes), link_bytes_ != 0, is_pairs_};
  }
  bool is_inner() const { return link_bytes_ != 0; }
  bool is_pairs() const { return is_pairs_; }
  /// Of one key in the column: what the shape says, or 4 if they are short.
  std::size_t key_bytes() const { return key_bytes_; }
  bool has_short_keys() const { return key_bytes_ == 4; }
  KeyForm key_form() const { return has_short_keys() ? KeyForm::kShort : KeyForm::kWhole; }
  /// Of one length in the column: 0 (all entries are empty), 1, 2 or 4.
  std::size_t length_bytes() const { return length_bytes_; }
  std::size_t heap_bytes() const { return heap_bytes_; }
  /// Of the whole page.
  std::size_t size() const {
    return kPageHeaderBytes + heap_bytes_ + key_base_bytes() +
           count_ * (link_bytes_ + key_bytes_ + length_bytes_);
  }
  Bytes bytes() const { return {page_, size()}; }
  const char* heap() const { return page_ + kPageHeaderBytes; }
  const char* links() const { return heap() + heap_bytes_; }
  const char* keys() const { return links() + count_ * link_bytes_; }
  const char* lengths() const { return keys() + count_ * key_bytes_; }

  // ---- Requires: index < count().

  std::size_t length(std::size_t index) const {
    std::uint32_t length = 0;
    if (length_bytes_ == 1) [[likely]]
      return static_cast<unsigned char>(lengths()[index]);
    std::memcpy(&length, lengths() + index * length_bytes_, length_bytes_);
    return length;
  }
  PageKey key(std::size_t index) const {
    if (key_bytes_ < 8) [[unlikely]]
      return {narrow_key(index), 0};
    PageKey key{word(keys() + index * key_bytes_), 0};
    if (key_bytes_ == 16) key.low = word(keys() + index * key_bytes_ + 8);
    return key;
  }
  /// Cost: a sum over the lengths before it.
  Bytes entry(std::size_t index) const { return entry_at(index, offset(index)); }
  /// Requires: offset == offset(index).
  Bytes entry_at(std::size_t index, std::size_t offset) const {
    return {heap() + offset, length(index)};
  }
  /// What orders the entry in a tree.
  Bytes tail(std::size_t index) const {
    return is_pairs_ ? split_pair(entry(index)).key : entry(index);
  }
  /// tail(count() - 1), at no cost. Requires: count() > 0.
  Bytes last_tail() const;
  /// Is the last entry below these? Requires: count() > 0.
  bool is_last_below(PageKey key, Bytes tail) const {
    const PageKey last = this->key(count_ - 1);
    return last < key || (last == key && last_tail() < tail);
  }
  /// Requires: is_inner().
  PageLink link(std::size_t index) const;

  // ---- Searches.

  /// Where entry `index` begins in the heap; heap_bytes() for count().
  std::size_t offset(std::size_t index) const { return sum_of_lengths(0, index); }
  /// Requires: first <= last <= count().
  std::size_t sum_of_lengths(std::size_t first, std::size_t last) const;
  /// Of the longest of so many entries.
  std::size_t longest(std::size_t first, std::size_t last) const;
  /// Requires: is_inner(). As link(index).count.
  std::uint64_t link_count(std::size_t index) const {
    return word(links() + index * kPageLinkBytes + 4) >> 16U;  // with two bytes of the id
  }
  /// Requires: is_inner(), first <= last <= count().
  std::uint64_t sum_of_links(std::size_t first, std::size_t last) const;
  /// Of kLinkGroup links. Requires: is_inner(), first + kLinkGroup <= count().
  std::uint64_t sum_of_link_group(std::size_t first) const {
    std::uint64_t sum = 0;
#pragma GCC unroll 8
    for (std::size_t i = 0; i < kLinkGroup; ++i) sum += link_count(first + i);
    return sum;
  }
  static constexpr std::size_t kLinkGroup = 8;

  struct Found {
    std::size_t index = 0;  ///< of the first entry not below what was sought; count() if none is
    bool is_equal = false;  ///< is it the one?
  };
  /// By key and tail. Requires: the entries from `first` on ascend by them; first <= count().
  /// Cost: O(log count), and a sum of lengths for each tail compared: equal keys are few.
  /// `guess`: about where it is, so that less of the keys is touched; no matter if it is wrong.
  Found lower_bound(PageKey key, Bytes tail, std::size_t first = 0,
                    std::size_t guess = kNoGuess) const;
  /// By key alone: the first entry from `first` on whose key is not below. Requires: keys ascend.
  std::size_t key_bound(PageKey key, std::size_t first = 0, std::size_t guess = kNoGuess) const;
  /// The first entry from `first` on, of those `stride` apart, whose tail is `tail`; count() if
  /// there is none. Cost: linear; with tags and a stride of 1 a byte an entry.
  std::size_t find_tail(Bytes tail, std::size_t first = 0, std::size_t stride = 1) const;
  /// As find_tail(tail) where no two entries have the same tail; looks at entry `guess` first,
  /// which need not exist.
  std::size_t find_tail_near(Bytes tail, std::size_t guess) const {
    return guess < count_ && this->tail(guess) == tail ? guess : find_tail(tail);
  }

  bool has_tags() const { return key_bytes_ == 1; }
  /// The first entry from `first` on with this tag; count() if there is none. Requires: has_tags(),
  /// first <= count().
  std::size_t find_tag(std::uint8_t tag, std::size_t first = 0) const;

  /// What short keys count from; of no meaning in an empty page. Requires: has_short_keys().
  std::uint64_t key_base() const { return word(lengths() + count_ * length_bytes_); }
  /// Would a key lie in the column as it is? Any would where they are whole.
  bool has_room_for(PageKey key) const {
    return !has_short_keys() || count_ == 0 || key.high - key_base() <= UINT32_MAX;
  }

  static constexpr std::size_t kNoGuess = SIZE_MAX;
  /// Starts loading what a search touches first: all keys, or those about the guess.
  void prefetch_columns(std::size_t guess = kNoGuess) const;

 private:
  static std::uint64_t word(const char* at) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    return word;
  }
  std::size_t key_base_bytes() const {
    static_assert(kPageKeyBaseBytes == 8);
    return (key_bytes_ & 4U) * 2;  // 4 is a bit of no other size
  }
  /// key_bound() of keys that have not eight bytes.
  std::size_t other_key_bound(PageKey key, std::size_t first, std::size_t guess) const;
  /// Of fewer than eight bytes: a tag, a short key, or 0 where there is none.
  std::uint64_t narrow_key(std::size_t index) const;

  const char* page_ = nullptr;
  std::size_t count_ = 0;
  std::size_t key_bytes_ = 0;
  std::size_t length_bytes_ = 0;
  std::size_t link_bytes_ = 0;
  std::uint32_t heap_bytes_ = 0;
  bool is_pairs_ = false;
};

/// Goes through the entries forward, without summing lengths anew.
class PageWalk {
 public:
  /// Borrows the page, which must not change meanwhile.
  explicit PageWalk(PageView page) : page_(page) {}
  bool is_at_end() const { return index_ == page_.count(); }
  /// Requires: !is_at_end().
  Bytes entry() const { return page_.entry_at(index_, offset_); }
  void next() { offset_ += page_.length(index_++); }
  std::size_t index() const { return index_; }

 private:
  PageView page_;
  std::size_t index_ = 0;
  std::size_t offset_ = 0;
};

/// Are these bytes a page, whatever they say? Then all of the above is safe on them. The order of
/// entries is not checked: see is_ordered(). Errors: kCorrupt, which says what is wrong.
Status verify_page(Bytes page);
/// Do keys and tails of the entries from `first` on ascend strictly? Requires: verify_page().
bool is_ordered(PageView page, std::size_t first = 0);

// ---- Changes, in place. `page` is a block with room for what the page becomes; its size is
// PageView(page).size() before and after. Bytes given must not lie in the page. Entries and heap
// stay within kPageEntriesMax and kPageHeapBytesMax.

/// An empty page, of kPageHeaderBytes and a base if keys are short, which takes keys of 8 bytes in
/// a leaf without pairs. `longest`: an entry of that length needs no wider lengths.
void page_begin(char* page, PageShape shape, std::size_t longest = 0,
                KeyForm keys = KeyForm::kWhole);
/// By how much the page grows if an entry of `length` is inserted, or an entry's length changes
/// from `old_length` to `length`.
std::size_t page_insert_growth(PageView page, PageKey key, std::size_t length);
std::ptrdiff_t page_resize_growth(PageView page, std::size_t old_length, std::size_t length);

/// Inserts an entry before `index` and returns where its `length` bytes are to be written.
/// Requires: index <= count; link given if and only if the page is inner; of tags, `key` is it.
char* page_open(char* page, std::size_t index, PageKey key, std::size_t length, PageLink link = {});
/// The same with its bytes; of tags, `key` does not matter.
void page_insert(char* page, std::size_t index, PageKey key, const Entry& entry,
                 PageLink link = {});
/// Makes entry `index` `length` bytes long and returns where they are to be written; the bytes that
/// fit are still there. The entry's tag, if it has one, stays as it is.
char* page_resize(char* page, std::size_t index, std::size_t length);
void page_replace(char* page, std::size_t index, const Entry& entry);
/// Requires: first + count <= the page's count.
void page_erase(char* page, std::size_t first, std::size_t count);
/// Appends entries of `from`, of the same shape. Requires: first <= last <= from.count(); room as
/// page_append_growth() says; `from` is another page.
void page_append(char* page, PageView from, std::size_t first, std::size_t last);
std::size_t page_append_growth(PageView page, PageView from, std::size_t first, std::size_t last);
/// Requires: no tags, no short keys.
void page_set_key(char* page, std::size_t index, PageKey key);
void page_set_link(char* page, std::size_t index, PageLink link);
/// Adds to the count of a link.
void page_add_to_count(char* page, std::size_t index, std::int64_t by);

}  // namespace diskdb::value
