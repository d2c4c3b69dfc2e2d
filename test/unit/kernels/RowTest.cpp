//===- RowTest.cpp - Conversions, functions, norms, rope and embedding rows -------------------===//

#include "codegen/cpu/kernels/embed.h"
#include "codegen/cpu/kernels/norm.h"
#include "codegen/cpu/kernels/pointwise.h"
#include "codegen/cpu/kernels/rope.h"

#include "KernelTest.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace llmopt::cpu;

namespace {

//===------------------------------------------------------------------------------------------===//
// Conversions
//===------------------------------------------------------------------------------------------===//

TEST(Conversion, EveryF16ComesBack) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    f16 half = {uint16_t(bits)};
    float wide = toFloat(half);
    if (std::isnan(wide))
      EXPECT_GT(fromFloat<f16>(wide).bits & 0x7fff, 0x7c00);
    else
      ASSERT_EQ(fromFloat<f16>(wide).bits, bits);
  }
}

TEST(Conversion, F16RoundsToNearestEven) {
  EXPECT_EQ(toFloat(f16{0x0001}), std::ldexp(1.0f, -24));
  EXPECT_EQ(toFloat(f16{0x7bff}), 65504.0f);
  EXPECT_EQ(fromFloat<f16>(1.0f + 1.0f / 2048).bits, 0x3c00);
  EXPECT_EQ(fromFloat<f16>(1.0f + 3.0f / 2048).bits, 0x3c02);
  EXPECT_EQ(fromFloat<f16>(65519.0f).bits, 0x7bff);
  EXPECT_EQ(fromFloat<f16>(65520.0f).bits, 0x7c00);
  EXPECT_EQ(fromFloat<f16>(-1e30f).bits, 0xfc00);
  EXPECT_EQ(fromFloat<f16>(std::ldexp(1.0f, -25)).bits, 0x0000);
  EXPECT_EQ(fromFloat<f16>(std::ldexp(1.5f, -25)).bits, 0x0001);
}

TEST(Conversion, Bf16RoundsToNearestEven) {
  EXPECT_EQ(fromFloat<bf16>(1.0f + 1.0f / 256).bits, 0x3f80);
  EXPECT_EQ(fromFloat<bf16>(1.0f + 3.0f / 256).bits, 0x3f82);
  EXPECT_EQ(fromFloat<bf16>(-INFINITY).bits, 0xff80);
  EXPECT_TRUE(std::isnan(toFloat(fromFloat<bf16>(bitCast<float>(0x7f800001u)))));
}

template <class T> void expectVectorRoundsAsScalar() {
  std::vector<float> values = randomValues<float>(1600, 5, 100.0f);
  values[3] = INFINITY;
  values[5] = 1e-41f;
  values[20] = 3e38f;
  for (size_t i = 0; i < values.size(); i += 16) {
    T out[16];
    float back[16];
    store(out, load(&values[i]));
    store(back, load(out));
    for (size_t j = 0; j < 16; ++j) {
      ASSERT_EQ(out[j].bits, fromFloat<T>(values[i + j]).bits);
      ASSERT_EQ(back[j], toFloat(out[j]));
    }
  }
}
TEST(Conversion, VectorRoundsAsScalar) {
  expectVectorRoundsAsScalar<bf16>();
  expectVectorRoundsAsScalar<f16>();
}

//===------------------------------------------------------------------------------------------===//
// Functions
//===------------------------------------------------------------------------------------------===//

/// Largest error of f over [low, high], relative to max(|expected|, floor); also that Vec and float
/// agree.
template <class F>
double worstError(F f, double (*exact)(double), float low, float high, double floor) {
  double worst = 0;
  constexpr int steps = 160000;
  for (int i = 0; i < steps; i += 16) {
    float x[16], y[16];
    for (int j = 0; j < 16; ++j)
      x[j] = low + (high - low) * float(i + j) / steps;
    store(y, f(load(x)));
    for (int j = 0; j < 16; ++j) {
      EXPECT_EQ(bitCast<uint32_t>(y[j]), bitCast<uint32_t>(f(x[j])));
      double want = exact(double(x[j]));
      worst = std::max(worst, std::abs(double(y[j]) - want) / std::max(std::abs(want), floor));
    }
  }
  return worst;
}

TEST(Function, Exp) {
  auto f = [](auto x) { return llmopt::cpu::exp(x); };
  EXPECT_LT(worstError(f, std::exp, -87.0f, 88.0f, 1e-38), 2.4e-7);
  EXPECT_EQ(f(0.0f), 1.0f);
  EXPECT_EQ(f(-INFINITY), 0.0f);
  EXPECT_TRUE(std::isnan(f(NAN)));
}

TEST(Function, Sigmoid) {
  auto f = [](auto x) { return sigmoid(x); };
  EXPECT_LT(worstError(f, [](double x) { return 1 / (1 + std::exp(-x)); }, -80, 80, 1e-36), 4e-7);
}

TEST(Function, Silu) {
  auto f = [](auto x) { return silu(x); };
  EXPECT_LT(worstError(f, [](double x) { return x / (1 + std::exp(-x)); }, -80, 80, 1e-34), 4e-7);
}

TEST(Function, Tanh) {
  auto f = [](auto x) { return llmopt::cpu::tanh(x); };
  EXPECT_LT(worstError(f, std::tanh, -30, 30, 1.0), 2e-7);
}

TEST(Function, GeluTanh) {
  auto f = [](auto x) { return geluTanh(x); };
  auto exact = [](double x) {
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  };
  EXPECT_LT(worstError(f, exact, -5, 20, 1e-2), 1e-6);
}

TEST(Function, Gelu) {
  auto f = [](auto x) { return gelu(x); };
  auto exact = [](double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); };
  EXPECT_LT(worstError(f, exact, -5, 20, 1e-30), 4e-6);
  EXPECT_LT(worstError(f, exact, -20, 20, 1.0), 3e-7);
}

TEST(Function, Relu) {
  EXPECT_EQ(relu(-3.0f), 0.0f);
  EXPECT_EQ(relu(3.0f), 3.0f);
}

//===------------------------------------------------------------------------------------------===//
// Norms
//===------------------------------------------------------------------------------------------===//

template <class T> void expectNorms(double bound) {
  for (int64_t size : {1, 15, 16, 64, 301, 4544}) {
    std::vector<T> x = randomValues<T>(size, 1), w = randomValues<T>(size, 2);
    std::vector<T> b = randomValues<T>(size, 3), rms(x.size()), layer(x.size()), noBias(x.size());
    for (T &value : x)
      value = fromFloat<T>(toFloat(value) + 2.0f);
    rmsNormRow(x.data(), w.data(), size, 1e-5f, rms.data());
    layerNormRow(x.data(), w.data(), b.data(), size, 1e-5f, layer.data());
    layerNormRow(x.data(), w.data(), static_cast<const T *>(nullptr), size, 1e-5f, noBias.data());
    double sum = 0, squares = 0, variance = 0;
    for (T value : x) {
      sum += double(toFloat(value));
      squares += double(toFloat(value)) * double(toFloat(value));
    }
    double mean = sum / double(size);
    for (T value : x)
      variance += (double(toFloat(value)) - mean) * (double(toFloat(value)) - mean);
    for (size_t i = 0; i < x.size(); ++i) {
      double a = double(toFloat(x[i])), weight = double(toFloat(w[i]));
      double wantRms = a / std::sqrt(squares / double(size) + 1e-5) * weight;
      double wantLayer = (a - mean) / std::sqrt(variance / double(size) + 1e-5) * weight;
      double shift = double(toFloat(b[i]));
      ASSERT_NEAR(toFloat(rms[i]), wantRms, bound * (1 + std::abs(wantRms))) << size;
      ASSERT_NEAR(toFloat(noBias[i]), wantLayer, bound * (1 + std::abs(wantLayer))) << size;
      ASSERT_NEAR(toFloat(layer[i]), wantLayer + shift, bound * (1 + std::abs(wantLayer + shift)));
    }
  }
}

TEST(Norm, AgreesWithDoubleLoopsInFloat) { expectNorms<float>(2e-6); }
TEST(Norm, AgreesWithDoubleLoopsInBf16) { expectNorms<bf16>(4e-3); }
TEST(Norm, AgreesWithDoubleLoopsInF16) { expectNorms<f16>(5e-4); }

//===------------------------------------------------------------------------------------------===//
// Rope
//===------------------------------------------------------------------------------------------===//

template <RopeStyle style> void expectRotation() {
  constexpr int64_t rotary = 12, width = 16;
  std::vector<float> head = randomValues<float>(width, 1), rotated = head, table(rotary), freqs;
  for (int i = 0; i < rotary / 2; ++i)
    freqs.push_back(std::pow(10000.0f, -2.0f * float(i) / float(rotary)));
  ropeTableRow(77, freqs.data(), 1.5f, rotary, table.data());
  ropeRow<style>(rotated.data(), table.data(), rotary);
  for (size_t i = 0; i < rotary / 2; ++i) {
    size_t first = style == RopeStyle::Half ? i : 2 * i;
    size_t second = style == RopeStyle::Half ? i + rotary / 2 : 2 * i + 1;
    double angle = double(77.0f * freqs[i]), a = head[first], b = head[second];
    EXPECT_NEAR(rotated[first], 1.5 * (a * std::cos(angle) - b * std::sin(angle)), 1e-5);
    EXPECT_NEAR(rotated[second], 1.5 * (b * std::cos(angle) + a * std::sin(angle)), 1e-5);
  }
  for (size_t i = rotary; i < width; ++i)
    EXPECT_EQ(rotated[i], head[i]);
}

TEST(Rope, RotatesHalves) { expectRotation<RopeStyle::Half>(); }
TEST(Rope, RotatesNeighbours) { expectRotation<RopeStyle::Interleaved>(); }

TEST(Rope, TableOfABatchHasARowPerToken) {
  std::vector<int32_t> positions = {5, 6, 0, 100};
  std::vector<float> freqs = {1.0f, 0.1f}, table(16), row(4);
  LlmoptBatch batch = {};
  batch.tokens = 4;
  batch.positions = positions.data();
  runTeam(3, 64, [&](const LlmoptTeam &team) {
    ropeTable(team, batch, freqs.data(), 1.0f, 4, table.data());
  });
  for (size_t n = 0; n < 4; ++n) {
    ropeTableRow(positions[n], freqs.data(), 1.0f, 4, row.data());
    EXPECT_TRUE(std::equal(row.begin(), row.end(), table.begin() + int64_t(4 * n)));
  }
}

//===------------------------------------------------------------------------------------------===//
// Embedding
//===------------------------------------------------------------------------------------------===//

TEST(Embed, ReadsRowsOfATableAndOfAPackedWeight) {
  constexpr int64_t vocabulary = 37, depth = 11;
  std::vector<bf16> table = randomValues<bf16>(vocabulary * depth, 1);
  Aligned<bf16> pairs = packPanels(table, vocabulary, depth, 2);
  Aligned<bf16> single = packPanels(table, vocabulary, depth, 1);
  for (int32_t token : {0, 15, 16, 36}) {
    float plain[depth], fromPairs[depth], fromSingle[depth];
    embedRow(table.data(), depth, token, plain);
    embedPackedRow<2>(pairs.data(), depth, token, fromPairs);
    embedPackedRow<1>(single.data(), depth, token, fromSingle);
    for (int64_t k = 0; k < depth; ++k) {
      EXPECT_EQ(plain[k], toFloat(table[size_t(token * depth + k)]));
      EXPECT_EQ(fromPairs[k], plain[k]);
      EXPECT_EQ(fromSingle[k], plain[k]);
    }
  }
}

} // namespace
