//===- SourceWriter.h - Indented source text --------------------------------------------------===//

#ifndef LLMOPT_CODEGEN_SOURCEWRITER_H
#define LLMOPT_CODEGEN_SOURCEWRITER_H

#include <fmt/format.h>

#include <string>

namespace llmopt {

/// A file of emitted source, by its path in the artifact.
struct SourceFile {
  std::string path;
  std::string text;
};

/// Collects lines; braces indent what stands between them.
class SourceWriter {
public:
  template <typename... Args> void line(fmt::format_string<Args...> format, Args &&...args) {
    write(fmt::format(format, std::forward<Args>(args)...));
  }
  void line() { content += '\n'; }
  /// Whole lines, as they are.
  void text(const std::string &lines) { content += lines; }

  /// A line that ends in an opening brace, and the matching close.
  template <typename... Args> void open(fmt::format_string<Args...> format, Args &&...args) {
    write(fmt::format(format, std::forward<Args>(args)...) + " {");
    ++depth;
  }
  void close(const char *end = "}") {
    --depth;
    write(end);
  }

  /// Each line of `comment` behind "// ".
  void comment(const std::string &comment) {
    for (size_t begin = 0; begin < comment.size();) {
      size_t end = std::min(comment.find('\n', begin), comment.size());
      write(("// " + comment.substr(begin, end - begin)));
      begin = end + 1;
    }
  }

  const std::string &str() const { return content; }

private:
  void write(const std::string &line) {
    content.append(2 * static_cast<size_t>(depth), ' ');
    content += line;
    content += '\n';
  }

  std::string content;
  int depth = 0;
};

} // namespace llmopt

#endif // LLMOPT_CODEGEN_SOURCEWRITER_H
