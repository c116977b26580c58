#include "server/server.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <forward_list>
#include <mutex>
#include <thread>

#include "command/memory_settings.h"
#include "command/string_commands.h"
#include "io/allocator.h"
#include "io/huge_pages.h"
#include "io/process.h"
#include "io/random.h"
#include "keyspace/access.h"
#include "keyspace/evictor.h"
#include "keyspace/warmer.h"
#include "resp/words.h"
#include "server/config_rewrite.h"
#include "server/cron.h"
#include "server/memory.h"
#include "server/replayer.h"

namespace diskdb::server {
namespace {

constexpr Micros kRoomWork{1000};
// After a checkpoint that a full disk has failed.
constexpr Micros kCheckpointRetry{1'000'000};
constexpr std::uint64_t kAdmittedShare = 8;    ///< of the memory limit, for what is being loaded
constexpr std::uint64_t kOwnDescriptors = 64;  // besides those of clients

Error system_error(const std::string& doing) {
  return {Code::kIo, doing + ": " + std::strerror(errno)};
}

std::string random_id() {
  std::string id;
  while (id.size() < 40) id += fmt::format("{:016x}", io::entropy());
  return id.substr(0, 40);
}

std::string executable_path() {
  char path[PATH_MAX];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  return size > 0 ? std::string(path, static_cast<std::size_t>(size)) : std::string();
}

std::string absolute(const std::string& path) {
  char resolved[PATH_MAX];
  return ::realpath(path.c_str(), resolved) == nullptr ? path : std::string(resolved);
}

}  // namespace

Server::Server(command::Config& config, io::Disk& disk, io::Clock& clock, ServerLog& server_log,
               std::string config_file)
    : config_(config),
      disk_(disk),
      clock_(clock),
      server_log_(server_log),
      table_(command::all_families()),
      statistics_(table_.rows().size()) {
  const auto threads = static_cast<int>(config.number("threads"));
  facts_ = {
      .version = std::string(kVersion),
      .run_id = random_id(),
      .executable = executable_path(),
      .config_file = config_file.empty() ? std::string() : absolute(config_file),
      .engine = config.text("engine"),
      .tcp_port = static_cast<int>(config.number("port")),
      .thread_count = threads > 0 ? threads : static_cast<int>(std::thread::hardware_concurrency()),
      .started_at = clock.wall()};
  facts_.thread_count = std::max(facts_.thread_count, 1);
  keyspace_options_.database_count = static_cast<std::uint32_t>(config.number("databases"));
  keyspace_options_.hash_seed = io::entropy();
}

Server::~Server() {
  if (!pid_file_.empty()) std::remove(pid_file_.c_str());
}

Status Server::start() {
  io::configure_allocator();
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  signals_ = net::Socket(::signalfd(-1, &ending, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!signals_) return system_error("starting");

  raise_descriptor_limit();
  TRY(take_ports());
  server_log_.warning(fmt::format("DiskDB {} is starting, PID: {}, port {}, engine {}, {} threads",
                                  kVersion, ::getpid(), facts_.tcp_port, facts_.engine,
                                  facts_.thread_count));
  server_log_.warning(facts_.config_file.empty()
                          ? std::string("No configuration file: using the defaults")
                          : "Configuration loaded from " + (facts_.config_file == "-"
                                                                ? "standard input"
                                                                : facts_.config_file));
  write_pid_file();
  server_log_.warning("Server initialized");
  if (facts_.engine == "disk") {
    TRY(prepare_folder());
    TRY(recover());
  } else {
    keyspace_ = std::make_unique<keyspace::Keyspace>(keyspace_options_, nullptr);
    command::follow_memory_settings(config_, keyspace_->budget, default_memory_limit());
  }
  services_ = std::make_unique<command::Services>(services_with(*keyspace_));
  follow_settings();
  background_ =
      std::make_unique<Background>(Background::Parts{.keyspace = *keyspace_,
                                                     .checkpointer = checkpointer_.get(),
                                                     .loader = loader_.get(),
                                                     .statistics = statistics_,
                                                     .clock = clock_,
                                                     .uses_huge_pages = uses_huge_pages()},
                                   [this](const std::string& line) { server_log_.warning(line); });
  background_->start();
  TRY(listen());
  if (metrics_ != nullptr) metrics_->set_ready(*services_);
  server_log_.notice("Ready to accept connections");
  return {};
}

command::Services Server::services_with(keyspace::Keyspace& keyspace) {
  return {.keyspace = keyspace,
          .log = keyspace.log(),
          .clock = clock_,
          .table = table_,
          .clients = clients_,
          .config = config_,
          .statistics = statistics_,
          .lifecycle = *this,
          .facts = facts_,
          .checkpointer = checkpointer_.get(),
          .loader = loader_.get()};
}

// Clients must not be more than descriptors: a connection that cannot be accepted is worse than a
// refused one.
void Server::raise_descriptor_limit() {
  const auto clients = static_cast<std::uint64_t>(config_.number("maxclients"));
  const std::uint64_t wanted = clients + kOwnDescriptors;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  const rlimit raised{.rlim_cur = wanted, .rlim_max = std::max<rlim_t>(limit.rlim_max, wanted)};
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, wanted);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const std::uint64_t possible =
      limit.rlim_cur > kOwnDescriptors ? limit.rlim_cur - kOwnDescriptors : 1;
  if (possible >= clients) return;
  const std::string value = std::to_string(possible);
  const command::Config::Change change{"maxclients", value};
  config_.set_live({&change, 1});
  server_log_.warning(fmt::format(
      "maxclients is {} instead of {}: the system allows this process {} open files (ulimit -n)",
      possible, clients, limit.rlim_cur));
}

Status Server::take_ports() {
  if (facts_.tcp_port != 0) {
    TRY_LET(bound_, bind_all(static_cast<std::uint16_t>(facts_.tcp_port)));
  }
  const auto metrics_port = static_cast<std::uint16_t>(config_.number("metrics-port"));
  if (metrics_port == 0) return {};
  TRY_LET(std::vector<net::Socket> sockets, bind_all(metrics_port));
  metrics_ = std::make_unique<MetricsEndpoint>(clock_);
  TRY(metrics_->start(std::move(sockets)));
  server_log_.notice(fmt::format("Metrics and health on port {} (HTTP)", metrics_port));
  return {};
}

// A socket for each address of `bind`.
Result<std::vector<net::Socket>> Server::bind_all(std::uint16_t port) {
  const std::string text = config_.text("bind");
  std::vector<net::Socket> bound;
  std::vector<Bytes> addresses;
  std::forward_list<std::string> storage;
  resp::split_words(text, addresses, storage);
  for (const Bytes word : addresses) {
    const bool may_be_missing = word.starts_with('-');
    auto socket = net::bind_to(std::string(word.substr(may_be_missing ? 1 : 0)), port);
    if (socket.ok()) {
      bound.push_back(std::move(*socket));
    } else if (!may_be_missing || socket.error().code == Code::kBusy) {
      // Redis's words, for whoever waits for them.
      server_log_.warning(fmt::format("Failed listening on port {} (TCP), aborting.", port));
      return socket.status().because("cannot listen").error();
    }
  }
  if (bound.empty()) return {Code::kInvalid, "cannot listen: no address of `bind` is there"};
  return bound;
}

Status Server::prepare_folder() {
  const std::string folder = config_.text("dir");
  TRY(disk_.make_folder(folder));
  const std::string path[] = {absolute(folder)};
  return config_.set_at_start(*config_.find("dir"), path);
}

Status Server::recover() {
  log::Options options;
  options.folder = config_.text("dir") + "/log";
  options.segment_bytes = static_cast<std::uint64_t>(config_.number("max-log-size"));
  options.fsync = static_cast<log::Fsync>(config_.number("fsync"));
  options.sync_interval = Millis{config_.number("sync-interval")};
  options.on_fatal = [this](const Status& status) {
    server_log_.warning(
        fmt::format("Writing the log failed: {}. What was acknowledged is safe; the rest is "
                    "replayed at the next start. "
                    "Exiting.",
                    status.error().message));
    ::_exit(1);
  };
  store::Options store_options;
  store_options.folder = config_.text("dir") + "/store";
  store_options.block_cache_bytes = keyspace::block_cache_bytes(memory_limit());
  store_options.compresses = config_.text("compression") != "none";
  TRY_LET(store_, store::Store::open(disk_, store_options));
  TRY_LET(const std::optional<store::Marker> marker, store_->marker());
  if (marker) {
    // Keys beyond the last database would be out of reach, and the marker would forget them.
    if (!marker->databases.empty() &&
        marker->databases.back().db >= keyspace_options_.database_count) {
      return {Code::kInvalid,
              fmt::format("database {} holds keys: `databases` must be at least {}",
                          marker->databases.back().db, marker->databases.back().db + 1)};
    }
    keyspace_options_.hash_seed = marker->hash_seed;
    options.checkpoint = marker->offset;
  }
  keyspace_ = std::make_unique<keyspace::Keyspace>(keyspace_options_, nullptr, store_.get());
  keyspace_->on_unreadable = [this](const Status& status) {
    server_log_.warning(
        fmt::format("Reading the store failed: {}. Exiting.", status.error().message));
    ::_exit(1);
  };
  checkpointer_ = std::make_unique<keyspace::Checkpointer>(*keyspace_, clock_);
  if (marker) {
    keyspace_->restore(*marker);
    checkpointer_->start_from(*marker);
  }
  checkpointer_->set(checkpoint_settings());
  command::follow_memory_settings(config_, keyspace_->budget, default_memory_limit());
  // The log may hold more than memory: what it has changed moves on into the store.
  keyspace::Evictor evictor(*keyspace_, clock_);
  keyspace::ReplayWarmer warmer(*keyspace_, clock_);
  Micros retry_at{};
  const auto pause = [&](const log::Position& position) -> Status {
    warmer.step();
    if (checkpointer_->is_due({}) && clock_.monotonic() >= retry_at) {
      const Status status = checkpointer_->run(position);
      // On a full disk reads are to be served: what has changed since the last checkpoint was in
      // memory when the process ended, and fits again.
      if (!status.ok() && status.error().code != Code::kNoSpace) return status;
      if (!status.ok()) {
        server_log_.warning("The checkpoint failed: " + status.error().message);
        retry_at = clock_.monotonic() + kCheckpointRetry;
      }
    }
    while (evictor.step(kRoomWork) == keyspace::Evictor::Room::kMore) continue;
    return {};
  };
  const auto open = [&](log::Replay& replay) -> Status {
    TRY_LET(log_, log::Log::open(disk_, clock_, std::move(options), replay));
    return {};
  };
  TRY(replay_into(*keyspace_, marker, open, pause));
  keyspace_->attach_log(*log_);
  loader_ = std::make_unique<keyspace::Loader>(*keyspace_, clock_);
  return {};
}

Status Server::replay_into(keyspace::Keyspace& keyspace, const std::optional<store::Marker>& marker,
                           const std::function<Status(log::Replay&)>& read,
                           const Replayer::Pause& pause) {
  command::Services services = services_with(keyspace);
  Replayer replayer(
      services, marker ? marker->selected_db : 0,
      [this](const std::string& line) { server_log_.notice(line); }, pause);
  const Micros begin = clock_.monotonic();
  TRY(read(replayer));
  const double seconds = static_cast<double>((clock_.monotonic() - begin).count) / 1e6;
  server_log_.notice(fmt::format("DB loaded from the log: {} commands, {} bytes, {:.3f} seconds",
                                 replayer.command_count(), replayer.byte_count(), seconds));
  return {};
}

Status Server::reload(keyspace::Access& access) {
  if (log_ == nullptr) return {};  // the memory engine has nothing to read again
  // A checkpoint under way needs the shards to come to its end.
  const std::uint32_t db = access.db();
  const Millis now = access.now();
  access.release();
  const auto suspended = checkpointer_->suspend();
  access.begin(db, now);
  access.hold_all();
  TRY_LET(const std::optional<store::Marker> marker, store_->marker());
  keyspace::Keyspace fresh(keyspace_options_, nullptr, store_.get());
  fresh.on_unreadable = keyspace_->on_unreadable;
  if (marker) fresh.restore(*marker);
  fresh.continue_epochs_of(*keyspace_);
  const auto read = [&](log::Replay& replay) {
    return log_->read(marker ? marker->offset : 0, replay);
  };
  TRY(replay_into(fresh, marker, read, nullptr));
  keyspace_->exchange(fresh);
  return {};
}

command::Lifecycle::CheckpointStart Server::start_checkpoint(bool may_queue) {
  switch (background_->ask(may_queue)) {
    case Background::Asked::kStarted:
      return CheckpointStart::kStarted;
    case Background::Asked::kQueued:
      return CheckpointStart::kQueued;
    case Background::Asked::kRefused:
      break;
  }
  return CheckpointStart::kRefused;
}

bool Server::uses_huge_pages() {
  if (!config_.is_on("huge-pages")) return false;
  if (io::HugePages::are_available()) return true;
  server_log_.notice(
      "The system has no huge pages for this process: look-ups take a little longer");
  return false;
}

Status Server::checkpoint() { return background_->ask_and_wait(); }

// Without a setting: the disk engine always has a limit, since what does not fit is in the store.
std::uint64_t Server::default_memory_limit() const {
  return facts_.engine == "disk" ? available_memory() / 2 : 0;
}

std::uint64_t Server::memory_limit() const {
  const auto limit = static_cast<std::uint64_t>(config_.number("maxmemory"));
  return limit > 0 ? limit : default_memory_limit();
}

keyspace::CheckpointSettings Server::checkpoint_settings() const {
  keyspace::CheckpointSettings settings;
  settings.log_factor = static_cast<std::uint64_t>(config_.number("checkpoint-log-factor"));
  settings.log_bytes_min = static_cast<std::uint64_t>(config_.number("checkpoint-log-min"));
  settings.replay_time = Millis{config_.number("checkpoint-replay-time")};
  settings.interval = Millis{config_.number("checkpoint-interval")};
  settings.dirty_bytes_max = keyspace::dirty_bytes_max(memory_limit());
  return settings;
}

void Server::follow_settings() {
  const auto follow_limit = [this] {
    if (loader_ != nullptr) loader_->admission().set_budget(memory_limit() / kAdmittedShare);
  };
  config_.observe("maxmemory", follow_limit);
  follow_limit();
  if (log_ != nullptr) {
    const auto follow = [this] {
      log_->set_fsync(static_cast<log::Fsync>(config_.number("fsync")),
                      Millis{config_.number("sync-interval")});
    };
    config_.observe("fsync", follow);
    config_.observe("sync-interval", follow);
    const auto follow_checkpoints = [this] { checkpointer_->set(checkpoint_settings()); };
    for (const Bytes name : {"checkpoint-log-factor", "checkpoint-log-min",
                             "checkpoint-replay-time", "checkpoint-interval", "maxmemory"}) {
      config_.observe(name, follow_checkpoints);
    }
    follow_checkpoints();
  }
  config_.observe("maxclients", [this] { raise_descriptor_limit(); });
  if (!facts_.config_file.empty() && facts_.config_file != "-") {
    config_.set_rewriter([this] { return rewrite_config_file(facts_.config_file, config_); });
  }
}

Status Server::listen() {
  net::NetworkOptions options;
  options.thread_count = static_cast<std::size_t>(facts_.thread_count);
  options.backend = static_cast<net::IoBackend>(config_.number("io-backend"));
  options.spread = static_cast<net::Spread>(config_.number("spread-connections"));
  options.backlog = static_cast<int>(config_.number("tcp-backlog"));
  options.loop = {
      .receive_buffer_bytes = static_cast<std::size_t>(config_.number("recv-buffer-size")),
      .socket_send_bytes = static_cast<int>(config_.number("send-buffer-size")),
      .socket_receive_bytes = static_cast<int>(config_.number("socket-recv-buffer-size")),
      .keeps_buffers = config_.is_on("buffer-pool-enabled"),
      .reads_as_options = command::set_reads_as_options};
  TRY_LET(network_, net::Network::create(*services_, options, [this](const std::string& line) {
            server_log_.warning(line);
          }));
  facts_.io_backend = network_->backend() == net::IoBackend::kUring ? "io_uring" : "epoll";
  return network_->start(std::move(bound_));
}

void Server::write_pid_file() {
  pid_file_ = config_.text("pidfile");
  if (pid_file_.empty()) return;
  std::FILE* file = std::fopen(pid_file_.c_str(), "we");
  if (file == nullptr) {
    server_log_.warning(
        fmt::format("Cannot write the pidfile {}: {}", pid_file_, std::strerror(errno)));
    pid_file_.clear();
    return;
  }
  const std::string text = fmt::format("{}\n", ::getpid());
  std::fwrite(text.data(), 1, text.size(), file);
  std::fclose(file);
}

// A command asks the way an operator does, so that run() waits for one thing.
void Server::request_shutdown(bool skips_checkpoint) {
  skips_last_checkpoint_.store(skips_checkpoint, std::memory_order_relaxed);
  is_shutdown_requested_.store(true, std::memory_order_relaxed);
  ::kill(::getpid(), SIGTERM);
}

void Server::run_cron(const std::stop_token& stop) {
  io::introduce_thread("cron", io::Work::kForClients);  // they wait for shards and frames of it
  Cron cron(*services_);
  std::mutex m;
  std::condition_variable_any stopped;
  std::unique_lock lock(m);
  while (!stop.stop_requested()) {
    const std::chrono::milliseconds pause(cron.step().count);
    stopped.wait_for(lock, stop, pause, [] { return false; });
  }
}

Status Server::run() {
  std::jthread cron([this](const std::stop_token& stop) { run_cron(stop); });
  signalfd_siginfo signal{};
  while (::read(signals_.get(), &signal, sizeof signal) != sizeof signal) {
    pollfd waited{.fd = signals_.get(), .events = POLLIN, .revents = 0};
    ::poll(&waited, 1, -1);
  }
  cron.request_stop();
  cron.join();
  if (is_shutdown_requested_.load(std::memory_order_relaxed)) {
    server_log_.warning("User requested shutdown...");
  } else {
    server_log_.warning(fmt::format("Received {}, shutting down...",
                                    signal.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM"));
  }
  if (metrics_ != nullptr) metrics_->set_ending();
  network_->stop();
  background_->stop();
  if (checkpointer_ != nullptr && checkpointer_->has_changes() &&
      !skips_last_checkpoint_.load(std::memory_order_relaxed)) {
    server_log_.notice("Taking a last checkpoint.");
    // Without it the next start replays a little more; nothing is lost.
    if (const Status status = checkpointer_->run(); !status.ok()) {
      server_log_.warning("The last checkpoint failed: " + status.error().message);
    }
  }
  if (metrics_ != nullptr) metrics_->stop();
  if (log_ != nullptr) {
    server_log_.notice("Closing the log.");
    TRY(log_->close());
  }
  server_log_.warning("DiskDB is now ready to exit, bye bye...");
  return {};
}

}  // namespace diskdb::server
