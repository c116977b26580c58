#include "log/segmented_log.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/reached.h"
#include "io/process.h"
#include "log/recovery.h"

namespace diskdb::log {
namespace {

/// An eighth of a segment, so that what rounding to chunks leaves unused of it stays small.
std::size_t chunk_bytes(const Options& options) {
  return std::min<std::uint64_t>(kChunkBytesMax, options.segment_bytes / 8);
}

std::int64_t micros(Millis millis) { return millis.count * 1000; }

}  // namespace

SegmentedLog::SegmentedLog(io::Disk& disk, io::Clock& clock, Options options, io::Random random,
                           Start start)
    : disk_(disk),
      clock_(clock),
      options_(std::move(options)),
      folder_lock_(std::move(start.folder_lock)),
      replayed_bytes_(start.replayed_bytes),
      cut_bytes_(start.cut_bytes),
      queue_(start.end, chunk_bytes(options_)),
      current_(start.segments.back()),
      position_(start.position),
      written_(start.end),
      synced_(start.end),
      acknowledged_(start.end),
      last_sync_start_(clock.monotonic().count),
      policy_(options_.fsync),
      interval_micros_(micros(options_.sync_interval)),
      segments_(std::move(start.segments)),
      next_sequence_(start.next_sequence),
      random_(random) {}

SegmentedLog::~SegmentedLog() {
  (void)close();  // as log.h says
  queue_.give_back(backlog_.take());
}

Status SegmentedLog::start() {
  {
    const std::lock_guard guard(step_m_);
    keep_spare(Due::kNow);
  }
  TRY(poison());
  has_started_ = true;
  if (options_.start_syncer_thread) {
    syncer_ = std::thread([this] {
      io::introduce_thread("log-syncer", io::Work::kForClients);
      run_syncer();
    });
  }
  return Status::okay();
}

// ---- appending and acknowledging
// ------------------------------------------------------------------------

Offset SegmentedLog::append(std::uint32_t db, std::span<const Bytes> parts) {
  return queue_.append(db, parts);
}

std::uint64_t SegmentedLog::pending_bytes() const {
  const Offset written_now = written();  // first, so that the end read next is not below it
  return queue_.end() - written_now;
}

Offset SegmentedLog::raise_acknowledged(Offset to) const {
  Offset seen = acknowledged_.load(std::memory_order_relaxed);
  while (seen < to) {
    if (acknowledged_.compare_exchange_weak(seen, to, std::memory_order_acq_rel)) return to;
  }
  return seen;
}

Offset SegmentedLog::acknowledgeable() const {
  if (is_poisoned()) return acknowledged_.load(std::memory_order_acquire);  // I4
  if (policy() == Fsync::kAlways) return raise_acknowledged(synced());
  const Offset written_now = written();
  if (acknowledged_.load(std::memory_order_acquire) >= written_now) {
    return acknowledged_.load(std::memory_order_acquire);
  }
  const bool may_lose_too_much =
      policy() == Fsync::kEverysec && written_now > synced() && is_stale();
  return raise_acknowledged(may_lose_too_much ? synced() : written_now);
}

/// Measured from the last sync's start: what it saved is what had been written by then. So a power
/// loss takes at most what was acknowledged within two intervals.
bool SegmentedLog::is_stale() const {
  const std::int64_t age =
      clock_.monotonic().count - last_sync_start_.load(std::memory_order_acquire);
  return age > 2 * interval_micros();
}

void SegmentedLog::await(Listener& listener, Offset offset) {
  waiters_.add(listener, offset, [this](Offset wanted) {
    if (acknowledgeable() >= wanted) return true;
    // Nobody is writing it, so the caller is to: the writer may have left before it saw the last
    // frames.
    return written() < wanted && role_.is_free() && !is_blocked_.load(std::memory_order_acquire) &&
           !is_poisoned();
  });
}

void SegmentedLog::forget(Listener& listener) { waiters_.forget(listener); }

void SegmentedLog::announce() {
  const Offset reached = acknowledgeable();
  waiters_.wake([reached](Offset offset) { return offset <= reached; });
}

// ---- the writer
// -----------------------------------------------------------------------------------------

void SegmentedLog::write_pending() {
  if (queue_.end() == written()) return;
  if (!role_.take_or_ask()) return;
  for (int rounds = 1;; ++rounds) {
    write_round();
    if (role_.leave()) return;
    if (rounds >= kWriterRoundsMax && hand_over()) return;
  }
}

/// A thread that others keep asking would never get back to its own clients: somebody who waits
/// goes on.
bool SegmentedLog::hand_over() {
  if (!role_.leave()) return false;
  const Offset written_now = written();
  if (waiters_.wake([written_now](Offset offset) { return offset > written_now; }) > 0) return true;
  return !role_.take_or_ask();
}

void SegmentedLog::write_round() {
  // What found no room before goes first, and then what was appended meanwhile: its owners wait,
  // and were told nothing but that the writer is blocked.
  const bool has_old = !backlog_.empty();
  if (!has_old) backlog_ = queue_.take();
  if (!write_backlog() || !has_old) return;
  backlog_ = queue_.take();
  write_backlog();
}

// False: the rest has to wait for room.
bool SegmentedLog::write_backlog() {
  while (!backlog_.empty()) {
    if (is_poisoned()) {
      queue_.give_back(backlog_.take());
      return true;
    }
    if (!write_batch()) return false;
  }
  return true;
}

/// One batch, one call. False: no room, or the log is poisoned.
bool SegmentedLog::write_batch() {
  if (!make_fit(backlog_.front()->bytes())) return false;
  ChunkList batch = gather_batch();

  Bytes parts[1 + kBatchChunksMax];
  std::size_t count = 1;
  BatchHeader header{.salt = current_->salt,
                     .offset = written(),
                     .time_ms = clock_.wall().count,
                     .attested = synced()};
  for (Chunk* chunk = batch.front(); chunk != nullptr; chunk = chunk->next) {
    parts[count++] = chunk->frames();
    header.payload_bytes += chunk->bytes();
  }
  const std::span<const Bytes> all(parts, count);
  seal(header, all.subspan(1));
  parts[0] = bytes_of(header);

  ASSERT(header.attested <= header.offset);  // I1, I3
  ASSERT(position_ + kBatchHeaderBytes + header.payload_bytes + kBatchHeaderBytes <=
         current_->file_bytes);
  const Status status = current_->file->write_at(position_, all);
  queue_.give_back(batch);
  if (!status.ok()) {
    fail(status.because("writing the log"));
    return false;
  }
  position_ += kBatchHeaderBytes + header.payload_bytes;
  write_count_.fetch_add(1, std::memory_order_relaxed);
  written_.store(header.end(), std::memory_order_release);
  announce();
  if (policy() == Fsync::kAlways) kick_syncer();
  return true;
}

/// Makes the current segment one that takes a batch of `payload_bytes`, and a seal behind it.
bool SegmentedLog::make_fit(std::uint64_t payload_bytes) {
  if (position_ + 2 * kBatchHeaderBytes + payload_bytes <= current_->file_bytes) return true;
  bool is_news = true;
  {
    const std::lock_guard guard(m_);
    if (spare_ == nullptr || SegmentFile::capacity(spare_->file_bytes) < payload_bytes) {
      REACHED("log: the writer found no spare that suffices");
      blocked_bytes_ = std::max(options_.segment_bytes, SegmentFile::file_bytes_for(payload_bytes));
      is_news = !is_blocked_.exchange(true, std::memory_order_release);
    } else {
      current_->end = written();
      current_->is_complete = true;
      current_ = std::move(spare_);
      current_->begin = written();
      segments_.push_back(current_);
      position_ = kSegmentHeaderBytes;
      blocked_bytes_ = 0;
      is_blocked_.store(false, std::memory_order_release);
      spare_capacity_.store(0, std::memory_order_release);
    }
  }
  if (is_news) kick_syncer();  // for a spare, and for what the full segment still has unsynced
  return !is_blocked_.load(std::memory_order_relaxed);
}

/// Takes from the backlog what makes one batch. Requires: its first chunk fits.
ChunkList SegmentedLog::gather_batch() {
  const std::uint64_t room = current_->file_bytes - position_ - 2 * kBatchHeaderBytes;
  const std::uint64_t bytes_max = std::min(room, kBatchBytesMax);
  ChunkList batch;
  std::uint64_t bytes = 0;
  for (std::size_t count = 0; count < kBatchChunksMax && !backlog_.empty(); ++count) {
    if (count > 0 && bytes + backlog_.front()->bytes() > bytes_max) break;
    bytes += backlog_.front()->bytes();
    batch.push_back(backlog_.pop_front());
  }
  return batch;
}

/// An empty batch that vouches for everything before it. Requires: written == synced.
Status SegmentedLog::write_seal() {
  ASSERT(written() == synced());
  BatchHeader header{.salt = current_->salt,
                     .offset = written(),
                     .time_ms = clock_.wall().count,
                     .attested = synced()};
  seal(header, {});
  const Bytes parts[] = {bytes_of(header)};
  TRY(current_->file->write_at(position_, parts));
  position_ += kBatchHeaderBytes;
  TRY(current_->file->truncate(position_));
  current_->file_bytes = position_;
  return current_->file->sync();
}

// ---- the syncer
// -----------------------------------------------------------------------------------------

void SegmentedLog::kick_syncer() {
  {
    const std::lock_guard guard(m_);
    is_kicked_ = true;
  }
  kicked_.notify_one();
}

void SegmentedLog::run_syncer() {
  std::unique_lock lock(m_);
  while (!is_stopping_) {
    if (!is_kicked_) {
      kicked_.wait_for(lock, std::chrono::microseconds(time_to_next_step().count));
    }
    is_kicked_ = false;
    lock.unlock();
    step(Due::kByTime);
    lock.lock();
  }
}

/// Requires: m_ held.
Micros SegmentedLog::time_to_next_step() const {
  constexpr std::int64_t kLeast = 1000;
  const std::int64_t due = last_sync_start_.load(std::memory_order_relaxed) + interval_micros();
  std::int64_t wait = due - clock_.monotonic().count;
  // Who waits in sync_all() may need another thread's write, or room.
  if (sync_wanted_ > synced()) wait = is_blocked_ ? micros(kSpareRetry) : kLeast;
  if (spare_ == nullptr) wait = std::min(wait, micros(kSpareRetry));
  return {std::clamp(wait, kLeast, std::max(kLeast, interval_micros()))};
}

void SegmentedLog::step(Due due) {
  const std::lock_guard guard(step_m_);
  if (is_poisoned()) return;
  const bool is_due = is_sync_due(due);
  if (is_due) write_pending();
  sync_written(is_due);
  if (keep_spare(due)) write_pending();
  { const std::lock_guard pause(m_); }  // who looked before this step's advances is waiting by now
  advanced_.notify_all();
}

bool SegmentedLog::is_sync_due(Due due) const {
  {
    const std::lock_guard guard(m_);
    if (sync_wanted_ > synced()) return true;
  }
  switch (policy()) {
    case Fsync::kAlways:
      return true;
    case Fsync::kNo:
      return false;
    case Fsync::kEverysec:
      break;
  }
  const std::int64_t age =
      clock_.monotonic().count - last_sync_start_.load(std::memory_order_relaxed);
  return due == Due::kNow || age >= interval_micros();
}

void SegmentedLog::sync_written(bool with_current) {
  struct Item {
    std::shared_ptr<SegmentFile> segment;
    bool is_complete;
  };
  const Micros start = clock_.monotonic();
  std::vector<Item> items;
  Offset target = 0;
  {
    // A segment joins the list before anything in it counts as written, so these hold all of
    // `target`.
    const std::lock_guard guard(m_);
    target = written();
    for (const auto& segment : segments_) {
      if (segment->is_synced || (!segment->is_complete && !with_current)) continue;
      items.push_back({segment, segment->is_complete});
    }
  }
  bool has_synced = false;
  for (const Item& item : items) {
    const Offset upto = item.is_complete ? item.segment->end : target;
    has_synced = has_synced || upto > synced();
    if (!sync_segment(*item.segment, item.is_complete, upto)) return;
  }
  if (with_current) {
    const std::int64_t due =
        last_sync_start_.load(std::memory_order_relaxed) + 2 * interval_micros();
    last_sync_start_.store(start.count, std::memory_order_release);
    const Micros finish = clock_.monotonic();
    if (has_synced) last_sync_micros_.store((finish - start).count, std::memory_order_relaxed);
    if (has_synced && finish.count > due)
      delayed_sync_count_.fetch_add(1, std::memory_order_relaxed);
  }
  announce();
}

/// Makes `segment` durable up to the offset `target`. False: poisoned.
bool SegmentedLog::sync_segment(SegmentFile& segment, bool is_complete, Offset target) {
  if (target > synced()) {
    // After a failed fsync the kernel may have dropped the pages and forgotten the error, so a
    // second one could report success for bytes that are gone. Nothing may be acknowledged from
    // here on.
    const Micros begin = clock_.monotonic();
    if (const Status status = segment.file->sync(); !status.ok()) {
      REACHED("log: fsync failed");
      fail(status.because("syncing the log"));
      return false;
    }
    sync_count_.fetch_add(1, std::memory_order_relaxed);
    sync_micros_.fetch_add((clock_.monotonic() - begin).count, std::memory_order_relaxed);
    synced_.store(target, std::memory_order_release);
  }
  if (is_complete) {
    const std::lock_guard guard(m_);
    segment.is_synced = true;
    segment.file.reset();
  }
  return true;
}

/// True: the writer was waiting for the spare that there is now.
bool SegmentedLog::keep_spare(Due due) {
  std::uint64_t file_bytes = 0;
  std::unique_ptr<SegmentFile> small;  // does not suffice; the writer waits while it grows
  std::vector<Reservation*> asked;
  {
    const std::lock_guard guard(m_);
    file_bytes = std::max(options_.segment_bytes, blocked_bytes_);
    for (const Reservation* one : reservations_) file_bytes = std::max(file_bytes, one->file_bytes);
    if (spare_ == nullptr || spare_->file_bytes < file_bytes) {
      const bool is_resting = due == Due::kByTime && clock_.monotonic() < spare_retry_at_;
      if (is_resting && reservations_.empty()) return false;
      small = std::move(spare_);
      spare_capacity_.store(0, std::memory_order_release);
    }
    asked.swap(reservations_);
    if (spare_ != nullptr) {
      answer(asked, spare_->file_bytes);
      return blocked_bytes_ > 0;
    }
  }

  Result<std::unique_ptr<SegmentFile>> made = [&]() -> Result<std::unique_ptr<SegmentFile>> {
    if (small == nullptr) return make_spare(file_bytes);
    TRY(small->file->allocate(file_bytes));
    small->file_bytes = file_bytes;
    return std::move(small);
  }();
  const bool is_fatal = !made.ok() && made.error().code != Code::kNoSpace;
  if (is_fatal) fail(made.status().because("making a spare segment of the log"));
  if (!made.ok()) spare_retry_at_ = clock_.monotonic() + Micros{micros(kSpareRetry)};

  const std::lock_guard guard(m_);
  spare_ = made.ok() ? std::move(made.value()) : std::move(small);
  const std::uint64_t spare_bytes = spare_ == nullptr || is_fatal ? 0 : spare_->file_bytes;
  answer(asked, spare_bytes);
  const bool suffices = spare_bytes > 0 && spare_bytes >= blocked_bytes_;
  spare_capacity_.store(SegmentFile::capacity(spare_bytes), std::memory_order_release);
  has_room_.store(suffices, std::memory_order_relaxed);
  return suffices && blocked_bytes_ > 0;
}

/// Tells those who asked whether the spare suffices for them. Requires: m_ held.
void SegmentedLog::answer(const std::vector<Reservation*>& asked, std::uint64_t spare_bytes) {
  for (Reservation* one : asked) {
    one->is_answered = true;
    one->is_granted = one->file_bytes <= spare_bytes;
  }
}

Result<std::unique_ptr<SegmentFile>> SegmentedLog::make_spare(std::uint64_t file_bytes) {
  std::string recycled;
  {
    const std::lock_guard guard(m_);
    if (!recycled_.empty()) {
      recycled = recycled_.back();
      recycled_.pop_back();
    }
  }
  if (!recycled.empty()) {
    // A backup that has linked the file still reads it: then it loses only this name.
    TRY_LET(const std::uint64_t links, disk_.link_count(recycled));
    if (links > 1) {
      REACHED("log: a released segment has a second link");
      TRY(disk_.remove(recycled));
      recycled.clear();
    }
  }
  SegmentHeader header;
  header.salt = random_.next() | 1U;  // never 0
  header.sequence = next_sequence_;
  header.attested = synced();
  header.created_ms = clock_.wall().count;
  TRY_LET(auto spare, make_segment(disk_, options_.folder, header, file_bytes, recycled, nullptr));
  spare->may_recycle = true;
  ++next_sequence_;
  return spare;
}

// ---- operations that may wait
// ---------------------------------------------------------------------------

bool SegmentedLog::reserve(std::uint64_t bytes) {
  // Appending may add a SELECT.
  const std::uint64_t payload_bytes = bytes + 64;
  if (spare_capacity_.load(std::memory_order_acquire) >= payload_bytes) return true;
  std::uint64_t file_bytes = SegmentFile::file_bytes_for(payload_bytes);
  // Others may fill the rest of the current segment first, and then begin the spare before this
  // frame comes.
  if (file_bytes > options_.segment_bytes) file_bytes += options_.segment_bytes;

  Reservation reservation{.file_bytes = file_bytes};
  std::unique_lock lock(m_);
  reservations_.push_back(&reservation);
  is_kicked_ = true;
  if (options_.start_syncer_thread) {
    kicked_.notify_one();
    advanced_.wait(lock, [&] {
      if (reservation.is_answered) return true;
      // The syncer answers whatever it has taken off the list, also when it fails.
      const bool is_listed =
          std::count(reservations_.begin(), reservations_.end(), &reservation) > 0;
      return is_listed && (!poison_.ok() || is_stopping_);
    });
  } else {
    lock.unlock();
    {
      const std::lock_guard guard(step_m_);
      keep_spare(Due::kNow);
    }
    lock.lock();
  }
  std::erase(reservations_, &reservation);
  // The writer may have begun the spare by now: then its room is in the current segment.
  return reservation.is_granted;
}

Status SegmentedLog::sync_all() {
  const Offset target = queue_.end();
  const auto is_done = [&] { return synced() >= target || is_poisoned(); };
  const auto is_stuck = [&] { return is_blocked_.load(std::memory_order_acquire) && !has_room(); };
  if (is_stuck()) (void)reserve(1);  // room may have come since it was last looked for
  {
    std::unique_lock lock(m_);
    sync_wanted_ = std::max(sync_wanted_, target);
    if (options_.start_syncer_thread) {
      is_kicked_ = true;
      kicked_.notify_one();
      advanced_.wait(lock, [&] { return is_done() || is_stuck() || is_stopping_; });
    }
  }
  while (!options_.start_syncer_thread && !is_done() && !is_stuck()) step(Due::kNow);
  TRY(poison());
  if (!is_done()) return {Code::kNoSpace, options_.folder + ": no room for a further log segment"};
  return Status::okay();
}

Status SegmentedLog::read(Offset from, Replay& replay) {
  TRY(sync_all());
  const Threads threads = options_.start_syncer_thread ? Threads::kYes : Threads::kNo;
  TRY_LET(const Scan found, scan(disk_, options_.folder, from, threads));
  if (found.damage.has_value()) return corruption(*found.damage, options_.folder, found.attested);
  ASSERT(found.end == written());
  TRY(replay_from(disk_, found, from, replay, threads));
  return Status::okay();
}

Status SegmentedLog::release_below(Offset offset) {
  TRY(poison());
  std::vector<std::shared_ptr<SegmentFile>> released;
  {
    const std::lock_guard guard(m_);
    while (segments_.front()->is_synced && segments_.front()->end <= offset) {
      released.push_back(std::move(segments_.front()));
      segments_.pop_front();
    }
  }
  if (released.empty()) return Status::okay();
  std::vector<std::string> recycled;
  for (const auto& segment : released) {
    bool is_wanted = segment->may_recycle && segment->file_bytes == options_.segment_bytes;
    {
      const std::lock_guard guard(m_);
      is_wanted = is_wanted && recycled_.size() + recycled.size() < kRecycledFilesMax;
    }
    if (is_wanted) {
      recycled.push_back(segment->path + kFreeSuffix);
      TRY(disk_.rename(segment->path, recycled.back()));
    } else {
      TRY(disk_.remove(segment->path));
    }
  }
  // Until its old name is surely gone, no released file may be written to. A folder's fsync can no
  // more be repeated than a file's.
  if (const Status status = disk_.sync_folder(options_.folder); !status.ok()) {
    fail(status.because("releasing log segments"));
    return status;
  }
  {
    const std::lock_guard guard(m_);
    recycled_.insert(recycled_.end(), recycled.begin(), recycled.end());
  }
  kick_syncer();
  return Status::okay();
}

Status SegmentedLog::close() {
  if (is_closed_) return poison();
  is_closed_ = true;
  const Status status = sync_all();
  {
    const std::lock_guard guard(m_);
    is_stopping_ = true;
  }
  kicked_.notify_one();
  advanced_.notify_all();
  if (syncer_.joinable()) syncer_.join();
  TRY(poison());
  // Where the disk is full, what could be written is sealed; the rest was never acknowledged.
  sync_written(true);
  TRY(poison());
  TRY(write_seal());
  if (spare_ != nullptr) TRY(disk_.remove(spare_->path));
  return status;
}

void SegmentedLog::set_fsync(Fsync fsync, Millis interval) {
  policy_.store(fsync, std::memory_order_relaxed);
  interval_micros_.store(micros(interval), std::memory_order_relaxed);
  kick_syncer();
}

void SegmentedLog::fail(const Status& status) {
  {
    const std::lock_guard guard(m_);
    if (!poison_.ok()) return;
    poison_ = status;
    has_room_.store(false, std::memory_order_relaxed);
    is_poisoned_.store(true, std::memory_order_release);
  }
  advanced_.notify_all();
  if (has_started_ && options_.on_fatal) options_.on_fatal(status);
}

Status SegmentedLog::poison() const {
  const std::lock_guard guard(m_);
  return poison_;
}

Stats SegmentedLog::stats() const {
  Stats stats;
  stats.synced = synced();
  stats.written = written();
  stats.appended = queue_.end();
  stats.write_count = write_count_.load(std::memory_order_relaxed);
  stats.sync_count = sync_count_.load(std::memory_order_relaxed);
  stats.delayed_sync_count = delayed_sync_count_.load(std::memory_order_relaxed);
  stats.sync_micros = sync_micros_.load(std::memory_order_relaxed);
  stats.last_sync_micros = last_sync_micros_.load(std::memory_order_relaxed);
  stats.replayed_bytes = replayed_bytes_;
  stats.cut_bytes = cut_bytes_;
  stats.has_room = has_room();
  const std::lock_guard guard(m_);
  stats.segment_count = segments_.size();
  for (const auto& segment : segments_) stats.file_bytes += segment->file_bytes;
  if (spare_ != nullptr) stats.file_bytes += spare_->file_bytes;
  stats.file_bytes += recycled_.size() * options_.segment_bytes;
  return stats;
}

}  // namespace diskdb::log
