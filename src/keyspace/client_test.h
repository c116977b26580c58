// keyspace/client_test.h — a handful of commands straight on Access, for tests of the keyspace
// alone: run live they feed a FrameRecorder, and what that recorded can be replayed through them
// into another keyspace.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/random.h"
#include "keyspace/access.h"
#include "keyspace/frame_recorder_test.h"

namespace diskdb::keyspace {

using TestWords = std::vector<std::string>;

/// What a key holds, as far as anyone can tell.
struct TestValue {
  std::string text;
  std::optional<Millis> expiry;
  bool operator==(const TestValue&) const = default;
};
/// By database and key, expired ones that nobody met included.
using TestContents = std::map<std::pair<std::uint32_t, std::string>, TestValue>;

/// Threads: one at a time, as its Access.
class TestClient {
 public:
  explicit TestClient(Keyspace& keyspace) : access_(keyspace) {}

  Access& access() { return access_; }
  Millis now{1000};
  std::uint32_t db = 0;

  /// Runs a command alone and returns its reply: a number, a value, "nil", "ok", "refused".
  ///   GET k | SET k v [PXAT t | KEEPTTL] | SETSHARED k v | INCR k | APPEND k v | SETRANGE k n v |
  ///   EDIT k (appends a '!' to one run) | MSET k v k v ...
  ///   | DEL k ... | PEXPIREAT k t | PERSIST k | RENAME k k | COPY k k DB n REPLACE | MOVE k n |
  ///   FLUSHDB | FLUSHALL | SWAPDB n n | DBSIZE
  std::string run(const TestWords& words, Logged logged);
  /// Runs commands of one key each under one begin() and release(), as the dispatcher does: the
  /// first of them, as long as their shards are free. Returns their replies.
  std::vector<std::string> run_group(const std::vector<TestWords>& commands, Logged logged);
  /// Every command of the frames, in order; each must find what it needs.
  void replay(const std::vector<FrameRecorder::Frame>& frames);

 private:
  std::string call(const TestWords& words, Logged logged);
  std::string execute(const TestWords& words);
  std::string set(const TestWords& words);

  Access access_;
};

/// A command on one of `key_count` keys and `database_count` databases, any of the above.
TestWords random_command(io::Random& random, std::size_t key_count, std::uint32_t database_count,
                         Millis now);
/// One that run_group() takes.
TestWords random_plain_command(io::Random& random, std::size_t key_count, Millis now);

/// Requires: nobody else uses the keyspace.
TestContents contents_of(Keyspace& keyspace);
/// Each table's invariants, and that the bytes accounted for are those that the tables cost.
/// Requires: nobody else uses the keyspace.
void verify_keyspace(Keyspace& keyspace);

}  // namespace diskdb::keyspace
