// log/segment_reader.h — reads the batches of one segment file, and looks for them where order is
// broken. Knows the bytes of docs/format/log.md and nothing of other segments: recovery.h joins
// them.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "io/file.h"
#include "log/format.h"

namespace diskdb::log {

struct Batch {
  BatchHeader header;
  Bytes payload;               ///< borrowed from the reader until its next call
  std::uint64_t position = 0;  ///< of the header in the file

  std::uint64_t next_position() const {
    return position + kBatchHeaderBytes + header.payload_bytes;
  }
};

/// Threads: none. Every batch it returns has a checksum that fits.
class SegmentReader {
 public:
  /// Borrows `file` for the reader's life; it is not to change meanwhile. Reads the header.
  static Result<SegmentReader> open(io::File& file, const std::string& path);

  HeaderState header_state() const { return header_state_; }
  /// Requires: header_state() is kGood.
  const SegmentHeader& header() const { return header_; }
  std::uint64_t file_bytes() const { return file_bytes_; }

  /// Where the next call looks.
  std::uint64_t position() const { return position_; }
  void move_to(std::uint64_t position) { position_ = position; }

  /// The batch with this segment's salt that lies exactly here, or none; moves behind it.
  /// Errors: kIo; kInvalid: a newer version's batch.
  Result<std::optional<Batch>> next();
  /// The next batch with this segment's salt from here on, wherever it begins.
  /// Without a good header: of any salt, from `at_least` on. Errors: as next().
  Result<std::optional<Batch>> search(Offset at_least);
  /// What the header at this position announces, though its checksum or payload may be bad.
  Result<std::optional<BatchHeader>> announced();

 private:
  SegmentReader(io::File& file, std::string path, std::uint64_t file_bytes)
      : file_(&file), path_(std::move(path)), file_bytes_(file_bytes) {}

  /// The `bytes` at `position`, fewer at the end of the file; borrowed until the next call.
  Result<Bytes> load(std::uint64_t position, std::uint64_t bytes);
  Result<std::optional<Batch>> batch_at(std::uint64_t position);
  /// The first position from `from` on at which a batch may begin; file_bytes_ when there is none.
  Result<std::uint64_t> candidate(std::uint64_t from, Offset at_least);

  io::File* file_;
  std::string path_;
  std::uint64_t file_bytes_;
  std::uint64_t position_ = kSegmentHeaderBytes;
  HeaderState header_state_ = HeaderState::kBad;
  SegmentHeader header_;
  /// The first window_bytes_ are those of the file from window_begin_ on; the rest is room.
  std::string window_;
  std::uint64_t window_begin_ = 0;
  std::uint64_t window_bytes_ = 0;
};

}  // namespace diskdb::log
