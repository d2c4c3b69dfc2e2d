#!/usr/bin/env bash
# Installs what building and testing needs and is missing: on Debian 12 or Ubuntu 24.04, from the
# distribution's packages, and from PyPI the NVRTC library where there is no CUDA toolkit. With
# --static also the source of SentencePiece, for the preset gpu. Does nothing, and needs no network,
# once everything is there.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  g++ cmake pkg-config ninja-build ccache python3 ca-certificates
  llvm-19-dev libmlir-19-dev mlir-19-tools llvm-19-tools   # IR, tablegen, FileCheck, lit
  clang-19 libclang-rt-19-dev clang-format-19 clang-tidy-19 # fuzzers, lint
  libfmt-dev nlohmann-json3-dev libcli11-dev libxxhash-dev
  libsentencepiece-dev libpcre2-dev libicu-dev
  libgtest-dev libgmock-dev libbenchmark-dev
)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" ||
    missing+=("$package")
done

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || {
    echo "setup.sh: this script knows Debian's and Ubuntu's apt-get only; install these yourself: ${missing[*]}" >&2
    exit 1
  }
  echo "Installing ${#missing[@]} packages: ${missing[*]}"
  as_root apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

need_pip() {
  python3 -m pip --version >/dev/null 2>&1 ||
    { as_root apt-get update -q; as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends python3-pip; }
}

# NVRTC compiles the emitted CUDA source in the tests; it needs no GPU.
has_nvrtc() {
  local folder
  for folder in "${CUDA_HOME:-/nonexistent}"/lib64 /usr/local/cuda/lib64 .deps/nvrtc/nvidia/*/lib; do
    compgen -G "$folder/libnvrtc.so*" >/dev/null && return 0
  done
  return 1
}
if ! has_nvrtc; then
  echo "No CUDA toolkit found: fetching the NVRTC library"
  need_pip
  mkdir -p .deps/wheels .deps/nvrtc
  python3 -m pip download -q --no-deps -d .deps/wheels nvidia-cuda-nvrtc-cu12
  python3 -m zipfile -e .deps/wheels/nvidia_cuda_nvrtc*.whl .deps/nvrtc
fi

# The distributions have SentencePiece as a shared library only; its Python package carries the source.
if [ "${1:-}" = --static ] && [ ! -e .deps/sentencepiece/CMakeLists.txt ]; then
  echo "Fetching the source of SentencePiece"
  need_pip
  mkdir -p .deps/wheels
  requirement='sentencepiece==0.2.0 --hash=sha256:a52c19171daaf2e697dc6cbe67684e0fa341b1248966f6aebb541de654d15843'
  python3 -m pip download -q --no-deps --no-binary sentencepiece --require-hashes -d .deps/wheels -r <(echo "$requirement")
  tar -xzf .deps/wheels/sentencepiece-0.2.0.tar.gz -C .deps sentencepiece-0.2.0/sentencepiece --strip-components=1
fi
