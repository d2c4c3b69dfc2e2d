// Reads any bytes as the fields of a manifest.json. Its version is put before them and its checksum
// behind, or no input would come past these.

#include "runtime/artifact/Artifact.h"
#include "runtime/artifact/Checksum.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string body = "{\n  \"format\": \"llmopt artifact\",\n  \"version\": " +
                     std::to_string(llmopt::artifactFormatVersion) + ",\n" +
                     std::string(reinterpret_cast<const char *>(data), size);
  std::string text =
      body + ",\n  \"checksum\": \"" + llmopt::checksumText(body.data(), body.size()) + "\"\n}\n";
  auto manifest = llmopt::Manifest::parse(text, "manifest.json");
  // What was read can be written and read again.
  if (manifest && !llmopt::Manifest::parse(manifest->serialize(), "again"))
    __builtin_trap();
  return 0;
}
