// server/random_commands_test.h — for tests: commands drawn from a seed, on few keys, so that they
// meet. Their replies depend on the keyspace and the clock alone: nothing about access times,
// memory or chance.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/units.h"
#include "io/random.h"

namespace diskdb::server {

/// Threads: one at a time.
class RandomCommands {
 public:
  using Words = std::vector<std::string>;

  struct Options {
    std::uint32_t database_count = 4;
    std::size_t key_count = 40;
    std::size_t value_bytes_max = 20'000;
    bool scans = true;                   ///< SCAN, KEYS, RANDOMKEY
    std::uint64_t flush_permille = 8;    ///< FLUSHDB, FLUSHALL, SWAPDB
    std::uint64_t elements_percent = 0;  ///< of lists, sets, hashes, sorted sets, streams
    std::uint64_t json_percent = 0;      ///< of JSON documents
  };

  /// Borrows `random` for its life.
  RandomCommands(const Options& options, io::Random& random) : options_(options), random_(random) {
    for (std::size_t i = 0; i < options.key_count; ++i) keys_.push_back(name(i));
    all_keys_ = keys_;
    all_keys_.insert(all_keys_.end(), {"float", "hll"});
    for (const std::string name : {"json:0", "json:1", "{tag}json"}) {
      all_keys_.push_back(name);
      json_keys_.push_back(name);
    }
  }

  const std::vector<std::string>& keys() const { return all_keys_; }

  Words next(Millis now) {
    now_ = now;
    if (random_.below(1000) < options_.flush_permille) return flush();
    if (random_.chance_percent(options_.elements_percent)) return elements();
    if (random_.chance_percent(options_.json_percent)) return json();
    switch (random_.below(13)) {
      case 0:
      case 1:
      case 2:
        return set();
      case 3:
        return number_edit();
      case 4:
        return text_edit();
      case 5:
      case 6:
        return read();
      case 7:
        return expire();
      case 8:
      case 9:
        return remove();
      case 10:
        return several();
      case 11:
        return between_keys();
      default:
        return other();
    }
  }

 private:
  std::string name(std::size_t i) {
    if (i == 0) return {};
    if (i == 1) return std::string(5000, 'k');
    if (i == 2) return std::string(1 + random_.below(300), 'l');
    if (random_.chance_percent(20)) return "{tag}" + std::to_string(i);
    return "key:" + std::to_string(i);
  }
  const std::string& key() { return keys_[random_.below(keys_.size())]; }
  std::string any_db() { return std::to_string(random_.below(options_.database_count)); }
  std::string integer() {
    if (random_.chance_percent(20)) return "9223372036854775806";
    return std::to_string(static_cast<std::int64_t>(random_.below(2000)) - 1000);
  }
  std::string value() {
    const std::uint64_t kind = random_.below(100);
    if (kind < 35) return integer();
    std::size_t size = random_.below(40);
    if (kind >= 75) size = random_.below(1000);
    if (kind >= 95) size = random_.below(options_.value_bytes_max + 1);
    return std::string(size, static_cast<char>('a' + random_.below(26)));
  }
  /// An instant, mostly soon, sometimes gone.
  std::int64_t instant() {
    return now_.count + static_cast<std::int64_t>(random_.below(30'000)) - 2000;
  }
  std::string span() { return std::to_string(1 + random_.below(30'000)); }
  std::string seconds() { return std::to_string(1 + random_.below(30)); }
  std::string one_of(std::initializer_list<const char*> words) {
    return words.begin()[random_.below(words.size())];
  }

  Words set() {
    Words words{"SET", key(), value()};
    if (random_.chance_percent(25)) words.push_back(one_of({"NX", "XX"}));
    if (random_.chance_percent(15)) words.push_back("GET");
    switch (random_.below(10)) {
      case 0:
        words.insert(words.end(), {"PX", span()});
        break;
      case 1:
        words.insert(words.end(), {"EX", seconds()});
        break;
      case 2:
        words.insert(words.end(), {"PXAT", std::to_string(instant())});
        break;
      case 3:
        words.push_back("KEEPTTL");
        break;
      default:
        break;
    }
    return words;
  }
  Words number_edit() {
    switch (random_.below(5)) {
      case 0:
        return {"INCR", key()};
      case 1:
        return {"DECR", key()};
      case 2:
        return {"INCRBY", key(), integer()};
      case 3:
        return {"DECRBY", key(), integer()};
      default:
        // On a key of its own and never whole: a whole number that it leaves is text until a
        // restart and an integer then, as in Redis, and OBJECT ENCODING tells.
        if (random_.chance_percent(20)) return {"DEL", "float"};
        return {"INCRBYFLOAT", "float", "0.0009765625"};
    }
  }
  Words text_edit() {
    switch (random_.below(6)) {
      case 0:
      case 1:
        return {"APPEND", key(), value()};
      case 2:
        return {"SETRANGE", key(), std::to_string(random_.below(6000)), value()};
      case 3:
        return {"SETBIT", key(), std::to_string(random_.below(10'000)), one_of({"0", "1"})};
      case 4:
        return {"PFADD", "hll", std::to_string(random_.below(1000))};
      default:
        return {"GETSET", key(), value()};
    }
  }
  Words read() {
    switch (random_.below(10)) {
      case 0:
        return {"STRLEN", key()};
      case 1:
        return {"GETRANGE", key(), std::to_string(random_.below(100)), "-1"};
      case 2:
        return {"EXISTS", key(), key(), key()};
      case 3:
        return {"TYPE", key()};
      case 4:
        return {one_of({"TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"}), key()};
      case 5:
        return {"OBJECT", "ENCODING", key()};
      case 6:
        return {"DBSIZE"};
      default:
        return {"GET", key()};
    }
  }
  Words expire() {
    Words words;
    switch (random_.below(6)) {
      case 0:
        words = {"EXPIRE", key(), seconds()};
        break;
      case 1:
        words = {"PEXPIRE", key(), span()};
        break;
      case 2:
        words = {"PEXPIREAT", key(), std::to_string(instant())};
        break;
      case 3:
        words = {"EXPIREAT", key(), std::to_string(instant() / 1000)};
        break;
      default:
        return {"PERSIST", key()};
    }
    if (random_.chance_percent(30)) words.push_back(one_of({"NX", "XX", "GT", "LT"}));
    return words;
  }
  Words remove() {
    switch (random_.below(6)) {
      case 0:
        return {"GETDEL", key()};
      case 1:
        return {"UNLINK", key(), key(), key()};
      case 2:
        return {"DEL", key(), key()};
      default:
        return {"DEL", key()};
    }
  }
  Words several() {
    switch (random_.below(3)) {
      case 0:
        return {"MGET", key(), key(), key(), key()};
      case 1:
        return {"MSETNX", key(), value(), key(), value()};
      default:
        return {"MSET", key(), value(), key(), value(), key(), value()};
    }
  }
  Words between_keys() {
    switch (random_.below(6)) {
      case 0:
      case 1:
        return {"RENAME", key(), key()};
      case 2:
        return {"RENAMENX", key(), key()};
      case 3:
        return {"MOVE", key(), any_db()};
      case 4:
        return {"COPY", key(), key(), "DB", any_db(), "REPLACE"};
      default:
        return {"COPY", key(), key(), "DB", any_db()};
    }
  }
  Words other() {
    switch (random_.below(6)) {
      case 0:
        return {"SELECT", any_db()};
      case 1:
        return {"GETEX", key(), "PX", span()};
      case 2:
        return {"GETEX", key(), "PERSIST"};
      case 3:
        return {"SETEX", key(), seconds(), value()};
      case 4:
        return {"SETNX", key(), value()};
      default:
        return {"BITCOUNT", key()};
    }
  }
  /// Many elements at a time, so that some values become large.
  Words elements() {
    static constexpr const char* kAdd[] = {"RPUSH", "LPUSH", "SADD", "HSET", "ZADD"};
    const std::size_t kind = random_.below(11);
    if (kind >= 8) return stream_command();
    if (kind >= 5) return few_elements();
    Words words{kAdd[kind], element_key(kind)};
    for (std::uint64_t n = 1 + random_.below(random_.chance_percent(20) ? 150 : 8); n > 0; --n) {
      if (kind == 4) words.push_back(std::to_string(random_.below(50)));
      words.push_back(kind < 2 ? value() : member());
      if (kind == 3) words.push_back(value());
    }
    return words;
  }
  Words few_elements() {
    const std::string from = std::to_string(random_.below(60));
    const std::string to = std::to_string(random_.below(300));
    switch (random_.below(26)) {
      case 0:
        return {"LPOP", element_key(0), std::to_string(1 + random_.below(20))};
      case 1:
        return {"RPOP", element_key(0)};
      case 2:
        return {"LTRIM", element_key(0), from, to};
      case 3:
        return {"LSET", element_key(0), from, value()};
      case 4:
        return {"LINDEX", element_key(0), from};
      case 5:
        return {"LRANGE", element_key(0), from, to};
      case 6:
        return {"LMOVE", element_key(0), element_key(0), one_of({"LEFT", "RIGHT"}),
                one_of({"LEFT", "RIGHT"})};
      case 7:
        return {"SREM", element_key(2), member(), member(), member()};
      case 8:
        return {"SISMEMBER", element_key(2), member()};
      case 9:
        return {"SMOVE", element_key(2), element_key(2), member()};
      case 10:
        return {"SINTERCARD", "2", element_key(2), element_key(2)};
      case 11:
        return {"HDEL", element_key(3), member(), member(), member()};
      case 12:
        return {"HGET", element_key(3), member()};
      case 13:
        return {"HSETNX", element_key(3), member(), value()};
      case 14:
        return {"ZREM", element_key(4), member(), member()};
      case 15:
        return {"ZSCORE", element_key(4), member()};
      case 16:
        return {"ZRANK", element_key(4), member()};
      case 17:
        return {"ZRANGE", element_key(4), from, to, "WITHSCORES"};
      case 18:
        return {"ZREMRANGEBYRANK", element_key(4), from, from};
      case 19:
        return {"ZINCRBY", element_key(4), "3", member()};
      case 20:
        return {"ZPOPMIN", element_key(4), std::to_string(1 + random_.below(5))};
      case 21:
      case 22:
        return {"HPEXPIREAT", element_key(3), far_away(), "FIELDS",
                "3",          member(),       member(),   member()};
      case 23:
        return {"HPERSIST", element_key(3), "FIELDS", "2", member(), member()};
      case 24:
        return {"HSETEX", element_key(3), "PXAT",  far_away(), "FIELDS",
                "2",      member(),       value(), member(),   value()};
      default:
        return {one_of({"LLEN", "SCARD", "HLEN", "ZCARD"}), key()};
    }
  }
  Words stream_command() {
    const std::string& stream = element_key(5);
    const std::string group = one_of({"g", "h"});
    const std::string consumer = one_of({"alice", "bob"});
    const std::string idle = std::to_string(random_.below(10'000));
    switch (random_.below(22)) {
      case 0:
        return {"XGROUP", "CREATE", stream, group, one_of({"0", "$"}), "MKSTREAM"};
      case 1:
      case 2:
      case 3:
        return {"XREADGROUP", "GROUP", group, consumer, "COUNT", std::to_string(random_.below(80)),
                "STREAMS",    stream,  ">"};
      case 4:
        return {"XREADGROUP", "GROUP", group, consumer, "STREAMS", stream, entry_id()};
      case 5:
      case 6:
        return {"XACK", stream, group, entry_id(), entry_id(), entry_id()};
      case 7:
        return {"XCLAIM", stream, group, consumer, idle, entry_id(), entry_id()};
      case 8:
        return {"XAUTOCLAIM", stream, group, consumer, idle, entry_id(), "COUNT", "20"};
      case 9:
        return {"XPENDING", stream, group, "-", "+", "100"};
      case 10:
        return {"XINFO", "GROUPS", stream};
      case 11:
        return {"XDEL", stream, entry_id(), entry_id()};
      case 12:
        return {"XTRIM", stream, one_of({"MAXLEN", "MINID"}), one_of({"=", "~"}),
                std::to_string(random_.below(3000))};
      case 13:
        return {"XRANGE", stream, entry_id(), "+", "COUNT", "50"};
      case 14:
        return {"XREVRANGE", stream, "+", "-", "COUNT", "50"};
      case 15:
        return {"XGROUP", one_of({"DESTROY", "CREATE", "SETID"}), stream, group, "0"};
      case 16:
        return {"XGROUP", "DELCONSUMER", stream, group, consumer};
      case 17:
        return {"XNACK", stream, group,      one_of({"SILENT", "FAIL"}),
                "IDS",   "2",    entry_id(), entry_id()};
      default:
        return add_entry(stream);
    }
  }
  Words add_entry(const std::string& stream) {
    Words words{"XADD", stream};
    if (random_.chance_percent(10)) words.insert(words.end(), {"MAXLEN", one_of({"=", "~"}), "90"});
    words.push_back(std::to_string(++entry_count_) + one_of({"", "-7", "-*"}));
    for (std::uint64_t n = 1 + random_.below(4); n > 0; --n) {
      words.insert(words.end(), {"field" + std::to_string(random_.below(6)), value()});
    }
    return words;
  }
  /// Mostly of an entry added lately.
  std::string entry_id() {
    const std::uint64_t back = random_.below(std::min<std::uint64_t>(entry_count_ + 1, 300));
    return std::to_string(entry_count_ - back) + one_of({"", "", "-7"});
  }
  /// An instant of fields, which do not expire here.
  std::string far_away() { return std::to_string(20'000'000'000'000 + random_.below(1000)); }
  /// Mostly one of the type's own.
  const std::string& element_key(std::size_t kind) {
    if (random_.chance_percent(10)) return key();
    const std::size_t own = std::max<std::size_t>(kind, 1) - 1;
    return keys_[own + 5 * random_.below((keys_.size() - own + 4) / 5)];
  }
  std::string member() { return "m" + std::to_string(random_.below(400)); }

  /// Documents of a few members each, and arrays in them that become long.
  Words json() {
    const std::string& at = json_key();
    switch (random_.below(24)) {
      case 0:
        return {"JSON.SET", at, "$", json_value(4)};
      case 1:
      case 2:
      case 3:
        return {"JSON.SET", at, json_path(), json_value(2)};
      case 4:
        return {"JSON.SET", at, json_path(), json_value(2), one_of({"NX", "XX"})};
      case 5:
      case 6:
      case 7: {
        Words words{"JSON.ARRAPPEND", at, json_path()};
        for (std::uint64_t n = 1 + random_.below(random_.chance_percent(20) ? 100 : 5); n > 0;
             --n) {
          words.push_back(json_value(2));
        }
        return words;
      }
      case 8:
        return {"JSON.ARRINSERT", at, json_path(), one_of({"0", "1", "-1"}), json_value(1)};
      case 9:
        return {"JSON.ARRPOP", at, json_path(), one_of({"0", "3", "-1", "-2"})};
      case 10:
        return {"JSON.ARRTRIM", at, json_path(), one_of({"0", "1"}), one_of({"-1", "20", "-3"})};
      case 11:
        return {one_of({"JSON.NUMINCRBY", "JSON.NUMMULTBY"}), at, json_path(), "3"};
      case 12:
        return {"JSON.STRAPPEND", at, json_path(), "\"more\""};
      case 13:
        return {"JSON.TOGGLE", at, json_path()};
      case 14:
        return {"JSON.MERGE", at, json_path(), json_value(2)};
      case 15:
        return {"JSON.MSET", at, json_path(), json_value(1), json_key(), "$", json_value(3)};
      case 16:
        return {one_of({"JSON.DEL", "JSON.CLEAR"}), at, json_path()};
      case 17:
        return {"COPY", at, json_key(), "REPLACE"};
      case 18:
        return {"RENAME", at, json_key()};
      case 19:
        return {"JSON.MGET", at, json_key(), json_path()};
      case 20:
        return {one_of({"JSON.TYPE", "JSON.ARRLEN", "JSON.OBJKEYS", "JSON.RESP"}), at, json_path()};
      case 21:
        return {"PEXPIRE", at, span()};
      default:
        return {"JSON.GET", at, json_path()};
    }
  }
  const std::string& json_key() {
    if (random_.chance_percent(3)) return key();
    return json_keys_[random_.below(json_keys_.size())];
  }
  std::string json_name() { return one_of({"a", "b", "c", "list"}); }
  std::string json_path() {
    std::string path = random_.chance_percent(20) ? "" : "$";
    if (path.empty() && random_.chance_percent(30)) return ".";
    for (std::uint64_t n = random_.below(4); n > 0; --n) {
      switch (random_.below(8)) {
        case 0:
          path += "[" + std::to_string(static_cast<std::int64_t>(random_.below(40)) - 10) + "]";
          break;
        case 1:
          path += one_of({".*", "[1:5]", "[::7]", "[?(@.a)]", "[?(@>100)]"});
          break;
        case 2:
          path += ".." + json_name();
          break;
        default:
          path += "." + json_name();
      }
    }
    return path.empty() ? "." : path;
  }
  std::string json_value(std::size_t depth) {
    const std::uint64_t kind = random_.below(depth == 0 ? 4 : 8);
    switch (kind) {
      case 0:
        return one_of({"null", "true", "false", "1.5", "-0.25", "1e300", "18446744073709551615"});
      case 1:
        return '"' + std::string(random_.below(random_.chance_percent(5) ? 5000 : 30), 'j') + '"';
      case 2:
      case 3:
        return std::to_string(static_cast<std::int64_t>(random_.below(2000)) - 1000);
      default:
        break;
    }
    const bool is_object = kind < 6;
    std::string text = is_object ? "{" : "[";
    for (std::uint64_t n = random_.below(6); n > 0; --n) {
      if (text.size() > 1) text += ',';
      if (is_object) text += '"' + json_name() + "\":";
      text += json_value(depth - 1);
    }
    return text + (is_object ? '}' : ']');
  }

  Words flush() {
    switch (random_.below(5)) {
      case 0:
        return {"FLUSHALL"};
      case 1:
      case 2:
        return {"FLUSHDB"};
      default:
        return {"SWAPDB", any_db(), any_db()};
    }
  }

  Options options_;
  io::Random& random_;
  std::vector<std::string> keys_;
  std::vector<std::string> all_keys_;
  std::vector<std::string> json_keys_;
  Millis now_;
  std::uint64_t entry_count_ = 0;  ///< of all streams
};

}  // namespace diskdb::server
