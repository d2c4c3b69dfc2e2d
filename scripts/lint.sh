#!/usr/bin/env bash
# lint.sh format: every C++ and CUDA file is as clang-format leaves it (--fix rewrites them).
# lint.sh tidy BUILD: clang-tidy on every source in BUILD/compile_commands.json (see tidy.py).
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
  exec scripts/tidy.py "${2:?lint.sh tidy needs the build folder}"
  ;;
*)
  echo "usage: scripts/lint.sh format [--fix] | tidy BUILD" >&2
  exit 2
  ;;
esac
