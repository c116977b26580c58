#!/bin/bash
# tools/fuzz.sh SECONDS [FUZZER...] — builds the fuzzers (all *_fuzz.cc below src/; clang-19, address and
# undefined sanitizers) and runs each for SECONDS. What they learn stays in build/corpus/NAME, inputs that
# crash in build/crashes/NAME-*. The last line is `N passed, N failed`, counting fuzzers.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=tools/packages.sh
. "$root/tools/packages.sh"
# shellcheck source=tools/build.sh
. "$root/tools/build.sh"
use_system_tools
seconds=${1:?usage: tools/fuzz.sh SECONDS [FUZZER...]}
shift

install_packages "${build_packages[@]}" clang-19 libclang-rt-19-dev
if (($# == 0)); then
  mapfile -t fuzzers < <(find "$root/src" -name '*_fuzz.cc' -printf '%f\n' | sed 's/\.cc$//' | sort)
  set -- "${fuzzers[@]}"
fi
if (($# == 0)) || ! build fuzz "$@"; then
  echo "0 passed, 1 failed"
  exit 1
fi

passed=0
failed=0
for fuzzer; do
  corpus=$root/build/corpus/$fuzzer
  mkdir -p "$corpus" "$root/build/crashes"
  log=$root/build/crashes/$fuzzer.log
  if "$root/build/fuzz/$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -max_len=65536 -print_final_stats=1 -artifact_prefix="$root/build/crashes/$fuzzer-" \
    "$corpus" >"$log" 2>&1; then
    passed=$((passed + 1))
    echo "$fuzzer: ok, $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs"
  else
    failed=$((failed + 1))
    echo "$fuzzer: failed"
    tail -n 40 "$log"
  fi
done
echo "$passed passed, $failed failed"
((failed == 0))
