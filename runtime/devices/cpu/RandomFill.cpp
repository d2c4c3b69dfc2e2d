// The values are made row by row, in vectors, and then laid into the panel. Contraction of a * b +
// c is off for this file (CMakeLists.txt): the values are those of RandomWeights.h to the bit.

#include "runtime/devices/cpu/RandomFill.h"

#include "support/FloatTypes.h"
#include "support/RandomWeights.h"

#include <algorithm>
#include <cstring>

namespace llmopt {

//===- Values of a stretch of a row -----------------------------------------------------------===//

/// floatToFloat16 of a finite value without branches, so that a loop over it becomes vector code.
static inline uint16_t finiteToFloat16(float value) {
  uint32_t bits = floatBits(value);
  uint32_t magnitude = bits & 0x7fffffff;
  uint32_t normal = (magnitude + 0xfff + ((magnitude >> 13) & 1) - 0x38000000) >> 13;
  uint32_t subnormal = floatBits(floatFromBits(magnitude) + 0.5f) - 0x3f000000;
  uint32_t half = magnitude < 0x38800000 ? subnormal : normal;
  half = magnitude >= 0x477ff000 ? 0x7c00 : half;
  return static_cast<uint16_t>(half | ((bits >> 16) & 0x8000));
}

/// floatToBfloat16 of a value that is not NaN.
static inline uint16_t finiteToBfloat16(float value) {
  uint32_t bits = floatBits(value);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

namespace {
/// `count` values of a segment whose indices share their upper 32 bits.
struct Stretch {
  uint32_t high; ///< the hash of those bits
  uint32_t low;
  int64_t count;
  float mean;
  float scale;
};
} // namespace

static inline __attribute__((always_inline)) float valueAt(const Stretch &stretch, int64_t i) {
  uint32_t hash = randomHash((stretch.low + static_cast<uint32_t>(i)) ^ stretch.high);
  float uniform = static_cast<float>(static_cast<int32_t>(hash) >> 8) * (1.0f / 8388608.0f);
  return stretch.mean + stretch.scale * uniform;
}

static inline __attribute__((always_inline)) void fillBody(ElementType type, const Stretch &stretch,
                                                           uint8_t *out) {
  auto *floats = reinterpret_cast<float *>(out);
  auto *halves = reinterpret_cast<uint16_t *>(out);
  switch (type) {
  case ElementType::F32:
    for (int64_t i = 0; i < stretch.count; ++i)
      floats[i] = valueAt(stretch, i);
    break;
  case ElementType::F16:
    for (int64_t i = 0; i < stretch.count; ++i)
      halves[i] = finiteToFloat16(valueAt(stretch, i));
    break;
  case ElementType::BF16:
    for (int64_t i = 0; i < stretch.count; ++i)
      halves[i] = finiteToBfloat16(valueAt(stretch, i));
    break;
  case ElementType::U8: // Quantized weights are never random (Plan.cpp).
    break;
  }
}

using FillFunction = void (*)(ElementType type, const Stretch &stretch, uint8_t *out);

static void fillBaseline(ElementType type, const Stretch &stretch, uint8_t *out) {
  fillBody(type, stretch, out);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void fillAvx2(ElementType type, const Stretch &stretch,
                                                     uint8_t *out) {
  fillBody(type, stretch, out);
}

__attribute__((target("avx512f,avx512bw,avx512vl"))) static void
fillAvx512(ElementType type, const Stretch &stretch, uint8_t *out) {
  fillBody(type, stretch, out);
}
#endif

static FillFunction chooseFill() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    return fillAvx512;
  if (__builtin_cpu_supports("avx2"))
    return fillAvx2;
#endif
  return fillBaseline;
}

/// Values of indices [index, index + count).
static void fillValues(ElementType type, const RandomSegment &segment, uint64_t index,
                       int64_t count, uint8_t *out) {
  static const FillFunction fill = chooseFill();
  while (count > 0) {
    uint32_t low = static_cast<uint32_t>(index);
    int64_t run = std::min<int64_t>(count, (int64_t(1) << 32) - low);
    uint32_t high = randomHash(segment.seed ^ static_cast<uint32_t>(index >> 32) * 0x9e3779b9U);
    fill(type, {high, low, run, segment.mean, segment.scale}, out);
    out += run * elementBytes(type);
    index += static_cast<uint64_t>(run);
    count -= run;
  }
}

//===- Panels ---------------------------------------------------------------------------------===//

/// Columns [first, first + count) of a row of the whole weight.
static void fillRow(const PlanWeight &weight, int64_t row, int64_t first, int64_t count,
                    uint8_t *out) {
  for (const RandomSegment &segment : weight.random) {
    if (row < segment.rows) {
      uint64_t index = static_cast<uint64_t>(row) * static_cast<uint64_t>(weight.columns) +
                       static_cast<uint64_t>(first);
      return fillValues(weight.type, segment, index, count, out);
    }
    row -= segment.rows;
  }
}

/// Lays `groups` groups of `Bytes` (a row's interleaved elements) of one row into its panel.
template <int64_t Bytes>
static void scatter(const uint8_t *from, int64_t groups, int64_t stride, uint8_t *to) {
  for (int64_t group = 0; group < groups; ++group)
    std::memcpy(to + group * stride, from + group * Bytes, Bytes);
}

static void scatterGroups(const uint8_t *from, int64_t groups, int64_t bytes, int64_t stride,
                          uint8_t *to) {
  switch (bytes) {
  case 2:
    return scatter<2>(from, groups, stride, to);
  case 4:
    return scatter<4>(from, groups, stride, to);
  case 8:
    return scatter<8>(from, groups, stride, to);
  default:
    for (int64_t group = 0; group < groups; ++group)
      std::memcpy(to + group * stride, from + group * bytes, static_cast<size_t>(bytes));
  }
}

static void fillPanel(const PlanWeight &weight, int64_t panel, uint8_t *out,
                      std::vector<uint8_t> &row) {
  const Packing &packing = weight.packing;
  const int64_t size = elementBytes(weight.type);
  const int64_t groupBytes = packing.interleave * size;
  const int64_t stride = packing.panel * groupBytes;
  // A strip of columns at a time, so that the panel's lines are in the cache for all its rows.
  const int64_t strip = (512 + packing.interleave - 1) / packing.interleave * packing.interleave;
  row.resize(static_cast<size_t>(strip * size));
  for (int64_t first = 0; first < weight.columns; first += strip) {
    int64_t count = std::min(strip, weight.columns - first);
    int64_t groups = (count + packing.interleave - 1) / packing.interleave;
    for (int64_t i = 0; i < packing.panel; ++i) {
      int64_t index = panel * packing.panel + i;
      std::memset(row.data(), 0, static_cast<size_t>(groups * groupBytes));
      if (index < weight.rows)
        fillRow(weight, index, first, count, row.data());
      scatterGroups(row.data(), groups, groupBytes, stride,
                    out + first / packing.interleave * stride + i * groupBytes);
    }
  }
}

int64_t randomPanels(const PlanWeight &weight) {
  int64_t panel = std::max<int64_t>(1, weight.packing.panel);
  return (weight.rows + panel - 1) / panel;
}

void fillRandomPanels(const PlanWeight &weight, int64_t begin, int64_t end, uint8_t *data) {
  const int64_t panelBytes = weight.bytes() / randomPanels(weight);
  std::vector<uint8_t> row;
  for (int64_t panel = begin; panel < end; ++panel) {
    uint8_t *out = data + panel * panelBytes;
    if (weight.packing.panel == 0)
      fillRow(weight, panel, 0, weight.columns, out);
    else
      fillPanel(weight, panel, out, row);
  }
}

} // namespace llmopt
