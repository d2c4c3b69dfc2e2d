#include "support/Files.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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

Status writeFile(const std::string &path, std::string_view content) {
  std::string temporary = fmt::format("{}.tmp-{}", path, ::getpid());
  {
    Descriptor file{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)};
    if (file.value < 0)
      return systemError("write", temporary);
    while (!content.empty()) {
      ssize_t written = ::write(file.value, content.data(), content.size());
      if (written < 0 && errno == EINTR)
        continue;
      if (written < 0) {
        Error error = systemError("write", temporary);
        ::unlink(temporary.c_str());
        return error;
      }
      content.remove_prefix(static_cast<size_t>(written));
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    Error error = systemError("write", path);
    ::unlink(temporary.c_str());
    return error;
  }
  return success();
}

PendingDirectory::PendingDirectory(std::string target, std::string temporary)
    : target(std::move(target)), temporary(std::move(temporary)) {}

PendingDirectory::PendingDirectory(PendingDirectory &&other) noexcept
    : target(std::move(other.target)), temporary(std::exchange(other.temporary, {})) {}

PendingDirectory::~PendingDirectory() {
  std::error_code ignored;
  if (!temporary.empty())
    fs::remove_all(temporary, ignored);
}

Result<PendingDirectory> PendingDirectory::create(const std::string &path,
                                                  const std::string &marker) {
  std::string target = path;
  while (target.size() > 1 && target.back() == '/')
    target.pop_back();
  std::error_code code;
  if (fs::exists(target, code) && !fs::exists(fs::path(target) / marker, code))
    return makeError("{} exists and holds no {}; not replacing it", target, marker);
  fs::path parent = fs::path(target).parent_path();
  if (!parent.empty() && !fs::is_directory(parent, code))
    return makeError("cannot write {}: {} is not a directory", target, parent.string());
  std::string temporary = target + ".tmp-XXXXXX";
  if (!::mkdtemp(temporary.data()))
    return systemError("write", target);
  // mkdtemp makes a private folder; the artifact is for whoever may read its parent.
  fs::permissions(temporary,
                  fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec |
                      fs::perms::others_read | fs::perms::others_exec,
                  code);
  return PendingDirectory(std::move(target), std::move(temporary));
}

Status PendingDirectory::commit() {
  std::error_code code;
  std::string old;
  if (fs::exists(target, code)) {
    old = temporary + ".old";
    fs::rename(target, old, code);
    if (code)
      return makeError("cannot replace {}: {}", target, code.message());
  }
  fs::rename(temporary, target, code);
  if (code) {
    std::error_code ignored;
    if (!old.empty())
      fs::rename(old, target, ignored);
    return makeError("cannot write {}: {}", target, code.message());
  }
  temporary.clear();
  if (!old.empty())
    fs::remove_all(old, code);
  return success();
}

} // namespace llmopt
