#include "command/gates.h"

#include <string>

#include "command/command_table.h"
#include "command/config.h"
#include "command/services.h"
#include "command/statistics.h"
#include "keyspace/evictor.h"

namespace diskdb::command {
namespace {

constexpr std::size_t kQuotedBytesMax = 128;  // how much of the client's words an error repeats
// How long a command works to make room for itself; then it runs, and the next goes on.
constexpr Micros kDeletingMax{500};

Bytes shortened(Bytes word, std::size_t bytes_max) {
  return as_c_string(word).substr(0, bytes_max);
}

// Never with a store: values move out to it, and who writes faster than that is slowed.
bool is_out_of_memory(const Services& services) {
  const keyspace::MemoryBudget& budget = services.keyspace.budget;
  return !budget.is_tiered() && services.keyspace.allocated_bytes() > budget.keys_max();
}

// What has changed and is not stored has reached its limit, and checkpoints fail.
bool is_dirty_stuck(const Services& services) {
  return services.keyspace.budget.is_dirty_stuck.load(std::memory_order_relaxed);
}

bool is_out_of_room(const Services& services) {
  return services.log != nullptr && !services.log->has_room();
}

Outcome has_memory_to_write(CommandContext& cx) {
  if (!cx.row.has(Flag::kDenyOom) || !is_out_of_memory(cx.services)) return Outcome::done();
  // Under a policy that deletes, refused only if there is nothing to delete.
  keyspace::Evictor evictor(cx.services.keyspace, cx.services.clock);
  if (evictor.delete_keys(kDeletingMax) != keyspace::Evictor::Room::kNothing) {
    return Outcome::done();
  }
  return Refusal::kOutOfMemory;
}

Outcome has_working_checkpoints(CommandContext& cx) {
  if (!cx.row.has(Flag::kWrite) || !is_dirty_stuck(cx.services)) return Outcome::done();
  return Refusal::kMisconfCheckpoint;
}

Outcome has_room_in_log(CommandContext& cx) {
  if (cx.services.log == nullptr) return Outcome::done();
  if (!cx.row.has(Flag::kWrite) && !cx.row.has(Flag::kMayReplicate)) return Outcome::done();
  if (!cx.services.log->has_room()) return Refusal::kMisconfDisk;
  std::uint64_t bytes = 0;
  for (const Bytes word : cx.words) bytes += word.size() + 32;
  // Small requests fit into the spare by construction; a large one reserves its room now or not at
  // all.
  if (bytes > kFrameBytesReserved && !cx.services.log->reserve(bytes)) return Refusal::kMisconfDisk;
  return Outcome::done();
}

constexpr Gate kGates[] = {has_right_word_count, has_memory_to_write, has_working_checkpoints,
                           has_room_in_log};

}  // namespace

std::span<const Gate> gates() { return kGates; }

bool is_anything_restricted(const Services& services) {
  return is_out_of_room(services) || is_out_of_memory(services) || is_dirty_stuck(services);
}

Outcome has_right_word_count(CommandContext& cx) {
  if (cx.row.words.admits(cx.words.size())) return Outcome::done();
  return cx.refuse("ERR wrong number of arguments for '" + full_name(cx.row) + "' command");
}

std::string unknown_command_text(std::span<const Bytes> words) {
  std::string quoted;
  for (const Bytes word : words.subspan(1)) {
    if (quoted.size() >= kQuotedBytesMax) break;
    const Bytes shown = shortened(word, kQuotedBytesMax - quoted.size());
    quoted.append("'").append(shown).append("' ");
  }
  return "ERR unknown command '" + std::string(shortened(words[0], kQuotedBytesMax)) +
         "', with args beginning with: " + quoted;
}

std::string unknown_subcommand_text(const Row& container, Bytes name) {
  return "ERR unknown subcommand '" + std::string(shortened(name, kQuotedBytesMax)) + "'. Try " +
         std::string(container.name) + " HELP.";
}

}  // namespace diskdb::command
