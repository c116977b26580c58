// Fuzzes recovery. The first byte chooses what the folder holds: arbitrary bytes as segment files;
// a real log with some bytes changed; or segments with sound checksums and arbitrary numbers in
// them. Whatever it is, a start either refuses, or recovers something that the next start recovers
// again; of a real log it recovers a prefix and never anything else; and after a repair the log
// starts.
#include <cstring>

#include "io/sim_disk.h"
#include "log/format.h"
#include "log/log.h"

namespace {

using namespace diskdb;
using namespace diskdb::log;

const std::string kFolder = "/log";

/// Draws numbers and bytes from the fuzzer's input.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size)
      : bytes_(reinterpret_cast<const char*>(data), size) {}
  bool empty() const { return bytes_.empty(); }
  std::uint8_t byte() { return number<std::uint8_t>(); }
  template <typename T>
  T number() {
    T value = 0;
    const std::size_t got = std::min(sizeof(T), bytes_.size());
    std::memcpy(&value, bytes_.data(), got);
    bytes_.remove_prefix(got);
    return value;
  }
  Bytes take(std::size_t bytes_max) {
    const Bytes taken = bytes_.substr(0, bytes_max);
    bytes_.remove_prefix(taken.size());
    return taken;
  }

 private:
  Bytes bytes_;
};

class Collector final : public Replay {
 public:
  Status replay(Bytes payload, Offset at) override {
    if (text.empty()) begin = at;
    ASSERT(at == begin + text.size());
    text += payload;
    return Status::okay();
  }
  Offset begin = 0;
  std::string text;
};

Options options(Offset checkpoint) {
  Options made;
  made.folder = kFolder;
  made.segment_bytes = 4_KiB;
  made.fsync = Fsync::kAlways;
  made.seed = 1;
  made.checkpoint = checkpoint;
  made.start_syncer_thread = false;
  return made;
}

std::string path(std::uint64_t sequence) { return kFolder + "/" + segment_name(sequence); }

void append_any(Log& log, Input& input, std::string& history) {
  const std::string frame(1 + input.byte() * (input.byte() % 8 == 0 ? 20U : 1U), 'f');
  const Bytes parts[] = {frame};
  const Offset before = history.size();
  const Offset end = log.append(0, parts);
  if (end - before > frame.size()) history += "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
  history += frame;
  ASSERT(history.size() == end);
}

void put_raw_segments(io::SimDisk& disk, Input& input) {
  for (std::uint64_t sequence = 1; sequence <= 3 && !input.empty(); ++sequence) {
    const std::size_t bytes_max = input.number<std::uint16_t>();
    disk.put(path(sequence), std::string(input.take(bytes_max)));
  }
}

/// A log of several lives, then bytes changed here and there; returns its true payload.
std::string put_changed_log(io::SimDisk& disk, Input& input) {
  io::ManualClock clock;
  std::string history;
  for (int life = 0; life < 2; ++life) {
    Collector found;
    auto opened = Log::open(disk, clock, options(0), found);
    ASSERT(opened.ok() && found.text == history);
    Log& log = **opened;
    for (int i = input.byte() % 24; i > 0; --i) {
      append_any(log, input, history);
      if (input.byte() % 2 == 0) log.write_pending();
      if (input.byte() % 4 == 0) log.sync_step();
    }
    while (log.pending_bytes() > 0) {
      log.write_pending();
      log.sync_step();
    }
    const bool is_killed = input.byte() % 2 == 0;
    if (is_killed) disk.power_off_at(0);
    opened.value().reset();
    disk.heal();
  }
  for (int i = input.byte() % 4; i > 0; --i) {
    const std::vector<std::string> paths = disk.paths();
    const std::string& victim = paths[input.byte() % paths.size()];
    std::string bytes = disk.contents(victim).value();
    if (bytes.empty()) continue;
    const std::size_t at = input.number<std::uint16_t>() % bytes.size();
    switch (input.byte() % 4) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ (1U << (input.byte() % 8)));
        break;
      case 1:
        bytes.resize(at);
        break;
      case 2:
        std::memset(bytes.data() + at, 0, std::min<std::size_t>(512, bytes.size() - at));
        break;
      default:
        bytes.replace(at, std::min<std::size_t>(8, bytes.size() - at), input.take(8));
        break;
    }
    disk.put(victim, bytes);
  }
  return history;
}

/// Sound checksums, any numbers: what only a wrong program would write.
void put_forged_segments(io::SimDisk& disk, Input& input) {
  for (std::uint64_t sequence = 1; sequence <= 4 && !input.empty(); ++sequence) {
    SegmentHeader header;
    header.salt = 1 + input.byte() % 2U;
    header.sequence = input.byte() % 8 == 0 ? 9 : sequence;
    header.first_offset = input.byte() % 2 == 0 ? kContinues : input.byte();
    header.attested = input.byte() % 4 == 0 ? input.number<std::uint64_t>() : input.byte() % 16U;
    header.version = input.byte() % 32 == 0 ? 2 : kFormatVersion;
    seal(header);
    std::string bytes(bytes_of(header));
    Offset offset = input.byte() % 2 == 0 ? 0 : input.byte();
    for (int i = input.byte() % 6; i > 0; --i) {
      const Bytes payload = input.take(input.byte() % 32U);
      BatchHeader batch{.payload_bytes = payload.size(), .salt = header.salt, .offset = offset};
      batch.attested = input.byte() % 4 == 0 ? input.byte() : 0;
      if (input.byte() % 16 == 0) batch.offset = input.number<std::uint64_t>();
      if (input.byte() % 32 == 0) batch.flags = input.byte();
      if (input.byte() % 16 == 0) batch.payload_bytes = input.number<std::uint64_t>();
      const Bytes parts[] = {payload};
      seal(batch, parts);
      if (input.byte() % 16 == 0) bytes += input.take(input.byte() % 64U);
      bytes += bytes_of(batch);
      bytes += payload;
      offset += payload.size();
    }
    disk.put(path(sequence), bytes);
  }
}

/// Starts the log until it goes on well: what it recovers stays.
void start_twice(io::SimDisk& disk, Offset checkpoint, const std::string* history) {
  io::ManualClock clock;
  Collector first;
  auto opened = Log::open(disk, clock, options(checkpoint), first);
  if (!opened.ok()) {
    ASSERT(opened.error().code == Code::kCorrupt || opened.error().code == Code::kInvalid);
    if (opened.error().code == Code::kInvalid || checkpoint > 0) return;
    const auto repaired = repair(disk, kFolder);
    ASSERT(repaired.ok());
    const auto checked = check(disk, kFolder);
    ASSERT(checked.ok() && checked.value().is_sound);
    if (history == nullptr) return;  // a forged log may begin above 0
    first = Collector();
    opened = Log::open(disk, clock, options(0), first);
    // Where the very beginning is gone, the log cannot begin at 0 any more.
    if (!opened.ok()) return;
  }
  if (history != nullptr) ASSERT(history->starts_with(first.text));
  const Offset end = opened.value()->appended();
  const Bytes parts[] = {"the next frame"};
  opened.value()->append(0, parts);
  ASSERT(opened.value()->sync_all().ok());
  opened.value().reset();

  Collector second;
  opened = Log::open(disk, clock, options(checkpoint), second);
  ASSERT(opened.ok());
  ASSERT(second.text.starts_with(first.text));
  ASSERT(second.text.ends_with("the next frame"));
  ASSERT(opened.value()->appended() > end);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  io::SimDisk disk(1);
  const std::uint8_t kind = input.byte();
  const Offset checkpoint = kind >= 128 ? input.byte() : 0;
  switch (kind % 3) {
    case 0:
      put_raw_segments(disk, input);
      start_twice(disk, checkpoint, nullptr);
      break;
    case 1: {
      const std::string history = put_changed_log(disk, input);
      start_twice(disk, 0, &history);
      break;
    }
    default:
      put_forged_segments(disk, input);
      start_twice(disk, checkpoint, nullptr);
  }
  return 0;
}
