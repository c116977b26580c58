// command/client_name.h — what clients may call themselves and their libraries.
#pragma once

#include <algorithm>

#include "base/bytes.h"

namespace diskdb::command {

/// CLIENT LIST separates fields by spaces and lines by newlines: a name has printable ASCII only.
constexpr bool is_client_name(Bytes name) {
  return std::ranges::all_of(name, [](char c) { return c >= '!' && c <= '~'; });
}

constexpr Bytes kBadClientName =
    "ERR Client names cannot contain spaces, newlines or special characters.";

}  // namespace diskdb::command
