#include "support/Process.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>

namespace llmopt {

static bool isProgram(const std::string &path) { return ::access(path.c_str(), X_OK) == 0; }

Result<std::string> findProgram(const std::string &name, const std::string &why) {
  if (name.find('/') != std::string::npos) {
    if (isProgram(name))
      return name;
  } else if (const char *path = std::getenv("PATH")) {
    std::string folders = path;
    for (size_t begin = 0; begin <= folders.size();) {
      size_t end = std::min(folders.find(':', begin), folders.size());
      std::string candidate = folders.substr(begin, end - begin) + "/" + name;
      if (isProgram(candidate))
        return candidate;
      begin = end + 1;
    }
  }
  return makeError("no program '{}' found: {}", name, why);
}

Result<std::string> findCompiler(const std::string &why) {
  const char *chosen = std::getenv("CXX");
  if (!chosen || !*chosen)
    return findProgram("c++", why);
  Result<std::string> program = findProgram(chosen, why);
  if (!program)
    return makeError("CXX names '{}', and there is no such program: {}", chosen, why);
  return program;
}

/// All that comes out of a pipe.
static std::string readAll(int pipe) {
  std::string text;
  char buffer[4096];
  for (;;) {
    ssize_t count = ::read(pipe, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return text;
    text.append(buffer, static_cast<size_t>(count));
  }
}

/// The line of a failed program's output that says why: the first that tells an error, else the
/// first.
static std::string_view reasonIn(std::string_view output) {
  size_t at = 0;
  for (const char *sign : {"error:", "undefined reference"})
    if (size_t found = output.find(sign); found != std::string_view::npos) {
      at = found;
      break;
    }
  output.remove_prefix(output.rfind('\n', at) + 1);
  return output.substr(0, output.find('\n'));
}

Result<std::string> runProgram(const std::vector<std::string> &words,
                               const std::string &directory) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0)
    return makeError("cannot run {}: {}", words.front(), std::strerror(errno));
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, pipe[1], 1);
  ::posix_spawn_file_actions_adddup2(&actions, pipe[1], 2);
  ::posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  std::vector<char *> arguments;
  arguments.reserve(words.size() + 1);
  for (const std::string &word : words)
    arguments.push_back(const_cast<char *>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t child = 0;
  int code = ::posix_spawn(&child, arguments.front(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  if (code != 0) {
    ::close(pipe[0]);
    return makeError("cannot run {}: {}", words.front(), std::strerror(code));
  }
  std::string output = readAll(pipe[0]);
  ::close(pipe[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR)
    continue;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return output;
  if (WIFSIGNALED(status))
    return makeError("{} was ended by signal {}", words.front(), WTERMSIG(status));
  if (output.find_first_not_of(" \t\r\n") == std::string::npos)
    return makeError("{} failed without saying why", words.front());
  return makeError("{} failed: {}", words.front(), reasonIn(output));
}

} // namespace llmopt
