#include "keyspace/page_fetch.h"

#include <algorithm>
#include <utility>

#include "base/reached.h"
#include "keyspace/footprint.h"

namespace diskdb::keyspace {

PageFetch::PageFetch(std::vector<std::string> keys, std::uint32_t ingested_epoch, Footprint& waiter)
    : keys_(std::move(keys)),
      ingested_epoch_(ingested_epoch),
      pages_(keys_.size()),
      waiter_(&waiter) {}

void PageFetch::serve(store::Store& store) {
  const std::vector<Bytes> keys(keys_.begin(), keys_.end());
  failure_ = store.get_many(keys, [&](std::size_t index, Bytes page) { pages_[index] = page; });
  arrive();
}

void PageFetch::fail(Status failure) {
  failure_ = std::move(failure);
  arrive();
}

void PageFetch::arrive() {
  const std::lock_guard lock(m_);
  if (waiter_ == nullptr) {
    REACHED("page fetch: nobody waits any more");
    return;
  }
  std::exchange(waiter_, nullptr)->pages_arrived();
}

void PageFetch::forget() {
  const std::lock_guard lock(m_);
  waiter_ = nullptr;
}

bool PageFetch::has_asked_for(Bytes key) const {
  return std::binary_search(keys_.begin(), keys_.end(), key);
}

std::optional<Bytes> PageFetch::find(Bytes key, std::uint32_t ingested_epoch) const {
  if (ingested_epoch != ingested_epoch_) return std::nullopt;
  const auto at = std::lower_bound(keys_.begin(), keys_.end(), key);
  if (at == keys_.end() || *at != key) return std::nullopt;
  const std::string& page = pages_[static_cast<std::size_t>(at - keys_.begin())];
  return page.empty() ? std::nullopt : std::optional<Bytes>(page);
}

}  // namespace diskdb::keyspace
