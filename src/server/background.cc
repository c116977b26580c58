#include "server/background.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "io/allocator.h"
#include "io/huge_pages.h"
#include "io/process.h"
#include "keyspace/warmer.h"
#include "server/memory_keeper.h"

namespace diskdb::server {
namespace {

constexpr std::chrono::milliseconds kCheckpointPeriod{20};
constexpr std::chrono::milliseconds kFreeingPeriod{100};
constexpr std::chrono::milliseconds kFreeingPause{1};  // between two bits
constexpr std::chrono::seconds kHugePagePeriod{1};
constexpr std::chrono::milliseconds kHugePagePause{2};  // page faults wait while one is gathered
// A disk answers several reads in the time of one.
constexpr int kLoaderThreads = 4;
// After a failure: long enough not to burn a processor, short against the time a full disk lasts.
constexpr std::int64_t kRetryMicros = 1'000'000;

}  // namespace

Background::Background(const Parts& parts, std::function<void(const std::string&)> report)
    : parts_(parts), report_(std::move(report)) {}

void Background::start() {
  threads_.emplace_back([this] {
    io::introduce_thread("evictor", io::Work::kForClients);  // they wait if memory is exceeded
    keep_memory();
  });
  threads_.emplace_back([this] {
    io::introduce_thread("reaper", io::Work::kInBackground);
    free_memory();
  });
  if (parts_.uses_huge_pages) {
    threads_.emplace_back([this] {
      io::introduce_thread("huge-pages", io::Work::kForClients);  // their page faults wait for it
      gather_huge_pages();
    });
  }
  if (parts_.checkpointer != nullptr) {
    threads_.emplace_back([this] {
      io::introduce_thread("checkpointer", io::Work::kInBackground);
      take_checkpoints();
    });
    threads_.emplace_back([this] {
      io::introduce_thread("warmer", io::Work::kInBackground);
      io::allocate_from_arena(0);
      warm_up();
    });
  }
  for (int i = 0; parts_.loader != nullptr && i < kLoaderThreads; ++i) {
    threads_.emplace_back([this] {
      io::introduce_thread("loader", io::Work::kForClients);
      io::allocate_from_arena(0);  // values, as network threads do
      parts_.loader->run();
    });
  }
}

void Background::stop() {
  {
    const std::lock_guard lock(m_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  if (parts_.loader != nullptr) parts_.loader->stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
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

void Background::take_checkpoints() {
  const command::Statistics& statistics = parts_.statistics;
  std::unique_lock lock(m_);
  while (!is_stopping_) {
    changed_.wait_for(lock, kCheckpointPeriod);
    if (is_stopping_) return;
    const bool is_asked = asked_ > begun_;
    const bool may_start = is_asked || parts_.clock.monotonic() >= retry_at_;
    const bool is_due = parts_.checkpointer->is_due(
        {.all = statistics.edits.load(), .of_elements = statistics.element_edits.load()});
    if (!may_start || (!is_asked && !is_due)) continue;
    ++begun_;
    lock.unlock();
    Status status = parts_.checkpointer->run();
    if (status.ok()) {
      parts_.statistics.note_save(parts_.clock.wall());
    } else {
      report_("The checkpoint failed: " + status.error().message);
    }
    lock.lock();
    retry_at_ = parts_.clock.monotonic() + Micros{status.ok() ? 0 : kRetryMicros};
    last_ = std::move(status);
    ended_ = begun_;
    changed_.notify_all();
  }
}

void Background::keep_memory() {
  MemoryKeeper keeper(parts_.keyspace, parts_.checkpointer, parts_.clock);
  for (;;) {
    const Millis pause = keeper.step();
    if (parts_.checkpointer != nullptr && parts_.keyspace.budget.wants_checkpoint.load()) {
      ask(false);
    }
    // Deletions by a policy are frames that nobody else may come by to write.
    if (log::Log* log = parts_.keyspace.log(); log != nullptr) log->write_pending();
    std::unique_lock lock(m_);
    if (changed_.wait_for(lock, std::chrono::milliseconds{pause.count},
                          [this] { return is_stopping_; })) {
      return;
    }
  }
}

// Of flushed databases and of large values: a bit at a time.
void Background::free_memory() {
  for (;;) {
    const auto pause = parts_.keyspace.free_detached() ? kFreeingPause : kFreeingPeriod;
    std::unique_lock lock(m_);
    if (changed_.wait_for(lock, pause, [this] { return is_stopping_; })) return;
  }
}

void Background::gather_huge_pages() {
  io::HugePages huge_pages;
  for (;;) {
    const bool has_gathered = huge_pages.step();
    parts_.statistics.huge_page_count.store(huge_pages.gathered_count(), std::memory_order_relaxed);
    const std::chrono::milliseconds pause = has_gathered ? kHugePagePause : kHugePagePeriod;
    std::unique_lock lock(m_);
    if (changed_.wait_for(lock, pause, [this] { return is_stopping_; })) return;
  }
}

// Works a quarter of the time, for it competes with those who are served.
void Background::warm_up() {
  keyspace::Warmer warmer(parts_.keyspace, parts_.clock);
  for (;;) {
    const Micros begin = parts_.clock.monotonic();
    const Result<bool> has_more = warmer.step();
    if (!has_more.ok()) {
      report_("Warming up ends: " + has_more.error().message);
      return;
    }
    if (!has_more.value()) return;
    const std::chrono::microseconds worked{(parts_.clock.monotonic() - begin).count};
    std::unique_lock lock(m_);
    if (changed_.wait_for(lock, 3 * worked, [this] { return is_stopping_; })) return;
  }
}

}  // namespace diskdb::server
