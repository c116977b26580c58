// base/bytes.h — the one type for a borrowed run of bytes.
// Keys and values are arbitrary bytes; std::string_view carries them because it compares, searches
// and hashes them as such. Whoever takes a Bytes states until when it borrows.
#pragma once

#include <string_view>

namespace diskdb {

using Bytes = std::string_view;

}  // namespace diskdb
