#include "keyspace/loader.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "base/reached.h"
#include "keyspace/place.h"
#include "store/format.h"

namespace diskdb::keyspace {
namespace {

constexpr std::size_t kBatchMax = 16;
constexpr std::uint64_t kBatchBytesMax = 1 << 20;  // as far as sizes are known

void fail(const LoadRequest& request, const Status& failure) {
  request.shard->lock.lock();
  fail_load(*request.table, request.key, request.ticket, failure);
  request.shard->lock.unlock();
}

Status stopping() { return {Code::kIo, "the server is stopping"}; }

}  // namespace

// ---- Reading

Status LoadReader::serve(std::span<const LoadRequest> requests, Millis now) {
  wanted_.clear();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Key key = access_.key(requests[i].key);
    Wanted& wanted = wanted_.emplace_back();
    wanted.request = i;
    store::encode_record_key(place_of(requests[i].table->generation(), key), key.bytes,
                             &wanted.stored_key);
  }
  std::ranges::sort(wanted_);
  read();

  Status failure;
  std::size_t at = 0;  // in keys_ and found_
  for (const Wanted& wanted : wanted_) {
    while (keys_[at] != wanted.stored_key) ++at;
    const Found& found = found_[at];
    const LoadRequest& request = requests[wanted.request];
    if (!found.status.ok()) {
      failure = found.status;
      fail(request, failure);
      continue;
    }
    access_.begin(0, now);
    access_.hold(*request.shard);
    const Status installed =
        access_.finish(*request.shard, *request.table, access_.key(request.key), request.ticket,
                       found.is_there ? std::optional<Bytes>(found.value) : std::nullopt);
    access_.release();
    if (!installed.ok()) failure = installed;
  }
  return failure;
}

void LoadReader::read() {
  keys_.clear();
  for (const Wanted& wanted : wanted_) {
    // The same key twice: the load it was asked for first is gone by now.
    if (keys_.empty() || keys_.back() != wanted.stored_key) keys_.push_back(wanted.stored_key);
  }
  found_.resize(keys_.size());
  for (Found& found : found_) {
    found.is_there = false;
    found.status = {};
  }
  if (keys_.size() == 1) return read_singly();
  // Values are copied, since nobody may wait for a shard in the midst of a read: its holder may
  // wait for the store to be opened again, which waits for reads.
  const Status status = keyspace_.store()->get_many(keys_, [&](std::size_t index, Bytes value) {
    found_[index].is_there = true;
    found_[index].value = value;
  });
  if (status.ok()) return;
  REACHED("loader: a read of several keys failed");
  read_singly();  // which of them is it?
}

void LoadReader::read_singly() {
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    Found& found = found_[i];
    const auto presence = keyspace_.store()->get(keys_[i], store::Reach::kDisk, &found.value);
    found.status = presence.status();
    found.is_there = presence.ok() && presence.value() == store::Presence::kFound;
  }
}

// ---- The queue

void Loader::submit(std::vector<LoadRequest> requests) {
  if (requests.empty()) return;
  {
    const std::lock_guard lock(m_);
    if (!is_stopping_) {
      const bool are_many = requests.size() > 1;
      std::ranges::move(requests, std::back_inserter(queue_));
      if (are_many) {
        changed_.notify_all();
      } else {
        changed_.notify_one();
      }
      return;
    }
  }
  fail_all(requests);
}

void Loader::submit(std::shared_ptr<PageFetch> pages) {
  {
    const std::lock_guard lock(m_);
    if (!is_stopping_) {
      page_queue_.push_back(std::move(pages));
      changed_.notify_one();
      return;
    }
  }
  pages->fail(stopping());
}

void Loader::run() {
  LoadReader reader(keyspace_);
  std::unique_lock lock(m_);
  while (true) {
    changed_.wait(lock, [this] { return is_stopping_ || !queue_.empty() || !page_queue_.empty(); });
    if (is_stopping_) return;
    Work work = take_some();
    lock.unlock();
    serve(reader, std::move(work));
    lock.lock();
  }
}

bool Loader::work_once() {
  Work work;
  {
    const std::lock_guard lock(m_);
    work = take_some();
  }
  if (work.is_none()) return false;
  LoadReader reader(keyspace_);
  serve(reader, std::move(work));
  return true;
}

void Loader::stop() {
  std::deque<LoadRequest> left;
  std::deque<std::shared_ptr<PageFetch>> pages_left;
  {
    const std::lock_guard lock(m_);
    is_stopping_ = true;
    left.swap(queue_);
    pages_left.swap(page_queue_);
    changed_.notify_all();
  }
  fail_all({left.begin(), left.end()});
  for (const auto& pages : pages_left) pages->fail(stopping());
}

std::size_t Loader::queued_count() const {
  const std::lock_guard lock(m_);
  return queue_.size() + page_queue_.size();
}

Loader::Work Loader::take_some() {
  Work work;
  if (!page_queue_.empty()) {
    work.pages = std::move(page_queue_.front());
    page_queue_.pop_front();
  }
  const std::size_t count =
      std::min({queue_.size(), kBatchMax,
                static_cast<std::size_t>(kBatchBytesMax / (admission_.estimate() + 1)) + 1});
  const auto end = queue_.begin() + static_cast<long>(count);
  work.requests.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
  return work;
}

void Loader::serve(LoadReader& reader, Work work) {
  if (work.pages != nullptr) work.pages->serve(*keyspace_.store());
  std::vector<LoadRequest>& requests = work.requests;
  if (admission_.is_over_budget()) {
    std::erase_if(requests, [this](const LoadRequest& request) {
      request.shard->lock.lock();
      const bool is_deferred = defer_load(*request.table, request.key, request.ticket, admission_);
      request.shard->lock.unlock();
      return is_deferred;
    });
  }
  if (requests.empty()) return;
  // Who waits for a failed one gets the failure.
  static_cast<void>(reader.serve(requests, clock_.wall()));
}

void Loader::fail_all(const std::vector<LoadRequest>& requests) {
  for (const LoadRequest& request : requests) {
    fail(request, stopping());
  }
}

}  // namespace diskdb::keyspace
