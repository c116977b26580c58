#!/bin/bash
# tools/sanitize.sh asan|ubsan|tsan|clang... — builds the preset and runs its unit tests; without arguments
# asan and tsan. The last line is the sum, `N passed, N failed`.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=tools/packages.sh
. "$root/tools/packages.sh"
# shellcheck source=tools/build.sh
. "$root/tools/build.sh"
use_system_tools
(($#)) || set -- asan tsan

# A finding ends the process, so that its test fails.
export ASAN_OPTIONS=abort_on_error=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:suppressions='$root/tools/tsan.suppressions'"
# The address space randomisation of some kernels leaves no room for the thread sanitizer's shadow.
fixed_addresses=()
setarch -R true 2>/dev/null && fixed_addresses=(setarch -R)

install_packages "${build_packages[@]}" libgtest-dev
passed=0
failed=0
for preset; do
  if ! build "$preset"; then
    failed=$((failed + 1))
    continue
  fi
  echo "$preset:"
  # The model checker has one thread, and is slow here; its seeds count elsewhere.
  if [[ $preset == tsan ]]; then export DISKDB_TIER_SEEDS=${DISKDB_TIER_SEEDS:-3}; fi
  output=$("${fixed_addresses[@]}" /usr/bin/python3 "$root/tools/run_tests.py" --unit \
    --patience 3600 --build "$root/build/$preset" | tee >(cat >&2)) || true
  read -r step_passed _ step_failed _ <<<"${output##*$'\n'}"
  passed=$((passed + step_passed))
  failed=$((failed + step_failed))
done
echo "$passed passed, $failed failed"
((failed == 0))
