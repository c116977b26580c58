#include "log/segment_reader.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace diskdb::log {
namespace {

constexpr std::uint64_t kWindowBytes = 1_MiB;

/// A cheap look that lets almost nothing but batches through; the checksum decides.
bool may_begin_batch(Bytes bytes, std::uint64_t bytes_left, Offset at_least) {
  const std::optional<BatchHeader> header = plausible_batch(bytes, bytes_left);
  return header.has_value() && header->flags == 0 && header->offset >= at_least;
}

}  // namespace

Result<SegmentReader> SegmentReader::open(io::File& file, const std::string& path) {
  TRY_LET(const std::uint64_t file_bytes, file.size());
  SegmentReader reader(file, path, file_bytes);
  TRY_LET(const Bytes bytes, reader.load(0, kSegmentHeaderBytes));
  reader.header_state_ = decode(bytes, reader.header_);
  return reader;
}

Result<Bytes> SegmentReader::load(std::uint64_t position, std::uint64_t bytes) {
  if (position >= file_bytes_) return Bytes{};
  bytes = std::min(bytes, file_bytes_ - position);
  const std::uint64_t window_end = window_begin_ + window_bytes_;
  const bool begins_inside = position >= window_begin_ && position < window_end;
  if (!begins_inside || position + bytes > window_end) {
    // Batches are often not much smaller than the window: what it has of this one is not read
    // again.
    const std::uint64_t kept = begins_inside ? window_end - position : 0;
    if (kept > 0) std::memmove(window_.data(), &window_[position - window_begin_], kept);
    window_begin_ = position;
    window_bytes_ = kept;
    const std::uint64_t wanted =
        std::min(std::max(bytes, kWindowBytes), file_bytes_ - position) - kept;
    if (window_.size() < kept + wanted) window_.resize(kept + wanted);
    TRY_LET(const std::size_t got,
            file_->read_at(position + kept, {window_.data() + kept, wanted}));
    window_bytes_ += got;
    bytes = std::min(bytes, window_bytes_);
  }
  return Bytes(window_).substr(position - window_begin_, bytes);
}

Result<std::optional<Batch>> SegmentReader::batch_at(std::uint64_t position) {
  const std::optional<Batch> none;
  if (position >= file_bytes_) return none;
  TRY_LET(Bytes bytes, load(position, kBatchHeaderBytes));
  const std::optional<BatchHeader> header = plausible_batch(bytes, file_bytes_ - position);
  if (!header.has_value()) return none;
  if (header_state_ == HeaderState::kGood && header->salt != header_.salt) return none;
  TRY_LET(bytes, load(position, kBatchHeaderBytes + header->payload_bytes));
  if (bytes.size() < kBatchHeaderBytes) return none;
  const Bytes payload = bytes.substr(kBatchHeaderBytes);
  if (!checksum_fits(*header, payload)) return none;
  if (header->flags != 0) {
    return {Code::kInvalid, path_ + ": the batch at byte " + std::to_string(position) +
                                " was written by a newer DiskDB"};
  }
  return std::optional<Batch>(Batch{.header = *header, .payload = payload, .position = position});
}

Result<std::optional<Batch>> SegmentReader::next() {
  TRY_LET(const std::optional<Batch> batch, batch_at(position_));
  if (batch.has_value()) position_ = batch->next_position();
  return batch;
}

Result<std::optional<BatchHeader>> SegmentReader::announced() {
  TRY_LET(const Bytes bytes, load(position_, kBatchHeaderBytes));
  std::optional<BatchHeader> header =
      position_ >= file_bytes_ ? std::nullopt : plausible_batch(bytes, file_bytes_ - position_);
  if (header.has_value() && header->salt != header_.salt) header.reset();
  return header;
}

Result<std::uint64_t> SegmentReader::candidate(std::uint64_t from, Offset at_least) {
  while (from + kBatchHeaderBytes <= file_bytes_) {
    TRY_LET(const Bytes bytes, load(from, kWindowBytes));
    if (bytes.size() < kBatchHeaderBytes) break;
    const std::size_t starts = bytes.size() - kBatchHeaderBytes + 1;
    if (header_state_ == HeaderState::kGood) {
      char salt[sizeof(header_.salt)];
      std::memcpy(salt, &header_.salt, sizeof(salt));
      const std::size_t found = bytes.find(Bytes(salt, sizeof(salt)), offsetof(BatchHeader, salt));
      if (found != Bytes::npos && found - offsetof(BatchHeader, salt) < starts) {
        return from + found - offsetof(BatchHeader, salt);
      }
    } else {
      for (std::size_t i = 0; i < starts; ++i) {
        if (may_begin_batch(bytes.substr(i, kBatchHeaderBytes), file_bytes_ - from - i, at_least)) {
          return from + i;
        }
      }
    }
    from += starts;
  }
  return file_bytes_;
}

Result<std::optional<Batch>> SegmentReader::search(Offset at_least) {
  while (position_ < file_bytes_) {
    TRY_LET(position_, candidate(position_, at_least));
    TRY_LET(const std::optional<Batch> batch, batch_at(position_));
    if (batch.has_value() && batch->header.offset >= at_least) {
      position_ = batch->next_position();
      return batch;
    }
    if (position_ < file_bytes_) ++position_;
  }
  return std::optional<Batch>();
}

}  // namespace diskdb::log
