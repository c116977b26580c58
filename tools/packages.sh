# shellcheck shell=bash
# tools/packages.sh — which Debian packages DiskDB needs, and how they get installed. Sourced by ./run and
# ./test; the reasons for each library are in docs/decisions/. Nothing is fetched when all is there, so a
# second run needs no network.

# What the server is built with and from.
build_packages=(
  g++ cmake ninja-build pkg-config python3
  libfmt-dev libssl-dev libjemalloc-dev libxxhash-dev libtomlplusplus-dev librocksdb-dev liburing-dev
  rapidjson-dev libre2-dev
)

# What the tests need besides. redis-tools brings redis-cli, redis-benchmark and, as redis-check-rdb, the
# very binary of redis-server: the oracle, without a service being started.
test_packages=(
  libgtest-dev
  redis-tools python3-redis libhiredis-dev python3-prometheus-client
  tcl netcat-openbsd valgrind
  clang-19 libclang-rt-19-dev
)

# Programs that often come from elsewhere than Debian: installed only where the command is absent.
# command:package
test_commands=(node:nodejs npm:npm)

# Prints the packages among "$@" that are not installed, one a line.
missing_packages() {
  local installed
  # dpkg-query fails if it has never heard of one of them, and prints the others.
  installed=$({ dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true; } |
    sed -n 's/ installed$//p')
  local package
  for package in "$@"; do
    grep -qxF -- "$package" <<<"$installed" || printf '%s\n' "$package"
  done
}

# Prints the packages of those "command:package" among "$@" whose command is not to be found.
packages_of_missing_commands() {
  local pair
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || printf '%s\n' "${pair#*:}"
  done
}

# Is every package among "$@" known to apt in some version?
apt_knows() {
  local package
  for package in "$@"; do
    [[ $(apt-cache policy "$package" 2>/dev/null) == *Candidate:\ [0-9]* ]] || return 1
  done
}

# Runs "$@" as root.
as_root() {
  if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@"
}

# Installs those of the packages "$@" that are missing; says what is lacking and fails if it cannot.
install_packages() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "diskdb: not a Debian system; taking for granted what these packages hold: $*" >&2
    return 0
  fi
  local missing=()
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]} == 0)) && return 0

  if ((EUID != 0)) && ! command -v sudo >/dev/null; then
    echo "diskdb: packages are missing and there is no sudo. As root, run:" >&2
    echo "  apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
    return 1
  fi
  echo "diskdb: installing ${#missing[@]} packages: ${missing[*]}" >&2
  # Old package lists name versions that the mirrors no longer have: then, and where there are no lists,
  # they are fetched.
  if apt_knows "${missing[@]}" && apt_get install "${missing[@]}" >&2; then return 0; fi
  echo "diskdb: fetching package lists" >&2
  apt_get update >&2 && apt_get install "${missing[@]}" >&2 && return 0
  echo "diskdb: could not install: ${missing[*]}" >&2
  return 1
}
