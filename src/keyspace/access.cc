#include "keyspace/access.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/containers.h"
#include "base/number.h"
#include "base/reached.h"
#include "keyspace/place.h"
#include "keyspace/string_text.h"
#include "keyspace/waiting.h"
#include "resp/encode.h"
#include "value/long_string.h"
#include "value/stream.h"

namespace diskdb::keyspace {
namespace {

// So many groups of commands go before those of another thread that waits: some hundred
// microseconds.
constexpr std::size_t kReleasesUnwokenMax = 32;

constexpr std::size_t kIntegerTextMax = 20;  // longer texts are no 64-bit integers
constexpr std::size_t kAbsentKept = 256;
// Expired while a shard is held: some hundred microseconds.
constexpr std::size_t kFieldsPerHold = 64;

/// A number as text, for a word of a command.
class NumberText {
 public:
  explicit NumberText(std::int64_t value) : size_(format_integer(text_, value)) {}
  operator Bytes() const { return {text_, size_}; }

 private:
  IntegerText text_;
  std::size_t size_;
};

}  // namespace

/// One change to one table: accounts what the table costs more or less, and what of it is dirty.
class Access::Change {
 public:
  Change(Access& access, Table& table)
      : access_(access),
        table_(table),
        bytes_before_(table.allocated_bytes()),
        dirty_before_(table.dirty_bytes()) {}
  /// An edit: the shard's readers wait for its frame.
  Change(Access& access, Shard& shard, Table& table) : Change(access, table) {
    shard.is_edited = true;
  }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;
  ~Change() {
    access_.bytes_delta_ += static_cast<std::int64_t>(table_.allocated_bytes()) -
                            static_cast<std::int64_t>(bytes_before_);
    access_.dirty_delta_ +=
        static_cast<std::int64_t>(table_.dirty_bytes()) - static_cast<std::int64_t>(dirty_before_);
  }
  /// What every edit does first with the entry it changes or deletes.
  void prepare(const Key& key, Table::Slot* slot) const {
    const Keyspace& keyspace = access_.keyspace_;
    table_.prepare_change(key, slot, keyspace.cut_epoch(), keyspace.ingested_epoch());
  }
  void stamp(Record* record) const { record->set_epoch(access_.keyspace_.epoch()); }

 private:
  Access& access_;
  Table& table_;
  std::size_t bytes_before_;
  std::size_t dirty_before_;
};

// ---- Objects

ObjectEdit::ObjectEdit(Access& access, const Key& key, Type type)
    : access_(access),
      key_(key),
      shard_(access.held_shard_of(key)),
      table_(*shard_.tables[access.db_]),
      db_(access.db_) {
  if (type == Type::kString) access.put_in_pages(key);
  Table::Slot* slot = access.find_live(shard_, db_, key, Access::Purpose::kWrite);
  if (slot == nullptr) {
    is_new_ = true;
    access.place(shard_, table_, key,
                 Record::create_object(key, type, access.new_object(key, type)));
    slot = table_.find_slot(key);
  } else {
    const Access::Change change(access, table_);
    change.prepare(key, slot);
  }
  Record* record = Table::record_in(*slot);
  ASSERT(record->type() == type);
  if (type == Type::kString) record->set_raw(true);
  before_ = Table::before(*slot);
  object_ = &record->object();
  count_before_ = object_->count();
  const Keyspace& keyspace = access.keyspace_;
  access.pages_.birth_slot = key.slot;
  use_ = {.source = &access.pages_,
          .edit = {.epoch = keyspace.epoch(),
                   .cut_epoch = keyspace.cut_epoch(),
                   .watcher = this,
                   .fingers = &access.fingers_}};
}

// A large object's pages are accounted for by themselves; its record, and a small object, by table.
ObjectEdit::~ObjectEdit() {
  Table::Slot* slot = access_.find_entry(shard_, db_, key_);
  Record* record = Table::record_in(*slot);
  {
    const Access::Change change(access_, table_);
    change.stamp(record);
    access_.touch(key_, record);
    table_.replace(key_, slot, record, before_);
  }
  if (!object_->is_small()) access_.settle_in(shard_, table_, *object_);
  if (object_->count() == 0) {
    access_.drop(shard_, db_, key_, slot);
  } else if (object_->count() > count_before_ && object_->layout() != value::Layout::kChunks) {
    access_.note_ready(shard_, db_, key_.bytes);
  }
}

void ObjectEdit::commit(std::size_t count) {
  shard_.is_edited = true;
  access_.emit(db_, {});
  access_.edits_.all += count - 1;
  access_.edits_.of_elements += count;
}

void ObjectEdit::commit_as(std::span<const Bytes> effect) {
  shard_.is_edited = true;
  access_.log_effect(effect);
  ++access_.edits_.of_elements;
}

void ObjectEdit::wake_waiters() { access_.note_ready(shard_, db_, key_.bytes); }

void ObjectEdit::hand_over(value::PageId id, SharedBytes image) {
  ASSERT(object_->generation() != 0);
  const PagePlace place{object_->generation(), packed_id(object_->id()), id};
  access_.keyspace_.pages.hand_over(place, std::move(image));
}

void ObjectEdit::drop_stored(value::PageId id) {
  const PagePlace place{object_->generation(), packed_id(object_->id()), id};
  access_.keyspace_.pages.drop_page(place, access_.keyspace_.epoch());
}

Result<bool> Access::load_page(value::Object& object, const value::MissingPage& missing,
                               store::Reach reach) {
  TRY_LET(const store::Presence presence,
          keyspace_.store()->get(stored_page_key(object, missing.id), reach, &stored_value_));
  if (presence == store::Presence::kUnknown) return false;
  if (presence == store::Presence::kAbsent) {
    return Status{Code::kCorrupt, "the store lacks a page of an object"};
  }
  TRY(install_page(object, missing, stored_value_));
  return true;
}

Status Access::install_page(value::Object& object, const value::MissingPage& missing,
                            Bytes stored) {
  TRY(object.tree_of(missing.id)
          .install(missing, SharedBytes::copy_of(stored), keyspace_.ingested_epoch())
          .status());
  keyspace_.account_pages(object.account());
  return {};
}

void Access::Pages::load(value::Object& object, const value::MissingPage& missing) {
  REACHED("access: a page was loaded in place");
  const Result<bool> loaded = access_.load_page(object, missing, store::Reach::kDisk);
  if (loaded.ok()) return;
  ASSERT(access_.keyspace_.on_unreadable);
  access_.keyspace_.on_unreadable(loaded.status());
  ASSERT(false);
}

value::ObjectId Access::Pages::next_id() {
  return {.birth_slot = birth_slot, .number = access_.keyspace_.next_object()};
}

// A large object that lives in this table from now on, or has changed there.
void Access::settle_in(Shard& shard, Table& table, value::Object& object) {
  if (!object.has_totals()) {
    object.set_totals(table.page_totals());
    object.set_home(shard.index);
    object.set_generation(table.generation());
  }
  keyspace_.account_pages(object.account());
}

// The record is about to lose its value. What a large object has in the store goes with the next
// checkpoint; what it has in memory, in the background. Requires: Table::prepare_change().
void Access::abandon(const Shard& shard, const Table& table, Record* record) {
  note_gone(shard, table, *record);
  if (record->encoding() != Encoding::kObject || record->object().is_small()) return;
  value::Object& object = record->object();
  if (object.has_totals()) {
    const value::PageTotals was = object.accounted();
    keyspace_.account_pages({.bytes = -was.bytes, .dirty_bytes = -was.dirty_bytes});
    object.set_totals(nullptr);
  }
  if (object.is_stored()) {
    keyspace_.pages.drop_object(object.generation(), packed_id(object.id()), keyspace_.epoch());
  }
  keyspace_.bury(value::ObjectRef::of(object));
}

// Who waits for entries that a group of a stream has not read waits in vain without the stream.
void Access::note_gone(const Shard& shard, const Table& table, const Record& record) {
  if (shard.waiting == nullptr || record.type() != Type::kStream) [[likely]]
    return;
  for (std::uint32_t db = 0; db < keyspace_.database_count(); ++db) {
    if (shard.tables[db].get() == &table) return note_ready(shard, db, record.key());
  }
}

// Leaves an empty string in the record, which is to be dropped.
value::ObjectRef Access::take_object(Shard& shard, Table& table, const Key& key,
                                     Table::Slot* slot) {
  value::ObjectRef object;
  note_gone(shard, table, *Table::record_in(*slot));
  change(shard, table, key, slot,
         [&](Record* record) { return Record::without_object(record, &object); });
  if (object->has_totals()) {
    const value::PageTotals was = object->accounted();
    keyspace_.account_pages({.bytes = -was.bytes, .dirty_bytes = -was.dirty_bytes});
    object->set_totals(nullptr);
  }
  return object;
}

// Without elements. Its id, if it has one, is of `key`.
value::ObjectRef Access::new_object(const Key& key, Type type) {
  if (type != Type::kStream) return value::ObjectRef(value::Object::create(layout_of(type)));
  pages_.birth_slot = key.slot;
  return value::ObjectRef(
      value::Object::create_stream(pages_.next_id(), {.epoch = keyspace_.epoch()}));
}

// Element by element. Its id is of `key`.
value::ObjectRef Access::copy_object(const Key& key, value::Object& object) {
  pages_.birth_slot = key.slot;
  value::ObjectUse use{.source = &pages_, .edit = {.epoch = keyspace_.epoch()}};
  if (object.layout() == value::Layout::kChunks) {
    value::ObjectRef copy(
        value::Object::create_string(pages_.next_id(), object.extent().chunk_bytes));
    value::LongString(*copy, use).copy_from(value::LongString(object, reading_));
    return copy;
  }
  if (object.layout() == value::Layout::kStream) {
    value::ObjectRef copy = new_object(key, Type::kStream);
    value::Stream(*copy, use).copy_from(value::Stream(object, reading_));
    return copy;
  }
  value::ObjectRef copy(value::Object::create(object.layout()));
  const value::ObjectHandle source(object, reading_);
  for (value::ElementCursor c = source.at(0); !c.is_at_end(); c.next()) {
    switch (object.layout()) {
      case value::Layout::kSequence:
        value::Sequence(*copy, use).push_back(c.entry());
        break;
      case value::Layout::kMembers:
        value::Dictionary(*copy, use).add(c.entry());
        break;
      case value::Layout::kPairs:
        value::Dictionary(*copy, use).put(c.pair().key, c.pair().value, c.pair().expiry);
        break;
      case value::Layout::kScores:
        value::ScoreSet(*copy, use).put(c.entry(), c.score());
        break;
      case value::Layout::kChunks:
      case value::Layout::kStream:
        break;
    }
  }
  copy->set_traits(object.traits());
  return copy;
}

// ---- Holding

void Access::begin(std::uint32_t db, Millis now) {
  ASSERT(!holds_any());
  db_ = db;
  now_ = now;
  visible_after_ = 0;
  ready_.clear();  // of those who serve nobody
  forget_absent();
  is_replaying_ = keyspace_.is_replaying.load(std::memory_order_relaxed);
  is_logging_ = keyspace_.log() != nullptr && !is_replaying_;
}

bool Access::try_hold(Shard& shard) {
  if (shard.lock.try_lock()) {
    held_.push_back(&shard);
    return true;
  }
  return holds_all_ || std::find(held_.begin(), held_.end(), &shard) != held_.end();
}

bool Access::spin_hold(Shard& shard) {
  if (try_hold(shard)) return true;
  ASSERT_SLOW(held_.empty() || held_.back()->index < shard.index);  // I2
  if (!shard.lock.spin_lock()) return false;
  held_.push_back(&shard);
  return true;
}

void Access::hold(Shard& shard) {
  if (try_hold(shard)) return;
  ASSERT(held_.empty() || held_.back()->index < shard.index);  // I2
  shard.lock.lock();
  held_.push_back(&shard);
}

void Access::hold_all() {
  ASSERT(!holds_any());
  for (Shard& shard : keyspace_.shards()) shard.lock.lock();
  holds_all_ = true;
}

void Access::let_go(Shard& shard) {
  ASSERT(!holds_all_);
  if (shard.is_edited) return;
  const std::size_t erased_count = std::erase(held_, &shard);
  ASSERT(erased_count == 1);
  visible_after_ = std::max(visible_after_, shard.last_offset);
  forget_absent();
  last_found_.table = nullptr;
  shard.lock.unlock();
}

void Access::release() {
  last_found_.table = nullptr;
  log::Offset end = 0;
  if (!parts_.empty()) {
    for (std::size_t i = 0; i < parts_.size();) {
      frame_.clear();
      const std::uint32_t db = parts_[i].db;
      for (; i < parts_.size() && parts_[i].db == db; ++i) {
        const Part& part = parts_[i];
        frame_.push_back(part.raw != nullptr ? Bytes(part.raw, part.size)
                                             : effects_.view().substr(part.offset, part.size));
      }
      end = keyspace_.log()->append(db, frame_);
    }
    parts_.clear();
    effects_.clear();
  }
  const auto leave = [&](Shard& shard) {
    if (shard.is_edited) {
      shard.is_edited = false;
      shard.last_offset = std::max(shard.last_offset, end);
    }
    visible_after_ = std::max(visible_after_, shard.last_offset);
    if (shard.lock.unlock_quietly()) [[unlikely]]
      unwoken_.push_back(&shard.lock);
  };
  if (holds_all_) {
    for (Shard& shard : keyspace_.shards()) leave(shard);
  } else {
    for (Shard* shard : held_) leave(*shard);
  }
  held_.clear();
  holds_all_ = false;
  if (!unwoken_.empty() && (!defers_wakes_ || ++releases_unwoken_ == kReleasesUnwokenMax)) {
    wake_parked();
  }
  if (bytes_delta_ != 0) keyspace_.account(std::exchange(bytes_delta_, 0));
  if (dirty_delta_ != 0) keyspace_.account_dirty(std::exchange(dirty_delta_, 0));
  if (hits_ != 0) {
    keyspace_.hit_count.fetch_add(std::exchange(hits_, 0), std::memory_order_relaxed);
  }
  if (misses_ != 0) {
    keyspace_.miss_count.fetch_add(std::exchange(misses_, 0), std::memory_order_relaxed);
  }
}

void Access::wake_parked() {
  releases_unwoken_ = 0;
  if (unwoken_.empty()) [[likely]]
    return;
  for (ShardLock* lock : unwoken_) lock->wake_parked();
  unwoken_.clear();
}

void Access::begin_command(std::span<const Bytes> words, Bytes raw, Logged logged, bool is_read,
                           bool touches) {
  words_ = words;
  raw_ = raw;
  logged_ = logged;
  counts_hits_ = is_read;
  touches_ = touches;
  noted_ = 0;
  has_edited_ = false;
  effect_count_ = 0;
  command_first_part_ = parts_.size();
  if (!logged_as_.empty()) [[unlikely]]
    logged_as_.clear();
}

void Access::end_command() {
  if (!has_edited_ || !is_logging_) return;
  if (logged_ == Logged::kVerbatim) {
    if (!logged_as_.empty()) [[unlikely]] {
      const std::vector<Bytes> words(logged_as_.begin(), logged_as_.end());
      append_encoded(db_, words);
    } else if (!raw_.empty()) {
      append_part({.db = db_, .raw = raw_.data(), .offset = 0, .size = raw_.size()});
    } else {
      append_encoded(db_, words_);
    }
    return;
  }
  if (effect_count_ < 2) return;
  // Several commands that must be applied together, or not at all.
  const std::size_t first = effects_.size();
  const Bytes multi = "MULTI";
  const Bytes exec = "EXEC";
  resp::append_command(effects_, {&multi, 1});
  const Part opening{.db = db_, .raw = nullptr, .offset = first, .size = effects_.size() - first};
  parts_.insert(parts_.begin() + static_cast<std::ptrdiff_t>(command_first_part_), opening);
  append_encoded(db_, {&exec, 1});
}

void Access::append_part(Part part) {
  if (!parts_.empty()) {
    Part& last = parts_.back();
    const bool continues =
        last.db == part.db &&
        (part.raw != nullptr ? last.raw != nullptr && last.raw + last.size == part.raw
                             : last.raw == nullptr && last.offset + last.size == part.offset);
    // end_command() may have to put a MULTI between this command's effects and the one before.
    if (continues && (part.raw != nullptr || parts_.size() > command_first_part_)) {
      last.size += part.size;
      return;
    }
  }
  parts_.push_back(part);
}

void Access::append_encoded(std::uint32_t db, std::span<const Bytes> words) {
  if (!is_logging_) return;
  const std::size_t begin = effects_.size();
  resp::append_command(effects_, words);
  append_part({.db = db, .raw = nullptr, .offset = begin, .size = effects_.size() - begin});
}

// ---- Reading

Shard& Access::held_shard_of(const Key& key) {
  Shard& shard = keyspace_.shard_of(key.slot);
  ASSERT_SLOW(holds_all_ || std::find(held_.begin(), held_.end(), &shard) != held_.end());  // I1
  return shard;
}

// The key's entry, live or a tombstone, brought in from the store if need be.
[[gnu::always_inline]] inline Table::Slot* Access::find_entry(Shard& shard, std::uint32_t db,
                                                              const Key& key) {
  Table& table = *shard.tables[db];
  if (last_found_.table == &table && last_found_.hash == key.hash &&
      last_found_.move_count == table.move_count() &&
      Table::record_in(*last_found_.slot)->has_key(key.bytes)) {
    return last_found_.slot;
  }
  Table::Slot* slot = table.find_slot(key);
  if (slot == nullptr) return table.cold_count() == 0 ? nullptr : load_in_place(db, key);
  last_found_ = {&table, key.hash, table.move_count(), slot};
  return slot;
}

Table::Slot* Access::find_live(Shard& shard, std::uint32_t db, const Key& key, Purpose purpose) {
  Table::Slot* slot = find_entry(shard, db, key);
  if (slot == nullptr || Table::is_gone(*slot)) return nullptr;
  if (!is_expired(*Table::record_in(*slot))) [[likely]]
    return slot;
  // A write in progress was admitted, so its room in the log is there even if expiry rests by now.
  if (purpose == Purpose::kWrite || !keyspace_.is_expiry_resting.load(std::memory_order_relaxed)) {
    expire_now(shard, db, key, slot);
  }
  return nullptr;
}

void Access::expire_now(Shard& shard, std::uint32_t db, const Key& key, Table::Slot* slot) {
  const Bytes words[] = {"DEL", key.bytes};
  append_encoded(db, words);
  drop(shard, db, key, slot);
  keyspace_.expired_key_count.fetch_add(1, std::memory_order_relaxed);
}

// ---- Memory and store

bool Access::is_known(std::uint32_t db, const Key& key) const {
  const Table& table = *keyspace_.shard_of(key.slot).tables[db];
  if (table.cold_count() == 0) [[likely]]
    return true;
  if (table.find_slot(key) != nullptr) return true;
  if (known_absent_.contains({.hash = key.hash, .db = db, .slot = key.slot})) return true;
  const auto load = table.loads().find(key.bytes);
  return load != table.loads().end() && has_answer(load->second);
}

void Access::note_absent(std::uint32_t db, const Key& key) {
  known_absent_.insert({.hash = key.hash, .db = db, .slot = key.slot});
}

void Access::forget_absent() {
  if (known_absent_.empty()) return;
  if (known_absent_.size() <= kAbsentKept) {
    known_absent_.clear();
  } else {
    free_container(known_absent_);  // clear() would go through all its buckets each time
  }
}

Result<bool> Access::load(std::uint32_t db, const Key& key, store::Reach reach) {
  if (is_known(db, key)) return true;
  Shard& shard = held_shard_of(key);
  Table& table = *shard.tables[db];
  store::encode_record_key(place_of(table.generation(), key), key.bytes, &stored_key_);
  TRY_LET(const store::Presence presence,
          keyspace_.store()->get(stored_key_, reach, &stored_value_));
  if (presence == store::Presence::kUnknown) return false;
  if (presence == store::Presence::kFound) {
    TRY(install(table, key, stored_value_));
  } else {
    note_absent(db, key);
    finish_load(table, key.bytes, 0);
  }
  return true;
}

Status Access::finish(Shard& shard, Table& table, const Key& key, std::uint64_t ticket,
                      std::optional<Bytes> stored) {
  ASSERT(&keyspace_.shard_of(key.slot) == &shard);
  const auto load = table.loads().find(key.bytes);
  if (load == table.loads().end() || load->second.ticket != ticket || load->second.is_done) {
    REACHED("access: a load was overtaken");
    return {};
  }
  if (stored && table.find_slot(key) == nullptr) {
    if (Status status = install(table, key, *stored); !status.ok()) {
      fail_load(table, key.bytes, ticket, status);
      return status;
    }
  }
  finish_load(table, key.bytes, 0);
  return {};
}

Status Access::install(Table& table, const Key& key, Bytes stored) {
  TRY_LET(Record * record, record_of(key, stored, keyspace_.ingested_epoch()));
  const Change change(*this, table);
  record->set_accessed_at(access_seconds(now_));
  table.install(key, record);
  note_installed(table, key);
  finish_load(table, key.bytes, record->allocated_bytes());
  keyspace_.load_count.fetch_add(1, std::memory_order_relaxed);
  return {};
}

Status Access::warm(std::uint32_t db, const Key& key, Bytes stored) {
  constexpr std::int64_t kDayMillis = 24 * 3600 * 1000;
  Table& table = *held_shard_of(key).tables[db];
  if (table.find_slot(key) != nullptr || table.loads().contains(key.bytes)) return {};
  TRY_LET(Record * record, record_of(key, stored, keyspace_.ingested_epoch()));
  const Change change(*this, table);
  record->set_accessed_at(access_seconds(now_ - Millis{kDayMillis}));
  table.install(key, record);
  note_installed(table, key);
  return {};
}

void Access::note_installed(Table& table, const Key& key) {
  const Record* record = table.find(key);
  if (record->encoding() != Encoding::kObject || record->object().is_small()) return;
  settle_in(keyspace_.shard_of(key.slot), table, record->object());
}

Table::Slot* Access::load_in_place(std::uint32_t db, const Key& key) {
  const Result<bool> loaded = load(db, key, store::Reach::kDisk);
  if (!loaded.ok()) {
    ASSERT(keyspace_.on_unreadable);
    keyspace_.on_unreadable(loaded.status());
  }
  return keyspace_.shard_of(key.slot).tables[db]->find_slot(key);
}

bool Access::evict(Shard& shard, std::uint32_t db, const Key& key) {
  Table& table = *shard.tables[db];
  Table::Slot* slot = table.find_slot(key);
  if (slot == nullptr || Table::is_gone(*slot) || table.loads().contains(key.bytes)) return false;
  const Record& record = *Table::record_in(*slot);
  const bool is_large = record.encoding() == Encoding::kObject && !record.object().is_small();
  if (is_large && record.object().resident_page_count() > 0) return evict_pages(record.object());
  if (Table::is_dirty(*slot) || record.epoch() > keyspace_.ingested_epoch()) return false;
  if (is_large) {
    value::Object& object = record.object();
    const value::PageTotals was = object.accounted();
    keyspace_.account_pages({.bytes = -was.bytes, .dirty_bytes = -was.dirty_bytes});
    object.set_totals(nullptr);
  }
  forget_absent();  // it may have been absent before
  const Change change(*this, table);
  table.evict(key, slot);
  keyspace_.eviction_count.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool Access::evict_pages(value::Object& object) {
  constexpr std::size_t kBytesAtOnce = 256 * 1024;
  const std::size_t freed = object.evict_some(kBytesAtOnce, keyspace_.ingested_epoch());
  keyspace_.account_pages(object.account());
  return freed > 0;
}

bool Access::expire_cold(std::uint32_t db, const Key& key, Millis when,
                         store::PackedObjectId object) {
  Shard& shard = held_shard_of(key);
  Table& table = *shard.tables[db];
  if (table.cold_count() == 0 || table.find_slot(key) != nullptr) return false;
  const Change change(*this, shard, table);
  const Bytes words[] = {"DEL", key.bytes};
  append_encoded(db, words);
  table.erase_cold(key, when, keyspace_.epoch());
  if (object != 0) keyspace_.pages.drop_object(table.generation(), object, keyspace_.epoch());
  finish_load(table, key.bytes, 0);
  keyspace_.expired_key_count.fetch_add(1, std::memory_order_relaxed);
  return true;
}

const Record* Access::find(std::uint32_t db, const Key& key) {
  Table::Slot* slot = find_live(held_shard_of(key), db, key, Purpose::kRead);
  if (counts_hits_) ++(slot != nullptr ? hits_ : misses_);
  if (slot == nullptr) return nullptr;
  Record* record = Table::record_in(*slot);
  if (touches_) touch(key, record);
  return record;
}

Answer<const Record*> Access::find(const Key& key, Type type) {
  const Record* record = find(db_, key);
  if (record != nullptr && record->type() != type) return Refusal::kWrongType;
  return record;
}

// However often a command looks at a key, it uses it once.
void Access::touch(const Key& key, Record* record) {
  if (noted_ == key.hash) return;
  noted_ = key.hash;
  note_use(*record, now_, random_.next(), keyspace_.budget.frequency_rule());
}

void Access::note_new(const Key& key, Record* record) {
  noted_ = key.hash;
  record->set_accessed_at(access_seconds(now_));
}

const Record* Access::peek(const Key& key) {
  Table::Slot* slot = find_live(held_shard_of(key), db_, key, Purpose::kRead);
  if (counts_hits_) ++(slot != nullptr ? hits_ : misses_);
  return slot == nullptr ? nullptr : Table::record_in(*slot);
}

const Record* Access::peek_expired(std::uint32_t db, const Key& key) {
  const Table::Slot* slot = find_entry(held_shard_of(key), db, key);
  return slot == nullptr || Table::is_gone(*slot) ? nullptr : Table::record_in(*slot);
}

// ---- The funnel

void Access::log_by_effect() {
  ASSERT(!has_edited_);
  logged_ = Logged::kByEffect;
}

void Access::log_verbatim() {
  ASSERT(!has_edited_);
  logged_ = Logged::kVerbatim;
}

void Access::log_as(std::span<const Bytes> words) {
  ASSERT(!has_edited_);
  logged_ = Logged::kVerbatim;
  logged_as_.assign(words.begin(), words.end());
}

void Access::note_ready(const Shard& shard, std::uint32_t db, Bytes key) {
  if (shard.waiting == nullptr) [[likely]]
    return;
  if (shard.waiting->find(db, key) == nullptr) return;
  for (const ReadyKey& ready : ready_) {
    if (ready.db == db && ready.key == key) return;
  }
  ready_.push_back({db, std::string(key)});
}

void Access::emit(std::uint32_t db, std::initializer_list<Bytes> words) {
  has_edited_ = true;
  ++edits_.all;
  if (logged_ == Logged::kVerbatim || !is_logging_) return;
  ++effect_count_;
  ASSERT(db == db_);
  append_encoded(db_, {words.begin(), words.size()});
}

void Access::log_effect(std::span<const Bytes> effect) {
  ASSERT(logged_ == Logged::kByEffect);
  has_edited_ = true;
  ++edits_.all;
  if (!is_logging_) return;
  ++effect_count_;
  append_encoded(db_, effect);
}

void Access::emit_set(const Key& key, const Record& record, Bytes paged_text) {
  if (logged_ == Logged::kVerbatim || !is_logging_) return emit(db_, {});
  IntegerText scratch;
  const Bytes value = record.is_paged() ? paged_text : text_of(record.string(), scratch);
  if (record.has_expiry()) {
    emit(db_, {"SET", key.bytes, value, "PXAT", NumberText(record.expiry().count)});
  } else {
    emit(db_, {"SET", key.bytes, value});
  }
}

// Replaces the entry's record, live or a tombstone's, by what `edit` makes of it.
template <typename Edit>
Record* Access::change(Shard& shard, Table& table, const Key& key, Table::Slot* slot, Edit edit) {
  const Change change(*this, shard, table);
  change.prepare(key, slot);
  const Table::Before before = Table::before(*slot);
  // Before the edit: reading a word that has just been written in part waits for all stores.
  if (!before.was_gone) touch(key, Table::record_in(*slot));
  Record* record = edit(Table::record_in(*slot));
  change.stamp(record);
  if (before.was_gone) note_new(key, record);
  table.replace(key, slot, record, before);
  return record;
}

// Deletes a live key; nothing is logged here.
void Access::drop(Shard& shard, std::uint32_t db, const Key& key, Table::Slot* slot) {
  Table& table = *shard.tables[db];
  const Change change(*this, shard, table);
  change.prepare(key, slot);
  abandon(shard, table, Table::record_in(*slot));
  const std::size_t gone_count = table.gone_count();
  table.erase(key, slot, keyspace_.epoch());
  // Without a trace: the next command need not ask the store. The key's bytes may be gone.
  if (table.cold_count() != 0 && table.gone_count() == gone_count) note_absent(db, key);
}

// `record` is what the key holds from now on, whatever it held; nothing is logged here.
void Access::place(Shard& shard, Table& table, const Key& key, Record* record) {
  if (Table::Slot* slot = table.find_slot(key); slot != nullptr) {
    change(shard, table, key, slot, [&](Record* old) {
      record = Record::with_memory_of(record, *old);
      abandon(shard, table, old);
      Record::destroy(old);
      return record;
    });
    return;
  }
  // It may be known without its load, if no key of the table is cold any more. What a loader has
  // read would be out of date when it comes.
  finish_load(table, key.bytes, 0);
  const Change change(*this, shard, table);
  change.stamp(record);
  note_new(key, record);
  table.insert(key, record);
}

template <typename Create, typename Overwrite>
void Access::put(const Key& key, Expiry expiry, Create create, Overwrite overwrite,
                 Bytes paged_text) {
  Shard& shard = held_shard_of(key);
  Table& table = *shard.tables[db_];
  Table::Slot* slot = find_live(shard, db_, key, Purpose::kWrite);
  if (slot == nullptr && table.gone_count() != 0) slot = table.find_slot(key);  // its tombstone
  Record* record;
  if (slot == nullptr) {
    record = create();
    if (expiry.is_at()) record = Record::with_expiry(record, expiry.when());
    place(shard, table, key, record);
  } else {
    record = change(shard, table, key, slot, [&](Record* edited) {
      abandon(shard, table, edited);
      edited = overwrite(edited);
      edited->set_raw(false);
      if (expiry.is_at()) return Record::with_expiry(edited, expiry.when());
      if (edited->has_expiry() && !expiry.is_keep()) return Record::with_expiry(edited, {});
      return edited;
    });
  }
  emit_set(key, *record, paged_text);
}

void Access::set_string(const Key& key, Bytes value, Expiry expiry) {
  if (value.size() <= kIntegerTextMax && !value.empty() && value[0] <= '9') {
    if (const auto integer = parse_integer(value)) return set_integer(key, *integer, expiry);
  }
  set_text(key, value, expiry);
}

void Access::set_text(const Key& key, Bytes value, Expiry expiry) {
  if (value.size() > keyspace_.flat_string_bytes_max()) [[unlikely]]
    return set_paged(key, value, expiry);
  put(
      key, expiry, [&] { return Record::create(key, value); },
      [&](Record* record) { return Record::with_string(record, value); });
}

void Access::set_integer(const Key& key, std::int64_t value, Expiry expiry) {
  put(
      key, expiry, [&] { return Record::create_integer(key, value); },
      [&](Record* record) { return Record::with_integer(record, value); });
}

void Access::set_shared(const Key& key, SharedBytes value, Expiry expiry) {
  if (value.size() <= kInlineBytesMax || value.size() > keyspace_.flat_string_bytes_max()) {
    return set_string(key, value.view(), expiry);
  }
  put(
      key, expiry, [&] { return Record::create_shared(key, std::move(value)); },
      [&](Record* record) { return Record::with_shared(record, std::move(value)); });
}

char* Access::edit_string(const Key& key, std::size_t size) {
  ASSERT(logged_ == Logged::kVerbatim);
  Shard& shard = held_shard_of(key);
  Table& table = *shard.tables[db_];
  if (const Table::Slot* slot = find_live(shard, db_, key, Purpose::kWrite); slot == nullptr) {
    place(shard, table, key, Record::create(key, {}));
  } else if (Table::record_in(*slot)->is_paged()) [[unlikely]] {
    put_in_one_run(key, *Table::record_in(*slot));
  }
  char* bytes = nullptr;
  change(shard, table, key, table.find_slot(key), [&](Record* record) {
    ASSERT(record->type() == Type::kString);
    return Record::with_writable(record, size, &bytes);
  });
  emit(db_, {});
  return bytes;
}

void Access::write_string(const Key& key, const Record* record, std::uint64_t size,
                          std::uint64_t offset, Bytes bytes) {
  ASSERT(offset <= size && bytes.size() <= size - offset);
  if (!is_edited_by_page(record, size)) [[likely]] {
    char* value = edit_string(key, size);
    if (!bytes.empty()) std::memcpy(value + offset, bytes.data(), bytes.size());
    return;
  }
  ASSERT(logged_ == Logged::kVerbatim);
  ObjectEdit edit(*this, key, Type::kString);
  value::LongString text(edit.object(), edit.use());
  if (offset == text.size() && offset + bytes.size() == size) {
    text.append(bytes);
  } else {
    text.grow(size);
    text.write(offset, bytes);
  }
  edit.commit();
}

// ---- Strings in pages

void Access::set_paged(const Key& key, Bytes value, Expiry expiry) {
  put(
      key, expiry,
      [&] { return Record::create_object(key, Type::kString, make_paged(key, value)); },
      [&](Record* record) {
        return Record::with_object(record, Type::kString, make_paged(key, value));
      },
      value);
  note_installed(*held_shard_of(key).tables[db_], key);
}

// Its id is of `key`. No checkpoint awaits a page of it.
value::ObjectRef Access::make_paged(const Key& key, Bytes text) {
  pages_.birth_slot = key.slot;
  value::ObjectRef object(
      value::Object::create_string(pages_.next_id(), keyspace_.string_chunk_bytes()));
  const value::ObjectUse use{.source = &pages_, .edit = {.epoch = keyspace_.epoch()}};
  value::LongString(*object, use).append(text);
  return object;
}

// Whatever form the string has, or none. Nothing is logged here.
void Access::put_in_pages(const Key& key) {
  Shard& shard = held_shard_of(key);
  Table& table = *shard.tables[db_];
  Table::Slot* slot = find_live(shard, db_, key, Purpose::kWrite);
  if (slot == nullptr) {
    place(shard, table, key, Record::create_object(key, Type::kString, make_paged(key, {})));
  } else {
    const Record& record = *Table::record_in(*slot);
    ASSERT(record.type() == Type::kString);
    if (record.is_paged()) return;
    IntegerText scratch;
    value::ObjectRef object = make_paged(key, text_of(record.string(), scratch));
    change(shard, table, key, slot, [&](Record* flat) {
      return Record::with_object(flat, Type::kString, std::move(object));
    });
  }
  note_installed(table, key);
}

// `record` is that of the key, and in pages. Nothing is logged here.
void Access::put_in_one_run(const Key& key, const Record& record) {
  Shard& shard = held_shard_of(key);
  Table& table = *shard.tables[db_];
  const value::LongString text(record.object(), reading_);
  SharedBytes run = SharedBytes::allocate(text.size(), text.size());
  text.copy_to(run.writable(), 0, text.size());
  change(shard, table, key, table.find_slot(key), [&](Record* paged) {
    abandon(shard, table, paged);
    return Record::with_shared(paged, std::move(run));
  });
}

bool Access::erase(std::uint32_t db, const Key& key) {
  Shard& shard = held_shard_of(key);
  Table::Slot* slot = find_live(shard, db, key, Purpose::kWrite);
  if (slot == nullptr) return false;
  emit(db, {"DEL", key.bytes});
  drop(shard, db, key, slot);
  return true;
}

void Access::set_expiry(const Key& key, Millis when) {
  Shard& shard = held_shard_of(key);
  Table::Slot* slot = find_live(shard, db_, key, Purpose::kWrite);
  ASSERT(slot != nullptr);
  change(shard, *shard.tables[db_], key, slot,
         [&](Record* record) { return Record::with_expiry(record, when); });
  emit(db_, {"PEXPIREAT", key.bytes, NumberText(when.count)});
}

bool Access::clear_expiry(const Key& key) {
  Shard& shard = held_shard_of(key);
  Table::Slot* slot = find_live(shard, db_, key, Purpose::kWrite);
  if (slot == nullptr || !Table::record_in(*slot)->has_expiry()) return false;
  change(shard, *shard.tables[db_], key, slot,
         [](Record* record) { return Record::with_expiry(record, std::nullopt); });
  emit(db_, {"PERSIST", key.bytes});
  return true;
}

void Access::set_usage(const Key& key, std::optional<std::int64_t> idle_seconds,
                       std::optional<std::uint8_t> frequency) {
  Record* record = Table::record_in(*held_shard_of(key).tables[db_]->find_slot(key));
  if (idle_seconds) {
    const std::int64_t since = std::max<std::int64_t>(now_.count / 1000 - *idle_seconds, 0);
    record->set_accessed_at(static_cast<std::uint32_t>(since));
  }
  if (frequency) record->set_frequency(*frequency);
}

void Access::rename(const Key& from, const Key& to) {
  Shard& source_shard = held_shard_of(from);
  Shard& target_shard = held_shard_of(to);
  find_entry(target_shard, db_, to);  // what the store has of it must be known
  Table::Slot* slot = find_live(source_shard, db_, from, Purpose::kWrite);
  ASSERT(slot != nullptr && from.bytes != to.bytes);
  Record* renamed = nullptr;
  if (Record* source = Table::record_in(*slot); source->encoding() == Encoding::kObject) {
    value::Object& object = source->object();
    renamed = Record::copy_as(to, *source, value::ObjectRef::of(object));
    take_object(source_shard, *source_shard.tables[db_], from, slot);
  } else {
    renamed = Record::copy_as(to, *source);
  }
  drop(source_shard, db_, from, slot);
  place(target_shard, *target_shard.tables[db_], to, renamed);
  note_installed(*target_shard.tables[db_], to);
  emit(db_, {"RENAME", from.bytes, to.bytes});
  note_ready(target_shard, db_, to.bytes);
}

// With a copy of what it holds.
Record* Access::copy_record(const Key& to, const Record& source) {
  if (source.encoding() != Encoding::kObject) return Record::copy_as(to, source);
  return Record::copy_as(to, source, copy_object(to, source.object()));
}

void Access::copy(const Key& from, std::uint32_t to_db, const Key& to) {
  Shard& source_shard = held_shard_of(from);
  Shard& target_shard = held_shard_of(to);
  find_entry(target_shard, to_db, to);
  Table::Slot* slot = find_live(source_shard, db_, from, Purpose::kWrite);
  ASSERT(slot != nullptr);
  Record* copied = copy_record(to, *Table::record_in(*slot));
  copied->set_frequency(kFrequencyInitial);
  place(target_shard, *target_shard.tables[to_db], to, copied);
  note_installed(*target_shard.tables[to_db], to);
  emit(db_, {"COPY", from.bytes, to.bytes, "DB", NumberText(to_db), "REPLACE"});
  note_ready(target_shard, to_db, to.bytes);
}

void Access::move(const Key& key, std::uint32_t to_db) {
  ASSERT(to_db != db_);
  Shard& shard = held_shard_of(key);
  find_live(shard, to_db, key, Purpose::kWrite);  // deletes it if it has expired
  Table::Slot* slot = find_live(shard, db_, key, Purpose::kWrite);
  ASSERT(slot != nullptr);
  Record* moved = copy_record(key, *Table::record_in(*slot));
  drop(shard, db_, key, slot);
  place(shard, *shard.tables[to_db], key, moved);
  note_installed(*shard.tables[to_db], key);
  emit(db_, {"MOVE", key.bytes, NumberText(to_db)});
  note_ready(shard, to_db, key.bytes);
}

void Access::flush(std::optional<std::uint32_t> db) {
  ASSERT(holds_all_);
  forget_absent();
  last_found_.table = nullptr;
  for (std::uint32_t i = 0; i < keyspace_.database_count(); ++i) {
    if (!db || *db == i) keyspace_.drop_database(i);
  }
  for (Shard& shard : keyspace_.shards()) {
    shard.is_edited = true;
    if (shard.waiting == nullptr) [[likely]]
      continue;
    for (std::uint32_t i = 0; i < keyspace_.database_count(); ++i) {
      if (db && *db != i) continue;
      shard.waiting->for_each_key(i, [&](Bytes waited) { note_ready(shard, i, waited); });
    }
  }
  if (db) {
    ASSERT(*db == db_);
    emit(db_, {"FLUSHDB"});
  } else {
    emit(db_, {"FLUSHALL"});
  }
}

void Access::swap(std::uint32_t a, std::uint32_t b) {
  ASSERT(holds_all_);
  forget_absent();
  last_found_.table = nullptr;
  keyspace_.swap_databases(a, b);
  for (Shard& shard : keyspace_.shards()) shard.is_edited = true;
  emit(db_, {"SWAPDB", NumberText(a), NumberText(b)});
  for (const Shard& shard : keyspace_.shards()) {  // whoever waits belongs to the number
    if (shard.waiting == nullptr) [[likely]]
      continue;
    for (const std::uint32_t db : {a, b}) {
      shard.waiting->for_each_key(db, [&](Bytes waited) { note_ready(shard, db, waited); });
    }
  }
}

std::size_t Access::expire_some(Shard& shard, std::uint32_t db, std::size_t* cursor,
                                std::size_t buckets_max) {
  if (is_replaying_ || keyspace_.is_expiry_resting.load(std::memory_order_relaxed)) return 0;
  Table& table = *shard.tables[db];
  due_.clear();
  table.find_due(cursor, buckets_max, now_, &due_);
  std::size_t count = 0;
  std::size_t fields_left = kFieldsPerHold;
  for (const Record* record : due_) {
    const Key due = key(record->key());
    if (is_expired(*record)) {
      expire_now(shard, db, due, table.find_slot(due));
      ++count;
    } else if (fields_left == 0) {
      table.note_due(record);
    } else {
      const std::size_t erased = expire_fields(shard, db, due, fields_left);
      fields_left -= std::min(fields_left, std::max<std::size_t>(erased, 1));
      count += erased;
    }
  }
  return count;
}

std::size_t Access::expire_fields(Shard& shard, std::uint32_t db, const Key& key,
                                  std::size_t count_max) {
  const std::uint32_t selected = std::exchange(db_, db);
  noted_ = key.hash;                  // it is not used by that
  const std::string name(key.bytes);  // which may lie in the record
  const Key hash_key = make_key(name, keyspace_.hash_seed());
  std::vector<std::string> fields;
  {
    ObjectEdit edit(*this, hash_key, Type::kHash);
    value::Dictionary hash(edit.object(), edit.use());
    fields = hash.fields_expiring(now_, count_max);
    for (const std::string& field : fields) hash.erase(field);
    hash.renew_field_expiry();
    if (fields.empty() && edit.object().field_expiry() <= now_) {
      REACHED("access: a hash has expiries of fields that it has not");
      edit.object().set_field_expiry(value::kNoFieldExpiry);  // nobody shall look for ever
    }
    if (!fields.empty()) {
      std::vector<Bytes> words{"HDEL", name};
      words.insert(words.end(), fields.begin(), fields.end());
      append_encoded(db, words);
      shard.is_edited = true;
    }
  }
  keyspace_.expired_field_count.fetch_add(fields.size(), std::memory_order_relaxed);
  db_ = selected;
  return fields.size();
}

Status Access::expire_cold_fields(std::uint32_t db, const Key& key, Bytes stored,
                                  std::size_t count_max) {
  Shard& shard = held_shard_of(key);
  Table& table = *shard.tables[db];
  if (table.cold_count() == 0 || table.find_slot(key) != nullptr) return {};
  TRY(warm(db, key, stored));
  const Record* record = table.find(key);
  if (record == nullptr || is_expired(*record) || !record->has_field_expiry()) return {};
  expire_fields(shard, db, key, count_max);
  return {};
}

// ---- The whole keyspace

std::size_t Access::key_count(std::uint32_t db) { return database_stats(db).keys; }

DatabaseStats Access::database_stats(std::uint32_t db) {
  ASSERT(holds_all_);
  DatabaseStats stats;
  for (Shard& shard : keyspace_.shards()) {
    stats.keys += shard.tables[db]->key_count();
    stats.expiring += shard.tables[db]->expiring_key_count();
  }
  return stats;
}

}  // namespace diskdb::keyspace
