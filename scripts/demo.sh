#!/usr/bin/env bash
# From nothing to text: installs what is missing, builds, compiles the small model of this
# repository, and lets it write.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
scripts/build.sh release --target llmopt-compile llmopt-run
mkdir -p build/demo
echo "\$ build/bin/llmopt-compile models/tiny-llama -o build/demo/tiny-llama.llmopt --precision bf16-true"
build/bin/llmopt-compile models/tiny-llama -o build/demo/tiny-llama.llmopt --precision bf16-true
echo "\$ build/bin/llmopt-run build/demo/tiny-llama.llmopt --prompt \"The compiler\" --temperature 0"
build/bin/llmopt-run build/demo/tiny-llama.llmopt --prompt "The compiler" --temperature 0
