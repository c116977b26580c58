// base/glob.h — the patterns of KEYS, SCAN, PSUBSCRIBE and CONFIG GET.
#pragma once

#include "base/bytes.h"

namespace diskdb {

/// Does `pattern` match the whole of `text`? `*` is any run, `?` any byte, `[a-c]` and `[^a-c]` one
/// byte of a class, `\` the next byte as it is. Corners are those of Redis's matcher, since its
/// users' patterns rely on them: an unclosed class ends with the pattern, a reversed range is
/// turned round, ranges compare bytes as signed, an escaped byte in a class keeps its case, the
/// empty text matches no pattern but the empty one, and a pattern that needs more than 1000 runs of
/// stars matches nothing. Cost: at most |pattern| * |text| steps, no recursion.
bool glob_matches(Bytes pattern, Bytes text, bool ignore_case = false);

}  // namespace diskdb
