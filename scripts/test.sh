#!/usr/bin/env bash
# Installs what is missing, builds, and runs every test: under AddressSanitizer and
# UndefinedBehaviorSanitizer the unit tests of the kernels and of everything that reads files or runs
# models, then the release build with lint, fuzzers (sanitized too), lit, GoogleTest and the end-to-end
# tests.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
jobs=$(nproc)
scripts/build.sh release
scripts/build.sh asan --target RuntimeTests tokenizer-tests FrontendsTest ir_tests kernel-tests

# LLVM's packages are built without sanitizers: their allocator's poisoning would be seen by half. Leaks
# are looked for in all of these tests.
ASAN_OPTIONS=allow_user_poisoning=0 \
  ctest --test-dir build/asan -L unit --output-on-failure -j "$jobs" --quiet --output-log build/asan/ctest.log ||
  { cat build/asan/ctest.log; exit 1; }
tail -n 4 build/asan/ctest.log
ctest --test-dir build --output-on-failure -j "$jobs"
