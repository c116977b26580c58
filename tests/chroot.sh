#!/bin/bash
# tests/chroot.sh [--keep] [--run-only] — shows that a fresh Debian 12 with nothing but this repository is enough:
# makes a minimal one in a folder (debootstrap, from this machine's own mirror), clones the last commit into it, and
# there runs ./run, talks to it with redis-cli -p 6380, and runs ./test.
#   --keep      leave the folder for a look (it is printed); unmounted all the same
#   --run-only  without ./test
# Needs root, debootstrap, some 6 GB and, with ./test, half an hour. Port 6380 must be free.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
suite=bookworm
server_seconds_max=1800  # installing packages and building included
test_seconds_max=5400
keep="" run_only=""
passed=0 failed=0

for argument in "$@"; do
  case $argument in
    --keep) keep=1 ;;
    --run-only) run_only=1 ;;
    -h | --help) sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "usage: tests/chroot.sh [--keep] [--run-only]" >&2; exit 2 ;;
  esac
done

ok() { echo "ok   $*"; passed=$((passed + 1)); }
fail() { echo "FAIL $*"; failed=$((failed + 1)); }
finish() {
  echo "$passed passed, $failed failed"
  exit $((failed > 0))
}

if ((EUID != 0)) || ! command -v debootstrap >/dev/null; then
  echo "skip chroot: needs root and debootstrap"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
fi
if (: </dev/tcp/127.0.0.1/6380) 2>/dev/null; then
  fail "port 6380 is in use"
  finish
fi

box=$(mktemp -d /var/tmp/diskdb-chroot-XXXXXX)
server_group=

# Ends a process group that this script made, and waits for it.
end_group() {
  kill -TERM -- "-$1" 2>/dev/null || return 0
  for _ in {1..100}; do
    kill -0 -- "-$1" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL -- "-$1" 2>/dev/null || true
}

# Ends whatever still runs with the box as its root: the test's steps have process groups of their own.
end_all_inside() {
  local process
  for process in /proc/[0-9]*; do
    [[ $(readlink "$process/root" 2>/dev/null) != "$box" ]] || kill -KILL "${process#/proc/}" 2>/dev/null || true
  done
}

clean_up() {
  [[ -z $server_group ]] || end_group "$server_group"
  end_all_inside
  # Deepest first; a mount that stays would let the removal below reach the host.
  awk -v box="$box/" 'index($2, box) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mount; do
    umount -l "$mount"
  done
  if [[ $keep ]]; then
    echo "kept: $box"
  elif ! grep -q " $box/" /proc/mounts; then
    rm -rf --one-file-system "$box"
  fi
}
trap clean_up EXIT
trap 'exit 1' INT TERM

# The first Debian mirror among apt's sources, in either of their two formats.
# (cat complains of the format that is not in use.)
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null |
  grep -oE '^(URIs:|deb) .*' | grep -oE 'https?://[^ ]*/debian/?( |$)' | head -n 1 | tr -d " ") || true
mirror=${mirror:-http://deb.debian.org/debian}

echo "making Debian $suite in $box from $mirror"
if ! debootstrap --variant=minbase "$suite" "$box" "$mirror" >"$box.log" 2>&1; then
  tail -n 20 "$box.log"
  fail "debootstrap (its output: $box.log)"
  finish
fi
rm -f "$box.log"
cp /etc/resolv.conf "$box/etc/resolv.conf"
# What Debian's installer writes, and debootstrap alone does not.
printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n' >"$box/etc/hosts"
cp /etc/apt/apt.conf.d/*proxy* "$box/etc/apt/apt.conf.d/" 2>/dev/null || true
mount -t proc proc "$box/proc"
mount --rbind --make-rslave /dev "$box/dev"
git clone --quiet --no-hardlinks "$root" "$box/root/diskdb"
ok "a fresh Debian $suite with only commit $(git -C "$root" rev-parse --short HEAD)"

inside() { env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb LANG=C.UTF-8 chroot "$box" "$@"; }

setsid bash -c 'exec "$@"' _ env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
  chroot "$box" bash -c 'cd /root/diskdb && exec ./run' >"$box/run.log" 2>&1 &
server_group=$!
begin=$SECONDS
until (: </dev/tcp/127.0.0.1/6380) 2>/dev/null; do
  if ! kill -0 "$server_group" 2>/dev/null || ((SECONDS - begin > server_seconds_max)); then
    tail -n 40 "$box/run.log"
    fail "./run (after $((SECONDS - begin)) s)"
    finish
  fi
  sleep 1
done
ok "./run is ready after $((SECONDS - begin)) s, packages and build included"
answer=$(redis-cli -p 6380 set a b) || true
if [[ $answer == OK ]]; then ok "redis-cli -p 6380 set a b: $answer"; else fail "redis-cli -p 6380 set a b: $answer"; fi
answer=$(redis-cli -p 6380 get a) || true
if [[ $answer == b ]]; then ok "redis-cli -p 6380 get a: $answer"; else fail "redis-cli -p 6380 get a: $answer"; fi
end_group "$server_group"
server_group=
[[ $run_only ]] && finish

begin=$SECONDS
# In the background, so that a signal to this script is heard at once.
inside timeout "$test_seconds_max" bash -c 'cd /root/diskdb && ./test' >"$box/test.log" 2>&1 &
code=0
wait $! || code=$?
tail -n 60 "$box/test.log"
result="./test ($((SECONDS - begin)) s): $(tail -n 1 "$box/test.log")"
if ((code == 0)); then ok "$result"; else fail "$result"; fi
finish
