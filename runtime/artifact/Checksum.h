//===- Checksum.h - XXH3-64 of bytes, as the manifest writes it -------------------------------===//

#ifndef LLMOPT_RUNTIME_ARTIFACT_CHECKSUM_H
#define LLMOPT_RUNTIME_ARTIFACT_CHECKSUM_H

#include <cstdint>
#include <string>

namespace llmopt {

/// 16 hexadecimal digits.
std::string checksumText(const void *data, uint64_t bytes);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_ARTIFACT_CHECKSUM_H
