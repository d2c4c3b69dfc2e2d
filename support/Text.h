//===- Text.h - Text from elsewhere, as a message shows it ------------------------------------===//

#ifndef LLMOPT_SUPPORT_TEXT_H
#define LLMOPT_SUPPORT_TEXT_H

#include <string>
#include <string_view>

namespace llmopt {

/// The text on one line that a terminal can show: control characters, and bytes that are not UTF-8,
/// as \n, \t and \xNN.
std::string printable(std::string_view text);

/// A name or value that a file gives: of a long one, the first `limit` bytes and dots.
std::string shortened(std::string_view text, size_t limit = 80);

} // namespace llmopt

#endif // LLMOPT_SUPPORT_TEXT_H
