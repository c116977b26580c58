// net/limits.h — what a network thread bounds.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/units.h"

namespace diskdb::net {

/// Requests of one connection that run before the others get their turn.
constexpr std::size_t kRequestsPerTurn = 2048;

/// Pending output of a connection above which it is neither read nor executed until half of it is
/// gone. Clients that send a whole pipeline before they read the first reply deserve the generous
/// bound, as long as all buffers together stay below a budget: an eighth of maxmemory, or
/// kBufferBudgetBytes without one.
constexpr std::uint64_t kOutputBytesGenerous = 64_MiB;
constexpr std::uint64_t kOutputBytesTight = 256_KiB;
constexpr std::uint64_t kBufferBudgetBytes = 512_MiB;

/// Nobody is read while more than this has been appended to the log and not been written.
constexpr std::uint64_t kLogPendingBytesMax = 64_MiB;

/// Leftover input up to this size moves into the shared receive buffer when more arrives, instead
/// of growing a buffer of its own.
constexpr std::size_t kLeftoverBytesShared = 16_KiB;

/// Buffers of a thread that an io_uring receives into, each as large as the receive buffer but not
/// larger than this, and room in front of the bytes for the leftover they complete.
constexpr unsigned kUringBuffers = 64;
constexpr std::size_t kUringBufferBytesMax = 64_KiB;
constexpr unsigned kUringSubmissions = 1024;
constexpr unsigned kUringCompletions = 4096;

/// Network threads that allocate from one arena: what one makes is replaced by what another makes,
/// when connections have moved, and leaves holes where only the first could have filled them.
constexpr std::size_t kThreadsPerArena = 4;

/// What is kept of a client's further requests while a blocking command holds it.
constexpr std::size_t kStashBytesBlocked = 256_KiB;

constexpr std::size_t kAcceptsPerTurn = 64;
constexpr std::size_t kSendPartsMax = 64;

constexpr Millis kHousekeepingPeriod{1000};
constexpr Millis kCongestedWait{5};
/// A rest from reading, to slow writers, is this long: shorter ones add up first.
constexpr std::int64_t kRestMicrosMin = 1000;
constexpr std::int64_t kRestMicrosMax = 5000;
/// How often connections are balanced between threads, how many leave a thread at once, and how
/// long one's requests run until that holds the others of its thread up.
constexpr Micros kBalancePeriod{250'000};
constexpr std::size_t kTransferMax = 1000;
constexpr std::uint64_t kHoldupNanos = 10'000'000;
/// After which a connection gives back what it keeps for the next requests.
constexpr Millis kSilenceBeforeShrinking{5000};

}  // namespace diskdb::net
