// store/rocks_options.h — every option RocksDB runs with, and why.
#pragma once

#include <rocksdb/cache.h>
#include <rocksdb/options.h>

#include "store/store.h"

namespace diskdb::store {

/// Of the files a checkpoint writes. `env` is borrowed.
rocksdb::Options writer_options(const Options& options, rocksdb::Env* env);

/// Of the open store: writer_options(), and how it compacts, caches and stays quiet.
rocksdb::Options store_options(const Options& options, rocksdb::Env* env);

/// Of store_options(): how much the level that takes whole files from level 0 may hold.
std::uint64_t base_level_bytes(const Options& options);

}  // namespace diskdb::store
