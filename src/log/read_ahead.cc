#include "log/read_ahead.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "base/units.h"

namespace diskdb::log {
namespace {

constexpr std::uint64_t kAheadBytesMax = 8_MiB;

/// A batch that owns its payload.
struct Read {
  const FoundSegment* segment = nullptr;
  BatchHeader header = {};
  std::uint64_t position = 0;
  std::string payload;
};

/// Threads: thread-safe; one puts, one takes.
class Queue {
 public:
  /// Waits while there is much. False: nobody takes any more.
  bool put(const FoundSegment& segment, const Batch& batch) {
    std::unique_lock lock(m_);
    changed_.wait(lock, [this] { return is_given_up_ || bytes_ < kAheadBytesMax; });
    if (is_given_up_) return false;
    Read read;
    if (!spent_.empty()) {
      read.payload = std::move(spent_.back());
      spent_.pop_back();
    }
    lock.unlock();
    read.segment = &segment;
    read.header = batch.header;
    read.position = batch.position;
    read.payload.assign(batch.payload);
    lock.lock();
    bytes_ += read.payload.size();
    queue_.push_back(std::move(read));
    lock.unlock();
    changed_.notify_all();
    return true;
  }
  void end(Status status) {
    {
      const std::lock_guard lock(m_);
      status_ = std::move(status);
      has_ended_ = true;
    }
    changed_.notify_all();
  }

  /// Nothing at the end.
  std::optional<Read> take() {
    std::unique_lock lock(m_);
    changed_.wait(lock, [this] { return has_ended_ || !queue_.empty(); });
    if (queue_.empty()) return std::nullopt;
    Read read = std::move(queue_.front());
    queue_.pop_front();
    bytes_ -= read.payload.size();
    lock.unlock();
    changed_.notify_all();
    return read;
  }
  /// Memory that was used once costs no page faults.
  void give_back(std::string payload) {
    const std::lock_guard lock(m_);
    spent_.push_back(std::move(payload));
  }
  void give_up() {
    {
      const std::lock_guard lock(m_);
      is_given_up_ = true;
    }
    changed_.notify_all();
  }
  /// Requires: take() returned nothing.
  Status status() {
    const std::lock_guard lock(m_);
    return status_;
  }

 private:
  std::mutex m_;
  // guarded by m_
  std::condition_variable changed_;
  std::deque<Read> queue_;
  std::deque<std::string> spent_;
  std::uint64_t bytes_ = 0;
  bool has_ended_ = false;
  bool is_given_up_ = false;
  Status status_;
};

}  // namespace

Status for_each_batch_ahead(io::Disk& disk, const Scan& scan, Offset from,
                            const std::function<Status(const FoundSegment&, const Batch&)>& visit) {
  Queue queue;
  std::thread reader([&] {
    queue.end(
        for_each_batch(disk, scan, from, [&](const FoundSegment& segment, const Batch& batch) {
          return queue.put(segment, batch) ? Status() : Status(Code::kInvalid, "nobody listens");
        }));
  });
  Status status;
  while (status.ok()) {
    std::optional<Read> read = queue.take();
    if (!read) break;
    status = visit(*read->segment,
                   {.header = read->header, .payload = read->payload, .position = read->position});
    queue.give_back(std::move(read->payload));
  }
  queue.give_up();
  reader.join();
  return status.ok() ? queue.status() : status;
}

}  // namespace diskdb::log
