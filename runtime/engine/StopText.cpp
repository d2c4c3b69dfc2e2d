#include "runtime/engine/StopText.h"

#include <algorithm>

namespace llmopt {

StopText::StopText(std::vector<std::string> stops) : stops(std::move(stops)) {}

std::string StopText::push(std::string_view piece) {
  if (found)
    return {};
  pending += piece;
  size_t end = std::string::npos;
  for (const std::string &stop : stops)
    if (!stop.empty())
      end = std::min(end, pending.find(stop));
  found = end != std::string::npos;
  if (!found) {
    // Keeps back the longest end that begins a stop string.
    end = pending.size();
    for (const std::string &stop : stops) {
      size_t length = std::min(stop.size(), pending.size() + 1);
      while (length-- > 1)
        if (pending.compare(pending.size() - length, length, stop, 0, length) == 0)
          break;
      if (length != std::string::npos && length > 0)
        end = std::min(end, pending.size() - length);
    }
  }
  std::string text = pending.substr(0, end);
  pending.erase(0, found ? std::string::npos : end);
  return text;
}

std::string StopText::flush() {
  std::string text;
  std::swap(text, pending);
  return text;
}

} // namespace llmopt
