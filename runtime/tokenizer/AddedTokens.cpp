#include "runtime/tokenizer/AddedTokens.h"
#include "runtime/tokenizer/Unicode.h"

#include <algorithm>

namespace llmopt {

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> added,
                                     const std::vector<std::string> &texts)
    : tokens(std::move(added)) {
  std::vector<std::pair<std::string, int32_t>> entries;
  entries.reserve(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i)
    entries.emplace_back(texts[i], static_cast<int32_t>(i));
  index = PrefixIndex(std::move(entries));
}

static bool endsInWord(std::string_view text) {
  size_t position = text.size();
  return !text.empty() && isWordCharacter(previousCharacter(text, position));
}

static bool beginsWithWord(std::string_view text) {
  size_t position = 0;
  return !text.empty() && isWordCharacter(nextCharacter(text, position));
}

std::vector<Segment> AddedTokenMatcher::split(std::string_view text) const {
  std::vector<Segment> segments;
  size_t done = 0; // everything before it is in a segment
  for (size_t position = 0; position < text.size();) {
    size_t length = 0;
    const AddedToken *token = nullptr;
    index.forEachPrefix(text.substr(position), [&](size_t size, int32_t which) {
      length = size;
      token = &tokens[static_cast<size_t>(which)];
    });
    if (!token) {
      position += utf8Length(text[position]);
      continue;
    }
    size_t begin = position, end = position + length;
    position = end;
    if (token->singleWord &&
        (endsInWord(text.substr(0, begin)) || beginsWithWord(text.substr(end))))
      continue;
    if (token->stripLeft)
      for (size_t next = begin; begin > done; begin = next)
        if (!isWhitespace(previousCharacter(text, next)))
          break;
    if (token->stripRight)
      for (size_t next = end; end < text.size(); end = next)
        if (!isWhitespace(nextCharacter(text, next)))
          break;
    begin = std::max(begin, done);
    if (done < begin)
      segments.push_back({-1, done, begin});
    segments.push_back({token->id, begin, end});
    done = position = end;
  }
  if (done < text.size())
    segments.push_back({-1, done, text.size()});
  return segments;
}

} // namespace llmopt
