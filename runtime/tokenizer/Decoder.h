//===- Decoder.h - From tokens back to bytes --------------------------------------------------===//
//
// The `decoder` of a tokenizer.json, and those of SentencePiece and GGUF vocabularies. A token's
// bytes depend on the tokens before it only through DecodeState, so that text can be decoded while
// it is made; bytes need not be whole characters until the next token.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_TOKENIZER_DECODER_H
#define LLMOPT_RUNTIME_TOKENIZER_DECODER_H

#include "runtime/tokenizer/Unicode.h"
#include "support/Json.h"

#include <functional>
#include <vector>

namespace llmopt {

/// Where in a text the decoder is.
struct DecodeState {
  bool first = true;     // no token yet
  size_t strippable = 0; // how many leading characters may still be dropped
};

class Decoder {
public:
  /// Rewrites a token's text into bytes; `first`: it begins the text.
  using Step = std::function<void(std::string &token, bool first)>;

  Decoder() = default;
  /// Drops up to `leadingCount` times `leading` from the begin of the text.
  Decoder(std::vector<Step> steps, Utf8Repair repair, std::string leading = {},
          size_t leadingCount = 0)
      : steps(std::move(steps)), invalid(repair), leading(std::move(leading)),
        leadingCount(leadingCount) {}

  /// From a tokenizer.json's `decoder` (null: tokens joined by blanks). What is not supported is an
  /// Error that names it.
  static Result<Decoder> parse(const Json &json, const std::string &what);

  DecodeState start() const { return {true, leading.empty() ? 0 : leadingCount}; }
  void append(std::string token, DecodeState &state, std::string &bytes) const;
  /// Appends a text that no step applies to.
  void appendLiteral(std::string_view text, DecodeState &state, std::string &bytes) const;

  Utf8Repair repair() const { return invalid; }

private:
  std::vector<Step> steps;
  Utf8Repair invalid = Utf8Repair::PerSequence;
  std::string leading;
  size_t leadingCount = 0;
};

/// Characters of GPT-2's table back to bytes; a token with any other character is left as it is.
Decoder::Step byteLevelDecodeStep();
/// <0xAB> to the byte AB.
Decoder::Step byteFallbackStep();
Decoder::Step decodeReplaceStep(std::string from, std::string to);

/// How SentencePiece decodes: ▁ is a blank, and bytes are themselves. Of the blanks that begin a
/// text, DropOne leaves out the one that encoding puts there, and DropAll all, as for models that
/// remove extra white space.
enum class LeadingBlanks { Keep, DropOne, DropAll };
Decoder sentencePieceDecoder(LeadingBlanks blanks);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TOKENIZER_DECODER_H
