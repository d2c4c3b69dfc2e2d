#!/usr/bin/env bash
# gpu.sh [--device DEVICE] [--arch ARCH] [--checks-only]: checks and times what gpu-pack.sh packed, in the
# folder of this script. It needs the driver and a CUDA toolkit (NVRTC, cuBLASLt), no network, no MLIR and no
# other package. Every artifact is held to its goldens, then published shapes with random weights are timed.
# All results are in one table at the end; the exit status is 1 if a check failed.
#
# DEVICE: cuda (default), or cuda-emulated, which needs a C++ compiler in place of a card
# ARCH: sm_90a or sm_80; by default what the card is, and both for cuda-emulated
# LLMOPT_CHECK_TOKENS: new tokens of each continuation in a check (16)
# LLMOPT_COMMAND_SECONDS: the longest that one command may take (120)
set -uo pipefail
cd "$(dirname "$0")"

device=cuda archs= checks_only=
while [ $# -gt 0 ]; do
  case $1 in
  --device) device=$2 && shift ;;
  --arch) archs=$2 && shift ;;
  --checks-only) checks_only=1 ;;
  *) echo "usage: gpu.sh [--device cuda|cuda-emulated] [--arch sm_80|sm_90a] [--checks-only]" >&2 && exit 2 ;;
  esac
  shift
done

[ -x ./llmopt ] || { echo "gpu.sh: ./llmopt is missing; scripts/gpu-pack.sh makes the folder that this script belongs into" >&2; exit 2; }
card="no card"
if [ "$device" = cuda ]; then
  if ! card=$(nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap --format=csv,noheader 2>&1 | head -n 1); then
    echo "gpu.sh: no card can be used: $card" >&2
    exit 2
  fi
  case $card in
  *", 9.0") : "${archs:=sm_90a}" ;;
  *) : "${archs:=sm_80}" ;;
  esac
fi
: "${archs:=sm_80 sm_90a}"
seconds=${LLMOPT_COMMAND_SECONDS:-120}
tokens=${LLMOPT_CHECK_TOKENS:-16}
results=$(mktemp)
errors=$(mktemp)
trap 'rm -f "$results" "$errors"' EXIT
failed=0 checked=0 started=$SECONDS heading=

# Runs a command; its output is in $output. What it says of an error goes to the screen.
try() {
  output=$(timeout "$seconds" "$@" 2>"$errors")
  local status=$?
  if [ $status -ne 0 ]; then
    [ $status -ne 124 ] || echo "took longer than $seconds s" >>"$errors"
    grep -v '^checking\|^loading\|^$' "$errors" | tail -n 3 >&2
  fi
  return $status
}

for arch in $archs; do
  for artifact in check/*."$arch".llmopt; do
    [ -d "$artifact" ] || continue
    golden=check/$(basename "$artifact" | cut -d. -f1)
    checked=$((checked + 1))
    echo "check $artifact" >&2
    if try ./llmopt check "$artifact" "$golden" --device "$device" --new-tokens "$tokens"; then
      : "${heading:=${output%%$'\n'*}}"
      echo "${output##*$'\n'}" >>"$results"
    else
      failed=$((failed + 1))
      case $output in *$'\n'*) : "${heading:=${output%%$'\n'*}}" ;; esac
      row=${output##*$'\n'}
      echo "${row:-$(printf '%-28s FAILED: %s' "$(basename "$artifact" .llmopt)" "$(tail -n 1 "$errors")")}" >>"$results"
    fi
  done
done

times=
# time_one ARTIFACT OPTIONS...: a line of the table of times
time_one() {
  local artifact=$1
  shift
  echo "time $artifact $*" >&2
  if try ./llmopt bench "$artifact" --device "$device" --repeats 3 --brief "$@"; then
    : "${times:=${output%%$'\n'*}$'\n'}"
    times+=${output##*$'\n'}$'\n'
  else
    failed=$((failed + 1))
    times+=$(printf '%-28s FAILED: %s' "$(basename "$artifact" .llmopt)" "$(tail -n 1 "$errors")")$'\n'
  fi
}
if [ -z "$checks_only" ]; then
  for arch in $archs; do
    for artifact in time/*."$arch".llmopt; do
      [ -d "$artifact" ] || continue
      time_one "$artifact" --prompt-length 128 --new-tokens 128 --batch 1
      time_one "$artifact" --prompt-length 128 --new-tokens 128 --batch 16
      # A long prompt, as far as the model's context goes.
      context=$(sed -n 's/^ *"context_length": \([0-9]*\),$/\1/p' "$artifact/manifest.json")
      time_one "$artifact" --prompt-length $((context < 2064 ? context - 16 : 2048)) --new-tokens 16 --batch 1
    done
  done
fi

echo
echo "$(date -u +%Y-%m-%d), $device: $card; $((SECONDS - started)) s"
echo
[ -z "$heading" ] || echo "$heading"
cat "$results"
[ -z "$times" ] || printf '\n%s' "$times"
echo
if [ "$checked" = 0 ]; then
  echo "gpu.sh: there was nothing to check for $archs" >&2
  exit 2
fi
echo "$((checked)) checks, $failed failed"
[ "$failed" = 0 ]
