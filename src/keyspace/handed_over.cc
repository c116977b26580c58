#include "keyspace/handed_over.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/containers.h"

namespace diskdb::keyspace {

HandedOver::~HandedOver() { take(~std::uint64_t{0}); }

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
  std::ranges::push_heap(entries_, is_later);
}

Image HandedOver::image_of_entry(const Entry& entry) {
  if (const Copy* copy = std::get_if<Copy>(&entry.what)) {
    Image image = image_of(*copy->record, copy->is_gone);
    bytes_ -= copy->record->allocated_bytes();
    Record::destroy(copy->record);
    return image;
  }
  const std::unique_ptr<Image> image(std::get<Image*>(entry.what));
  bytes_ -= image->bytes();
  return std::move(*image);
}

std::vector<Image> HandedOver::take(std::uint64_t order_end) {
  std::vector<Image> images;
  while (!entries_.empty() && entries_.front().order < order_end) {
    std::ranges::pop_heap(entries_, is_later);
    images.push_back(image_of_entry(entries_.back()));
    entries_.pop_back();
  }
  if (entries_.empty()) free_container(entries_);
  return images;
}

}  // namespace diskdb::keyspace
