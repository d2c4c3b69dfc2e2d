#include "support/Files.h"

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace llmopt {

namespace fs = std::filesystem;

static Error systemError(const std::string &what, const std::string &path) {
  return makeError("cannot {} {}: {}", what, path, std::strerror(errno));
}

namespace {
/// Closes a file descriptor at the end of a scope.
struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0)
      ::close(value);
  }
};
} // namespace

MappedFile::Mapping::~Mapping() {
  if (data)
    ::munmap(const_cast<uint8_t *>(data), size);
}

Result<MappedFile> MappedFile::open(const std::string &path) {
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.value < 0)
    return systemError("open", path);
  struct stat status;
  if (::fstat(file.value, &status) != 0)
    return systemError("read", path);
  if (!S_ISREG(status.st_mode))
    return makeError("{} is not a regular file", path);
  auto mapping = std::make_shared<Mapping>();
  mapping->path = path;
  mapping->size = static_cast<uint64_t>(status.st_size);
  if (mapping->size != 0) {
    void *address = ::mmap(nullptr, mapping->size, PROT_READ, MAP_SHARED, file.value, 0);
    if (address == MAP_FAILED)
      return systemError("map", path);
    mapping->data = static_cast<const uint8_t *>(address);
  }
  MappedFile result;
  result.mapping = std::move(mapping);
  return result;
}

void MappedFile::release(uint64_t offset, uint64_t length) const {
  const uint64_t page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  uint64_t begin = (offset + page - 1) / page * page;
  uint64_t end = std::min(offset + length, size()) / page * page;
  if (begin < end)
    ::madvise(const_cast<uint8_t *>(data()) + begin, end - begin, MADV_DONTNEED);
}

Result<std::string> readFile(const std::string &path, uint64_t limit) {
  LLMOPT_ASSIGN(MappedFile file, MappedFile::open(path));
  if (file.size() > limit)
    return makeError("{} has {} bytes, more than the {} allowed", path, file.size(), limit);
  return std::string(reinterpret_cast<const char *>(file.data()), file.size());
}

/// What `path` names in the end, if it is a link.
static Result<std::string> followLink(const std::string &path) {
  std::error_code code;
  if (!fs::is_symlink(path, code))
    return path;
  fs::path target = fs::weakly_canonical(path, code);
  if (code || fs::is_symlink(target, code))
    return makeError("cannot write {}: the link leads nowhere", path);
  return target.string();
}

/// Writes into a new or opened file; errors name `path`.
static Status writeContent(int file, std::string_view content, const std::string &path) {
  while (!content.empty()) {
    ssize_t written = ::write(file, content.data(), content.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return systemError("write", path);
    content.remove_prefix(static_cast<size_t>(written));
  }
  return success();
}

Status writeFile(const std::string &path, std::string_view content) {
  LLMOPT_ASSIGN(std::string target, followLink(path));
  std::error_code code;
  fs::file_status status = fs::status(target, code);
  if (fs::is_directory(status))
    return makeError("cannot write {}: it is a directory", path);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    Descriptor file{::open(target.c_str(), O_WRONLY | O_CLOEXEC)};
    return file.value < 0 ? systemError("write", path) : writeContent(file.value, content, path);
  }
  // Threads may write the same file at once, too.
  static std::atomic<unsigned> count;
  std::string temporary = fmt::format("{}.tmp-{}-{}", target, ::getpid(), ++count);
  RemoveOnInterrupt removal(temporary);
  Descriptor file{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)};
  if (file.value < 0)
    return systemError("write", path);
  Status written = writeContent(file.value, content, path);
  if (written && ::rename(temporary.c_str(), target.c_str()) != 0)
    written = systemError("write", path);
  if (!written)
    ::unlink(temporary.c_str());
  return written;
}

std::string userCacheFolder(const std::string &name) {
  const char *cache = std::getenv("XDG_CACHE_HOME");
  const char *home = std::getenv("HOME");
  if (cache && *cache)
    return fmt::format("{}/llmopt/{}", cache, name);
  return home && *home ? fmt::format("{}/.cache/llmopt/{}", home, name) : "";
}

Status writeOutput(std::string_view content) {
  if (std::fwrite(content.data(), 1, content.size(), stdout) == content.size() &&
      std::fflush(stdout) == 0 && !std::ferror(stdout))
    return success();
  return makeError("cannot write to standard output: {}", std::strerror(errno));
}

//===- PendingDirectory -----------------------------------------------------------------------===//

/// Nobody else's folder has such a name.
static const char temporaryInfix[] = ".llmopt-unfinished-";

/// Removes what programs that were killed left of `target`: its temporary folders that nobody has
/// locked.
static void removeAbandoned(const fs::path &parent, const std::string &target) {
  std::string prefix = target + temporaryInfix;
  size_t length = prefix.size() + std::strlen("XXXXXX");
  std::error_code code;
  std::vector<fs::path> abandoned;
  for (fs::directory_iterator entry(parent, code), end; !code && entry != end;
       entry.increment(code)) {
    std::string name = entry->path().filename().string();
    if (name.size() != length || name.compare(0, prefix.size(), prefix) != 0)
      continue;
    Descriptor folder{
        ::open(entry->path().c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (folder.value >= 0 && ::flock(folder.value, LOCK_EX | LOCK_NB) == 0)
      abandoned.push_back(entry->path());
  }
  for (const fs::path &path : abandoned)
    fs::remove_all(path, code);
}

PendingDirectory::PendingDirectory(std::string target, std::string temporary, int lock)
    : target(std::move(target)), temporary(std::move(temporary)), lock(lock),
      removal(std::make_unique<RemoveOnInterrupt>(this->temporary)) {}

PendingDirectory::PendingDirectory(PendingDirectory &&other) noexcept
    : target(std::move(other.target)), temporary(std::exchange(other.temporary, {})),
      lock(std::exchange(other.lock, -1)), removal(std::move(other.removal)) {}

PendingDirectory::~PendingDirectory() {
  std::error_code ignored;
  if (!temporary.empty())
    fs::remove_all(temporary, ignored);
  if (lock >= 0)
    ::close(lock);
}

Result<PendingDirectory>
PendingDirectory::create(const std::string &path, const std::string &kind,
                         const std::function<bool(const std::string &)> &mayReplace) {
  std::string target = path;
  while (target.size() > 1 && target.back() == '/')
    target.pop_back();
  LLMOPT_ASSIGN(target, followLink(target));
  std::error_code code;
  if (fs::exists(target, code) && !mayReplace(target))
    return makeError("{} exists and is not {}; not replacing it", path, kind);
  fs::path parent = fs::path(target).parent_path();
  if (parent.empty())
    parent = ".";
  if (!fs::is_directory(parent, code))
    return makeError("cannot write {}: {} is not a directory", path, parent.string());
  // Held until the new folder has a lock of its own.
  Descriptor parentLock{::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (parentLock.value >= 0)
    ::flock(parentLock.value, LOCK_EX);
  removeAbandoned(parent, fs::path(target).filename().string());
  std::string temporary = target + temporaryInfix + "XXXXXX";
  if (!::mkdtemp(temporary.data()))
    return systemError("write", path);
  int lock = ::open(temporary.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock >= 0)
    ::flock(lock, LOCK_EX | LOCK_NB);
  // mkdtemp makes a private folder; the artifact is for whoever may read its parent.
  fs::permissions(temporary,
                  fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec |
                      fs::perms::others_read | fs::perms::others_exec,
                  code);
  return PendingDirectory(std::move(target), std::move(temporary), lock);
}

/// Puts `from` in the place of the folder `to`, whose content is then at the name returned.
static Result<std::string> replaceFolder(const std::string &from, const std::string &to) {
  // In one step where the file system can: there is always a whole artifact of that name.
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0)
    return from;
  std::string old = from + ".old";
  if (::rename(to.c_str(), old.c_str()) != 0)
    return systemError("replace", to);
  if (::rename(from.c_str(), to.c_str()) == 0)
    return old;
  Error error = systemError("write", to);
  ::rename(old.c_str(), to.c_str());
  return error;
}

Status PendingDirectory::commit() {
  std::error_code code;
  std::string old;
  if (fs::exists(target, code)) {
    LLMOPT_ASSIGN(old, replaceFolder(temporary, target));
  } else if (::rename(temporary.c_str(), target.c_str()) != 0) {
    return systemError("write", target);
  }
  temporary.clear();
  if (!old.empty())
    fs::remove_all(old, code);
  removal.reset();
  return success();
}

} // namespace llmopt
