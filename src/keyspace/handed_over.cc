#include "keyspace/handed_over.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include "base/containers.h"

namespace diskdb::keyspace {
namespace {

// Copies lie anywhere in memory: so many are being loaded while one is encoded.
constexpr std::size_t kCopiesAhead = 8;

}  // namespace

HandedOver::~HandedOver() {
  std::vector<OrderedImage> ignored;
  take(~std::uint64_t{0}, &ignored);
}

void HandedOver::add(std::uint64_t order, const Record& record, bool is_gone) {
  if (record.is_plain()) {
    Record* copy = Record::copy_of(record);
    bytes_ += copy->allocated_bytes();
    entries_.push_back({order, Copy{copy, is_gone}});
  } else {
    auto image = std::make_unique<Image>(image_of(record, is_gone));
    bytes_ += image->bytes();
    entries_.push_back({order, image.release()});
  }
  latest_ = std::max(latest_, order);
}

void HandedOver::prefetch(const Entry& entry) {
  if (const Copy* copy = std::get_if<Copy>(&entry.what)) __builtin_prefetch(copy->record);
}

OrderedImage HandedOver::image_of_entry(const Entry& entry) {
  if (const Copy* copy = std::get_if<Copy>(&entry.what)) {
    OrderedImage taken{entry.order, image_of(*copy->record, copy->is_gone)};
    bytes_ -= copy->record->allocated_bytes();
    Record::destroy(copy->record);
    return taken;
  }
  const std::unique_ptr<Image> image(std::get<Image*>(entry.what));
  bytes_ -= image->bytes();
  return {entry.order, std::move(*image)};
}

void HandedOver::take(std::uint64_t order_end, std::vector<OrderedImage>* out) {
  if (entries_.empty()) return;
  if (latest_ < order_end) {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (i + kCopiesAhead < entries_.size()) prefetch(entries_[i + kCopiesAhead]);
      out->push_back(image_of_entry(entries_[i]));
    }
    entries_.clear();
  } else {
    while (heap_size_ < entries_.size()) {
      std::ranges::push_heap(std::span(entries_).first(++heap_size_), is_later);
    }
    while (!entries_.empty() && entries_.front().order < order_end) {
      std::ranges::pop_heap(entries_, is_later);
      out->push_back(image_of_entry(entries_.back()));
      entries_.pop_back();
    }
  }
  heap_size_ = entries_.size();
  if (!entries_.empty()) return;
  free_container(entries_);
  latest_ = 0;
}

}  // namespace diskdb::keyspace
