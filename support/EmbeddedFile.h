//===- EmbeddedFile.h - Files inside a program (cmake/Embed.cmake) ----------------------------===//

#ifndef LLMOPT_SUPPORT_EMBEDDEDFILE_H
#define LLMOPT_SUPPORT_EMBEDDEDFILE_H

#include <string>

namespace llmopt {

struct EmbeddedFile {
  std::string name;
  std::string content;
};

} // namespace llmopt

#endif // LLMOPT_SUPPORT_EMBEDDEDFILE_H
