//===- TinyModule.h - The function that the tests' model computes -----------------------------===//

#ifndef LLMOPT_TEST_UNIT_RUNTIME_TINYMODULE_H
#define LLMOPT_TEST_UNIT_RUNTIME_TINYMODULE_H

#include "support/RandomWeights.h"

#include <cstdint>

namespace llmopt::tiny {

constexpr int vocabulary = 40;
constexpr int pageTokens = 4;
constexpr int pageBytes = 64;
constexpr int contextLength = 64;

constexpr uint32_t historyStart = 17;

inline uint32_t nextHistory(uint32_t history, int32_t token) {
  return randomHash(history * 31 + static_cast<uint32_t>(token));
}

/// Between -2 and 2, and the bias.
inline float logit(uint32_t history, int token, float bias) {
  return bias + randomWeight(history, static_cast<uint64_t>(token), 0, 2);
}

} // namespace llmopt::tiny

#endif // LLMOPT_TEST_UNIT_RUNTIME_TINYMODULE_H
