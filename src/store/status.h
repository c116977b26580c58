// store/status.h — where RocksDB's errors become ours and ours become RocksDB's; nowhere else.
#pragma once

#include <rocksdb/io_status.h>
#include <rocksdb/status.h>

#include "base/result.h"

namespace diskdb::store {

/// Requires: `status` is a failure. A missing key is an answer, not an error, and never comes here.
Error translate(const rocksdb::Status& status);

/// What RocksDB is told of a failed call of io::Disk or io::File. Requires: it failed.
rocksdb::IOStatus foreign(const Status& status);

}  // namespace diskdb::store
