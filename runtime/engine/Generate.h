//===- Generate.h - One prompt, its continuation as text, and how long it took ----------------===//

#ifndef LLMOPT_RUNTIME_ENGINE_GENERATE_H
#define LLMOPT_RUNTIME_ENGINE_GENERATE_H

#include "runtime/engine/Engine.h"
#include "runtime/engine/Model.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmopt {

struct GenerateOptions {
  std::optional<std::string> prompt; ///< a text, or else
  std::vector<int32_t> promptTokens; ///< its ids
  int64_t maxNewTokens = 50;
  SamplingOptions sampling;
  int64_t beams = 1;
  std::vector<std::string> stopTexts;
  std::string dumpLogits; ///< a file for the logits [T, V] of the prompt, or empty
};

struct GenerateResult {
  std::string text;            ///< new text, without a stop text
  std::vector<int32_t> tokens; ///< new tokens, a stop token included
  int64_t promptTokens = 0;
  bool contextReached = false;  ///< the context ended before maxNewTokens
  double totalSeconds = 0;      ///< prompt and new tokens, without loading
  double firstTokenSeconds = 0; ///< until the prompt was computed
  double promptTokensPerSecond = 0;
  double decodeTokensPerSecond = 0; ///< after the first token; 0 if there was one step only

  int64_t peakMemory = 0; ///< bytes: of the device, or of the process where that is one with it

  OrderedJson toJson() const;
  /// The two lines that people compare by, on time and memory.
  std::string summary() const;
};

/// Continues one prompt. `show` gets the prompt's text and then the new text piece by piece; where
/// the artifact has no tokenizer, the new ids as text.
Result<GenerateResult> generate(Model model, const GenerateOptions &options,
                                const std::function<void(std::string_view)> &show);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_ENGINE_GENERATE_H
