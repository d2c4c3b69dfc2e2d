//===- Files.h - Mapped files, whole files, files written all or nothing ----------------------===//

#ifndef LLMOPT_SUPPORT_FILES_H
#define LLMOPT_SUPPORT_FILES_H

#include "support/Error.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace llmopt {

/// A whole file, read-only, in memory for as long as the object lives. Copies share the mapping.
class MappedFile {
public:
  static Result<MappedFile> open(const std::string &path);

  const std::string &path() const { return mapping->path; }
  const uint8_t *data() const { return mapping->data; }
  uint64_t size() const { return mapping->size; }

  /// Tells the system that [offset, offset + length) is not needed soon, so that streaming through
  /// a large file does not keep it resident.
  void release(uint64_t offset, uint64_t length) const;

private:
  struct Mapping {
    ~Mapping();
    std::string path;
    const uint8_t *data = nullptr;
    uint64_t size = 0;
  };
  std::shared_ptr<const Mapping> mapping;
};

/// The bytes of a file of at most `limit` bytes.
Result<std::string> readFile(const std::string &path, uint64_t limit = uint64_t(1) << 31);

/// Writes a file under a temporary name beside `path` and renames it, so that a reader sees the old
/// file or the new one.
Status writeFile(const std::string &path, std::string_view content);

/// A directory that appears under its final name only when commit() is called; until then, and on
/// destruction without a commit, its temporary folder is removed.
class PendingDirectory {
public:
  /// `path` is the final name. An existing directory of that name is replaced on commit, and only
  /// if it holds `marker` (a file name), so that an artifact may be rebuilt and nothing else is
  /// lost.
  static Result<PendingDirectory> create(const std::string &path, const std::string &marker);
  PendingDirectory(PendingDirectory &&other) noexcept;
  PendingDirectory &operator=(PendingDirectory &&) = delete;
  ~PendingDirectory();

  /// The temporary folder to write into.
  const std::string &path() const { return temporary; }
  Status commit();

private:
  PendingDirectory(std::string target, std::string temporary);
  std::string target;
  std::string temporary;
};

} // namespace llmopt

#endif // LLMOPT_SUPPORT_FILES_H
