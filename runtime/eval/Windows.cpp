#include "runtime/eval/Windows.h"

#include <algorithm>

namespace llmopt {

std::vector<Window> cutWindows(int64_t tokens, int64_t context, int64_t stride) {
  std::vector<Window> windows;
  int64_t last = 0; // the end of the window before
  for (int64_t begin = 0; last < tokens; begin += stride) {
    int64_t end = std::min(begin + context, tokens);
    int64_t scored = std::max(begin + 1, last);
    if (scored < end)
      windows.push_back({begin, scored, end});
    last = end;
  }
  return windows;
}

} // namespace llmopt
