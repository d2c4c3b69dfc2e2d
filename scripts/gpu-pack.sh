#!/usr/bin/env bash
# gpu-pack.sh OUT [--all] [--tiny]: makes the folder OUT that a machine with a GPU needs, and no more, to
# check and time this compiler's CUDA code: the runtime as one program, artifacts and their goldens, and the
# scripts that run there. Also OUT.tar.gz, to carry it.
#
#   OUT/llmopt                         the program (preset gpu)
#   OUT/gpu.sh, gpu-report.sh, peer.py  of scripts/
#   OUT/check/NAME/                    goldens
#   OUT/check/NAME.PRECISION.ARCH.llmopt
#   OUT/time/NAME.ARCH.llmopt          published shapes with random weights, made on the card
#   OUT/time/NAME.json                 their configs, for the peer
#
# --all: the trained models in every precision too (they are most of the bytes)
# --tiny: one small model only, in seconds; for the emulated device
#
# LLMOPT_BIN: the folder of llmopt-compile (build/bin); LLMOPT_RUNTIME: the program (build/gpu/bin/llmopt)
set -euo pipefail
cd "$(dirname "$0")/.."

out= all= tiny=
for argument in "$@"; do
  case $argument in
  --all) all=1 ;;
  --tiny) tiny=1 ;;
  -*) out= && break ;;
  *) out=$argument ;;
  esac
done
if [ -z "$out" ]; then
  echo "usage: scripts/gpu-pack.sh OUT [--all] [--tiny]" >&2
  exit 2
fi
compile=${LLMOPT_BIN:-build/bin}/llmopt-compile
runtime=${LLMOPT_RUNTIME:-build/gpu/bin/llmopt}
for program in "$compile" "$runtime"; do
  [ -x "$program" ] || { echo "gpu-pack.sh: $program is missing; build the presets release and gpu first" >&2; exit 1; }
done

rm -rf "$out" "$out.tar.gz"
mkdir -p "$out/check" "$out/time"
cp "$runtime" "$out/llmopt"
cp scripts/gpu.sh scripts/gpu-report.sh scripts/peer.py "$out/"

# pack NAME CHECKPOINT PRECISION ARCH OPTION...
pack() {
  "$compile" "$2" -o "$out/check/$1.$3.$4.llmopt" --target cuda --precision "$3" --arch "$4" --quiet "${@:5}"
}

# goldens NAME CHECKPOINT: what is compared with, of either kind
goldens() {
  mkdir -p "$out/check/$1"
  for file in prompts.json expected.json logits.safetensors; do
    [ ! -e "$2/$file" ] || install -m 644 "$2/$file" "$out/check/$1/"
  done
}

precisions="32-true 16-true bf16-true"
random=(test/goldens/models/*/)
if [ -n "$tiny" ]; then
  precisions=bf16-true
  random=(test/goldens/models/llama_gqa/)
fi
for folder in "${random[@]}"; do
  name=$(basename "$folder")
  goldens "$name" "$folder"
  for arch in sm_80 sm_90a; do
    for precision in $precisions; do
      pack "$name" "$folder" "$precision" "$arch"
    done
  done
done

if [ -z "$tiny" ]; then
  for arch in sm_80 sm_90a; do
    goldens llama_gqa-invariant test/goldens/models/llama_gqa
    pack llama_gqa-invariant test/goldens/models/llama_gqa bf16-true "$arch" --batch-invariant
  done
  for name in stories260k tiny-falcon tiny-llama; do
    folder=../shared/models/$name
    [ -e "$folder" ] || { echo "gpu-pack.sh: no $folder, left out" >&2; continue; }
    goldens "$name" "$folder"
    for arch in sm_80 sm_90a; do
      for precision in $precisions; do
        # Their weights are megabytes: one of each, unless all are asked for.
        if [ "$name" = stories260k ] || [ -n "$all" ] || [ "$precision.$arch" = bf16-true.sm_90a ]; then
          pack "$name" "$folder" "$precision" "$arch"
        fi
      done
    done
  done
fi

# timed NAME CONFIG OPTION...: a shape, of random weights
timed() {
  for arch in sm_80 sm_90a; do
    "$compile" "$2" --random-weights -o "$out/time/$1.$arch.llmopt" \
      --target cuda --precision bf16-true --arch "$arch" --quiet "${@:3}"
  done
}
# shape NAME OPTION...: as it is, and with decode steps of one persistent kernel
shape() {
  local config=models/configs/$1.json
  cp "$config" "$out/time/$1.json"
  timed "$1" "$config" "${@:2}"
  timed "$1-persistent" "$config" --launch persistent "${@:2}"
}
if [ -n "$tiny" ]; then
  cp test/goldens/models/llama_gqa/config.json "$out/time/tiny.json"
  timed tiny "$out/time/tiny.json"
  timed tiny-persistent "$out/time/tiny.json" --launch persistent
  timed tiny-invariant "$out/time/tiny.json" --batch-invariant
else
  shape llama-3.1-8b --context-length 16384
  timed llama-3.1-8b-invariant models/configs/llama-3.1-8b.json --context-length 16384 --batch-invariant # its cost
  shape falcon-7b
  shape llama-3.2-1b --context-length 16384
fi
tar -czf "$out.tar.gz" -C "$(dirname "$out")" "$(basename "$out")"
echo "$out: $(du -sh "$out" | cut -f1), $out.tar.gz: $(du -h "$out.tar.gz" | cut -f1), $(find "$out/check" -name '*.llmopt' | wc -l) artifacts to check, $(find "$out/time" -name '*.llmopt' | wc -l) to time"
