// resp/encode.h — writes a command as RESP, the way clients and the log do.
#pragma once

#include <span>

#include "base/bytes.h"
#include "resp/output.h"

namespace diskdb::resp {

/// Appends *n and the n words as bulk strings.
void append_command(Output& output, std::span<const Bytes> words);

}  // namespace diskdb::resp
