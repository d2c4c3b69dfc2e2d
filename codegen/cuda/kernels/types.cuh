//===- types.cuh - Storage types of the CUDA kernels and small helpers ------------------------===//
//
// float, bf16 (upper half of a float32) and f16 (IEEE binary16). All arithmetic is float32; storing
// rounds to nearest even. Weights may also be e4m3, i8 or i4, whose products are of a wider
// type, and whose scales are an epilogue's. No header of the CUDA toolkit is needed: NVRTC alone
// compiles the kernels.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_TYPES_CUH
#define LLMOPT_CUDA_TYPES_CUH

#include "abi.h"
#include "intrinsics.cuh"

namespace llmopt::cuda {

struct bf16 {
  unsigned short bits;
};
struct f16 {
  unsigned short bits;
};
/// Eight bits of floating point, 4 of exponent (bias 7) and 3 of mantissa; finite values only.
struct e4m3 {
  unsigned char bits;
};
struct i8 {
  signed char value;
};
/// Two integers from -8 to 7 in two's complement, the lower bits first.
struct i4 {
  unsigned char pair;
};

LLMOPT_DEVICE float toFloat(float value) { return value; }
LLMOPT_DEVICE float toFloat(bf16 value) { return bitsToFloat(unsigned(value.bits) << 16); }
LLMOPT_DEVICE float toFloat(f16 value) { return halfToFloat(value.bits); }
/// As a half, whose bias is greater by 8.
LLMOPT_DEVICE float toFloat(e4m3 value) {
  return halfToFloat(
             static_cast<unsigned short>((value.bits & 0x80) << 8 | (value.bits & 0x7f) << 7)) *
         256.0f;
}
LLMOPT_DEVICE float toFloat(i8 value) { return float(value.value); }

template <class T> LLMOPT_DEVICE T fromFloat(float value);
template <> LLMOPT_DEVICE float fromFloat<float>(float value) { return value; }
template <> LLMOPT_DEVICE bf16 fromFloat<bf16>(float value) { return {floatToBfloat(value)}; }
template <> LLMOPT_DEVICE f16 fromFloat<f16>(float value) { return {floatToHalf(value)}; }

/// The value as it is after storing it as T.
template <class T> LLMOPT_DEVICE float roundTo(float value) { return toFloat(fromFloat<T>(value)); }

template <class A, class B> struct Same {
  static constexpr bool value = false;
};
template <class A> struct Same<A, A> {
  static constexpr bool value = true;
};
template <class A, class B> inline constexpr bool same = Same<A, B>::value;

constexpr LLMOPT_DEVICE int ceilDivide(int value, int unit) { return (value + unit - 1) / unit; }
constexpr LLMOPT_DEVICE int roundUp(int value, int unit) { return ceilDivide(value, unit) * unit; }
constexpr LLMOPT_DEVICE int smaller(int a, int b) { return a < b ? a : b; }
constexpr LLMOPT_DEVICE int larger(int a, int b) { return a > b ? a : b; }

LLMOPT_DEVICE float minusInfinity() { return bitsToFloat(0xff800000u); }

/// 16 bytes: what a lane copies or reads at once.
struct alignas(16) Piece {
  unsigned words[4];
};
/// Bits of an element in memory.
template <class T> inline constexpr int elementBits = 8 * int(sizeof(T));
template <> inline constexpr int elementBits<i4> = 4;
template <class T> inline constexpr int pieceElements = 128 / elementBits<T>;

/// Where element `index` lies; of i4 an even one.
template <class T> LLMOPT_DEVICE T *elementAt(T *base, long long index) { return base + index; }
LLMOPT_DEVICE const i4 *elementAt(const i4 *base, long long index) { return base + index / 2; }
LLMOPT_DEVICE i4 *elementAt(i4 *base, long long index) { return base + index / 2; }

/// The value of an element.
template <class T> LLMOPT_DEVICE float elementOf(const T *base, long long index) {
  return toFloat(base[index]);
}
LLMOPT_DEVICE float elementOf(const i4 *base, long long index) {
  return float(((base[index / 2].pair >> index % 2 * 4 & 15) ^ 8) - 8);
}

/// The elements of a piece as floats.
LLMOPT_DEVICE void unpack(const Piece &piece, float (&to)[4], float) {
  LLMOPT_UNROLL
  for (int i = 0; i < 4; ++i)
    to[i] = bitsToFloat(piece.words[i]);
}
LLMOPT_DEVICE void unpack(const Piece &piece, float (&to)[8], bf16) {
  LLMOPT_UNROLL
  for (int i = 0; i < 4; ++i) {
    to[2 * i] = bitsToFloat(piece.words[i] << 16);
    to[2 * i + 1] = bitsToFloat(piece.words[i] & 0xffff0000u);
  }
}
LLMOPT_DEVICE void unpack(const Piece &piece, float (&to)[8], f16) {
  LLMOPT_UNROLL
  for (int i = 0; i < 4; ++i) {
    to[2 * i] = halfToFloat(static_cast<unsigned short>(piece.words[i] & 0xffffu));
    to[2 * i + 1] = halfToFloat(static_cast<unsigned short>(piece.words[i] >> 16));
  }
}
/// The same of a type of 8 or 4 bits.
template <class T, int Count> LLMOPT_DEVICE void unpack(const Piece &piece, float (&to)[Count], T) {
  static_assert(Count == pieceElements<T>, "a piece");
  LLMOPT_UNROLL
  for (int i = 0; i < Count; ++i)
    to[i] = elementOf(reinterpret_cast<const T *>(&piece), i);
}

/// Two values, rounded, as a register of a matrix product.
LLMOPT_DEVICE unsigned packPair(float low, float high, bf16) { return floatsToBfloats(low, high); }
LLMOPT_DEVICE unsigned packPair(float low, float high, f16) { return floatsToHalves(low, high); }

LLMOPT_DEVICE void multiplyAdd(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                               bf16) {
  multiplyBfloats(sums, a, b);
}
LLMOPT_DEVICE void multiplyAdd(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                               f16) {
  multiplyHalves(sums, a, b);
}

LLMOPT_DEVICE int laneIndex() { return threadIndex() % 32; }
LLMOPT_DEVICE int warpIndex() { return threadIndex() / 32; }

} // namespace llmopt::cuda

#endif // LLMOPT_CUDA_TYPES_CUH
