//===- QuantizedTest.cpp - quantized.h, and linear.h with it, against plain loops -------------===//

#include "LinearRun.h"

#include <cmath>

using namespace llmopt::cpu;

namespace {

//===------------------------------------------------------------------------------------------===//
// A weight, as the definition has it
//===------------------------------------------------------------------------------------------===//

template <class Weight> struct Parameters;
template <Code c, int64_t g, class S> struct Parameters<Quantized<c, g, S>> {
  using Scale = S;
  static constexpr Code code = c;
  static constexpr int64_t group = g;
};

/// QLoRA, appendix E.
constexpr double nf4[16] = {-1.0,
                            -0.6961928009986877,
                            -0.5250730514526367,
                            -0.39491748809814453,
                            -0.28444138169288635,
                            -0.18477343022823334,
                            -0.09105003625154495,
                            0.0,
                            0.07958029955625534,
                            0.16093020141124725,
                            0.24611230194568634,
                            0.33791524171829224,
                            0.44070982933044434,
                            0.5626170039176941,
                            0.7229568362236023,
                            1.0};

/// Random codes, scales and zero points: values[o * depth + k], and the packed bytes.
template <class Weight> struct RandomWeight {
  using Scale = typename Parameters<Weight>::Scale;
  static constexpr Code code = Parameters<Weight>::code;
  static constexpr bool wide = code == Code::i8 || code == Code::u8;
  static constexpr bool zeroPoints = code == Code::u8 || code == Code::u4;
  static constexpr int64_t bits = wide ? 8 : 4;
  static constexpr int padding = code == Code::i8    ? 128
                                 : code == Code::i4  ? 8
                                 : code == Code::nf4 ? 7
                                                     : 0;

  RandomWeight(int64_t outputs, int64_t depth, uint32_t seed)
      : depth(depth),
        group(Parameters<Weight>::group ? Parameters<Weight>::group : (depth + 31) / 32 * 32),
        groups((depth + group - 1) / group),
        groupBytes(16 * int64_t(sizeof(Scale)) + (zeroPoints ? 16 : 0) + 16 * group * bits / 8),
        panelBytes(groups * groupBytes), packed((outputs + 15) / 16 * panelBytes, Weight{0}),
        values(size_t(outputs * depth)) {
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal(0.0f, 0.05f);
    int codes = 1 << bits;
    auto *bytes = reinterpret_cast<uint8_t *>(packed.data());
    for (int64_t o = 0; o < (outputs + 15) / 16 * 16; ++o)
      for (int64_t g = 0; g < groups; ++g) {
        bool exists = o < outputs;
        Scale scale = fromFloat<Scale>(exists ? normal(engine) : 0.0f);
        uint8_t *head = bytes + o / 16 * panelBytes + g * groupBytes;
        std::memcpy(head + o % 16 * int64_t(sizeof(Scale)), &scale, sizeof(scale));
        int zero = code == Code::i8 ? 128 : code == Code::i4 ? 8 : 0;
        if (zeroPoints) {
          zero = int(engine()) & (codes - 1);
          head[16 * int64_t(sizeof(Scale)) + o % 16] = uint8_t(zero);
        }
        for (int64_t k = 0; k < group; ++k) {
          int drawn = int(engine()) & (codes - 1);
          if (g * group + k >= depth)
            drawn = zeroPoints ? zero : padding;
          else if (exists)
            values[size_t(o * depth + g * group + k)] = value(toFloat(scale), drawn, zero);
          put(head + 16 * int64_t(sizeof(Scale)) + (zeroPoints ? 16 : 0), o % 16, k, drawn);
        }
      }
  }

  static float value(float scale, int drawn, int zero) {
    if (code == Code::nf4)
      return float(double(scale) * double(float(nf4[drawn])));
    if (code == Code::fp4) {
      static const double magnitudes[8] = {0,          0.0052083333, 0.66666667, 1.0,
                                           0.33333333, 0.5,          0.16666667, 0.25};
      double magnitude = double(float(magnitudes[drawn & 7]));
      return float(double(scale) * (drawn & 8 ? -magnitude : magnitude));
    }
    return float(double(scale) * double(drawn - zero));
  }

  /// Words of 32 bits hold 8 / bits k of one output; 16 of them are a step.
  static void put(uint8_t *codes, int64_t o, int64_t k, int drawn) {
    if (wide)
      codes[(k / 4 * 16 + o) * 4 + k % 4] = uint8_t(drawn);
    else
      codes[(k / 8 * 16 + o) * 4 + k % 8 / 2] |= uint8_t(drawn << (k % 2 * 4));
  }

  const int64_t depth, group, groups, groupBytes, panelBytes;
  Aligned<Weight> packed;
  std::vector<float> values;
};

//===------------------------------------------------------------------------------------------===//
// Dequantization alone
//===------------------------------------------------------------------------------------------===//

/// Parts of a panel of a depth that is no multiple of anything, bit by bit.
template <class Weight, class Compute> void checkParts() {
  constexpr int64_t depth = 301;
  using Panel = QuantizedPanel<Weight, depth>;
  using Operand = std::conditional_t<std::is_same_v<Compute, bf16>, bf16, float>;
  constexpr int64_t pair = std::is_same_v<Compute, bf16> ? 2 : 1;
  RandomWeight<Weight> weight(32, depth, 3);
  ASSERT_EQ(Panel::bytes, weight.panelBytes);
  for (int64_t part : {8, 40, 64, 128, 304})
    for (int64_t k = 0; k < depth; k += part) {
      int64_t count = std::min(part, depth - k), whole = (count + 7) / 8 * 8;
      Aligned<Operand> made(whole * 16);
      dequantize<Compute, Panel>(weight.packed.data() + Panel::bytes, k, count, made.data(),
                                 weight.packed.data());
      for (int64_t i = 0; i < count; ++i)
        for (int64_t o = 0; o < 16; ++o) {
          float expected = weight.values[size_t((16 + o) * depth + k + i)];
          ASSERT_EQ(toFloat(made[(i / pair * 16 + o) * pair + i % pair]),
                    toFloat(fromFloat<Compute>(expected)))
              << "k " << k + i << " output " << o << " in a part of " << part;
        }
    }
}

template <Code code, int64_t group, class Scale> void checkComputes() {
  SCOPED_TRACE("code " + std::to_string(int(code)) + " group " + std::to_string(group));
  checkParts<Quantized<code, group, Scale>, bf16>();
  checkParts<Quantized<code, group, Scale>, f16>();
  checkParts<Quantized<code, group, Scale>, float>();
}

template <Code code> void checkGroups() {
  checkComputes<code, 0, float>();
  checkComputes<code, 32, f16>();
  checkComputes<code, 64, bf16>();
  checkComputes<code, 96, f16>();
  checkComputes<code, 128, float>();
}

TEST(QuantizedTest, PartsAreWhatTheDefinitionSays) {
  checkGroups<Code::i8>();
  checkGroups<Code::u8>();
  checkGroups<Code::i4>();
  checkGroups<Code::u4>();
  checkGroups<Code::nf4>();
  checkGroups<Code::fp4>();
}

//===------------------------------------------------------------------------------------------===//
// Linears
//===------------------------------------------------------------------------------------------===//

template <class Config> class QuantizedLinearTest : public testing::Test {
public:
  using Compute = typename Config::Compute;
  static constexpr int64_t maxRows = 150;
  RandomWeight<typename Config::Weight> weight{Config::outputs, Config::depth, 1};
  std::vector<Compute> x = randomValues<Compute>(maxRows * Config::depth, 2);

  std::vector<float> run(int64_t firstRow, int64_t rows, int threads) const {
    return runLinear<Config, true>(weight.packed, x.data() + firstRow * Config::depth, rows,
                                   threads);
  }
};

template <Code code, int64_t group, class Scale> using Q = Quantized<code, group, Scale>;
using Configs = testing::Types<TwoSegments<Q<Code::i8, 0, float>, bf16, 301, 45, 22, 45, 7>,
                               TwoSegments<Q<Code::i4, 32, f16>, bf16, 515, 39, 18, 13, 9>,
                               TwoSegments<Q<Code::u8, 96, bf16>, bf16, 777, 96, 16, 32, 16>,
                               TwoStreams<Q<Code::u4, 128, f16>, bf16, 1025, 200, 64>,
                               TwoStreams<Q<Code::nf4, 64, float>, bf16, 40, 1100, 500>,
                               TwoStreams<Q<Code::i8, 64, f16>, f16, 205, 21, 8>,
                               TwoSegments<Q<Code::fp4, 64, bf16>, f16, 257, 80, 40, 80, 40>,
                               TwoSegments<Q<Code::i4, 0, float>, float, 33, 17, 1, 17, 1>,
                               TwoSegments<Q<Code::u8, 128, float>, float, 331, 48, 33, 16, 33>,
                               TwoStreams<Q<Code::nf4, 32, f16>, float, 1, 19, 5>>;
TYPED_TEST_SUITE(QuantizedLinearTest, Configs);

TYPED_TEST(QuantizedLinearTest, AgreesWithDoubleLoops) {
  using Compute = typename TypeParam::Compute;
  for (int64_t rows : {1, 3, 17, 130}) {
    std::vector<float> y = this->run(0, rows, 2);
    // A few rows stand for all: the test below holds the others to them.
    for (int64_t n : {int64_t(0), rows / 2, rows - 1})
      for (int64_t o = 0; o < TypeParam::outputs; ++o) {
        double sum = 0, magnitude = 0;
        for (int64_t k = 0; k < TypeParam::depth; ++k) {
          float w = this->weight.values[size_t(o * TypeParam::depth + k)];
          double product = double(toFloat(this->x[size_t(n * TypeParam::depth + k)])) *
                           double(toFloat(fromFloat<Compute>(w)));
          sum += product;
          magnitude += std::abs(product);
        }
        ASSERT_NEAR(y[size_t(n * TypeParam::outputs + o)], sum, 2e-6 * magnitude + 1e-30)
            << rows << " rows, row " << n << " output " << o;
      }
  }
}

TYPED_TEST(QuantizedLinearTest, RowDoesNotDependOnTheRowsBesideIt) {
  constexpr int64_t rows = TestFixture::maxRows;
  std::vector<float> all = this->run(0, rows, 1);
  for (int64_t chunk : {1, 2, 3, 7, 12, 13, 61, 128})
    for (int64_t row = 0; row + chunk <= rows; row += chunk == 1 ? 37 : chunk) {
      std::vector<float> part = this->run(row, chunk, 1 + int(row % 3));
      ASSERT_EQ(0, std::memcmp(part.data(), all.data() + row * TypeParam::outputs,
                               part.size() * sizeof(float)))
          << chunk << " rows from " << row;
    }
}

TYPED_TEST(QuantizedLinearTest, RowDoesNotDependOnTheNumberOfThreads) {
  for (int64_t rows : {1, 5, 40}) {
    std::vector<float> one = this->run(0, rows, 1);
    for (int threads : {2, 3, 7})
      ASSERT_EQ(one, this->run(0, rows, threads));
  }
}

} // namespace
