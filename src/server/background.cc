#include "server/background.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace diskdb::server {
namespace {

constexpr std::chrono::milliseconds kPeriod{20};
// After a failure: long enough not to burn a processor, short against the time a full disk lasts.
constexpr std::int64_t kRetryMicros = 1'000'000;

}  // namespace

Background::Background(keyspace::Checkpointer& checkpointer, command::Statistics& statistics,
                       io::Clock& clock, std::function<void(const std::string&)> report)
    : checkpointer_(checkpointer),
      statistics_(statistics),
      clock_(clock),
      report_(std::move(report)) {}

void Background::start() {
  thread_ = std::thread([this] { run(); });
}

void Background::stop() {
  {
    const std::lock_guard lock(m_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Background::Asked Background::ask(bool may_queue) {
  const std::lock_guard lock(m_);
  const bool is_running = begun_ > ended_;
  if (is_running && !may_queue) return Asked::kRefused;
  asked_ = std::max(asked_, begun_ + 1);
  changed_.notify_all();
  return is_running ? Asked::kQueued : Asked::kStarted;
}

Status Background::ask_and_wait() {
  std::unique_lock lock(m_);
  const std::uint64_t wanted = asked_ = std::max(asked_, begun_ + 1);
  changed_.notify_all();
  changed_.wait(lock, [&] { return ended_ >= wanted || is_stopping_; });
  return last_;
}

void Background::run() {
  std::unique_lock lock(m_);
  while (!is_stopping_) {
    changed_.wait_for(lock, kPeriod);
    if (is_stopping_) return;
    const bool is_asked = asked_ > begun_;
    if (!is_asked && clock_.monotonic() < retry_at_) continue;
    if (!is_asked && !checkpointer_.is_due(statistics_.edits.load(std::memory_order_relaxed))) {
      continue;
    }
    ++begun_;
    lock.unlock();
    Status status = checkpointer_.run();
    if (status.ok()) {
      statistics_.note_save(clock_.wall());
    } else {
      report_("The checkpoint failed: " + status.error().message);
    }
    lock.lock();
    retry_at_ = clock_.monotonic() + Micros{status.ok() ? 0 : kRetryMicros};
    last_ = std::move(status);
    ended_ = begun_;
    changed_.notify_all();
  }
}

}  // namespace diskdb::server
