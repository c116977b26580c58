// command/version.h — the version of Redis whose commands clients may expect here.
#pragma once

#include "base/bytes.h"

namespace diskdb::command {

constexpr Bytes kRedisVersion = "7.2.0";

}  // namespace diskdb::command
