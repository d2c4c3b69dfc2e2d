#!/usr/bin/env bash
# lint.sh format: every C++ and CUDA file is as clang-format leaves it (--fix rewrites them).
# lint.sh tidy BUILD: clang-tidy on support/ and runtime/ as BUILD/compile_commands.json has them. A file that
# passed is not checked again until it, a header or the configuration changes.
set -euo pipefail
cd "$(dirname "$0")/.."

sources() { git ls-files --cached --others --exclude-standard -- "$@"; }

case ${1:-} in
format)
  mode=(--dry-run -Werror)
  [ "${2:-}" = --fix ] && mode=(-i)
  sources '*.cpp' '*.h' '*.cuh' | xargs clang-format-19 "${mode[@]}"
  ;;
tidy)
  build=${2:?lint.sh tidy needs the build folder}
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/llmopt/clang-tidy
  mkdir -p "$cache"
  shared=$({ cat .clang-tidy; clang-tidy-19 --version; sources '*.h' '*.td' | sort | xargs cat; } | sha256sum | cut -d' ' -f1)
  export build cache shared
  check() {
    key=$cache/$({ echo "$shared $1"; cat "$1"; } | sha256sum | cut -d' ' -f1)
    [ -e "$key" ] && return 0
    # The compiler's own warnings belong to the compiler; generated code has unused parameters.
    if output=$(clang-tidy-19 -p "$build" --quiet --extra-arg=-Wno-everything "$1" 2>/dev/null); then
      touch "$key"
    else
      echo "$output"
      return 1
    fi
  }
  export -f check
  # The ground floor and the runtime: what includes MLIR takes clang-tidy several seconds a file.
  sources 'support/*.cpp' 'runtime/*.cpp' |
    while read -r file; do
      grep -q "/$file\"" "$build/compile_commands.json" && echo "$file"
    done | xargs -P "$(nproc)" -n 1 bash -c 'check "$0"'
  ;;
*)
  echo "usage: scripts/lint.sh format [--fix] | tidy BUILD" >&2
  exit 2
  ;;
esac
