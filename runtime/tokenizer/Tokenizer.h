//===- Tokenizer.h - Text to token ids and back -----------------------------------------------===//
//
// A tokenizer comes from the files beside a checkpoint (tokenizer.json, or tokenizer.model of
// SentencePiece), from an artifact, which holds the same files, or from the metadata of a GGUF
// file. All of them are one pipeline of parts (see Pipeline.h). Thread-safe once loaded.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_TOKENIZER_TOKENIZER_H
#define LLMOPT_RUNTIME_TOKENIZER_TOKENIZER_H

#include "runtime/tokenizer/Decoder.h"
#include "support/Error.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmopt {

/// The ids that mark where text begins and ends.
struct SpecialIds {
  std::optional<int32_t> bos;
  std::optional<int32_t> eos;
  /// Every id that ends a generation: eos, and what generation_config.json or the vocabulary calls
  /// the end of a turn. Sorted, without duplicates.
  std::vector<int32_t> stop;
};

class Tokenizer {
public:
  virtual ~Tokenizer() = default;

  /// The ids of a text. Bytes that are not UTF-8 count as U+FFFD. Texts of added tokens ("</s>")
  /// are recognized as such. With `addSpecial` the ids that the model wants around a text (BOS,
  /// EOS) are added, as the tokenizer's files say.
  virtual Result<std::vector<int32_t>> encode(std::string_view text, bool addSpecial) const = 0;

  /// The text of ids, always valid UTF-8. Special tokens are left out unless `writeSpecial`. An id
  /// outside the vocabulary is an Error.
  Result<std::string> decode(const std::vector<int32_t> &ids, bool writeSpecial = false) const;

  /// One past the largest id.
  virtual size_t vocabularySize() const = 0;
  /// Whether the id stands for a token; vocabularies may have holes.
  virtual bool contains(int32_t id) const = 0;
  virtual const SpecialIds &specialIds() const = 0;

protected:
  friend class StreamDecoder;
  virtual const Decoder &decoder() const = 0;
  /// Appends the bytes of an id that the vocabulary contains.
  virtual void appendToken(int32_t id, bool writeSpecial, DecodeState &state,
                           std::string &bytes) const = 0;
};

/// Decodes ids one after the other. What push() and flush() return is, in total, what decode()
/// gives for all the ids; push() never returns part of a character. To continue a prompt, push its
/// ids first, for how a text begins differs from how it goes on. The tokenizer must outlive this.
class StreamDecoder {
public:
  explicit StreamDecoder(const Tokenizer &tokenizer, bool writeSpecial = false);

  /// The text that the id completes; nothing for an id outside the vocabulary (models pad theirs).
  std::string push(int32_t id);
  /// The rest, with unfinished characters replaced. Then a new text begins.
  std::string flush();

private:
  const Tokenizer &tokenizer;
  bool writeSpecial;
  DecodeState state;
  std::string pending; // at most the first bytes of one character
};

/// `path`: a directory with tokenizer.json or tokenizer.model (tokenizer.json is preferred: it is
/// what the reference library runs), or a .gguf file.
Result<std::unique_ptr<Tokenizer>> loadTokenizer(const std::string &path);

/// The names of a checkpoint directory's tokenizer files, to be copied into an artifact so that
/// loadTokenizer gives the same there. Empty if it has none.
std::vector<std::string> tokenizerFiles(const std::string &directory);

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TOKENIZER_TOKENIZER_H
