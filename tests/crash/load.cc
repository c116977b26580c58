// tests/crash/load.cc — pipelined load whose every effect can be checked after the server was
// killed. Not a benchmark, and no client library: it owns what it writes, remembers what was
// answered, and compares.
//
// Each writer connection sends an endless stream of commands that depends only on (seed, round,
// writer): the n-th command can be computed again. Its own keys are touched by it alone. Because a
// connection's commands take effect in order and the log is cut at one place only, the writer's
// keys after a crash must be exactly what the first P commands make of them, for one P with
//     commands answered  <=  P  <=  commands sent,   and   P > every command whose effect a reader
//     has seen.
// That one rule covers lost writes, reordered writes, half applied MSETs and resurrected keys.
// While it lives, a value read must be one that a command wrote, whole in every byte, and no older
// than the newest that was answered or read before the question was sent; and what earlier rounds
// have left must read as it was found then. So a stale copy from a slower tier shows at once.
// Shared by all writers: counters (answered <= value <= sent, and never less than any reply said)
// and a triple of keys set by MSET (all three equal, at every read too).
//
// Usage: load PORT SEED WRITERS READERS [KEYS VALUE_BYTES] (keys of a writer, bound of most values'
// sizes: how much data a round leaves), then lines on its input: `run` (a new round, until the
// server dies), `verify` (against the restarted server: this round, and all earlier ones again),
// `quit`.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kMgetKeysMax = 100;
constexpr int kFailuresShownMax = 20;  // of a round
constexpr int kSharedCounters = 4;
constexpr int kDepthMax = 64;         // commands in one pipeline
constexpr int kReplySecondsMax = 30;  // a server that is silent for longer counts as hung

// A reply that a test needs to tell apart: null, error, or its text (numbers as text).
struct Reply {
  bool is_null = false;
  bool is_error = false;
  std::string text;
  std::vector<Reply> items;
};

// A blocking connection; every call tells whether the server is still there.
class Connection {
 public:
  ~Connection() {
    if (fd_ >= 0) close(fd_);
  }

  bool open(int port) {
    fd_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int one = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    const timeval limit{kReplySecondsMax, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  bool send(const std::string& bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n = ::send(fd_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
      if (n <= 0) return false;
      done += static_cast<std::size_t>(n);
    }
    return true;
  }

  std::optional<Reply> receive() {
    std::string line;
    if (!read_line(line) || line.empty()) return std::nullopt;
    Reply reply;
    const std::string rest = line.substr(1);
    switch (line[0]) {
      case '-':
        reply.is_error = true;
        [[fallthrough]];
      case '+':
      case ':':
        reply.text = rest;
        return reply;
      case '$': {
        const long bytes = std::atol(rest.c_str());
        reply.is_null = bytes < 0;
        if (bytes >= 0 && !read_bytes(static_cast<std::size_t>(bytes) + 2, reply.text))
          return std::nullopt;
        if (bytes >= 0) reply.text.resize(static_cast<std::size_t>(bytes));
        return reply;
      }
      case '*':
        for (long left = std::atol(rest.c_str()); left > 0; --left) {
          std::optional<Reply> item = receive();
          if (!item) return std::nullopt;
          reply.items.push_back(std::move(*item));
        }
        return reply;
      default:
        std::fprintf(stderr, "no RESP: %s\n", line.c_str());
        return std::nullopt;
    }
  }

  // Whether the last failure was silence rather than a closed connection.
  bool timed_out() const { return timed_out_; }

 private:
  bool fill() {
    if (position_ > 0) buffer_.erase(0, position_);
    position_ = 0;
    char chunk[65536];
    const ssize_t n = recv(fd_, chunk, sizeof chunk, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) timed_out_ = true;
    if (n <= 0) return false;
    buffer_.append(chunk, static_cast<std::size_t>(n));
    return true;
  }

  bool read_line(std::string& line) {
    while (true) {
      const std::size_t end = buffer_.find("\r\n", position_);
      if (end != std::string::npos) {
        line = buffer_.substr(position_, end - position_);
        position_ = end + 2;
        return true;
      }
      if (!fill()) return false;
    }
  }

  bool read_bytes(std::size_t count, std::string& bytes) {
    while (buffer_.size() - position_ < count) {
      if (!fill()) return false;
    }
    bytes = buffer_.substr(position_, count);
    position_ += count;
    return true;
  }

  int fd_ = -1;
  std::string buffer_;
  std::size_t position_ = 0;
  bool timed_out_ = false;
};

std::string encode(const std::vector<std::string>& words) {
  std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return bytes;
}

// SplitMix64: the n-th command of a stream must be computable without the ones before.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

using State = std::map<std::string, std::string>;  // of one writer's keys: key -> value

// How much data a round leaves.
struct Shape {
  int keys_per_writer = 24;
  std::uint64_t padding_bytes_max = 200;
};

// What one writer does in one round.
class Stream {
 public:
  Stream(std::uint64_t seed, int round, int writer, Shape shape)
      : seed_(mix(mix(seed + static_cast<std::uint64_t>(round)) +
                  static_cast<std::uint64_t>(writer))),
        prefix_("r" + std::to_string(round) + ":w" + std::to_string(writer) + ":"),
        round_(round),
        shape_(shape) {}

  std::string key(int index) const { return prefix_ + "k" + std::to_string(index); }
  std::string counter() const { return prefix_ + "n"; }
  std::string journal() const { return prefix_ + "journal"; }
  std::string part(int index) const { return prefix_ + "part" + std::to_string(index); }
  std::string shared_counter(int index) const {
    return "r" + std::to_string(round_) + ":shared" + std::to_string(index);
  }
  std::string triple(int index) const {
    return "r" + std::to_string(round_) + ":triple" + std::to_string(index);
  }

  std::vector<std::string> keys() const {
    std::vector<std::string> all = {counter(), journal(), part(0), part(1), part(2)};
    for (int i = 0; i < shape_.keys_per_writer; ++i) all.push_back(key(i));
    return all;
  }

  // Which of the keys the n-th command sets, else -1.
  int index_set_by(std::uint64_t n) const {
    const std::uint64_t r = mix(seed_ + n);
    return kind(r) == Kind::kSet ? index_of(r) : -1;
  }

  // Whether one of the commands from `first` to before `end` deletes this key.
  bool has_delete(int index, std::uint64_t first, std::uint64_t end) const {
    for (std::uint64_t n = first; n < end; ++n) {
      const std::uint64_t r = mix(seed_ + n);
      if (kind(r) == Kind::kDelete && index_of(r) == index) return true;
    }
    return false;
  }

  // Whether `text` is what one of the commands gives this key.
  bool is_value_of(int index, const std::string& text) const {
    const std::uint64_t n = std::strtoull(text.c_str(), nullptr, 10);
    return index_set_by(n) == index && text == value(n, mix(seed_ + n));
  }

  // The n-th command. `shared` is set to the shared counter it increments, else -1.
  std::vector<std::string> command(std::uint64_t n, int& shared) const {
    const std::uint64_t r = mix(seed_ + n);
    const int index = index_of(r);
    shared = -1;
    switch (kind(r)) {
      case Kind::kDelete:
        return {"DEL", key(index)};
      case Kind::kIncrement:
        return {"INCR", counter()};
      case Kind::kAppend:
        return {"APPEND", journal(), std::to_string(n) + ";"};
      case Kind::kParts: {
        const std::string text = value(n, r);
        return {"MSET", part(0), text, part(1), text, part(2), text};
      }
      case Kind::kTriple: {
        const std::string text = prefix_ + std::to_string(n);
        return {"MSET", triple(0), text, triple(1), text, triple(2), text};
      }
      case Kind::kShared:
        shared = static_cast<int>((r >> 40) % kSharedCounters);
        return {"INCR", shared_counter(shared)};
      case Kind::kSet:
        break;
    }
    return {"SET", key(index), value(n, r)};
  }

  // What the n-th command makes of the writer's own keys.
  void apply(std::uint64_t n, State& state) const {
    const std::uint64_t r = mix(seed_ + n);
    const int index = index_of(r);
    switch (kind(r)) {
      case Kind::kSet:
        state[key(index)] = value(n, r);
        break;
      case Kind::kDelete:
        state.erase(key(index));
        break;
      case Kind::kIncrement: {
        std::string& text = state[counter()];
        text = std::to_string((text.empty() ? 0 : std::atoll(text.c_str())) + 1);
        break;
      }
      case Kind::kAppend:
        state[journal()] += std::to_string(n) + ";";
        break;
      case Kind::kParts:
        for (int i = 0; i < 3; ++i) state[part(i)] = value(n, r);
        break;
      case Kind::kTriple:
      case Kind::kShared:
        break;
    }
  }

 private:
  enum class Kind { kSet, kDelete, kIncrement, kAppend, kParts, kTriple, kShared };

  static Kind kind(std::uint64_t r) {
    const std::uint64_t percent = r % 100;
    if (percent < 60) return Kind::kSet;
    if (percent < 68) return Kind::kDelete;
    if (percent < 78) return Kind::kIncrement;
    if (percent < 80) return Kind::kAppend;
    if (percent < 88) return Kind::kParts;
    if (percent < 93) return Kind::kTriple;
    return Kind::kShared;
  }

  int index_of(std::uint64_t r) const {
    return static_cast<int>((r >> 32) % static_cast<std::uint64_t>(shape_.keys_per_writer));
  }

  // "n:" and padding, mostly short, now and then larger than any buffer of the server.
  std::string value(std::uint64_t n, std::uint64_t r) const {
    std::size_t padding = (r >> 16) % shape_.padding_bytes_max;
    if (r % 997 == 0) padding = 30'000;
    return std::to_string(n) + ":" + std::string(padding, static_cast<char>('a' + n % 26));
  }

  std::uint64_t seed_;
  std::string prefix_;
  int round_;
  Shape shape_;
};

struct Writer {
  Writer(Stream s, Shape shape)
      : stream(std::move(s)), newest(static_cast<std::size_t>(shape.keys_per_writer)) {}
  Stream stream;
  std::atomic<std::uint64_t> sent{0};  // handed to the kernel, perhaps not all of the last ones
  std::uint64_t answered = 0;
  std::atomic<std::uint64_t> seen{0};  // by readers: P is at least this
  // By key: one more than the newest command that set it and was answered or seen.
  std::vector<std::atomic<std::uint64_t>> newest;
};

struct SharedCounter {
  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> answered{0};
  std::atomic<std::uint64_t> seen{0};  // the largest value any reply said
};

void raise_to(std::atomic<std::uint64_t>& value, std::uint64_t at_least) {
  std::uint64_t now = value.load();
  while (now < at_least && !value.compare_exchange_weak(now, at_least)) {
  }
}

class Round {
 public:
  Round(std::uint64_t seed, int number, int writer_count, Shape shape)
      : seed_(mix(seed + static_cast<std::uint64_t>(number))), shape_(shape) {
    for (int i = 0; i < writer_count; ++i)
      writers_.push_back(std::make_unique<Writer>(Stream(seed, number, i, shape), shape));
  }

  // Loads the server on `port` until every connection has ended. Readers look at `earlier`, the
  // rounds before that were verified, too.
  void run(int port, int reader_count, std::vector<const Round*> earlier) {
    earlier_ = std::move(earlier);
    std::vector<std::thread> threads;
    for (auto& writer : writers_)
      threads.emplace_back([this, &writer, port] { write(*writer, port); });
    for (int i = 0; i < reader_count; ++i) threads.emplace_back([this, i, port] { read(i, port); });
    for (std::thread& thread : threads) thread.join();
  }

  // Compares what is there with what must be. The first time it finds P; later nothing may have
  // changed.
  void verify(Connection& connection) {
    for (auto& writer : writers_) verify_writer(*writer, connection);
    for (int i = 0; i < kSharedCounters; ++i) verify_shared(i, connection);
    verify_triple(connection);
    is_settled_ = true;
  }

  bool is_settled() const { return is_settled_; }

  // Bytes of the values that the writers' keys held when they were verified.
  std::uint64_t settled_bytes() const {
    std::uint64_t sum = 0;
    for (const auto& [writer, state] : settled_) {
      for (const auto& [key, value] : state) sum += value.size();
    }
    return sum;
  }

  std::uint64_t answered() const {
    std::uint64_t sum = 0;
    for (const auto& writer : writers_) sum += writer->answered;
    return sum;
  }
  std::uint64_t seen_count() const { return seen_count_; }
  int failures() const { return failures_; }

 private:
  void fail(const std::string& text) {
    if (++failures_ <= kFailuresShownMax) std::printf("FAIL %s\n", text.c_str());
  }

  void write(Writer& writer, int port) {
    Connection connection;
    if (!connection.open(port)) return;
    while (true) {
      const std::uint64_t depth = 1 + mix(seed_ ^ writer.sent) % kDepthMax;
      std::string bytes;
      std::vector<int> shared(depth);
      const std::uint64_t first = writer.sent;
      for (std::uint64_t i = 0; i < depth; ++i) {
        bytes += encode(writer.stream.command(first + i, shared[i]));
        if (shared[i] >= 0) ++counters_[shared[i]].sent;
      }
      writer.sent += depth;
      if (!connection.send(bytes)) return;
      for (std::uint64_t i = 0; i < depth; ++i) {
        const std::optional<Reply> reply = connection.receive();
        if (!reply) {
          if (connection.timed_out()) fail("no reply for a long time");
          return;
        }
        if (reply->is_error) fail("a write was refused: " + reply->text);
        if (const int index = writer.stream.index_set_by(writer.answered); index >= 0) {
          raise_to(writer.newest[static_cast<std::size_t>(index)], writer.answered + 1);
        }
        ++writer.answered;
        if (shared[i] >= 0) {
          ++counters_[shared[i]].answered;
          raise_to(counters_[shared[i]].seen, std::strtoull(reply->text.c_str(), nullptr, 10));
        }
      }
    }
  }

  // What a reader asks.
  struct Question {
    enum class About { kKey, kCounter, kTriple, kSettled };
    About about;
    Writer* writer = nullptr;      // kKey, kSettled
    const Round* round = nullptr;  // kSettled
    int index = 0;                 // of the key or counter
    std::uint64_t newest = 0;      // kKey: what was known of it when it was asked
  };

  std::pair<Question, std::string> ask(std::uint64_t r, int i) const {
    using enum Question::About;
    const int index =
        static_cast<int>((r >> 30) % static_cast<std::uint64_t>(shape_.keys_per_writer));
    if (i % 4 == 3) {
      const int counter = static_cast<int>((r >> 20) % kSharedCounters);
      return {{.about = kCounter, .index = counter},
              encode({"GET", writers_[0]->stream.shared_counter(counter)})};
    }
    if (i % 4 == 2) {
      const Stream& stream = writers_[0]->stream;
      return {{.about = kTriple},
              encode({"MGET", stream.triple(0), stream.triple(1), stream.triple(2)})};
    }
    if (i % 8 == 0 && !earlier_.empty()) {
      const Round* round = earlier_[(r >> 8) % earlier_.size()];
      Writer* writer = round->writers_[r % round->writers_.size()].get();
      return {{.about = kSettled, .writer = writer, .round = round, .index = index},
              encode({"GET", writer->stream.key(index)})};
    }
    Writer* writer = writers_[r % writers_.size()].get();
    return {{.about = kKey,
             .writer = writer,
             .index = index,
             .newest = writer->newest[static_cast<std::size_t>(index)]},
            encode({"GET", writer->stream.key(index)})};
  }

  void check(const Question& question, const Reply& reply) {
    using enum Question::About;
    if (reply.is_error) return fail("a read was refused: " + reply.text);
    switch (question.about) {
      case kCounter:
        return raise_to(counters_[question.index].seen,
                        std::strtoull(reply.text.c_str(), nullptr, 10));
      case kTriple:
        if (!is_equal_triple(reply)) fail("a read saw a half applied MSET");
        return;
      case kSettled: {
        const State& state = question.round->settled_.at(question.writer);
        const auto it = state.find(question.writer->stream.key(question.index));
        if (reply.is_null != (it == state.end()) || (!reply.is_null && reply.text != it->second)) {
          fail("a key of an earlier round reads otherwise: " +
               question.writer->stream.key(question.index));
        }
        return;
      }
      case kKey:
        return reply.is_null ? check_absence(question) : check_value(question, reply.text);
    }
  }

  void check_absence(const Question& question) {
    const Stream& stream = question.writer->stream;
    if (question.newest == 0) return;
    if (stream.has_delete(question.index, question.newest, question.writer->sent)) return;
    fail(stream.key(question.index) + " is absent, though command " +
         std::to_string(question.newest - 1) + " set it and none deletes it since");
  }

  void check_value(const Question& question, const std::string& text) {
    const std::string key = question.writer->stream.key(question.index);
    if (!question.writer->stream.is_value_of(question.index, text)) {
      return fail(key + " reads as what nothing wrote: " + text.substr(0, 30));
    }
    const std::uint64_t newest = std::strtoull(text.c_str(), nullptr, 10) + 1;
    if (newest < question.newest) {
      fail(key + " reads as after command " + std::to_string(newest - 1) + ", though " +
           std::to_string(question.newest - 1) + " was answered or read before");
    }
    raise_to(question.writer->newest[static_cast<std::size_t>(question.index)], newest);
    raise_to(question.writer->seen, newest);
  }

  void read(int reader, int port) {
    Connection connection;
    if (!connection.open(port)) return;
    for (std::uint64_t turn = 0;; ++turn) {
      std::vector<Question> questions;
      std::string bytes;
      for (int i = 0; i < 16; ++i) {
        const std::uint64_t r = mix(seed_ + turn * 1000 + static_cast<std::uint64_t>(reader) * 31 +
                                    static_cast<std::uint64_t>(i));
        auto [question, request] = ask(r, i);
        questions.push_back(question);
        bytes += request;
      }
      if (!connection.send(bytes)) return;
      for (const Question& question : questions) {
        const std::optional<Reply> reply = connection.receive();
        if (!reply) {
          if (connection.timed_out()) fail("no reply to a read for a long time");
          return;
        }
        check(question, *reply);
        ++seen_count_;
      }
    }
  }

  static bool is_equal_triple(const Reply& reply) {
    if (reply.items.size() != 3) return false;
    for (const Reply& item : reply.items) {
      if (item.is_null != reply.items[0].is_null || item.text != reply.items[0].text) return false;
    }
    return true;
  }

  static std::optional<State> fetch(const Stream& stream, Connection& connection) {
    const std::vector<std::string> keys = stream.keys();
    State state;
    for (std::size_t first = 0; first < keys.size(); first += kMgetKeysMax) {
      const std::size_t count = std::min(kMgetKeysMax, keys.size() - first);
      std::vector<std::string> words = {"MGET"};
      words.insert(words.end(), &keys[first], &keys[first] + count);
      if (!connection.send(encode(words))) return std::nullopt;
      const std::optional<Reply> reply = connection.receive();
      if (!reply || reply->items.size() != count) return std::nullopt;
      for (std::size_t i = 0; i < count; ++i) {
        if (!reply->items[i].is_null) state[keys[first + i]] = reply->items[i].text;
      }
    }
    return state;
  }

  void verify_writer(Writer& writer, Connection& connection) {
    const std::optional<State> found = fetch(writer.stream, connection);
    if (!found) return fail("the restarted server did not answer");
    if (is_settled_) {
      if (*found != settled_[&writer])
        fail("keys of an earlier round changed: " + writer.stream.key(0));
      return;
    }
    settled_[&writer] = *found;
    const std::uint64_t least = std::max(writer.answered, writer.seen.load());
    State state;
    for (std::uint64_t p = 0; p <= writer.sent; ++p) {
      if (p >= least && state == *found) return;
      if (p < writer.sent) writer.stream.apply(p, state);
    }
    fail(explain(writer, *found, least));
  }

  // The keys of a writer match no allowed P: say how.
  static std::string explain(const Writer& writer, const State& found, std::uint64_t least) {
    std::string text = writer.stream.key(0) + ": answered " + std::to_string(writer.answered) +
                       ", seen " + std::to_string(writer.seen.load()) + ", sent " +
                       std::to_string(writer.sent);
    State state;
    for (std::uint64_t p = 0; p < writer.sent; ++p) {
      if (state == found)
        text += "; the keys are as after command " + std::to_string(p) + " (lost " +
                std::to_string(least - std::min(p, least)) + ")";
      writer.stream.apply(p, state);
      if (p + 1 != least) continue;
      for (const auto& [key, value] : state) {
        const auto it = found.find(key);
        if (it == found.end())
          text += "\n  " + key + " is gone";
        else if (it->second != value)
          text += "\n  " + key + " is " + it->second.substr(0, 30) + ", was " + value.substr(0, 30);
      }
      for (const auto& [key, value] : found) {
        if (!state.count(key)) text += "\n  " + key + " is there: " + value.substr(0, 30);
      }
    }
    return text;
  }

  void verify_shared(int index, Connection& connection) {
    SharedCounter& counter = counters_[index];
    const std::string key = writers_[0]->stream.shared_counter(index);
    if (!connection.send(encode({"GET", key}))) return fail("the restarted server did not answer");
    const std::optional<Reply> reply = connection.receive();
    if (!reply) return fail("the restarted server did not answer");
    const std::uint64_t value = std::strtoull(reply->text.c_str(), nullptr, 10);
    if (value < counter.answered || value < counter.seen || value > counter.sent) {
      fail(key + " is " + std::to_string(value) + ": answered " + std::to_string(counter.answered) +
           ", seen " + std::to_string(counter.seen) + ", sent " + std::to_string(counter.sent));
    }
  }

  void verify_triple(Connection& connection) {
    const Stream& stream = writers_[0]->stream;
    if (!connection.send(encode({"MGET", stream.triple(0), stream.triple(1), stream.triple(2)})))
      return;
    const std::optional<Reply> reply = connection.receive();
    if (!reply || !is_equal_triple(*reply)) fail(stream.triple(0) + ": an MSET is half applied");
  }

  std::uint64_t seed_;
  Shape shape_;
  std::vector<const Round*> earlier_;
  std::vector<std::unique_ptr<Writer>> writers_;
  SharedCounter counters_[kSharedCounters];
  std::map<Writer*, State> settled_;
  bool is_settled_ = false;
  std::atomic<std::uint64_t> seen_count_{0};
  std::atomic<int> failures_{0};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5 && argc != 7) {
    std::fprintf(stderr, "usage: load PORT SEED WRITERS READERS [KEYS VALUE_BYTES]\n");
    return 2;
  }
  const int port = std::atoi(argv[1]);
  const std::uint64_t seed = std::strtoull(argv[2], nullptr, 10);
  const int writer_count = std::atoi(argv[3]);
  const int reader_count = std::atoi(argv[4]);
  Shape shape;
  if (argc == 7) {
    shape.keys_per_writer = std::atoi(argv[5]);
    shape.padding_bytes_max = std::strtoull(argv[6], nullptr, 10);
  }
  std::vector<std::unique_ptr<Round>> rounds;
  char line[64];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    const std::string order(line, std::strcspn(line, "\n"));
    if (order == "run") {
      std::vector<const Round*> earlier;
      for (const auto& round : rounds) {
        if (round->is_settled()) earlier.push_back(round.get());
      }
      rounds.push_back(
          std::make_unique<Round>(seed, static_cast<int>(rounds.size()), writer_count, shape));
      std::printf("running\n");
      std::fflush(stdout);
      rounds.back()->run(port, reader_count, std::move(earlier));
      std::printf("ended %llu answered %llu read\n",
                  static_cast<unsigned long long>(rounds.back()->answered()),
                  static_cast<unsigned long long>(rounds.back()->seen_count()));
    } else if (order == "verify") {
      Connection connection;
      int failures = 0;
      if (!connection.open(port)) {
        std::printf("FAIL cannot connect\n");
        failures = 1;
      } else {
        for (auto& round : rounds) {
          const int before = round->failures();
          round->verify(connection);
          failures += &round == &rounds.back() ? round->failures() : round->failures() - before;
        }
      }
      std::uint64_t bytes = 0;
      for (const auto& round : rounds) bytes += round->settled_bytes();
      std::printf("bytes %llu\n", static_cast<unsigned long long>(bytes));
      std::printf("verified %d failures\n", failures);
    } else {
      return 0;
    }
    std::fflush(stdout);
  }
  return 0;
}
