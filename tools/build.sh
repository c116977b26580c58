# shellcheck shell=bash
# tools/build.sh — configures and builds a preset of CMakePresets.json, from anywhere, whatever surrounds
# it. Sourced by ./run, ./test and the scripts in tools/.

# Environments like pyenv or conda put their own compilers, libraries and Pythons first. The build uses the
# system's, which the packages of tools/packages.sh are.
use_system_tools() {
  export PATH=/usr/sbin:/usr/bin:/sbin:/bin
  unset CC CXX CFLAGS CXXFLAGS CPPFLAGS LDFLAGS CPATH CPLUS_INCLUDE_PATH C_INCLUDE_PATH LIBRARY_PATH
  unset LD_LIBRARY_PATH CMAKE_PREFIX_PATH CMAKE_GENERATOR PKG_CONFIG_PATH PYTHONPATH PYTHONHOME
}

# How many compilers may run at once: one a core, but each may take up to 1 GB.
build_jobs() {
  local cores available_kb jobs
  cores=$(nproc)
  available_kb=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB$/\1/p' /proc/meminfo 2>/dev/null)
  jobs=$((${available_kb:-1048576} / 1048576))
  ((jobs < 1)) && jobs=1
  ((jobs > cores)) && jobs=$cores
  echo "$jobs"
}

# build PRESET [TARGET...] — builds build/PRESET in $root, incrementally. Two builds of one folder take turns.
build() {
  local preset=$1 folder=$root/build/$1
  shift
  mkdir -p "$folder" || return
  (
    flock 9 || exit
    # A folder configured for another place (the repository was moved or copied) is of no use here.
    if [[ -f $folder/CMakeCache.txt ]] &&
      ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$folder/CMakeCache.txt"; then
      rm -rf "$folder/CMakeCache.txt" "$folder/CMakeFiles"
    fi
    if [[ ! -f $folder/build.ninja || ! -f $folder/CMakeCache.txt ||
      $root/CMakePresets.json -nt $folder/build.ninja ]]; then
      echo "diskdb: configuring $preset" >&2
      (cd "$root" && cmake --preset "$preset" >"$folder/configure.log" 2>&1) || {
        cat "$folder/configure.log" >&2
        exit 1
      }
    fi
    cmake --build "$folder" --parallel "$(build_jobs)" ${1:+--target "$@"} >&2
  ) 9>"$folder.lock"
}
