#include "command/statistics.h"

namespace diskdb::command {
namespace {

// Scripts may answer with codes of their own; their number must not grow without end.
constexpr std::size_t kErrorCodesMax = 128;

void clear(std::atomic<std::uint64_t>& counter) { counter.store(0, std::memory_order_relaxed); }

}  // namespace

void Statistics::count_error(std::string_view text) {
  const std::string_view code = text.substr(0, text.find(' '));
  error_count_.fetch_add(1, std::memory_order_relaxed);
  const std::lock_guard lock(error_mutex_);
  const auto found = errors_.find(code);
  if (found != errors_.end()) {
    ++found->second;
  } else if (errors_.size() < kErrorCodesMax) {
    errors_.emplace(code, 1);
  }
}

Statistics::ErrorCounts Statistics::errors() const {
  const std::lock_guard lock(error_mutex_);
  return errors_;
}

void Statistics::note_save(Millis now) {
  saved_edits_.store(edits.load(std::memory_order_relaxed), std::memory_order_relaxed);
  last_save_seconds.store(now.count / 1000, std::memory_order_relaxed);
}

std::uint64_t Statistics::changes_since_save() const {
  const std::uint64_t saved = saved_edits_.load(std::memory_order_relaxed);
  return edits.load(std::memory_order_relaxed) - saved;
}

void Statistics::reset() {
  for (RowCounters& row : rows) {
    clear(row.rejected_calls);
    clear(row.failed_calls);
  }
  times.reset();
  clear(commands_processed);
  clear(connections_received);
  clear(connections_rejected);
  clear(net_input_bytes);
  clear(net_output_bytes);
  clear(error_count_);
  const std::lock_guard lock(error_mutex_);
  errors_.clear();
}

}  // namespace diskdb::command
