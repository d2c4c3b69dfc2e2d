#include "runtime/artifact/Checksum.h"

#include "runtime/artifact/Artifact.h"
#include "support/Files.h"
#include "support/ThreadPool.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace llmopt {

std::string checksumText(const void *data, uint64_t bytes) {
  // XXH3 reads from its argument even for no bytes, which an empty mapping does not have.
  static const char nothing = 0;
  return fmt::format("{:016x}", uint64_t(XXH3_64bits(bytes ? data : &nothing, bytes)));
}

Result<FileRecord> recordFile(const std::string &path, int threads) {
  LLMOPT_ASSIGN(MappedFile file, MappedFile::open(path));
  FileRecord record;
  record.bytes = file.size();
  record.checksums.resize((file.size() + checksumChunkBytes - 1) / checksumChunkBytes);
  parallelFor(static_cast<int64_t>(record.checksums.size()), threads, [&](int64_t chunk) {
    uint64_t begin = static_cast<uint64_t>(chunk) * checksumChunkBytes;
    uint64_t bytes = std::min(checksumChunkBytes, file.size() - begin);
    record.checksums[chunk] = checksumText(file.data() + begin, bytes);
    file.release(begin, bytes);
  });
  return record;
}

} // namespace llmopt
