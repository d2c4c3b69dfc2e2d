// What the lanes of a warp do together: shuffles, votes, loads and products of matrices.

#include "runtime/devices/cuda_emulated/EmulatedMachine.h"

#include "support/FloatTypes.h"

#include <cstring>

namespace llmopt::emulated {

namespace {
struct Shuffled {
  uint64_t value;
  int source;
};
} // namespace

static void shuffleLanes(const Lanes &lanes) {
  for (int lane = 0; lane < 32; ++lane)
    if (lanes.lanes >> lane & 1) {
      int source = static_cast<const Shuffled *>(lanes.in[lane])->source & 31;
      auto *out = static_cast<Shuffled *>(lanes.out[lane]);
      bool there = lanes.lanes >> source & 1;
      *out = {there ? static_cast<const Shuffled *>(lanes.in[source])->value : 0,
              there ? source : -1};
    }
}

uint64_t EmulatedMachine::shuffle(uint64_t value, int source, uint32_t mask, Site site) {
  Shuffled in{value, source}, out{};
  meet("shuffle", mask, &in, &out, shuffleLanes, /*complete=*/false, site);
  if (out.source < 0)
    failWith(fmt::format("takes a value of lane {}, which gives none", source & 31), placeOf(site));
  return out.value;
}

static void ballotLanes(const Lanes &lanes) {
  uint32_t votes = 0;
  for (int lane = 0; lane < 32; ++lane)
    if (lanes.lanes >> lane & 1 && *static_cast<const bool *>(lanes.in[lane]))
      votes |= 1u << lane;
  for (int lane = 0; lane < 32; ++lane)
    if (lanes.lanes >> lane & 1)
      *static_cast<uint32_t *>(lanes.out[lane]) = votes;
}

uint32_t EmulatedMachine::ballot(bool value, uint32_t mask, Site site) {
  uint32_t votes = 0;
  meet("vote", mask, &value, &votes, ballotLanes, /*complete=*/false, site);
  return votes;
}

/// Lane 8m + r has the address of row r of matrix m, eight values of two bytes.
static const uint16_t *rowOf(const Lanes &lanes, int matrix, int row) {
  return *static_cast<const uint16_t *const *>(lanes.in[matrix * 8 + row]);
}

static void loadPlain(const Lanes &lanes) {
  for (int lane = 0; lane < 32; ++lane)
    for (int m = 0; m < 4; ++m)
      std::memcpy(static_cast<unsigned *>(lanes.out[lane]) + m,
                  &rowOf(lanes, m, lane / 4)[size_t(lane) % 4 * 2], 4);
}

static void loadTransposed(const Lanes &lanes) {
  for (int lane = 0; lane < 32; ++lane)
    for (int m = 0; m < 4; ++m) {
      const uint16_t low = rowOf(lanes, m, lane % 4 * 2)[lane / 4];
      const uint16_t high = rowOf(lanes, m, lane % 4 * 2 + 1)[lane / 4];
      static_cast<unsigned *>(lanes.out[lane])[m] = low | unsigned(high) << 16;
    }
}

void EmulatedMachine::loadMatrices(unsigned *to, const void *row, bool transposed, Site site) {
  read(row, 16, 16, site);
  collect(transposed ? "ldmatrix.trans" : "ldmatrix", wholeWarp, &row, to,
          transposed ? loadTransposed : loadPlain, site);
}

/// Products are added one after the other along k; intrinsics.cuh has the layout of the registers.
template <float (*ToFloat)(uint16_t)> static void multiplyPairs(const Lanes &lanes) {
  float a[16][16], b[16][8], sums[16][8]; // [row][k], [k][column], [row][column]
  for (int lane = 0; lane < 32; ++lane) {
    const auto *in = static_cast<const unsigned *>(lanes.in[lane]);
    const auto *own = static_cast<const float *>(lanes.out[lane]);
    int g = lane / 4, t = lane % 4;
    for (int half = 0; half < 2; ++half)
      for (int i = 0; i < 2; ++i) {
        for (int r = 0; r < 2; ++r)
          a[g + 8 * r][2 * t + i + 8 * half] = ToFloat(uint16_t(in[r + 2 * half] >> (16 * i)));
        b[2 * t + i + 8 * half][g] = ToFloat(uint16_t(in[4 + half] >> (16 * i)));
        sums[g + 8 * half][2 * t + i] = own[2 * half + i];
      }
  }
  for (int row = 0; row < 16; ++row)
    for (int k = 0; k < 16; ++k)
      for (int column = 0; column < 8; ++column)
        sums[row][column] += a[row][k] * b[k][column];
  for (int lane = 0; lane < 32; ++lane) {
    auto *own = static_cast<float *>(lanes.out[lane]);
    for (int i = 0; i < 4; ++i)
      own[i] = sums[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
  }
}

void EmulatedMachine::multiplyBfloats(float *sums, const unsigned *registers, Site site) {
  collect("mma.bf16", wholeWarp, registers, sums, multiplyPairs<bfloat16ToFloat>, site);
}

void EmulatedMachine::multiplyHalves(float *sums, const unsigned *registers, Site site) {
  collect("mma.f16", wholeWarp, registers, sums, multiplyPairs<float16ToFloat>, site);
}

} // namespace llmopt::emulated
