#include "keyspace/client_test.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/number.h"
#include "keyspace/string_text.h"
#include "resp/request.h"

namespace diskdb::keyspace {
namespace {

bool is_whole_keyspace(Bytes name) {
  return name == "FLUSHDB" || name == "FLUSHALL" || name == "SWAPDB" || name == "DBSIZE";
}

std::vector<Bytes> key_words(const TestWords& words) {
  if (is_whole_keyspace(words[0])) return {};
  std::vector<Bytes> keys{words[1]};
  if (words[0] == "PEXPIREAT" || words[0] == "RENAME" || words[0] == "COPY")
    keys.emplace_back(words[2]);
  if (words[0] == "DEL") keys.assign(words.begin() + 1, words.end());
  for (std::size_t i = 3; words[0] == "MSET" && i < words.size(); i += 2) {
    keys.emplace_back(words[i]);
  }
  return keys;
}

std::int64_t number(Bytes word) {
  const auto value = parse_integer(word);
  EXPECT_TRUE(value.has_value()) << word;
  return value.value_or(0);
}

std::uint32_t database(Bytes word) { return static_cast<std::uint32_t>(number(word)); }

std::string text_of_record(const Access& access, const Record& record) {
  StringScratch scratch;
  return std::string(text_of(record, access.reading(), scratch));
}

}  // namespace

std::string TestClient::run(const TestWords& words, Logged logged) {
  access_.begin(db, now);
  if (is_whole_keyspace(words[0])) {
    access_.hold_all();
  } else {
    std::vector<Shard*> shards;
    for (const Bytes key : key_words(words)) {
      shards.push_back(&access_.keyspace().shard_of(slot_of(key)));
    }
    std::sort(shards.begin(), shards.end());
    for (Shard* shard : shards) access_.hold(*shard);
  }
  std::string reply = call(words, logged);
  access_.release();
  return reply;
}

std::vector<std::string> TestClient::run_group(const std::vector<TestWords>& commands,
                                               Logged logged) {
  access_.begin(db, now);
  std::vector<std::string> replies;
  for (const TestWords& words : commands) {
    if (!access_.try_hold(access_.keyspace().shard_of(slot_of(words[1])))) break;
    replies.push_back(call(words, logged));
  }
  access_.release();
  return replies;
}

void TestClient::replay(const std::vector<FrameRecorder::Frame>& frames) {
  access_.keyspace().is_replaying = true;
  const resp::ParserOptions options;
  for (const FrameRecorder::Frame& frame : frames) {
    resp::RequestParser parser(options);
    Bytes left = frame.bytes;
    db = frame.db;
    while (!left.empty()) {
      ASSERT_EQ(parser.parse(left, 100), resp::ParseStatus::kRequests) << left;
      for (const resp::Request& request : parser.requests()) {
        const TestWords words(request.words.begin(), request.words.end());
        if (words[0] == "MULTI" || words[0] == "EXEC") continue;
        const std::string reply = run(words, Logged::kVerbatim);
        ASSERT_NE(reply, "refused") << words[0];
      }
      left.remove_prefix(parser.consumed());
    }
  }
  access_.keyspace().is_replaying = false;
}

std::string TestClient::call(const TestWords& words, Logged logged) {
  // Some have one way only: edits in place, what looks at the clock, what Access says in its own
  // words.
  if (words[0] == "APPEND" || words[0] == "SETRANGE" || words[0] == "EDIT") {
    logged = Logged::kVerbatim;
  }
  if (words[0] == "PEXPIREAT" || words[0] == "RENAME" || words[0] == "COPY" || words[0] == "MOVE")
    logged = Logged::kByEffect;
  const std::vector<Bytes> views(words.begin(), words.end());
  access_.begin_command(views, {}, logged, words[0] == "GET");
  std::string reply = execute(words);
  access_.end_command();
  return reply;
}

std::string TestClient::execute(const TestWords& words) {
  const std::string& name = words[0];
  if (name == "FLUSHALL") {
    access_.flush(std::nullopt);
    return "ok";
  }
  if (name == "FLUSHDB") {
    access_.flush(db);
    return "ok";
  }
  if (name == "SWAPDB") {
    access_.swap(database(words[1]), database(words[2]));
    return "ok";
  }
  if (name == "DBSIZE") return std::to_string(access_.key_count(db));
  if (name == "DEL") {
    std::size_t count = 0;
    for (std::size_t i = 1; i < words.size(); ++i) {
      count += access_.erase(access_.key(words[i])) ? 1 : 0;
    }
    return std::to_string(count);
  }
  if (name == "MSET") {
    for (std::size_t i = 1; i < words.size(); i += 2) {
      access_.set_string(access_.key(words[i]), words[i + 1]);
    }
    return "ok";
  }
  if (name == "SET" || name == "SETSHARED") return set(words);

  const Key key = access_.key(words[1]);
  if (name == "PERSIST") return access_.clear_expiry(key) ? "1" : "0";
  const Record* record = access_.find(key);
  if (name == "GET") return record == nullptr ? "nil" : text_of_record(access_, *record);
  if (name == "INCR") {
    const auto before = parse_integer(record == nullptr ? "0" : text_of_record(access_, *record));
    if (!before || *before == INT64_MAX) return "refused";
    const std::int64_t value = *before + 1;
    access_.set_integer(key, value, Expiry::keep());
    return std::to_string(value);
  }
  if (name == "APPEND") {
    const std::size_t size = record == nullptr ? 0 : record->string_length();
    access_.write_string(key, record, size + words[2].size(), size, words[2]);
    return std::to_string(size + words[2].size());
  }
  if (name == "SETRANGE") {
    const auto offset = static_cast<std::size_t>(number(words[2]));
    const std::size_t size =
        std::max(record == nullptr ? 0 : record->string_length(), offset + words[3].size());
    access_.write_string(key, record, size, offset, words[3]);
    return std::to_string(size);
  }
  if (name == "EDIT") {
    const std::size_t size = record == nullptr ? 0 : record->string_length();
    access_.edit_string(key, size + 1)[size] = '!';
    return std::to_string(size + 1);
  }
  const bool has_target = name == "COPY" || name == "MOVE";
  const std::uint32_t to_db = has_target ? database(words[name == "COPY" ? 4 : 2]) : db;
  const std::string& to = name == "COPY" ? words[2] : words[1];
  if (has_target && to_db == db && to == words[1]) return "refused";
  if (record == nullptr) return name == "RENAME" ? "refused" : "0";
  if (name == "PEXPIREAT") {
    const Millis when{number(words[2])};
    if (when <= now && !access_.keyspace().is_replaying) {
      access_.erase(key);
    } else {
      access_.set_expiry(key, when);
    }
    return "1";
  }
  if (name == "RENAME") {
    if (words[1] != words[2]) access_.rename(key, access_.key(words[2]));
    return "ok";
  }
  if (name == "MOVE") {
    if (access_.find(to_db, key) != nullptr) return "0";
    access_.move(key, to_db);
    return "1";
  }
  EXPECT_EQ(name, "COPY");
  access_.copy(key, to_db, access_.key(to));
  return "1";
}

std::string TestClient::set(const TestWords& words) {
  Expiry expiry = Expiry::none();
  if (words.size() == 4) expiry = Expiry::keep();
  if (words.size() == 5) expiry = Expiry::at({number(words[4])});
  const Key key = access_.key(words[1]);
  if (words[0] == "SET") {
    access_.set_string(key, words[2], expiry);
  } else {
    access_.set_shared(key, SharedBytes::copy_of(words[2]), expiry);
  }
  return "ok";
}

namespace {

std::string random_key(io::Random& random, std::size_t key_count) {
  const std::string key = "key" + std::to_string(random.below(key_count));
  return key == "key0" ? std::string(5000, 'k') : key == "key1" ? "" : key;
}

std::string random_value(io::Random& random) {
  switch (random.below(8)) {
    case 0:
      return std::to_string(static_cast<std::int64_t>(random.next()));
    case 1:
      return std::to_string(random.below(100));
    case 2:
      return std::string(random.below(20'000), 'x');
    case 3:
      return "";
    default:
      return std::string(random.below(50), static_cast<char>('a' + random.below(26)));
  }
}

std::string random_instant(io::Random& random, Millis now) {
  return std::to_string(now.count - 20 + static_cast<std::int64_t>(random.below(1000)));
}

}  // namespace

TestWords random_plain_command(io::Random& random, std::size_t key_count, Millis now) {
  const std::string key = random_key(random, key_count);
  switch (random.below(14)) {
    case 0:
      return {"SET", key, random_value(random)};
    case 1:
      return {"SET", key, random_value(random), "PXAT", std::to_string(now.count + 300)};
    case 2:
      return {"SET", key, random_value(random), "KEEPTTL"};
    case 3:
      return {"SETSHARED", key, random_value(random)};
    case 4:
      return {"INCR", key};
    case 5:
      return {"APPEND", key, random_value(random)};
    case 6:
      return {"DEL", key};
    case 7:
      return {"PEXPIREAT", key, random_instant(random, now)};
    case 8:
      return {"PERSIST", key};
    case 9:
      return {"SETRANGE", key, std::to_string(random.below(random.chance_percent(20) ? 9000 : 50)),
              random_value(random)};
    case 10:
      return {"EDIT", key};
    default:
      return {"GET", key};
  }
}

TestWords random_command(io::Random& random, std::size_t key_count, std::uint32_t database_count,
                         Millis now) {
  const std::uint64_t dice = random.below(1000);
  if (dice >= 250) return random_plain_command(random, key_count, now);
  const auto random_database = [&] { return std::to_string(random.below(database_count)); };
  const std::string a = random_key(random, key_count);
  const std::string b = random_key(random, key_count);
  if (dice == 0) return {"FLUSHALL"};
  if (dice == 1) return {"FLUSHDB"};
  if (dice < 10) return {"SWAPDB", random_database(), random_database()};
  if (dice < 20) return {"DBSIZE"};
  if (dice < 75) return {"RENAME", a, b};
  if (dice < 125) return {"COPY", a, b, "DB", random_database(), "REPLACE"};
  if (dice < 175) return {"MOVE", a, random_database()};
  if (dice < 200) return {"DEL", a, b, random_key(random, key_count)};
  return {"MSET", a, random_value(random), b, random_value(random)};
}

TestContents contents_of(Keyspace& keyspace) {
  TestContents contents;
  const Access access(keyspace);
  for (const Shard& shard : keyspace.shards()) {
    for (std::uint32_t db = 0; db < shard.tables.size(); ++db) {
      shard.tables[db]->for_each([&](const Record* record) {
        TestValue value{.text = text_of_record(access, *record), .expiry = {}};
        if (record->has_expiry()) value.expiry = record->expiry();
        const bool is_new =
            contents.emplace(std::pair(db, std::string(record->key())), value).second;
        EXPECT_TRUE(is_new) << record->key();
      });
    }
  }
  return contents;
}

void verify_keyspace(Keyspace& keyspace) {
  std::size_t bytes = 0;
  for (const Shard& shard : keyspace.shards()) {
    for (const auto& table : shard.tables) {
      table->verify_invariants();
      bytes += table->allocated_bytes() + static_cast<std::size_t>(table->pages().bytes);
    }
    EXPECT_FALSE(shard.is_edited);
  }
  EXPECT_EQ(keyspace.allocated_bytes(), bytes);
}

}  // namespace diskdb::keyspace
