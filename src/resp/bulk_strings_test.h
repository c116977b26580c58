// resp/bulk_strings_test.h — for tests: what a reply says, without its arrays.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/number.h"

namespace diskdb::resp {

/// The bulk strings of a reply, whatever arrays they stand in; not the nulls.
inline std::vector<std::string> bulk_strings(Bytes reply) {
  std::vector<std::string> strings;
  while (!reply.empty()) {
    const std::size_t end = reply.find("\r\n");
    const Bytes line = reply.substr(0, end);
    reply.remove_prefix(end + 2);
    if (line[0] != '$' || line == "$-1") continue;
    const auto size = static_cast<std::size_t>(*parse_integer(line.substr(1)));
    strings.emplace_back(reply.substr(0, size));
    reply.remove_prefix(size + 2);
  }
  return strings;
}

}  // namespace diskdb::resp
