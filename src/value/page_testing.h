// value/page_testing.h — for tests of this layer, which lies below io/random.h: numbers, and a page
// in memory of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "value/page.h"

namespace diskdb::value {

/// A small generator (an LCG's high bits, mixed).
class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : state_(seed * 2 + 1) {}
  std::uint64_t next() {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    std::uint64_t x = state_;
    x = (x ^ x >> 32U) * 0x9E3779B97F4A7C15U;
    return x ^ x >> 29U;
  }
  std::size_t below(std::size_t bound) { return next() % bound; }
  std::string text(std::size_t size) {
    std::string text(size, ' ');
    for (char& c : text) c = static_cast<char>('a' + below(26));
    return text;
  }

 private:
  std::uint64_t state_;
};

/// A page in a block of its exact size, so that a sanitizer sees every byte beside it.
class TestPage {
 public:
  explicit TestPage(PageShape shape, std::size_t longest = 0, KeyForm keys = KeyForm::kWhole)
      : bytes_(kPageBeginBytesMax, '\0') {
    page_begin(bytes_.data(), shape, longest, keys);
    bytes_.resize(view().size());
  }
  static TestPage of(std::string bytes) {
    TestPage page(PageShape{});
    page.bytes_ = std::move(bytes);
    return page;
  }

  PageView view() const { return PageView(bytes_); }
  const std::string& bytes() const { return bytes_; }

  void insert(std::size_t index, PageKey key, const Entry& entry, PageLink link = {}) {
    bytes_.resize(bytes_.size() + page_insert_growth(view(), key, entry.size()));
    page_insert(bytes_.data(), index, key, entry, link);
    check_size();
  }
  void replace(std::size_t index, const Entry& entry) {
    const std::ptrdiff_t growth = page_resize_growth(view(), view().length(index), entry.size());
    const std::size_t size = bytes_.size() + static_cast<std::size_t>(growth);
    if (growth > 0) bytes_.resize(size);
    page_replace(bytes_.data(), index, entry);
    bytes_.resize(size);
    check_size();
  }
  void erase(std::size_t first, std::size_t count) {
    page_erase(bytes_.data(), first, count);
    bytes_.resize(view().size());
  }
  void append(const TestPage& from, std::size_t first, std::size_t last) {
    bytes_.resize(bytes_.size() + page_append_growth(view(), from.view(), first, last));
    page_append(bytes_.data(), from.view(), first, last);
    check_size();
  }
  void set_key(std::size_t index, PageKey key) { page_set_key(bytes_.data(), index, key); }
  void set_link(std::size_t index, PageLink link) { page_set_link(bytes_.data(), index, link); }
  void add_to_count(std::size_t index, std::int64_t by) {
    page_add_to_count(bytes_.data(), index, by);
  }

 private:
  void check_size() const { ASSERT(view().size() == bytes_.size()); }

  std::string bytes_;
};

}  // namespace diskdb::value
