// log/read_ahead.h — the batches of a log, read and checked on a thread of their own while earlier
// ones are replayed: recovery is bound by the processor, and these are two halves of its work.
#pragma once

#include "base/result.h"
#include "io/file.h"
#include "log/recovery.h"

namespace diskdb::log {

/// As for_each_batch(), and `visit` is called on this thread, but reading goes on meanwhile, some
/// megabytes ahead. The thread has ended when it returns.
Status for_each_batch_ahead(io::Disk& disk, const Scan& scan, Offset from,
                            const std::function<Status(const FoundSegment&, const Batch&)>& visit);

}  // namespace diskdb::log
