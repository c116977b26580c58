// log/limits.h — the maxima of this layer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/units.h"

namespace diskdb::log {

/// A batch takes no further frames beyond this; a single larger frame still is one batch.
constexpr std::uint64_t kBatchBytesMax = 8_MiB;
/// Chunks of frames that one batch gathers, so parts of one write call (and its header).
constexpr std::size_t kBatchChunksMax = 63;
/// Frames from this size on are copied outside the append lock into a chunk of their own.
constexpr std::uint64_t kLargeFrameBytes = 64_KiB;
/// A chunk of small frames; less where segments are small, so that a chunk always fits one.
constexpr std::uint64_t kChunkBytesMax = 256_KiB;
constexpr std::uint64_t kSegmentBytesMin = 4_KiB;
/// Empty chunks kept for reuse.
constexpr std::size_t kFreeChunksMax = 16;
/// Released segment files kept for reuse, besides the spare.
constexpr std::size_t kRecycledFilesMax = 4;
/// Threads that check segments at a start, each one at a time.
constexpr std::size_t kCheckThreadsMax = 8;
/// While the disk is full, a spare is tried for this often.
constexpr Millis kSpareRetry{100};
/// A writer that others keep asking hands its role over after this many rounds.
constexpr int kWriterRoundsMax = 4;

}  // namespace diskdb::log
