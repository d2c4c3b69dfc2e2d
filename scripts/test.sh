#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test: the sanitized build first, then the
# release build with lint, fuzzers, lit, GoogleTest and the end-to-end tests.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
jobs=$(nproc)
scripts/build.sh release
scripts/build.sh asan
# LLVM's packages are built without sanitizers: their allocator's poisoning would be seen by half, and
# what they keep for the life of a process counts as leaked.
ASAN_OPTIONS=allow_user_poisoning=0:detect_leaks=0 \
  ctest --test-dir build/asan --output-on-failure -j "$jobs" --quiet --output-log build/asan/ctest.log ||
  { cat build/asan/ctest.log; exit 1; }
tail -n 4 build/asan/ctest.log
ctest --test-dir build --output-on-failure -j "$jobs"
