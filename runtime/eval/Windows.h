//===- Windows.h - A long text cut into what a model's context holds --------------------------===//
//
// As Hugging Face's guide "Perplexity of fixed-length models" does: windows of `context` tokens,
// each beginning `stride` tokens after the one before, the last one as short as the text leaves it.
// A token is scored in the first window that has it with a token before it, and there only. So with
// windows one after the other (stride = context) each window's first token is not scored at all.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_EVAL_WINDOWS_H
#define LLMOPT_RUNTIME_EVAL_WINDOWS_H

#include <cstdint>
#include <vector>

namespace llmopt {

/// Tokens [begin, end) of a text, of which [scored, end) are scored; begin < scored < end.
struct Window {
  int64_t begin = 0;
  int64_t scored = 0;
  int64_t end = 0;
};

/// The windows of a text of so many tokens that have something to score; context is at least 2, and
/// stride from 1 to context.
std::vector<Window> cutWindows(int64_t tokens, int64_t context, int64_t stride);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_EVAL_WINDOWS_H
