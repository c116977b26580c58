// keyspace/digest.h — a fingerprint of keys and values, equal to Redis's DEBUG DIGEST: one command
// compares two servers. Records are mixed by SHA-1, so that neither order nor representation
// matters: the keys of a database are combined by exclusive or, what has an order by hashing on.
#pragma once

#include <array>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "keyspace/access.h"
#include "keyspace/record.h"

namespace diskdb::keyspace {

using Digest = std::array<unsigned char, 20>;

/// Of a value, its type and whether it has an expiry (not when it expires). `access` reads what of
/// it is cold.
Digest digest_of_value(const Access& access, const Record& record);

/// Of all databases, cold keys too, which stay in the store only. What has expired and is still
/// there counts, as in Redis. Requires: `access` holds all shards. Errors: the store's, kCorrupt.
/// Cost: some 2 us a key.
Result<Digest> digest_of_all(Access& access);

/// 40 hexadecimal digits.
std::string digest_text(const Digest& digest);

}  // namespace diskdb::keyspace
