// command/command_table.h — the rows of all families, joined, and found by name.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "command/row.h"

namespace diskdb::command {

/// Threads: immutable.
class CommandTable {
 public:
  /// Borrows the families' rows, constants, for its life. Asserts that no name occurs twice and
  /// that every subcommand has its container.
  explicit CommandTable(std::span<const std::span<const Row>> families);

  /// By the first word, whatever its case; null if there is no such command. Cost: some 5 ns.
  const Row* find(Bytes name) const;
  /// The row of `container`'s subcommand; null if there is none.
  const Row* find_subcommand(const Row& container, Bytes name) const;
  /// The row that runs `words`: the subcommand where there is one. Null: unknown.
  const Row* resolve(std::span<const Bytes> words) const;

  /// Sorted by name; subcommands follow their container.
  std::span<const Row* const> rows() const { return rows_; }
  std::span<const Row* const> subcommands(const Row& container) const;
  /// Each row has an index below rows().size(), for arrays of counters.
  std::size_t index_of(const Row& row) const;

 private:
  struct Slot {
    std::uint32_t hash;
    std::uint32_t index_plus_one;
  };
  struct Family {
    std::span<const Row> rows;
    std::size_t first_index;
  };

  /// The row called `name` inside `container`, or at the top if that is null.
  const Row* look_up(const Row* container, Bytes name) const;

  std::vector<Family> families_;  ///< by address
  std::vector<const Row*> rows_;
  std::vector<Slot> slots_;  ///< open addressing; their number is a power of two
};

/// The row's name as COMMAND, INFO and CLIENT LIST print it: "get", "client|list".
std::string full_name(const Row& row);

/// The keys of a request by its row's specs, in order. Returns false if a count of keys is not
/// sound (the command itself refuses then); what was found until there stays in `indices`.
bool find_key_indices(const Row& row, std::span<const Bytes> words,
                      std::vector<std::size_t>* indices);
/// The same for one spec, whatever its use.
bool find_key_indices(const KeySpec& spec, std::span<const Bytes> words,
                      std::vector<std::size_t>* indices);

/// The rows of each family, joined by server/ and by tests.
std::span<const Row> string_rows();
std::span<const Row> bitmap_rows();
std::span<const Row> hyperloglog_rows();
std::span<const Row> list_rows();
std::span<const Row> hash_rows();
std::span<const Row> set_rows();
std::span<const Row> sorted_set_rows();
std::span<const Row> stream_rows();
std::span<const Row> geo_rows();
std::span<const Row> json_rows();
std::span<const Row> generic_rows();
std::span<const Row> connection_rows();
std::span<const Row> client_rows();  ///< CLIENT and its subcommands
std::span<const Row> server_rows();
std::span<const Row> config_rows();
std::span<const Row> introspection_rows();  ///< COMMAND and its subcommands
std::span<const Row> debug_rows();
std::span<const Row> slowlog_rows();
std::span<const Row> latency_rows();
std::span<const Row> memory_rows();  ///< MEMORY's subcommands about the whole process
std::vector<std::span<const Row>> all_families();

}  // namespace diskdb::command
