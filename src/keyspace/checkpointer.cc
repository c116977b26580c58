#include "keyspace/checkpointer.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/containers.h"
#include "base/reached.h"
#include "keyspace/place.h"

namespace diskdb::keyspace {
namespace {

// What is taken while a shard is held: some ten microseconds' worth.
constexpr std::size_t kBucketsPerHold = 32;
constexpr std::size_t kBytesPerHold = 64 * 1024;
constexpr std::size_t kEntriesPerHold = 64;
constexpr std::size_t kBucketsAhead = 8;
constexpr std::size_t kPagesPerHold = 256;
// What a replay takes, measured: of an edit of a string, and of elements; of each byte logged; of a
// key in the store, whether it is looked up or all is read in order (ReplayWarmer); and of one that
// is looked up again and again, as memory is full.
constexpr std::int64_t kNanosPerEdit = 400;
constexpr std::int64_t kNanosPerEditOfElements = 1000;
constexpr std::int64_t kNanosPerByte = 1;
constexpr std::int64_t kMicrosPerKey = 1;
constexpr std::int64_t kMicrosPerLookUp = 5;

std::int64_t key_count_of(const store::Marker& marker) {
  std::int64_t count = 0;
  for (const store::Marker::Database& database : marker.databases) {
    for (const store::SlotCount& slot : database.slots) count += slot.keys;
  }
  return count;
}

void lock_all(Keyspace& keyspace) {
  for (Shard& shard : keyspace.shards()) shard.lock.lock();
}

void unlock_all(Keyspace& keyspace) {
  for (Shard& shard : keyspace.shards()) shard.lock.unlock();
}

/// Accounts, while a shard is held, what a table's bytes change by. A table that has left the
/// keyspace since the cut (FLUSHALL) counts no more.
class Accounting {
 public:
  Accounting(Keyspace& keyspace, const Shard& shard, const Table& table)
      : keyspace_(keyspace),
        table_(table),
        counts_(std::ranges::any_of(shard.tables,
                                    [&](const auto& kept) { return kept.get() == &table; })),
        bytes_(table.allocated_bytes()),
        dirty_(table.dirty_bytes()),
        pages_(table.pages()) {}
  Accounting(const Accounting&) = delete;
  Accounting& operator=(const Accounting&) = delete;
  ~Accounting() {
    if (!counts_) return;
    keyspace_.account(difference(table_.allocated_bytes(), bytes_));
    keyspace_.account_dirty(difference(table_.dirty_bytes(), dirty_));
    const value::PageTotals pages = table_.pages();
    keyspace_.account_pages({.bytes = pages.bytes - pages_.bytes,
                             .dirty_bytes = pages.dirty_bytes - pages_.dirty_bytes});
  }
  static std::int64_t difference(std::size_t now, std::size_t before) {
    return static_cast<std::int64_t>(now) - static_cast<std::int64_t>(before);
  }

 private:
  Keyspace& keyspace_;
  const Table& table_;
  bool counts_;
  std::size_t bytes_;
  std::size_t dirty_;
  value::PageTotals pages_;
};

}  // namespace

Checkpointer::Checkpointer(Keyspace& keyspace, io::Clock& clock)
    : keyspace_(keyspace), store_(*keyspace.store()), clock_(clock) {
  stats_.last_completed_at = clock.wall();
  last_run_at_ = clock.monotonic();
}

void Checkpointer::start_from(const store::Marker& marker) {
  const std::lock_guard lock(m_);
  stats_.last_offset = marker.offset;
  stats_.last_completed_at = marker.clock;
  stored_key_count_ = key_count_of(marker);
}

Status Checkpointer::run(std::optional<log::Position> position) {
  const std::lock_guard running(run_mutex_);
  const Micros begin = clock_.monotonic();
  {
    const std::lock_guard lock(m_);
    stats_.is_running = true;
  }
  was_overtaken_ = false;
  Status status = run_once(position);
  if (!status.ok() && was_overtaken_) {
    REACHED("checkpointer: a flush left nothing of a checkpoint");
    status = run_once(position);
  }
  const std::lock_guard lock(m_);
  stats_.is_running = false;
  stats_.has_failed = !status.ok();
  last_run_at_ = clock_.monotonic();
  stats_.last_micros = (last_run_at_ - begin).count;
  if (!status.ok()) ++stats_.failed_count;
  return status;
}

Status Checkpointer::run_once(std::optional<log::Position> position) {
  TRY(settle_doubt());
  if (must_mark_again_) mark_again();
  const Cut cut = make_cut(position);
  Status written = [&]() -> Status {
    TRY_LET(const auto files, store_.begin_files());
    TRY(write(cut, *files));
    TRY(files->finish());
    keyspace_.end_walk();
    // I2: the store vouches for the log below the marker's offset.
    if (keyspace_.log() != nullptr) TRY(keyspace_.log()->sync_all());
    {
      const std::lock_guard lock(m_);
      stats_.entry_count = files->entry_count();
      stats_.written_bytes += files->written_bytes();
    }
    if (Status ingested = store_.ingest(*files); !ingested.ok()) {
      doubted_ = cut;
      return ingested;
    }
    return {};
  }();
  if (!written.ok()) {
    keyspace_.end_walk();
    give_up(cut);
    return written;
  }
  complete(cut);
  return {};
}

// After a failed ingest the marker alone tells whether it happened (I3).
Status Checkpointer::settle_doubt() {
  if (!doubted_ && !store_.needs_reopen()) return {};
  REACHED("checkpointer: the store is opened again");
  TRY(store_.reopen());
  if (!doubted_) return {};
  TRY_LET(const std::optional<store::Marker> marker, store_.marker());
  const Cut cut = *std::exchange(doubted_, std::nullopt);
  if (marker && marker->offset == cut.marker.offset) {
    REACHED("checkpointer: an ingest that failed had happened");
    complete(cut);
  }
  return {};
}

SlotRange Checkpointer::slots_of(const Shard& shard) const {
  const std::uint32_t count = keyspace_.slots_per_shard();
  return {shard.index * count, count};
}

template <typename Step>
void Checkpointer::walk(const Cut::Part& part, Step step) {
  for (std::uint64_t position = 0; position < Table::kScanEnd;) {
    part.shard->lock.lock();
    {
      const Accounting accounting(keyspace_, *part.shard, *part.table);
      for (std::size_t i = 0; i < kBucketsPerHold && position < Table::kScanEnd; ++i) {
        position = step(*part.table, position);
      }
    }
    part.shard->lock.unlock();
  }
}

// Entries that the failed checkpoint had taken are for the next one to take.
void Checkpointer::mark_again() {
  REACHED("checkpointer: entries are marked again");
  const std::uint32_t ingested = keyspace_.ingested_epoch();
  for (Shard& shard : keyspace_.shards()) {
    // All tables at once: a swap may exchange them meanwhile.
    shard.lock.lock();
    std::vector<std::shared_ptr<Table>> tables = shard.tables;
    std::erase_if(tables,
                  [](const auto& table) { return table->count() + table->gone_count() == 0; });
    shard.lock.unlock();
    for (const std::shared_ptr<Table>& table : tables) {
      walk({&shard, table}, [&](Table& walked, std::uint64_t position) {
        return walked.mark_dirty_since(ingested, slots_of(shard), position);
      });
    }
  }
  must_mark_again_ = false;
}

Cut Checkpointer::make_cut(std::optional<log::Position> position) {
  lock_all(keyspace_);
  const Micros begin = clock_.monotonic();
  if (!position && keyspace_.log() != nullptr) position = keyspace_.log()->position();
  Cut cut = keyspace_.cut(position.value_or(log::Position{}), clock_.wall());
  const std::int64_t micros = (clock_.monotonic() - begin).count;
  unlock_all(keyspace_);
  const std::lock_guard lock(m_);
  stats_.cut_micros_max = std::max(stats_.cut_micros_max, micros);
  edits_at_cut_ = edits_seen_;
  return cut;
}

// ---- Writing

Status Checkpointer::write(const Cut& cut, store::CheckpointFiles& files) {
  value_.clear();
  store::append_marker(cut.marker, &value_);
  TRY(files.put(store::marker_key(), value_));
  expiries_.clear();
  auto dropped = cut.dropped.begin();
  for (const Cut::Part& part : cut.parts) {
    for (; dropped != cut.dropped.end() && *dropped < part.table->generation(); ++dropped) {
      TRY(files.erase_range(store::record_range(*dropped)));
    }
    TRY(check_overtaken(cut, *part.shard));
    TRY(write_part(cut, part, files));
  }
  for (; dropped != cut.dropped.end(); ++dropped) {
    TRY(files.erase_range(store::record_range(*dropped)));
  }
  TRY(write_expiries(cut, files));
  return write_pages(cut, files);
}

// The second try goes on to its end, so that flushes cannot keep checkpoints from ever ending.
Status Checkpointer::check_overtaken(const Cut& cut, Shard& shard) {
  if (was_overtaken_) return {};
  shard.lock.lock();
  was_overtaken_ = keyspace_.is_dropped(cut);
  shard.lock.unlock();
  return was_overtaken_ ? Status(Code::kBusy, "all its keys were flushed") : Status();
}

// The store's order is by cluster slot first: several slots are walked at once, and sorted, if they
// are small. Returns as many as that is, beginning with the first.
SlotRange Checkpointer::first_slots(const Cut::Part& part) const {
  SlotRange slots = slots_of(*part.shard);
  part.shard->lock.lock();
  const std::uint64_t bytes_of_slot = part.table->dirty_bytes() / slots.count + 1;
  part.shard->lock.unlock();
  const std::lock_guard lock(m_);
  slots.count = static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(settings_.bytes_at_once / bytes_of_slot, 1, slots.count));
  return slots;
}

Status Checkpointer::write_part(const Cut& cut, const Cut::Part& part,
                                store::CheckpointFiles& files) {
  const SlotRange all = slots_of(*part.shard);
  const std::uint32_t end = all.first + all.count;
  SlotRange slots = first_slots(part);
  for (; slots.first < end; slots.first += slots.count) {
    slots.count = std::min(slots.count, end - slots.first);
    for (std::uint64_t position = 0; position < Table::kScanEnd;) {
      position = take_some(cut, part, slots, position);
      // What has been passed of one slot is in order; of several, nothing is before their end.
      if (slots.count > 1 && position < Table::kScanEnd) continue;
      TRY(write_taken(part.table->generation(), files));
    }
  }
  return {};
}

// A part of the walk during which the shard is held. Returns the position to go on from.
std::uint64_t Checkpointer::take_some(const Cut& cut, const Cut::Part& part, SlotRange slots,
                                      std::uint64_t position) {
  Table& table = *part.table;
  std::size_t bytes = 0;
  const std::size_t count_max = taken_.size() + kEntriesPerHold;
  part.shard->lock.lock();
  {
    const Accounting accounting(keyspace_, *part.shard, table);
    for (std::size_t i = 0; i < kBucketsPerHold && taken_.size() < count_max &&
                            bytes < kBytesPerHold && position < Table::kScanEnd;
         ++i) {
      if (i % kBucketsAhead == 0) {
        table.prefetch_slots(slots, position, Table::kDirtyMark, kBucketsAhead);
      }
      position = table.scan_slots(
          slots, position, Table::kDirtyMark, [&](Table::Slot& entry, std::uint64_t order) {
            const Record* record = Table::record_in(entry);
            if (record->epoch() > cut.epoch) return;
            taken_.push_back({order, image_of(*record, Table::is_gone(entry))});
            bytes += taken_.back().image.bytes();
            table.mark_taken(&entry);
          });
    }
    // Of several slots only at their end.
    if (slots.count == 1 || position == Table::kScanEnd) {
      const std::uint64_t last_slot = slots.first + slots.count - 1;
      const std::size_t walked_count = taken_.size();
      table.take_handed_over((last_slot << kScanHashBits) + position, &taken_);
      for (std::size_t i = walked_count; i < taken_.size(); ++i) bytes += taken_[i].image.bytes();
    }
  }
  part.shard->lock.unlock();
  keyspace_.account_unsettled(bytes);
  return position;
}

Status Checkpointer::write_taken(store::Generation generation, store::CheckpointFiles& files) {
  sequence_.clear();
  for (const OrderedImage& taken : taken_) sequence_.push_back(&taken);
  std::ranges::sort(sequence_, [](const OrderedImage* a, const OrderedImage* b) {
    return a->order != b->order ? a->order < b->order : a->image.key < b->image.key;
  });
  const std::size_t expiry_bytes = expiries_.bytes();
  for (const OrderedImage* taken : sequence_) TRY(write_image(generation, *taken, files));
  keyspace_.account_unsettled(expiries_.bytes() - expiry_bytes);
  taken_.clear();
  return {};
}

Status Checkpointer::write_image(store::Generation generation, const OrderedImage& taken,
                                 store::CheckpointFiles& files) {
  const Image& image = taken.image;
  if (image.object) objects_.push_back(image.object);
  const store::Place place = place_of(generation, taken.order);
  add_expiries(generation, place.slot, image);
  store::encode_record_key(place, image.key, &key_);
  if (image.is_gone) return files.erase(key_);
  if (!image.large) return files.put(key_, image.record);
  value_.assign(image.record).append(image.large.view());
  return files.put(key_, value_);
}

void Checkpointer::add_expiries(store::Generation generation, std::uint32_t slot,
                                const Image& image) {
  const store::ExpiryValue value{.object = image.object ? packed_id(image.object->id()) : 0,
                                 .is_of_field = image.is_due_of_field};
  const auto add = [&](Millis when, bool is_there) {
    store::encode_expiry_key(generation, when, slot, image.key, &key_);
    expiries_.add(key_, is_there, is_there ? value : store::ExpiryValue{});
  };
  if (image.due) add(*image.due, true);
  const StoredExpiries& stored = image.stored_expiries;
  if (stored.ingested && stored.ingested != image.due) add(*stored.ingested, false);
  if (stored.unsettled && stored.unsettled != image.due && stored.unsettled != stored.ingested) {
    add(*stored.unsettled, false);
  }
}

Status Checkpointer::write_expiries(const Cut& cut, store::CheckpointFiles& files) {
  expiries_.sort();
  auto dropped = cut.dropped.begin();
  store::KeyRange range;
  const auto next_range = [&] {
    if (dropped != cut.dropped.end()) range = store::expiry_range(*dropped);
  };
  next_range();
  for (const ExpiryEntries::Entry& entry : expiries_.all()) {
    while (dropped != cut.dropped.end() && range.from < entry.key()) {
      TRY(files.erase_range(range));
      ++dropped;
      next_range();
    }
    value_.clear();
    store::append_expiry_value(entry.value(), &value_);
    TRY(entry.is_there ? files.put(entry.key(), value_) : files.erase(entry.key()));
  }
  for (; dropped != cut.dropped.end(); ++dropped) {
    TRY(files.erase_range(store::expiry_range(*dropped)));
  }
  expiries_.clear();
  return {};
}

// ---- Pages of large objects

// A little at a time. The object may move to another shard, or lose its key, but not go.
void Checkpointer::take_pages(const Cut& cut, value::Object& object) {
  std::vector<value::PageImage> images;
  value::Object::TakeCursor cursor;
  for (bool has_more = true; has_more;) {
    const std::uint32_t home = object.home();
    Shard& shard = keyspace_.shards()[home];
    shard.lock.lock();
    if (object.home() == home) {
      images.clear();
      has_more = object.take_dirty(cut.epoch, kPagesPerHold, &cursor, &images);
      if (object.has_totals()) keyspace_.account_pages(object.account());
    }
    shard.lock.unlock();
    std::size_t bytes = 0;
    ASSERT(images.empty() || object.generation() != 0);
    for (value::PageImage& image : images) {
      bytes += image.bytes.size();
      pages_.push_back(
          {{object.generation(), packed_id(object.id()), image.id}, std::move(image.bytes)});
    }
    images.clear();
    keyspace_.account_unsettled(bytes);
  }
}

// What the checkpoint writes and deletes of pages, in the order of keys; ranges stand where they
// begin, and swallow what lies in them.
Status Checkpointer::write_pages(const Cut& cut, store::CheckpointFiles& files) {
  for (const value::ObjectRef& object : objects_) {
    TRY(check_overtaken(cut, keyspace_.shards().front()));
    take_pages(cut, *object);
  }
  objects_.clear();
  for (PageLedger::Written& handed : keyspace_.pages.take_handed_over()) {
    pages_.push_back(std::move(handed));
  }
  std::ranges::sort(pages_, {}, &PageLedger::Written::place);
  const std::vector<PagePlace> gone_pages = keyspace_.pages.dropped_pages(cut.epoch);
  const std::vector<PagePlace> gone_objects = keyspace_.pages.dropped_objects(cut.epoch);
  auto written = pages_.begin();
  auto page = gone_pages.begin();
  auto object = gone_objects.begin();
  auto generation = cut.dropped.begin();
  std::string swallowed;  // keys below lie in a range that goes as a whole
  for (;;) {
    enum { kNone, kGeneration, kObject, kPage, kWritten } first = kNone;
    PagePlace place{};
    const auto offer = [&](bool is_there, const PagePlace& offered, auto kind) {
      if (!is_there || (first != kNone && place <= offered)) return;
      first = kind;
      place = offered;
    };
    const bool has_generation = generation != cut.dropped.end();
    offer(has_generation, PagePlace{has_generation ? *generation : 0, 0, 0}, kGeneration);
    offer(object != gone_objects.end(), object != gone_objects.end() ? *object : PagePlace{},
          kObject);
    offer(page != gone_pages.end(), page != gone_pages.end() ? *page : PagePlace{}, kPage);
    offer(written != pages_.end(), written != pages_.end() ? written->place : PagePlace{},
          kWritten);
    if (first == kNone) break;
    store::encode_page_key(place.generation, place.object, place.page, &key_);
    const bool is_swallowed = key_ < swallowed;
    switch (first) {
      case kNone:
        break;
      case kGeneration: {
        const store::KeyRange range = store::page_range(*generation++);
        TRY(files.erase_range(range));
        swallowed = range.to;
        break;
      }
      case kObject: {
        const store::KeyRange range = store::object_range(place.generation, place.object);
        ++object;
        if (is_swallowed) break;
        TRY(files.erase_range(range));
        swallowed = range.to;
        break;
      }
      case kPage:
        ++page;
        if (!is_swallowed) TRY(files.erase(key_));
        break;
      case kWritten:
        ASSERT(!is_swallowed);
        TRY(files.put(key_, written->bytes.view()));
        ++written;
        break;
    }
  }
  free_container(pages_);
  return {};
}

// ---- The end

// Nothing of it is in the store, or nobody knows: what it took is taken again.
void Checkpointer::give_up(const Cut& cut) {
  must_mark_again_ = true;
  taken_.clear();
  expiries_.clear();
  objects_.clear();
  free_container(pages_);
  (void)keyspace_.pages.take_handed_over();
  keyspace_.forget_unsettled();
  for (const Cut::Part& part : cut.parts) {
    part.shard->lock.lock();
    {
      const Accounting accounting(keyspace_, *part.shard, *part.table);
      part.table->take_handed_over(~std::uint64_t{0}, &taken_);
      taken_.clear();
    }
    part.shard->lock.unlock();
  }
}

void Checkpointer::complete(const Cut& cut) {
  keyspace_.settle(cut);
  keyspace_.forget_unsettled();
  {
    const std::lock_guard lock(m_);
    ++stats_.completed_count;
    stats_.last_completed_at = clock_.wall();
    stats_.last_offset = cut.marker.offset;
    stored_key_count_ = key_count_of(cut.marker);
  }
  if (keyspace_.log() != nullptr) {
    // What cannot go now goes with the next checkpoint.
    const Status released = keyspace_.log()->release_below(cut.marker.offset);
    if (!released.ok()) REACHED("checkpointer: log segments stay");
  }
  for (const Cut::Part& part : cut.parts) {
    part.shard->lock.lock();
    const bool has_tombstones = part.table->gone_count() != 0;
    part.shard->lock.unlock();
    if (!has_tombstones) continue;
    walk(part, [&](Table& table, std::uint64_t position) {
      return table.drop_tombstones(cut.epoch, slots_of(*part.shard), position);
    });
  }
}

// ---- When

bool Checkpointer::has_changes() const {
  const std::lock_guard lock(m_);
  return keyspace_.log() == nullptr || keyspace_.log()->appended() != stats_.last_offset;
}

bool Checkpointer::is_due(EditCounts counts) const {
  const std::lock_guard lock(m_);
  edits_seen_ = counts;
  if (stats_.is_running) return false;
  const std::uint64_t dirty = keyspace_.dirty_bytes() + keyspace_.unsettled_bytes();
  if (dirty > settings_.dirty_bytes_max / 2) return true;
  if (keyspace_.log() == nullptr) return false;
  const std::uint64_t logged = keyspace_.log()->appended() - stats_.last_offset;
  if (logged == 0) return false;
  if (logged >= settings_.log_bytes_min && logged >= settings_.log_factor * dirty) return true;
  const auto edits = static_cast<std::int64_t>(counts.all - edits_at_cut_.all);
  const auto of_elements =
      static_cast<std::int64_t>(counts.of_elements - edits_at_cut_.of_elements);
  const bool is_resident = keyspace_.budget.has_ample_room(keyspace_.allocated_bytes());
  const std::int64_t finding =
      is_resident ? std::min(edits, stored_key_count_) * kMicrosPerKey : edits * kMicrosPerLookUp;
  const std::int64_t editing =
      ((edits - of_elements) * kNanosPerEdit + of_elements * kNanosPerEditOfElements +
       static_cast<std::int64_t>(logged) * kNanosPerByte) /
      1000;
  if (editing + finding > settings_.replay_time.count * 1000) return true;
  return (clock_.monotonic() - last_run_at_).count > settings_.interval.count * 1000;
}

double Checkpointer::pressure() const {
  const std::lock_guard lock(m_);
  const double dirty = static_cast<double>(keyspace_.dirty_bytes() + keyspace_.unsettled_bytes()) /
                       static_cast<double>(settings_.dirty_bytes_max);
  // Below three quarters nobody waits; at the limit everybody does.
  return std::clamp((dirty - 0.75) * 4, 0.0, 1.0);
}

void Checkpointer::set(const CheckpointSettings& settings) {
  const std::lock_guard lock(m_);
  settings_ = settings;
}

CheckpointStats Checkpointer::stats() const {
  const std::lock_guard lock(m_);
  return stats_;
}

}  // namespace diskdb::keyspace
