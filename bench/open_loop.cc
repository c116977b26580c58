// bench/open_loop.cc — a load generator with a fixed rate, for measuring latency honestly.
//
// A generator that sends its next request only after the last reply slows down with the server, so
// the requests that a stall would have hit are never sent, and the stall is counted once instead of
// a thousand times ("coordinated omission"). This one fixes when each request is due before the
// run, and a latency counts from that instant to the reply, whether the request then waited for a
// free connection, in a socket, or in the server. How late the generator itself was is reported
// apart ("late"), as is the share of a processor it took: if those are high, the figures are its
// own, not the server's.
//
// Keys are key:%012d. A value names its key and a version, and all its other bytes follow from
// these, so a reply can be checked whole. Under --verify a key has one write under way at a time;
// a read must then find a version at least as new as the newest one acknowledged before the read
// was sent, and at most as new as the newest one sent: lost, stale and invented values all show.
//
// Besides, the generator can write each key once, read each key once, and pass keys through a
// queue (SET, then DEL or a short time to live), each in pipelines as fast as the server answers.
// It is one thread on epoll. No client library, and nothing of src/: it must not share a mistake
// with what it measures.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Nanos = std::int64_t;  // of the monotonic clock

constexpr const char* kHelp = R"(Usage: open_loop --port N [option ...]
What it does:
  (nothing said)       GET and SET at --rate for --seconds, in an open loop
  --load               SET each key once, as fast as it goes
  --read-all           GET each key once, in a scattered order, as fast as it goes
  --queue del|expire   SET and DEL each key once, or SET each with PX 50, as fast as it goes
Options:
  --host 127.0.0.1     IPv4 address
  --connections 50
  --depth N            requests under way on one connection (default: 1; 32 without a rate)
  --keys 1000000       how many keys there are
  --value-bytes 128    at least 32
  --rate 10000         requests a second
  --seconds 10         how long
  --reads 0.5          share of GET, 0 to 1
  --theta 0.99         of the zipfian distribution, 0 < theta < 1; ranks are scattered over the keys
  --uniform            every key as often as every other
  --verify             check every value that is read
  --versions FILE      --verify: remember there, from run to run, what was acknowledged of each key
  --window 100         --queue del: keys of a connection that live at a time
  --wait 30            seconds to wait for outstanding replies at the end
  --seed 1             of keys and kinds
  --each-second        print a line every second
  --json FILE          write the figures there
It ends with 0 if every request was answered without an error, and no checked value was wrong.
)";

Nanos now_nanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

constexpr Nanos kSecond = 1'000'000'000;

std::uint64_t mix(std::uint64_t x) {  // SplitMix64
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(mix(seed)) {}
  std::uint64_t next() { return mix(state_++); }
  double next_unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }  // in [0, 1)

 private:
  std::uint64_t state_;
};

// ---- What is asked for.

enum class Mode { kRate, kLoad, kReadAll, kQueueDelete, kQueueExpire };

struct Options {
  Mode mode = Mode::kRate;
  std::string host = "127.0.0.1";
  int port = 0;
  std::uint64_t connections = 50;
  std::uint64_t depth = 0;
  std::uint64_t keys = 1'000'000;
  std::uint64_t value_bytes = 128;
  double rate = 10'000;
  double seconds = 10;
  double reads = 0.5;
  double theta = 0.99;
  bool uniform = false;
  bool verify = false;
  std::string versions;
  std::uint64_t window = 100;
  double wait = 30;
  std::uint64_t seed = 1;
  bool each_second = false;
  std::string json;
};

[[noreturn]] void fail(const std::string& text) {
  std::fflush(stdout);
  fmt::print(stderr, "open_loop: {}\n", text);
  std::exit(2);
}

// The words of the command line, read one after the other.
class CommandLine {
 public:
  CommandLine(int argc, char** argv) : words_(argv + std::min(argc, 1), argv + argc) {}

  bool is_empty() const { return next_ == words_.size(); }

  std::string next(std::string_view what) {
    if (is_empty()) fail(fmt::format("{} wants a value; see --help", what));
    return words_[next_++];
  }

  double number(std::string_view what, double least, double most) {
    const std::string word = next(what);
    char* end = nullptr;
    const double value = std::strtod(word.c_str(), &end);
    if (word.empty() || *end != '\0' || !(value >= least && value <= most)) {
      fail(fmt::format("{} {}: a number from {} to {}", what, word, least, most));
    }
    return value;
  }

  std::uint64_t count(std::string_view what, double least, double most) {
    return static_cast<std::uint64_t>(number(what, least, most));
  }

 private:
  std::vector<std::string> words_;
  std::size_t next_ = 0;
};

Options read_options(int argc, char** argv) {
  CommandLine line(argc, argv);
  Options options;
  while (!line.is_empty()) {
    const std::string name = line.next("");
    if (name == "--help") {
      fmt::print("{}", kHelp);
      std::exit(0);
    } else if (name == "--load") {
      options.mode = Mode::kLoad;
    } else if (name == "--read-all") {
      options.mode = Mode::kReadAll;
    } else if (name == "--queue") {
      const std::string kind = line.next(name);
      if (kind != "del" && kind != "expire") fail("--queue del or --queue expire");
      options.mode = kind == "del" ? Mode::kQueueDelete : Mode::kQueueExpire;
    } else if (name == "--host") {
      options.host = line.next(name);
    } else if (name == "--port") {
      options.port = static_cast<int>(line.number(name, 1, 65535));
    } else if (name == "--connections") {
      options.connections = line.count(name, 1, 10'000);
    } else if (name == "--depth") {
      options.depth = line.count(name, 1, 10'000);
    } else if (name == "--keys") {
      options.keys = line.count(name, 1, 1e12 - 1);
    } else if (name == "--value-bytes") {
      options.value_bytes = line.count(name, 32, 64 << 20);
    } else if (name == "--rate") {
      options.rate = line.number(name, 1, 1e7);
    } else if (name == "--seconds") {
      options.seconds = line.number(name, 0.001, 1e6);
    } else if (name == "--reads") {
      options.reads = line.number(name, 0, 1);
    } else if (name == "--theta") {
      options.theta = line.number(name, 0.01, 0.9999);
    } else if (name == "--uniform") {
      options.uniform = true;
    } else if (name == "--verify") {
      options.verify = true;
    } else if (name == "--versions") {
      options.versions = line.next(name);
    } else if (name == "--window") {
      options.window = line.count(name, 0, 1e9);
    } else if (name == "--wait") {
      options.wait = line.number(name, 0, 1e6);
    } else if (name == "--seed") {
      options.seed = line.count(name, 0, 1e15);
    } else if (name == "--each-second") {
      options.each_second = true;
    } else if (name == "--json") {
      options.json = line.next(name);
    } else {
      fail(fmt::format("there is no {}; see --help", name));
    }
  }
  if (options.port == 0) fail("--port is missing; see --help");
  if (options.verify && options.keys <= options.connections * std::max(options.depth, 1UL)) {
    fail("--verify wants more keys than there can be requests under way");
  }
  if (!options.versions.empty() &&
      (!options.verify || (options.mode != Mode::kRate && options.mode != Mode::kReadAll))) {
    fail("--versions goes with --verify, at a rate or with --read-all");
  }
  if (options.depth == 0) options.depth = options.mode == Mode::kRate ? 1 : 32;
  return options;
}

// ---- Which key.

// A one-to-one map of [0, count) onto itself that puts neighbours far apart.
class Scatter {
 public:
  explicit Scatter(std::uint64_t count) : count_(count) {
    factor_ = static_cast<std::uint64_t>(0.6180339887498949 * static_cast<double>(count)) | 1;
    while (std::gcd(factor_, count_) != 1) factor_ += 2;
  }

  std::uint64_t operator()(std::uint64_t i) const {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((Wide{i} * factor_ + count_ / 3) % count_);
  }

 private:
  std::uint64_t count_;
  std::uint64_t factor_ = 1;
};

// Zipfian ranks after Gray et al., "Quickly generating billion-record synthetic databases" (1994):
// rank r is drawn with probability proportional to 1 / (r + 1)^theta.
class Zipfian {
 public:
  Zipfian(std::uint64_t count, double theta) : count_(static_cast<double>(count)), theta_(theta) {
    for (std::uint64_t i = 1; i <= count; ++i) {
      zeta_ += std::pow(static_cast<double>(i), -theta);
    }
    alpha_ = 1 / (1 - theta);
    const double zeta_of_two = 1 + std::pow(0.5, theta);
    eta_ = (1 - std::pow(2 / count_, 1 - theta)) / (1 - zeta_of_two / zeta_);
  }

  std::uint64_t rank(double unit) const {
    const double scaled = unit * zeta_;
    if (scaled < 1) return 0;
    if (scaled < 1 + std::pow(0.5, theta_)) return count_ > 1 ? 1 : 0;
    const double rank = count_ * std::pow(eta_ * unit - eta_ + 1, alpha_);
    return static_cast<std::uint64_t>(std::min(rank, count_ - 1));
  }

 private:
  double count_;
  double theta_;
  double zeta_ = 0;
  double alpha_;
  double eta_;
};

// ---- Which value.

// A value is "NNNNNNNNNNNN:VVVVVVVVVVVVVVVV:" (key in decimal, version in hexadecimal) and a piece
// of a pool of random letters that starts where key and version say.
class Values {
 public:
  static constexpr std::size_t kPrefixBytes = 12 + 1 + 16 + 1;

  explicit Values(std::size_t bytes) : body_bytes_(bytes - kPrefixBytes) {
    constexpr std::string_view kLetters =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-";
    Random random(20);  // the same for all runs: one run checks what another one wrote
    pool_.resize(kPoolBytes + body_bytes_);
    for (char& c : pool_) c = kLetters[random.next() % kLetters.size()];
  }

  std::size_t bytes() const { return kPrefixBytes + body_bytes_; }

  void append(std::string& output, std::uint64_t key, std::uint64_t version) const {
    fmt::format_to(std::back_inserter(output), "{:012}:{:016x}:", key, version);
    output.append(body(key, version));
  }

  /// The version if this is a value of the key, whole in every byte.
  std::optional<std::uint64_t> version_of(std::string_view value, std::uint64_t key) const {
    if (value.size() != bytes()) return std::nullopt;
    std::uint64_t named_key = 0;
    std::uint64_t version = 0;
    const char* text = value.data();
    if (std::from_chars(text, text + 12, named_key).ptr != text + 12) return std::nullopt;
    if (std::from_chars(text + 13, text + 29, version, 16).ptr != text + 29) return std::nullopt;
    if (named_key != key || text[12] != ':' || text[29] != ':') return std::nullopt;
    if (value.substr(kPrefixBytes) != body(key, version)) return std::nullopt;
    return version;
  }

 private:
  static constexpr std::size_t kPoolBytes = 1 << 20;

  std::string_view body(std::uint64_t key, std::uint64_t version) const {
    return std::string_view(pool_).substr(mix(key ^ mix(version)) % kPoolBytes, body_bytes_);
  }

  std::size_t body_bytes_;
  std::string pool_;
};

// ---- What came out.

// Counts durations in buckets that grow with them: a quantile is too high by less than 1 %.
class Histogram {
 public:
  void add(Nanos duration) {
    const auto value = static_cast<std::uint64_t>(std::max<Nanos>(duration, 0));
    ++buckets_[index_of(value)];
    ++count_;
    max_ = std::max(max_, value);
  }

  std::uint64_t count() const { return count_; }
  double max_ms() const { return static_cast<double>(max_) / 1e6; }

  double quantile_ms(double quantile) const {
    const auto wanted =
        static_cast<std::uint64_t>(std::ceil(quantile * static_cast<double>(count_)));
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      sum += buckets_[i];
      if (sum >= wanted && sum > 0) return static_cast<double>(std::min(last_of(i), max_)) / 1e6;
    }
    return 0;
  }

  void clear() { *this = Histogram(); }

 private:
  static constexpr int kBits = 7;  // 128 buckets for each doubling
  static constexpr std::size_t kHalf = 1 << kBits;

  static std::size_t index_of(std::uint64_t value) {
    if (value < 2 * kHalf) return value;
    const int shift = static_cast<int>(std::bit_width(value)) - kBits - 1;
    return static_cast<std::size_t>(shift) * kHalf + (value >> shift);
  }

  static std::uint64_t last_of(std::size_t index) {
    if (index < 2 * kHalf) return index;
    const std::size_t shift = index / kHalf - 1;
    return ((index - shift * kHalf + 1) << shift) - 1;
  }

  std::vector<std::uint64_t> buckets_ = std::vector<std::uint64_t>((64 - kBits + 1) * kHalf);
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

struct Figures {
  Histogram latency;
  Histogram late;  // from when a request was due until the generator noticed
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;
  std::uint64_t unanswered = 0;  // sent or not
  std::uint64_t reads = 0;
  std::uint64_t misses = 0;  // GET of nothing, DEL of nothing
  std::uint64_t errors = 0;
  std::uint64_t wrong = 0;
  std::string first_error;
  std::string first_wrong;
  Nanos begin = 0;
  Nanos end = 0;  // the last reply
  double cpu_seconds = 0;
};

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// ---- Requests and replies.

enum class Kind { kGet, kSet, kSetExpiring, kDelete };

struct Request {
  Kind kind = Kind::kGet;
  std::uint64_t key = 0;
  std::uint64_t version = 0;  // SET: what it writes; GET under --verify: the least it must find
  Nanos due = 0;
};

struct Reply {
  char kind = 0;  // the first byte
  bool is_null = false;
  std::string_view text;  // until the next read
};

class Connection {
 public:
  Connection(const std::string& host, int port) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) fail(host + ": no IPv4 address");
    if (fd_ < 0 || connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      fail(fmt::format("cannot connect to {}:{}: {}", host, port, std::strerror(errno)));
    }
    const int one = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { close(fd_); }

  int fd() const { return fd_; }
  bool is_open() const { return is_open_; }
  std::string& output() { return output_; }
  std::deque<Request>& pending() { return pending_; }
  bool has_output() const { return sent_ < output_.size(); }

  /// Sends what the socket takes.
  void flush() {
    while (has_output()) {
      const ssize_t n =
          ::send(fd_, output_.data() + sent_, output_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
      if (n < 0) {
        is_open_ = false;
        return;
      }
      sent_ += static_cast<std::size_t>(n);
    }
    output_.clear();
    sent_ = 0;
  }

  /// Receives what is there, once.
  void receive() {
    if (position_ == input_.size()) {
      input_.clear();
      position_ = 0;
    } else if (position_ > kChunkBytes) {
      input_.erase(0, position_);
      position_ = 0;
    }
    const std::size_t old_size = input_.size();
    input_.resize(old_size + kChunkBytes);
    const ssize_t n = ::recv(fd_, input_.data() + old_size, kChunkBytes, MSG_DONTWAIT);
    input_.resize(old_size + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
      is_open_ = false;
    }
  }

  /// The next reply if it is there whole.
  std::optional<Reply> next_reply() {
    const std::size_t end = input_.find("\r\n", position_);
    if (end == std::string::npos) return std::nullopt;
    Reply reply;
    reply.kind = input_[position_];
    reply.text = std::string_view(input_).substr(position_ + 1, end - position_ - 1);
    if (reply.kind == '+' || reply.kind == '-' || reply.kind == ':') {
      position_ = end + 2;
      return reply;
    }
    if (reply.kind != '$') fail(fmt::format("no reply to GET, SET or DEL: {}", reply.text));
    const long bytes = std::atol(input_.c_str() + position_ + 1);
    if (bytes < 0) {
      reply.is_null = true;
      position_ = end + 2;
      return reply;
    }
    const auto size = static_cast<std::size_t>(bytes);
    if (input_.size() < end + 2 + size + 2) return std::nullopt;
    reply.text = std::string_view(input_).substr(end + 2, size);
    position_ = end + 2 + size + 2;
    return reply;
  }

 private:
  static constexpr std::size_t kChunkBytes = 64 << 10;

  int fd_ = -1;
  bool is_open_ = true;
  std::string output_;
  std::size_t sent_ = 0;  // of output_
  std::string input_;
  std::size_t position_ = 0;  // where the next reply begins
  std::deque<Request> pending_;
};

void append_word(std::string& output, std::string_view word) {
  fmt::format_to(std::back_inserter(output), "${}\r\n{}\r\n", word.size(), word);
}

void append_request(std::string& output, const Request& request, const Values& values) {
  const char* const openings[] = {"*2\r\n$3\r\nGET\r\n", "*3\r\n$3\r\nSET\r\n",
                                  "*5\r\n$3\r\nSET\r\n", "*2\r\n$3\r\nDEL\r\n"};
  output += openings[static_cast<int>(request.kind)];
  char name[16];
  std::memcpy(name, "key:", 4);
  std::uint64_t rest = request.key;
  for (int i = 15; i >= 4; --i, rest /= 10) name[i] = static_cast<char>('0' + rest % 10);
  append_word(output, {name, sizeof name});
  if (request.kind != Kind::kSet && request.kind != Kind::kSetExpiring) return;
  fmt::format_to(std::back_inserter(output), "${}\r\n", values.bytes());
  values.append(output, request.key, request.version);
  output += "\r\n";
  if (request.kind == Kind::kSetExpiring) output += "$2\r\nPX\r\n$2\r\n50\r\n";
}

// ---- What to send next.

// Under --verify: what each key may hold.
class Versions {
 public:
  explicit Versions(std::uint64_t keys) : sent_(keys), acknowledged_(keys) {}

  bool has_write_under_way(std::uint64_t key) const { return sent_[key] != acknowledged_[key]; }
  std::uint64_t acknowledged(std::uint64_t key) const { return acknowledged_[key]; }
  std::uint64_t sent(std::uint64_t key) const { return sent_[key]; }

  void note_sent(std::uint64_t key, std::uint64_t version) { sent_[key] = version; }
  void note_acknowledged(std::uint64_t key, std::uint64_t version) { acknowledged_[key] = version; }

  // Refused: whatever the key held, it holds still.
  void note_refused(std::uint64_t key) { sent_[key] = acknowledged_[key]; }

  /// What an earlier run has saved; nothing if there is no such file.
  void restore(const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "rb");
    if (file == nullptr) return;
    const std::size_t count =
        std::fread(acknowledged_.data(), sizeof(std::uint64_t), acknowledged_.size(), file);
    std::fclose(file);
    if (count != 0 && count != acknowledged_.size()) fail(path + " is of another number of keys");
    sent_ = acknowledged_;
  }

  void save(const std::string& path) const {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr) fail("cannot write " + path);
    const std::size_t count =
        std::fwrite(acknowledged_.data(), sizeof(std::uint64_t), acknowledged_.size(), file);
    if (std::fclose(file) != 0 || count != acknowledged_.size()) fail("cannot write " + path);
  }

 private:
  std::vector<std::uint64_t> sent_;
  std::vector<std::uint64_t> acknowledged_;
};

// Draws the requests of the open loop.
class Mixture {
 public:
  explicit Mixture(const Options& options)
      : options_(options), random_(options.seed), scatter_(options.keys) {
    if (!options.uniform) zipfian_.emplace(options.keys, options.theta);
  }

  Request next() {
    Request request;
    request.kind = random_.next_unit() < options_.reads ? Kind::kGet : Kind::kSet;
    request.key =
        zipfian_ ? scatter_(zipfian_->rank(random_.next_unit())) : random_.next() % options_.keys;
    return request;
  }

 private:
  const Options& options_;
  Random random_;
  Scatter scatter_;
  std::optional<Zipfian> zipfian_;
};

// The requests of one connection in the modes without a rate. Connection c of n has the keys c,
// c + n, c + 2n, ...; in a queue it deletes a key `window` keys after it has set it.
class Sequence {
 public:
  Sequence(const Options& options, std::uint64_t index, const Scatter& scatter)
      : options_(options), scatter_(scatter), index_(index) {
    if (index < options.keys) count_ = (options.keys - index - 1) / options.connections + 1;
  }

  std::optional<Request> next() {
    Request request;
    if (options_.mode == Mode::kQueueDelete) {
      const bool deletes = deleted_ < set_ && (set_ == count_ || set_ - deleted_ > options_.window);
      if (!deletes && set_ == count_) return std::nullopt;
      request.kind = deletes ? Kind::kDelete : Kind::kSet;
      request.key = key(deletes ? deleted_++ : set_++);
      return request;
    }
    if (set_ == count_) return std::nullopt;
    request.key = key(set_++);
    request.kind = options_.mode == Mode::kLoad      ? Kind::kSet
                   : options_.mode == Mode::kReadAll ? Kind::kGet
                                                     : Kind::kSetExpiring;
    if (options_.mode == Mode::kReadAll) request.key = scatter_(request.key);
    return request;
  }

 private:
  std::uint64_t key(std::uint64_t i) const { return index_ + i * options_.connections; }

  const Options& options_;
  const Scatter& scatter_;
  std::uint64_t index_;
  std::uint64_t count_ = 0;
  std::uint64_t set_ = 0;
  std::uint64_t deleted_ = 0;
};

// ---- The loop.

class Run {
 public:
  explicit Run(const Options& options)
      : options_(options), values_(options.value_bytes), scatter_(options.keys) {
    if (options.mode == Mode::kRate) {
      mixture_ = std::make_unique<Mixture>(options);
      total_ = static_cast<std::uint64_t>(options.rate * options.seconds);
    }
    if (options.verify && (mixture_ || !options.versions.empty())) {
      versions_.emplace(options.keys);
      if (!options.versions.empty()) versions_->restore(options.versions);
    }
    // Versions of a later run are higher than those of an earlier one.
    first_version_ =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                       std::chrono::system_clock::now().time_since_epoch())
                                       .count());
    waits_to_send_.resize(options.connections);
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    for (std::uint64_t i = 0; i < options.connections; ++i) {
      connections_.push_back(std::make_unique<Connection>(options.host, options.port));
      sequences_.emplace_back(options_, i, scatter_);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_[i]->fd(), &event);
    }
    // A slot is the right to one request on one connection; neighbours are on different ones.
    for (std::uint64_t depth = 0; depth < options.depth; ++depth) {
      for (std::uint64_t i = 0; i < options.connections; ++i) slots_.push_back(i);
    }
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  ~Run() { close(epoll_); }

  const Figures& run() {
    prctl(PR_SET_TIMERSLACK, 1000UL);  // else the kernel may wake us 50 us late
    figures_.begin = figures_.end = now_nanos();
    const double cpu_before = cpu_seconds();
    next_line_ = figures_.begin + kSecond;
    if (options_.mode != Mode::kRate) {
      for (std::uint64_t i = 0; i < options_.connections; ++i) top_up(i);
    }
    while (!is_done()) {
      if (options_.mode == Mode::kRate) send_what_is_due();
      flush_all();
      wait();
      if (now_nanos() >= next_line_) show_second();
    }
    figures_.cpu_seconds = cpu_seconds() - cpu_before;
    count_unanswered();
    if (versions_ && mixture_ && !options_.versions.empty()) versions_->save(options_.versions);
    return figures_;
  }

 private:
  Nanos due(std::uint64_t i) const {
    return figures_.begin + static_cast<Nanos>(static_cast<double>(i) * 1e9 / options_.rate);
  }

  bool is_done() {
    if (open_count() == 0) return true;
    if (figures_.answered == figures_.sent && assigned_ == total_) return true;
    const auto patience = static_cast<Nanos>(options_.wait * 1e9);
    if (options_.mode == Mode::kRate) return now_nanos() - due(total_) > patience;
    return now_nanos() - std::max(figures_.end, last_sent_) > patience;
  }

  // What was not answered took at least until now: leaving it out would flatter the figures.
  void count_unanswered() {
    const Nanos now = now_nanos();
    for (const auto& connection : connections_) {
      for (const Request& request : connection->pending()) figures_.latency.add(now - request.due);
    }
    for (std::uint64_t i = assigned_; i < total_; ++i) figures_.latency.add(now - due(i));
    figures_.unanswered = figures_.sent - figures_.answered + total_ - assigned_;
  }

  std::uint64_t open_count() const {
    return static_cast<std::uint64_t>(std::ranges::count_if(
        connections_, [](const auto& connection) { return connection->is_open(); }));
  }

  // Requests from assigned_ to due_ are due and wait for a slot.
  void send_what_is_due() {
    const Nanos now = now_nanos();
    while (due_ < total_ && due(due_) <= now) figures_.late.add(now - due(due_++));
    while (assigned_ < due_ && !slots_.empty()) {
      const std::uint64_t index = slots_.front();
      slots_.pop_front();
      if (!connections_[index]->is_open()) continue;
      Request request = mixture_->next();
      request.due = due(assigned_++);
      send(index, request);
    }
  }

  // Keeps the pipeline of a connection between half full and full.
  void top_up(std::uint64_t index) {
    const std::size_t under_way = connections_[index]->pending().size();
    if (under_way > options_.depth / 2) return;
    for (std::uint64_t i = under_way; i < options_.depth; ++i) {
      std::optional<Request> request = sequences_[index].next();
      if (!request) return;
      request->due = now_nanos();
      send(index, *request);
    }
  }

  void send(std::uint64_t index, Request request) {
    if (request.kind == Kind::kGet) {
      if (versions_) request.version = versions_->acknowledged(request.key);
      ++figures_.reads;
    } else {
      if (versions_) {
        while (versions_->has_write_under_way(request.key)) {
          request.key = (request.key + 1) % options_.keys;
        }
        versions_->note_sent(request.key, first_version_ + figures_.sent);
      }
      request.version = first_version_ + figures_.sent;
    }
    ++figures_.sent;
    Connection& connection = *connections_[index];
    if (!connection.has_output()) unflushed_.push_back(index);
    append_request(connection.output(), request, values_);
    connection.pending().push_back(request);
    last_sent_ = std::max(last_sent_, request.due);
  }

  void flush_all() {
    for (const std::uint64_t index : unflushed_) flush(index);
    unflushed_.clear();
  }

  void flush(std::uint64_t index) {
    Connection& connection = *connections_[index];
    connection.flush();
    if (connection.has_output() == waits_to_send_[index]) return;
    waits_to_send_[index] = connection.has_output();
    epoll_event event{};
    event.events = EPOLLIN | (connection.has_output() ? EPOLLOUT : 0U);
    event.data.u64 = index;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd(), &event);
  }

  void wait() {
    const Nanos now = now_nanos();
    Nanos wake = next_line_;
    if (options_.mode == Mode::kRate && due_ < total_) wake = std::min(wake, due(due_));
    const Nanos pause = std::clamp<Nanos>(wake - now, 0, kSecond - 1);
    const timespec limit{0, pause};
    epoll_event events[64];
    const int count = epoll_pwait2(epoll_, events, 64, &limit, nullptr);
    for (int i = 0; i < count; ++i) {
      const std::uint64_t index = events[i].data.u64;
      if ((events[i].events & EPOLLOUT) != 0) flush(index);
      if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read(index);
    }
  }

  void read(std::uint64_t index) {
    Connection& connection = *connections_[index];
    connection.receive();
    const Nanos now = now_nanos();
    while (const std::optional<Reply> reply = connection.next_reply()) {
      if (connection.pending().empty()) fail("a reply that nothing asked for");
      const Request request = connection.pending().front();
      connection.pending().pop_front();
      ++figures_.answered;
      figures_.end = now;
      figures_.latency.add(now - request.due);
      second_.add(now - request.due);
      take(request, *reply);
      if (options_.mode == Mode::kRate) slots_.push_back(index);
    }
    if (!connection.is_open()) {
      epoll_ctl(epoll_, EPOLL_CTL_DEL, connection.fd(), nullptr);
      note_error("the server closed a connection");
    } else if (options_.mode != Mode::kRate) {
      top_up(index);
    }
  }

  void take(const Request& request, const Reply& reply) {
    const bool is_error = reply.kind == '-';
    if (is_error) note_error(reply.text);
    if (request.kind == Kind::kGet) {
      if (is_error) return;
      if (reply.is_null) {
        ++figures_.misses;
        if (options_.verify && request.version != 0) {
          note_wrong(request, "is gone though a write was acknowledged");
        }
      } else if (options_.verify) {
        check(request, reply.text);
      }
    } else if (request.kind == Kind::kDelete) {
      if (!is_error && reply.text != "1") ++figures_.misses;
    } else if (versions_) {
      if (is_error) {
        versions_->note_refused(request.key);
      } else {
        versions_->note_acknowledged(request.key, request.version);
      }
    }
  }

  void check(const Request& request, std::string_view value) {
    const std::optional<std::uint64_t> version = values_.version_of(value, request.key);
    if (!version) {
      note_wrong(request, fmt::format("holds {}", value.substr(0, 40)));
    } else if (*version < request.version) {
      note_wrong(request, fmt::format("is of version {:x} though {:x} was acknowledged", *version,
                                      request.version));
    } else if (versions_ && *version >= first_version_ && *version > versions_->sent(request.key)) {
      note_wrong(request, fmt::format("is of version {:x}, which nothing wrote", *version));
    }
  }

  void note_error(std::string_view text) {
    if (figures_.errors++ == 0) figures_.first_error = text;
  }

  void note_wrong(const Request& request, const std::string& text) {
    if (figures_.wrong++ == 0) {
      figures_.first_wrong = fmt::format("key:{:012} {}", request.key, text);
    }
  }

  void show_second() {
    if (options_.each_second) {
      const std::uint64_t waiting = figures_.sent - figures_.answered + due_ - assigned_;
      fmt::print(
          "{:>6.1f} s {:>8}/s  p50 {:.3f}  p99 {:.3f}  p99.9 {:.3f}  max {:.3f} ms  {} waiting"
          "  {} errors\n",
          static_cast<double>(now_nanos() - figures_.begin) / 1e9, second_.count(),
          second_.quantile_ms(0.5), second_.quantile_ms(0.99), second_.quantile_ms(0.999),
          second_.max_ms(), waiting, figures_.errors);
      std::fflush(stdout);
    }
    second_.clear();
    while (next_line_ <= now_nanos()) next_line_ += kSecond;
  }

  const Options& options_;
  Values values_;
  Scatter scatter_;
  std::unique_ptr<Mixture> mixture_;
  std::optional<Versions> versions_;
  std::uint64_t first_version_ = 0;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Sequence> sequences_;
  std::deque<std::uint64_t> slots_;
  std::vector<std::uint64_t> unflushed_;
  int epoll_ = -1;
  std::vector<bool> waits_to_send_;  // by connection: the socket took less than there was
  std::uint64_t total_ = 0;          // with a rate: requests of the run
  std::uint64_t due_ = 0;            // of these, due so far
  std::uint64_t assigned_ = 0;       // of these, given to a connection
  Nanos last_sent_ = 0;
  Nanos next_line_ = 0;
  Histogram second_;
  Figures figures_;
};

// ---- Telling about it.

struct Summary {
  double seconds;
  double rate;
  double cpu_share;
};

Summary summary_of(const Options& options, const Figures& figures) {
  double seconds = static_cast<double>(figures.end - figures.begin) / 1e9;
  if (options.mode == Mode::kRate) seconds = std::max(seconds, options.seconds);
  seconds = std::max(seconds, 1e-9);
  return {seconds, static_cast<double>(figures.answered) / seconds, figures.cpu_seconds / seconds};
}

void print_figures(const Options& options, const Figures& figures) {
  const Summary summary = summary_of(options, figures);
  fmt::print("{} requests answered in {:.2f} s: {:.0f}/s", figures.answered, summary.seconds,
             summary.rate);
  if (options.mode == Mode::kRate) fmt::print(" of {:.0f} asked for", options.rate);
  fmt::print("; {} reads, {} misses, {} errors, {} unanswered", figures.reads, figures.misses,
             figures.errors, figures.unanswered);
  if (options.verify) fmt::print(", {} wrong", figures.wrong);
  const Histogram& latency = figures.latency;
  fmt::print("\nlatency  p50 {:.3f}  p99 {:.3f}  p99.9 {:.3f}  p99.99 {:.3f}  max {:.3f} ms\n",
             latency.quantile_ms(0.5), latency.quantile_ms(0.99), latency.quantile_ms(0.999),
             latency.quantile_ms(0.9999), latency.max_ms());
  fmt::print("generator: {:.2f} of a processor", summary.cpu_share);
  if (options.mode == Mode::kRate) {
    fmt::print("; late p50 {:.3f}  p99.9 {:.3f}  max {:.3f} ms", figures.late.quantile_ms(0.5),
               figures.late.quantile_ms(0.999), figures.late.max_ms());
  }
  fmt::print("\n");
  if (figures.errors > 0) fmt::print("first error: {}\n", figures.first_error);
  if (figures.wrong > 0) fmt::print("first wrong value: {}\n", figures.first_wrong);
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c >= ' ' && c < 127 ? c : '?';
  }
  return result + '"';
}

void write_json(const Options& options, const Figures& figures) {
  const Summary summary = summary_of(options, figures);
  const Histogram& latency = figures.latency;
  const std::string text = fmt::format(
      "{{\"requests\": {}, \"answered\": {}, \"reads\": {}, \"misses\": {}, \"errors\": {},\n"
      " \"wrong\": {}, \"unanswered\": {}, \"seconds\": {:.6f}, \"rate\": {:.1f},\n"
      " \"p50_ms\": {:.6f}, \"p99_ms\": {:.6f}, \"p999_ms\": {:.6f}, \"p9999_ms\": {:.6f},\n"
      " \"max_ms\": {:.6f}, \"late_p999_ms\": {:.6f}, \"late_max_ms\": {:.6f},\n"
      " \"cpu_share\": {:.4f}, \"first_error\": {}, \"first_wrong\": {}}}\n",
      figures.sent, figures.answered, figures.reads, figures.misses, figures.errors, figures.wrong,
      figures.unanswered, summary.seconds, summary.rate, latency.quantile_ms(0.5),
      latency.quantile_ms(0.99), latency.quantile_ms(0.999), latency.quantile_ms(0.9999),
      latency.max_ms(), figures.late.quantile_ms(0.999), figures.late.max_ms(), summary.cpu_share,
      quoted(figures.first_error), quoted(figures.first_wrong));
  std::FILE* file = std::fopen(options.json.c_str(), "w");
  if (file == nullptr) fail("cannot write " + options.json);
  std::fwrite(text.data(), 1, text.size(), file);
  std::fclose(file);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = read_options(argc, argv);
  Run run(options);
  const Figures& figures = run.run();
  print_figures(options, figures);
  if (!options.json.empty()) write_json(options, figures);
  const bool is_sound =
      figures.errors == 0 && figures.wrong == 0 && figures.unanswered == 0 && figures.sent > 0;
  return is_sound ? 0 : 1;
}
