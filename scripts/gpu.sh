#!/usr/bin/env bash
# gpu.sh [options]: checks and times what gpu-pack.sh packed, in the folder of this script: one call, in eight
# minutes, the most important first. It needs the driver and a CUDA toolkit (NVRTC, cuBLASLt), no network and no
# MLIR; python3 with torch and transformers for the peer, and its rows say so where they are missing.
#
#   --out OUT          where results are kept (out, here): table.txt, results.json, results.md (for docs/performance.md),
#                      profile.txt, profile.jsonl, trace.json (for ui.perfetto.dev), tuning.json, log.txt
#   --seconds N        how long all may take (470); what is left over then says so
#   --stages A,B,...   only these, in their order: check batch1 article peer prefill contexts persistent invariant
#                      peers peer-contexts profile tune checks sanitizer
#   --checks-only      the same as --stages check,checks
#   --device DEVICE    cuda (default), or cuda-emulated, which needs a C++ compiler in place of a card; its times
#                      mean nothing, and sizes are tiny
#   --arch ARCH        sm_90a or sm_80; by default what the card is, and sm_80 for cuda-emulated
#
# LLMOPT_CHECK_TOKENS: new tokens of each continuation in a check (16)
# The exit status is 1 if a check failed or a measurement of this program; a peer's does not count.
set -uo pipefail
from=$PWD
cd "$(dirname "$0")" || exit 2
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' gpu.sh; }
source ./gpu-report.sh || exit 2

device=cuda arch= out=out seconds=470 stages=
while [ $# -gt 0 ]; do
  case $1 in
  --device | --arch | --out | --seconds | --stages) [ $# -ge 2 ] || { echo "gpu.sh: $1 needs a value" >&2; exit 2; } ;;&
  --device) device=$2 && shift ;;
  --arch) arch=$2 && shift ;;
  --out) out=$2 && shift ;;
  --seconds) seconds=$2 && shift ;;
  --stages) stages=${2//,/ } && shift ;;
  --checks-only) stages="check checks" ;;
  --help | -h) usage && exit ;;
  *) echo "gpu.sh: no option '$1'; there are:" >&2 && usage >&2 && exit 2 ;;
  esac
  shift
done
all_stages="check batch1 article peer prefill contexts persistent invariant peers peer-contexts profile tune checks sanitizer"
: "${stages:=$all_stages}"
for stage in $stages; do
  case " $all_stages " in *" $stage "*) ;; *) echo "gpu.sh: no stage '$stage'; there are: $all_stages" >&2; exit 2 ;; esac
done

[ -x ./llmopt ] || { echo "gpu.sh: ./llmopt is missing; scripts/gpu-pack.sh makes the folder that this script belongs into" >&2; exit 2; }
card="no card"
if [ "$device" = cuda ]; then
  if ! card=$(nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap --format=csv,noheader 2>&1 | head -n 1); then
    echo "gpu.sh: no card can be used: $card" >&2
    exit 2
  fi
  case $card in
  *", 9.0") : "${arch:=sm_90a}" ;;
  esac
fi
: "${arch:=sm_80}"
tokens=${LLMOPT_CHECK_TOKENS:-16}
case $seconds in '' | *[!0-9]*) echo "gpu.sh: --seconds $seconds is no number of seconds" >&2 && exit 2 ;; esac
case $device in cuda | cuda-emulated) ;; *) echo "gpu.sh: no device '$device'; there are: cuda, cuda-emulated" >&2 && exit 2 ;; esac
case $out in /*) ;; *) out=$from/$out ;; esac
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 2
rm -f "$out"/{table.txt,results.json,results.md,profile.txt,profile.jsonl,trace.json,tuning.json,log.txt}
log=$out/log.txt
rows=$(mktemp)
trap 'rm -f "$rows"' EXIT
failed=0 checked=0 found=0

# What is measured, of which the first model is the one that stages of one model take.
models="llama-3.1-8b falcon-7b llama-3.2-1b"
prompt=128 new=256 repeats=5 prefill=2048
batches="8 32 128" contexts="2048 8192" context_new=32
tune_seconds=60
article_prompt=52,653,485,2794,325,295,418 article_new=50 # "I am so fast that I can"
first_checks="llama_gqa llama_gqa-invariant falcon_7b gpt_neox stories260k"
peer_device=cuda peer_modes="eager compiled"
if [ "$device" = cuda-emulated ]; then
  models=tiny prompt=4 new=3 repeats=1 prefill=8
  batches=2 contexts=16 context_new=3
  article_prompt=5,6,7 article_new=4 tune_seconds=3
  peer_device=cpu peer_modes=eager
fi
model=${models%% *}

# ---- Running ------------------------------------------------------------------------------------------------

left() { echo $((seconds - SECONDS)); }

# try MOST COMMAND...: runs for MOST seconds at most and as long as there is time. The output is in $output,
# otherwise $note says why there is none.
try() {
  local most=$1 status errors
  shift
  output= note=
  if [ "$(left)" -lt 4 ]; then
    note="no time was left"
    return 125
  fi
  [ "$most" -le "$(left)" ] || most=$(left)
  echo "[$SECONDS s] $*" | tee -a "$log" >&2
  errors=$(mktemp)
  output=$(timeout -k 5 "$most" "$@" 2>"$errors")
  status=$?
  cat "$errors" >>"$log"
  if [ $status -ne 0 ]; then
    note=$(grep -v '^checking\|^loading\|^compiling\|^measuring\|^$' "$errors" | tail -n 1)
    [ $status -ne 124 ] || note="took longer than $most s"
    : "${note:=exit status $status}"
    echo "  $note" >&2
  fi
  rm -f "$errors"
  return $status
}

# bench STAGE NAME WHAT OPTION...: a row of what llmopt-bench measures of time/NAME
bench() {
  local stage=$1 name=$2 what=$3
  shift 3
  if [ ! -d "time/$name.$arch.llmopt" ]; then
    add_row "$stage" "$name" "$what" skipped "was not packed for $arch"
    return
  fi
  if try 60 ./llmopt bench "time/$name.$arch.llmopt" --device "$device" --json "$@"; then
    add_row "$stage" "$name" "$what" ok "" "$output"
  else
    not_measured "$stage" "$name" "$what"
  fi
}

# prefill_length NAME NEW: the prompt of prefill, or as long as the model's context allows before so many tokens
prefill_length() {
  local context
  context=$(sed -n 's/^ *"context_length": \([0-9]*\),$/\1/p' "time/$1.$arch.llmopt/manifest.json" 2>/dev/null)
  echo $((${context:-0} > 0 && context - $2 < prefill ? context - $2 : prefill))
}

# A row of what try() could not run. Lack of time or of memory is no failure of the program.
not_measured() {
  local status=error
  case $note in "no time was left" | *"that are free this leaves"* | *"out of memory"*) status=skipped ;; esac
  [ $status = skipped ] || failed=$((failed + 1))
  add_row "$1" "$2" "$3" $status "$note"
}

# peer STAGE MOST NAME MODE OPTION...: rows of scripts/peer.py; it prints a line as soon as it has one
peer() {
  local stage=$1 most=$2 name=$3 mode=$4 line
  shift 4
  [ -e "time/$name.json" ] || return
  try "$most" python3 peer.py "time/$name.json" --device "$peer_device" --modes "$mode" --json "$@"
  local said=$note
  [ -n "$output" ] || add_row "$stage" "$name" "transformers $mode" skipped "$said"
  while read -r line; do
    [ -n "$line" ] || continue
    case $line in
    *'"error": '*) add_row "$stage" "$name" "transformers $mode" skipped "$(text_of error "$line")" "$line" ;;
    *) add_row "$stage" "$name" "transformers $mode" ok "" "$line" ;;
    esac
  done <<<"$output"
}

# check NAME.PRECISION: against its goldens
check() {
  local artifact=check/$1.$arch.llmopt name=${1%%.*}
  [ -d "$artifact" ] || return
  case " ${done_checks:-} " in *" $1 "*) return ;; esac
  done_checks="${done_checks:-} $1"
  found=$((found + 1))
  try 120 ./llmopt check "$artifact" "check/$name" --device "$device" --new-tokens "$tokens"
  local status=$?
  if [ $status -eq 125 ]; then
    add_row check "$1" "" skipped "$note"
    return
  fi
  checked=$((checked + 1))
  local line=${output##*$'\n'}
  [ -z "$output" ] || : "${check_heading:=${output%%$'\n'*}}"
  [ $status -eq 0 ] || failed=$((failed + 1))
  if [ $status -eq 0 ]; then add_row check "$1" "" ok "$line"; else add_row check "$1" "" error "${line:-$note}"; fi
}

# ---- Stages -------------------------------------------------------------------------------------------------

stage_check() {
  for name in $first_checks; do check "$name.bf16-true"; done
}

# Judged first: one sequence, the graph.
stage_batch1() {
  for name in $models; do
    bench batch1 "$name" graph --prompt-length $prompt --new-tokens $new --repeats $repeats
  done
}

# The article that this began from: its prompt and 50 new tokens, loading not counted.
stage_article() {
  local name=falcon-7b
  [ "$device" = cuda ] || name=$model
  if [ -d "time/$name.$arch.llmopt" ] &&
    try 60 ./llmopt run "time/$name.$arch.llmopt" --device "$device" --prompt-tokens $article_prompt \
      --max-new-tokens $article_new --temperature 0.8 --top-k 200 --json; then
    add_row article "$name" "the article's prompt" ok "$article_note" "$output"
  else
    not_measured article "$name" "the article's prompt"
  fi
  bench article "$name" "warm" --prompt-length $(($(tr -cd , <<<"$article_prompt" | wc -c) + 1)) --new-tokens $article_new --repeats $repeats
}

stage_peer() {
  for mode in $peer_modes; do peer peer 110 "$model" $mode --prompt-length $prompt --new-tokens $((new < 8 ? 8 : new)) --repeats 2; done
}

stage_prefill() {
  for name in $models; do
    bench prefill "$name" graph --prompt-length "$(prefill_length "$name" 2)" --step-tokens $prefill --new-tokens 2 --repeats 3
  done
}

stage_contexts() {
  for context in $contexts; do
    for batch in $batches; do
      bench contexts "$model" graph --context "$context" --batch "$batch" --prompt-length 1 --new-tokens $context_new --repeats 2
    done
  done
}

# One persistent kernel for the step.
stage_persistent() {
  for name in $models; do
    bench persistent "$name-persistent" persistent --launch persistent --prompt-length $prompt --new-tokens $new --repeats $repeats
  done
}

stage_invariant() {
  local plain=time/$model.$arch.llmopt
  bench invariant "$model-invariant" "beside $model" --baseline "$plain" --prompt-length $prefill --step-tokens $prefill \
    --new-tokens $((new < 64 ? new : 64)) --repeats 3
}

stage_peers() {
  for name in $models; do
    [ "$name" = "$model" ] || peer peers 60 "$name" eager --prompt-length $prompt --new-tokens $new --repeats 2
  done
  for name in $models; do
    [ "$name" = "$model" ] || peer peers 100 "$name" compiled --prompt-length $prompt --new-tokens $new --repeats 2
  done
}

stage_peer-contexts() {
  for context in $contexts; do
    peer peer-contexts 60 "$model" eager --context "$context" --batch "${batches// /,}" --new-tokens $((context_new < 8 ? 8 : 16)) --repeats 1
  done
}

stage_profile() {
  for name in $models; do
    local artifact=time/$name.$arch.llmopt trace=
    [ -d "$artifact" ] || continue
    [ "$name" != "$model" ] || trace="--trace $out/trace.json"
    if try 60 ./llmopt bench "$artifact" --device "$device" --profile --prompt-length "$(prefill_length "$name" 32)" --step-tokens $prefill \
      --new-tokens $((new < 32 ? new : 32)) --repeats 1 --json $trace; then
      echo "$output" >>"$out/profile.jsonl"
      add_row profile "$name" "kernel by kernel" ok "profile.txt"
    else
      not_measured profile "$name" "kernel by kernel"
      continue
    fi
    profile_table "$output" >>"$out/profile.txt"
  done
}

stage_tune() {
  if try $((tune_seconds + 30)) ./llmopt tune "time/$model.$arch.llmopt" --device "$device" --budget $tune_seconds -o "$out/tuning.json"; then
    echo "$output" >>"$log"
    bench tune "$model" tuned --tuning "$out/tuning.json" --prompt-length $prompt --new-tokens $new --repeats $repeats
  else
    not_measured tune "$model" tuned
  fi
}

# All other goldens, as far as time goes.
stage_checks() {
  for artifact in check/*."$arch".llmopt; do
    [ -d "$artifact" ] && check "$(basename "$artifact" ".$arch.llmopt")"
  done
}

stage_sanitizer() {
  [ "$device" = cuda ] || return
  command -v compute-sanitizer >/dev/null || {
    add_row sanitizer llama_gqa memcheck skipped "there is no compute-sanitizer"
    return
  }
  if try 60 compute-sanitizer --tool memcheck --error-exitcode 9 ./llmopt check "check/llama_gqa.bf16-true.$arch.llmopt" \
    check/llama_gqa --device cuda --new-tokens 4; then
    add_row sanitizer llama_gqa memcheck ok "nothing found"
  else
    echo "$output" >>"$log"
    not_measured sanitizer llama_gqa memcheck
  fi
}

for stage in $stages; do
  "stage_$stage"
done

finish_report
if [ "$found" = 0 ]; then
  case " $stages " in *" check"*) echo "gpu.sh: there was nothing to check for $arch" >&2 && exit 2 ;; esac
fi
echo "$checked checks and $(grep -c '"status":"ok"' "$rows") rows; $failed failed"
[ "$failed" = 0 ]
