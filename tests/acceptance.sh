#!/bin/bash
# tests/acceptance.sh [--short] [NAME ...] — everything this stage promises, one after the other, in the long form, and a
# summary. With names only those steps; --short keeps each below a minute or so. Each step's output is in
# build/acceptance/NAME.log. The whole takes two hours or more; nothing else should run meanwhile (it measures).
set -uo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
logs=$root/build/acceptance
short=
wanted=()
for argument in "$@"; do
  case $argument in
    --short) short=1 ;;
    -h | --help) sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    -*) echo "usage: tests/acceptance.sh [--short] [NAME ...]" >&2; exit 2 ;;
    *) wanted+=("$argument") ;;
  esac
done
mkdir -p "$logs"
cd "$root" || exit 1
# shellcheck source=tools/packages.sh
. "$root/tools/packages.sh"
# shellcheck source=tools/build.sh
. "$root/tools/build.sh"
use_system_tools
build release diskdb || exit 1

# pick LONG SHORT — the one that fits the form asked for.
pick() { if [[ $short ]]; then echo "$2"; else echo "$1"; fi; }

summary=()
failures=0
total=0

# step NAME WHAT COMMAND... — runs one, shows its last lines.
step() {
  local name=$1 what=$2 begin=$SECONDS result
  shift 2
  [[ ${#wanted[@]} -eq 0 || " ${wanted[*]} " == *" $name "* ]] || return 0
  echo
  echo "=== $name: $what"
  echo "\$ ${*#"$root/"}"
  "$@" >"$logs/$name.log" 2>&1
  local code=$?
  tail -n 25 "$logs/$name.log"
  total=$((total + 1))
  if ((code == 0)); then result=ok; else result=FAIL failures=$((failures + 1)); fi
  summary+=("$(printf '%-4s %-14s %5d s  %s' "$result" "$name" "$((SECONDS - begin))" "$(tail -n 1 "$logs/$name.log")")")
}

unit_tests() {
  build dev && /usr/bin/python3 tools/run_tests.py --quick
}

# Crashes, failures and power loss at any call; the seeds of ./test and many more.
model_checker() {
  build dev server_test store_test &&
    DISKDB_TIER_SEEDS=$(pick 5000 300) build/dev/server_test --gtest_brief=1 --gtest_filter='Tier*' &&
    DISKDB_STORE_TEST_ROUNDS=$(pick 5 1) build/dev/store_test --gtest_brief=1
}

contention() {
  build bench keyspace_bench log_bench && bench/contention_model.py --measure $(pick "" --short)
}

instructions() {
  build release hot_path && bench/instructions.py
}

step chroot "a fresh Debian 12 with only the repository: ./run, redis-cli, ./test" tests/chroot.sh $(pick "" --run-only)
step packages "Debian's package index, kill -9, restart, every value" tests/dataset/packages.py
step clients "redis-py, ioredis, hiredis, redis-cli, netcat, redis-benchmark" \
  tests/clients/run.py --verbose --requests "$(pick 1000000 50000)"
step differential "20 M commands: replies byte for byte as Redis's, DEBUG DIGEST, DUMP both ways" \
  tests/differential/run.py --seeds "$(pick 400 3)" --commands "$(pick 50000 5000)" --deadline 14000
step stream_commands "5 M commands of streams alone, likewise" \
  tests/differential/run.py --only random --match X --match "DEL of streams" --match "RENAME of streams" --match SELECT \
  --keep-going --verbose --seeds "$(pick 100 2)" --commands "$(pick 50000 5000)" --deadline 7000
step metamorphic "relations between replies of streams, and of JSON, with little memory, checkpoints and restarts" \
  tests/metamorphic/run.py --seeds "$(pick 400 20)" --deadline 1800
step restarts "the same random commands, DiskDB killed and restarted all the time" \
  tests/differential/run.py --only random --kill --check-every 300 --seeds "$(pick 20 2)" --deadline 3600
step tcl "units of Redis's own test suite" tests/tcl/run.py
step kill9 "kill -9 under load; always and everysec" tests/crash/kill9.py --rounds "$(pick 200 10)" --deadline 3600
step kill9_tier "the same under maxmemory 16mb, with checkpoints at random" \
  tests/crash/kill9.py --rounds "$(pick 300 10)" --maxmemory 16mb --bgsave 60 --deadline 3600
step kill9_types "the same with commands of all types: exactly what a prefix of each connection's commands makes" \
  tests/crash/kill9_types.py --rounds "$(pick 150 5)" --deadline 3600
step units "unit tests; among them power loss, each I/O call failing once, torn and reordered tails" unit_tests
step model "the model checker of both tiers: crashes and failures at any call" model_checker
step larger "4 GB under maxmemory 512mb: resident set, latency, DBSIZE, SCAN, restart" \
  bench/larger_than_memory.py $(pick "" "--short --data-mb 512 --memory-mb 192")
step restart "1 GB of log, in values of 4096 and of 128 bytes" \
  bench/larger_than_memory.py --log-only $(pick "" --short)
step queue "50 M short-lived keys leave nothing behind" bench/queue_keys.py $(pick "" --short)
step corrupt "flipped bits, torn tails, --check-log, --repair-log" tests/crash/corrupt.py --flips "$(pick 20 4)"
step fulldisk "a full disk: MISCONF, reads, recovery by itself" tests/crash/fulldisk.py --verbose
step hostile "clients that misbehave: bounded memory, the others unharmed, a clear error" \
  tests/hostile/run.py --verbose $(pick "" --short)
step memory "10 M small keys beside Redis: resident memory, bytes a key, with and without expiry" \
  bench/memory_beside_redis.py $(pick "" --short)
step usage "MEMORY USAGE is what the allocator handed out" tests/memory/usage.py --verbose
step metrics "/metrics, /healthz, /readyz, the dashboard's queries" tests/metrics/run.py
step micro "parser, reply writer and allocation path, alone" bench/micro.py $(pick "" --short)
step instructions "instructions a command, as recorded" instructions
step scaling "two network threads beside one" bench/scaling.py $(pick "" --short) --json "$logs/scaling.json"
step contention "shards and log with up to 64 threads, simulated; one and two measured" contention
step latency "no step above 5 ms: checkpoints, growth, expiry, FLUSHALL, at half of capacity" \
  bench/latency.py $(pick "" --short)
step replay "the log replayed after every batch of random commands" \
  tests/crash/replay_digest.py --batches "$(pick 300 20)" --deadline 1800
step compare "CPU per operation against Redis" bench/compare --json "$logs/compare.json" --scale "$(pick 1 0.2)"
step checkpoints "CPU per SET over five checkpoints, and per GET of a cold key" \
  bench/compare -t checkpoints,cold -P 100 --json "$logs/checkpoints.json" --scale "$(pick 1 0.2)"
step collections "lists, sets, hashes, sorted sets beside Redis: CPU, memory; growth of cost; death of ten million" \
  bench/compare_collections.py $(pick "" --short) --json "$logs/collections.json"
step streams "streams beside Redis: CPU and memory" bench/compare_streams.py $(pick "" --short) --json "$logs/streams.json"
step json "JSON.GET of a member beside GET of the text; what JSON.SET of a scalar logs and writes; memory" \
  bench/json_costs.py $(pick "" --short)
step recovery "replay rate" bench/recovery.py --commands "$(pick 5000000 1000000)"
step fuzz "fuzzers under address and undefined sanitizers" tools/fuzz.sh "$(pick 120 5)"
step asan "unit tests under address and undefined sanitizers" tools/sanitize.sh asan
step tsan "unit tests under the thread sanitizer, all at once for longer" \
  env "DISKDB_CONTENTION_SECONDS=$(pick 100 5)" tools/sanitize.sh tsan

echo
echo "=== summary: commit $(git rev-parse --short HEAD), $(nproc) processors, $(date -u +%Y-%m-%d)"
printf '%s\n' "${summary[@]}"
echo "$((total - failures)) passed, $failures failed"
exit $((failures > 0))
