//===- Files.h - Mapped files, whole files, files written all or nothing ----------------------===//

#ifndef LLMOPT_SUPPORT_FILES_H
#define LLMOPT_SUPPORT_FILES_H

#include "support/Error.h"
#include "support/Interrupt.h"

#include <cstddef>
#include <cstdint>
#include <functional>
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
/// file or the new one. A link is followed; into what is no regular file (a device, a pipe) the
/// content is written.
Status writeFile(const std::string &path, std::string_view content);

/// Writes to standard output, through what stdio may still hold for it.
Status writeOutput(std::string_view content);

/// Where this program keeps what saves time the next time: $XDG_CACHE_HOME/llmopt/`name` or
/// ~/.cache/llmopt/`name`. It need not exist; empty if the environment has neither.
std::string userCacheFolder(const std::string &name);

/// A directory that appears under its final name only when commit() is called. Until then it is a
/// temporary folder beside it, which goes when the object is destroyed without a commit, when the
/// program is interrupted, or else when the next one of that name is created.
class PendingDirectory {
public:
  /// `path` is the final name; a link is followed. An existing directory of that name is replaced
  /// on commit, and only if mayReplace(directory), so that an artifact may be rebuilt and nothing
  /// else is lost; `kind` is what it has to be, for the error: "an artifact".
  static Result<PendingDirectory>
  create(const std::string &path, const std::string &kind,
         const std::function<bool(const std::string &)> &mayReplace);
  PendingDirectory(PendingDirectory &&other) noexcept;
  PendingDirectory &operator=(PendingDirectory &&) = delete;
  ~PendingDirectory();

  /// The temporary folder to write into.
  const std::string &path() const { return temporary; }
  Status commit();

private:
  PendingDirectory(std::string target, std::string temporary, int lock);
  std::string target;
  std::string temporary;
  int lock = -1; ///< an open descriptor of the folder, locked: somebody is still writing it
  std::unique_ptr<RemoveOnInterrupt> removal;
};

} // namespace llmopt

#endif // LLMOPT_SUPPORT_FILES_H
