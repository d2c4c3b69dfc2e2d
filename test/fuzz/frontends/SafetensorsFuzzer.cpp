//===- SafetensorsFuzzer.cpp - Any bytes as the header of a safetensors file ------------------===//

#include "support/Safetensors.h"

#include <cstdlib>

using namespace llmopt;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  constexpr uint64_t dataBytes = 64;
  std::string_view header(reinterpret_cast<const char *>(data), size);
  std::map<std::string, SafetensorsEntry> tensors;
  std::map<std::string, std::string> metadata;
  if (!parseSafetensorsHeader(header, dataBytes, "file", tensors, metadata))
    return 0;
  for (const auto &[name, entry] : tensors)
    if (entry.begin > entry.end || entry.end > dataBytes)
      std::abort();
  return 0;
}
