#include "store/status.h"

namespace diskdb::store {

Error translate(const rocksdb::Status& status) {
  ASSERT(!status.ok());
  const std::string text = "RocksDB: " + status.ToString();
  if (status.IsNoSpace()) return {Code::kNoSpace, text};
  if (status.IsBusy()) return {Code::kBusy, text};
  // Missing files are what a failed bookkeeping write leaves; they contradict what it vouched for.
  if (status.IsCorruption() || status.IsNotFound() || status.IsPathNotFound()) {
    return {Code::kCorrupt, text};
  }
  if (status.IsInvalidArgument() || status.IsNotSupported()) return {Code::kInvalid, text};
  return {Code::kIo, text};
}

rocksdb::IOStatus foreign(const Status& status) {
  const std::string& text = status.error().message;
  switch (status.error().code) {
    case Code::kNoSpace:
      return rocksdb::IOStatus::NoSpace(text);
    case Code::kNotFound:
      return rocksdb::IOStatus::PathNotFound(text);
    case Code::kBusy:
      return rocksdb::IOStatus::Busy(text);
    default:
      return rocksdb::IOStatus::IOError(text);
  }
}

}  // namespace diskdb::store
