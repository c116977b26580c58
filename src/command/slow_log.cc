#include "command/slow_log.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/number.h"
#include "command/row.h"

namespace diskdb::command {
namespace {

constexpr std::size_t kWordsMax = 32;
constexpr std::size_t kWordBytesMax = 128;
constexpr Bytes kRedacted = "(redacted)";
constexpr Bytes kSecretSettings[] = {"masterauth", "masteruser", "requirepass",
                                     "tls-client-key-file-pass", "tls-key-file-pass"};

bool is_secret_setting(Bytes name) {
  return std::ranges::any_of(kSecretSettings,
                             [&](Bytes secret) { return equals_ignoring_case(name, secret); });
}

/// May others not read the word at `index`?
bool is_secret(const Row& row, std::span<const Bytes> words, std::size_t index) {
  if (row.name == "CONFIG SET") {
    return index >= 3 && index % 2 == 1 && is_secret_setting(words[index - 1]);
  }
  if (row.name == "AUTH") return index > 0;
  if (row.name == "HELLO") {
    const auto follows_auth = [&](std::size_t distance) {
      return index >= distance + 1 && equals_ignoring_case(words[index - distance], "AUTH");
    };
    return follows_auth(1) || follows_auth(2);
  }
  return false;
}

std::string shortened(Bytes word) {
  if (word.size() <= kWordBytesMax) return std::string(word);
  return fmt::format("{}... ({} more bytes)", word.substr(0, kWordBytesMax),
                     word.size() - kWordBytesMax);
}

}  // namespace

void SlowLog::add(Entry entry, std::size_t size_max) {
  const std::lock_guard lock(m_);
  entry.id = next_id_++;
  entries_.push_front(std::move(entry));
  while (entries_.size() > size_max) entries_.pop_back();
}

std::vector<SlowLog::Entry> SlowLog::newest(std::size_t count_max) const {
  const std::lock_guard lock(m_);
  const auto count = static_cast<std::ptrdiff_t>(std::min(count_max, entries_.size()));
  return {entries_.begin(), entries_.begin() + count};
}

std::size_t SlowLog::size() const {
  const std::lock_guard lock(m_);
  return entries_.size();
}

std::uint64_t SlowLog::added_count() const {
  const std::lock_guard lock(m_);
  return next_id_;
}

void SlowLog::clear() {
  const std::lock_guard lock(m_);
  entries_.clear();
}

std::vector<std::string> slow_log_words(const Row& row, std::span<const Bytes> words) {
  std::vector<std::string> kept;
  const std::size_t count = std::min(words.size(), kWordsMax);
  for (std::size_t i = 0; i < count; ++i) {
    if (words.size() > kWordsMax && i == kWordsMax - 1) {
      kept.push_back(fmt::format("... ({} more arguments)", words.size() - kWordsMax + 1));
    } else {
      kept.push_back(is_secret(row, words, i) ? std::string(kRedacted) : shortened(words[i]));
    }
  }
  return kept;
}

}  // namespace diskdb::command
