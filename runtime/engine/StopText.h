//===- StopText.h - Ends a text before one of given strings -----------------------------------===//

#ifndef LLMOPT_RUNTIME_ENGINE_STOPTEXT_H
#define LLMOPT_RUNTIME_ENGINE_STOPTEXT_H

#include <string>
#include <string_view>
#include <vector>

namespace llmopt {

/// Takes a text piece by piece and hands out what surely comes before the first stop string, also
/// if that is spread over several pieces.
class StopText {
public:
  explicit StopText(std::vector<std::string> stops);

  /// What the piece makes certain. Nothing once stopped.
  std::string push(std::string_view piece);
  /// The rest, which looked like the beginning of a stop string and was not.
  std::string flush();
  bool stopped() const { return found; }

private:
  std::vector<std::string> stops;
  std::string pending;
  bool found = false;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_ENGINE_STOPTEXT_H
