// keyspace/access.h — what a command may do with keys, and the one funnel through which every
// change goes.
//
// Problem: an effect that is not logged is lost, and each of the peers forgot some (TRAPS.md 1).
// Here a command cannot change a record except by an edit below, and each edit changes memory,
// accounts bytes, stamps the epoch, and notes what the log must say. The log gets either
//   - the client's own words, where replaying them gives the same result (Logged::kVerbatim: INCR,
//   APPEND,
//     SET without a relative expiry), copied as they came; or
//   - the edits' canonical commands (Logged::kByEffect): SET k v PXAT t, DEL k, PEXPIREAT k t,
//   PERSIST k.
// Lazily expired keys are always logged as DEL, in front. Frames of a run of commands are appended
// together while all their shards are held, so the log's order is memory's order for every key.
//
// Life of an Access, driven by the dispatcher: begin(db, now); hold shards; for each command
// begin_command ... the command's function ... end_command; release().
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/bytes.h"
#include "base/refusal.h"
#include "base/units.h"
#include "io/random.h"
#include "keyspace/footprint.h"
#include "keyspace/keyspace.h"
#include "resp/output.h"

namespace diskdb::keyspace {

enum class Logged : std::uint8_t { kVerbatim, kByEffect };

/// What a write does to the key's time to live.
class Expiry {
 public:
  static constexpr Expiry none() { return {Kind::kNone, {}}; }
  static constexpr Expiry keep() { return {Kind::kKeep, {}}; }
  /// Milliseconds since the epoch.
  static constexpr Expiry at(Millis when) { return {Kind::kAt, when}; }

  bool is_keep() const { return kind_ == Kind::kKeep; }
  bool is_at() const { return kind_ == Kind::kAt; }
  Millis when() const { return when_; }

 private:
  enum class Kind : std::uint8_t { kNone, kKeep, kAt };
  constexpr Expiry(Kind kind, Millis when) : kind_(kind), when_(when) {}
  Kind kind_;
  Millis when_;
};

class Access;

/// The elements of one key, opened for change: from here until it ends nothing else may change the
/// key. It creates the key if it is absent, and deletes it if it is left without elements. Changes
/// become part of the keyspace, and of the log, with commit(): whoever changes must commit. Of a
/// string: its chunks (value/long_string.h); one that is not in pages is put into pages first.
///
/// Requires: the key is absent or of this type; its shard is held.
class ObjectEdit final : public value::PageWatcher {
 public:
  /// Borrows all for its life.
  ObjectEdit(Access& access, const Key& key, Type type);
  ~ObjectEdit();
  ObjectEdit(const ObjectEdit&) = delete;
  ObjectEdit& operator=(const ObjectEdit&) = delete;

  value::Object& object() const { return *object_; }
  const value::ObjectUse& use() const { return use_; }
  /// It was absent.
  bool is_new() const { return is_new_; }

  /// Something was changed, which replaying the client's words does again. `count`: of changes, for
  /// rdb_changes_since_last_save. Requires: Logged::kVerbatim.
  void commit(std::size_t count = 1);
  /// Something was changed, which this command does again. Requires: Logged::kByEffect.
  void commit_as(std::span<const Bytes> effect);
  /// Those who wait for the key shall look again, though it has no more elements than before.
  void wake_waiters();

 private:
  void hand_over(value::PageId id, SharedBytes image) override;
  void drop_stored(value::PageId id) override;

  Access& access_;
  Key key_;
  Shard& shard_;
  Table& table_;
  std::uint32_t db_;
  bool is_new_ = false;
  value::Object* object_ = nullptr;
  value::ObjectUse use_;
  Table::Before before_{};
  std::uint64_t count_before_ = 0;  ///< of elements
};

/// Threads: one at a time; each network thread and each background worker has one.
/// Invariants:
///   I1  A record is reached only while its shard is held.
///   I2  Shards are waited for in ascending order only; out of order they are tried, never waited
///   for. I3  Between the first edit and release() nothing can fail: an edit cannot be half done or
///   unlogged.
class Access {
 public:
  /// Borrows `keyspace` for its life.
  explicit Access(Keyspace& keyspace)
      : keyspace_(keyspace), random_(keyspace.hash_seed()), pages_(*this) {
    reading_.source = &pages_;
    reading_.edit.fingers = &fingers_;
  }

  Keyspace& keyspace() { return keyspace_; }
  std::uint32_t db() const { return db_; }
  Millis now() const { return now_; }
  Key key(Bytes bytes) const { return make_key(bytes, keyspace_.hash_seed()); }

  // ---- Holding shards: the dispatcher's part.

  /// Starts a run of commands on database `db` at the instant `now`. Requires: nothing is held.
  void begin(std::uint32_t db, Millis now);
  /// Takes the shard if it is free or already held here. Never waits.
  bool try_hold(Shard& shard);
  /// As try_hold, but spins a little. Requires: `shard` lies behind all shards held (I2).
  bool spin_hold(Shard& shard);
  /// Waits. Requires: `shard` lies behind all shards held (I2).
  void hold(Shard& shard);
  /// Takes all shards, waiting.
  void hold_all();
  /// Lets go of one shard early, as a walk over many does (SCAN). Keeps it if it was edited: its
  /// frames are not in the log yet. Requires: it is held, and not by hold_all().
  void let_go(Shard& shard);
  bool holds_any() const { return !held_.empty() || holds_all_; }
  /// Appends the frames, notes the offset that replies must wait for, and lets go.
  void release();
  /// From now on release() does not wake who is parked on the shards: the caller calls
  /// wake_parked() when it has done what it has to do there, at the end of a loop's turn, say.
  void defer_wakes() { defers_wakes_ = true; }
  void wake_parked();
  /// The highest end offset of the shards touched since begin(): replies wait for it. After
  /// release().
  log::Offset visible_after() const { return visible_after_; }

  /// `words` is the request, `raw` its RESP bytes if it came so. Borrows both until release().
  void begin_command(std::span<const Bytes> words, Bytes raw, Logged logged, bool is_read,
                     bool touches = true);
  void end_command();
  /// Commands from now on are of this database. Between commands.
  void select(std::uint32_t db) { db_ = db; }
  /// Did the command since begin_command change anything?
  bool has_edited() const { return has_edited_; }
  /// Edits so far, of all commands (Redis's "dirty").
  EditCounts edit_counts() const { return edits_; }

  // ---- Blocking commands (keyspace/waiting.h): the dispatcher's part.

  /// A key that somebody waits for holds elements, or more than before. The key's shard is held.
  struct ReadyKey {
    std::uint32_t db;
    std::string key;
  };
  bool has_ready() const { return !ready_.empty(); }
  std::vector<ReadyKey> take_ready() { return std::exchange(ready_, {}); }

  // ---- What is in memory: the dispatcher's part. A command that meets a cold key nobody brought
  // in loads it in place, holding its shards.

  /// Is all that is to be known of the key in memory? Cost: little, while all keys of its table
  /// are.
  bool is_known(std::uint32_t db, const Key& key) const;
  /// Brings what the store has of the key into memory; with Reach::kMemory only if that needs no
  /// I/O. False: it would. Requires: the key's shard is held. Errors: as Store::get.
  Result<bool> load(std::uint32_t db, const Key& key, store::Reach reach);
  /// Installs what a loader has found, if the load with `ticket` still waits for it, and tells its
  /// holders. `stored`: nothing if the store has no such key. Requires: `shard`, in which `table`
  /// is, is held. Errors: kCorrupt, which the load's holders get too.
  Status finish(Shard& shard, Table& table, const Key& key, std::uint64_t ticket,
                std::optional<Bytes> stored);

  /// Installs what the store has of the key, if it is cold and nobody loads it, as not used for a
  /// day. Requires: the key's shard is held; what was read still counts (keyspace/sighting.h).
  /// Errors: kCorrupt.
  Status warm(std::uint32_t db, const Key& key, Bytes stored);

  /// Brings a page of a resident object into memory; with Reach::kMemory only if that needs no I/O.
  /// False: it would. Requires: the object's shard is held. Errors: as Store::get; kCorrupt.
  Result<bool> load_page(value::Object& object, const value::MissingPage& missing,
                         store::Reach reach);
  /// The same with what was read of it, which still counts (keyspace/page_fetch.h).
  Status install_page(value::Object& object, const value::MissingPage& missing, Bytes stored);

  // ---- Reading. Null is absent or expired. Records are valid until the next edit of the same key.

  const Record* find(const Key& key) { return find(db_, key); }
  const Record* find(std::uint32_t db, const Key& key);
  /// Refuses WRONGTYPE.
  Answer<const Record*> find(const Key& key, Type type);
  /// How a record's object is read.
  const value::ObjectUse& reading() const { return reading_; }
  /// Where look-ups in objects came to while their shards were held.
  value::Fingers& fingers() { return fingers_; }
  /// As find, but does not refresh the access time (OBJECT, TYPE, TTL...).
  const Record* peek(const Key& key);
  /// Also finds what has expired; changes nothing (DEBUG).
  const Record* peek_expired(std::uint32_t db, const Key& key);
  bool is_expired(const Record& record) const {
    return record.has_expiry() && is_expired(record.expiry());
  }
  /// Has a key with this expiry expired?
  bool is_expired(Millis expiry) const { return !is_replaying_ && expiry <= now_; }

  // ---- The funnel. Everything below changes the keyspace and logs it.

  /// From now on this command logs by effect (or verbatim), whatever its row says. Requires: no
  /// edit yet.
  void log_by_effect();
  void log_verbatim();
  /// From now on this command is logged as if the client had said `words`, whatever its row says,
  /// if it edits anything. Requires: no edit yet.
  void log_as(std::span<const Bytes> words);

  /// The key holds this string from now on, whatever it held before: as an integer if it spells
  /// one.
  void set_string(const Key& key, Bytes value, Expiry expiry = Expiry::none());
  /// As set_string, but kept as text in any case: what INCRBYFLOAT leaves.
  void set_text(const Key& key, Bytes value, Expiry expiry = Expiry::none());
  void set_integer(const Key& key, std::int64_t value, Expiry expiry = Expiry::none());
  /// As set_string, taking the bytes over by reference unless they become pages.
  void set_shared(const Key& key, SharedBytes value, Expiry expiry = Expiry::none());
  /// The string at `key`, resized to `size` bytes for the caller to change in place: created if
  /// absent, an integer turned into text, new bytes zero. The expiry stays. Borrowed until the next
  /// call. Of pages it makes one run of bytes, whatever their number: for values that are small.
  /// Requires: Logged::kVerbatim; the key is absent or a string.
  char* edit_string(const Key& key, std::size_t size);
  /// Is the string with this record, or null, kept in pages once it has `size` bytes? Then an
  /// ObjectEdit changes it, and not edit_string().
  bool is_edited_by_page(const Record* record, std::uint64_t size) const {
    return size > keyspace_.flat_string_bytes_max() || (record != nullptr && record->is_paged());
  }
  /// The string at `key`, of which `record` (null: absent) is what find() says, grows to `size`
  /// bytes, new ones zero, and has `bytes` at `offset` from now on. Requires: as edit_string; size
  /// is not less than it is; offset + bytes.size() <= size; they do not lie in the value. Cost:
  /// pages that are touched.
  void write_string(const Key& key, const Record* record, std::uint64_t size, std::uint64_t offset,
                    Bytes bytes);
  /// Tells the log of a change by effect, beside those of edits: `effect` is run again by replay.
  void log_effect(std::span<const Bytes> effect);
  /// False if there was nothing.
  bool erase(const Key& key) { return erase(db_, key); }
  bool erase(std::uint32_t db, const Key& key);
  /// Requires: the key exists. `when` may lie in the past: the caller erases instead if it does.
  void set_expiry(const Key& key, Millis when);
  /// False if the key does not exist or has no expiry.
  bool clear_expiry(const Key& key);
  /// From now on the key was last used so many seconds ago, or is used this often. Not logged.
  /// Requires: it exists.
  void set_usage(const Key& key, std::optional<std::int64_t> idle_seconds,
                 std::optional<std::uint8_t> frequency);
  /// The value of `from`, with its expiry, moves to `to`, replacing what was there.
  /// Requires: `from` exists, from != to.
  void rename(const Key& from, const Key& to);
  /// A copy of `from`'s value and expiry replaces whatever is at `to` in `to_db`. Requires: `from`
  /// exists.
  void copy(const Key& from, std::uint32_t to_db, const Key& to);
  /// Requires: `key` exists here and not in `to_db`.
  void move(const Key& key, std::uint32_t to_db);
  /// Drops all keys of `db`, or of all databases, in O(shards). Requires: all shards held.
  void flush(std::optional<std::uint32_t> db);
  /// Exchanges two databases. Requires: all shards held.
  void swap(std::uint32_t a, std::uint32_t b);
  /// Deletes expired keys of a held shard, and expired fields of its hashes: at most `buckets_max`
  /// buckets from `*cursor` on, and some fields. Returns how many keys and fields it deleted.
  std::size_t expire_some(Shard& shard, std::uint32_t db, std::size_t* cursor,
                          std::size_t buckets_max);
  /// Deletes a cold key unread, whose stored expiry `when` has come. False: it is not cold.
  /// Requires: its shard is held; the store had an expiry entry for it at the last ingested
  /// checkpoint.
  /// `object`: what the entry says.
  bool expire_cold(std::uint32_t db, const Key& key, Millis when, store::PackedObjectId object);
  /// Deletes up to `count_max` expired fields of a hash in memory, and the hash with the last one;
  /// returns how many. Knows then what expires next: once all that has expired is gone, the key is
  /// due later. Requires: its shard is held, the key is there and no edit of it is open.
  std::size_t expire_fields(Shard& shard, std::uint32_t db, const Key& key, std::size_t count_max);
  /// Brings in a cold hash, of which the store has `stored`, and deletes some expired fields as
  /// expire_fields() does. Nothing happens if it is in memory. Requires: its shard is held; what
  /// was read still counts (keyspace/sighting.h). Errors: kCorrupt.
  Status expire_cold_fields(std::uint32_t db, const Key& key, Bytes stored, std::size_t count_max);
  /// Drops a clean value from memory; the key is cold then. Of a large object some clean pages, and
  /// at last the rest. False: it is not clean, or somebody waits for it. Nothing is logged.
  /// Requires: its shard is held.
  bool evict(Shard& shard, std::uint32_t db, const Key& key);

  // ---- The whole keyspace. Requires: all shards held, where not said otherwise.

  std::size_t key_count(std::uint32_t db);
  DatabaseStats database_stats(std::uint32_t db);
  Table& table(Shard& shard, std::uint32_t db) { return *shard.tables[db]; }

 private:
  friend class ObjectEdit;

  /// Reads pages that nobody saw to beforehand, in place.
  class Pages final : public value::PageSource {
   public:
    explicit Pages(Access& access) : access_(access) {}
    void load(value::Object& object, const value::MissingPage& missing) override;
    value::ObjectId next_id() override;
    /// Where the object that is being changed is born.
    std::uint32_t birth_slot = 0;

   private:
    Access& access_;
  };

  /// A run of bytes for the log: of a request, or of effects_ (raw null, from `offset` on).
  struct Part {
    std::uint32_t db;
    const char* raw;
    std::size_t offset;
    std::size_t size;
  };

  class Change;

  Shard& held_shard_of(const Key& key);
  void touch(const Key& key, Record* record);
  void note_new(const Key& key, Record* record);
  void note_ready(const Shard& shard, std::uint32_t db, Bytes key);
  enum class Purpose : std::uint8_t { kRead, kWrite };
  Table::Slot* find_entry(Shard& shard, std::uint32_t db, const Key& key);
  Table::Slot* find_live(Shard& shard, std::uint32_t db, const Key& key, Purpose purpose);
  Table::Slot* load_in_place(std::uint32_t db, const Key& key);
  Status install(Table& table, const Key& key, Bytes stored);
  void expire_now(Shard& shard, std::uint32_t db, const Key& key, Table::Slot* slot);
  template <typename Edit>
  Record* change(Shard& shard, Table& table, const Key& key, Table::Slot* slot, Edit edit);
  void drop(Shard& shard, std::uint32_t db, const Key& key, Table::Slot* slot);
  void place(Shard& shard, Table& table, const Key& key, Record* record);
  void settle_in(Shard& shard, Table& table, value::Object& object);
  void abandon(const Shard& shard, const Table& table, Record* record);
  void note_gone(const Shard& shard, const Table& table, const Record& record);
  value::ObjectRef take_object(Shard& shard, Table& table, const Key& key, Table::Slot* slot);
  value::ObjectRef new_object(const Key& key, Type type);
  value::ObjectRef copy_object(const Key& key, value::Object& object);
  Record* copy_record(const Key& to, const Record& source);
  void note_installed(Table& table, const Key& key);
  bool evict_pages(value::Object& object);
  template <typename Create, typename Overwrite>
  void put(const Key& key, Expiry expiry, Create create, Overwrite overwrite,
           Bytes paged_text = {});
  void emit(std::uint32_t db, std::initializer_list<Bytes> words);
  void emit_set(const Key& key, const Record& record, Bytes paged_text);
  void set_paged(const Key& key, Bytes value, Expiry expiry);
  value::ObjectRef make_paged(const Key& key, Bytes text);
  void put_in_pages(const Key& key);
  void put_in_one_run(const Key& key, const Record& record);
  void append_part(Part part);
  void append_encoded(std::uint32_t db, std::span<const Bytes> words);

  Keyspace& keyspace_;
  std::uint32_t db_ = 0;
  Millis now_{};
  std::vector<Shard*> held_;
  bool holds_all_ = false;
  log::Offset visible_after_ = 0;

  std::span<const Bytes> words_;
  Bytes raw_;
  Logged logged_ = Logged::kByEffect;
  bool counts_hits_ = false;
  bool touches_ = true;
  bool has_edited_ = false;
  bool is_replaying_ = false;
  bool is_logging_ = false;
  std::size_t effect_count_ = 0;  ///< of the current command
  std::size_t command_first_part_ = 0;
  EditCounts edits_;
  std::int64_t bytes_delta_ = 0;
  std::int64_t dirty_delta_ = 0;
  /// Where a key was last found, by hash, for the next look at it, of this command or the next. It
  /// counts while its shard is held and the table's entries have not moved.
  struct LastFound {
    const Table* table = nullptr;
    std::uint64_t hash = 0;
    std::size_t move_count = 0;
    Table::Slot* slot = nullptr;
  };
  LastFound last_found_;
  /// By hash: the key whose use the current command has noted; 0: none yet.
  std::uint64_t noted_ = 0;
  io::Random random_;
  std::uint64_t hits_ = 0;
  std::vector<ShardLock*> unwoken_;   ///< others are parked there
  std::size_t releases_unwoken_ = 0;  ///< since the first of them
  bool defers_wakes_ = false;
  std::uint64_t misses_ = 0;

  std::vector<std::string> logged_as_;  ///< log_as(), of the current command
  std::vector<ReadyKey> ready_;
  std::vector<Part> parts_;
  resp::StringOutput effects_;
  std::vector<Bytes> frame_;  ///< scratch for release()
  std::vector<const Record*> due_;
  /// Keys without entry that the store was found not to have, or that were deleted without trace,
  /// since their shards are held.
  struct KnownAbsent {
    std::uint64_t hash;
    std::uint32_t db;
    std::uint32_t slot;
    friend bool operator==(const KnownAbsent&, const KnownAbsent&) = default;
  };
  struct HashKnownAbsent {
    std::size_t operator()(const KnownAbsent& absent) const { return absent.hash; }
  };
  void note_absent(std::uint32_t db, const Key& key);
  void forget_absent();
  std::unordered_set<KnownAbsent, HashKnownAbsent> known_absent_;
  Pages pages_;
  value::Fingers fingers_{io::entropy()};
  value::ObjectUse reading_;
  std::string stored_key_;    ///< scratch of load()
  std::string stored_value_;  ///< likewise
};

}  // namespace diskdb::keyspace
