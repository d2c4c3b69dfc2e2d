//===- GgufMetadata.h - The key-value header of a GGUF file -----------------------------------===//
//
// GGUF versions 2 and 3, little-endian: magic "GGUF", u32 version, u64 tensors, u64 keys; then the
// keys (string, u32 type, value), then the tensor infos. A string is a u64 length and its bytes, an
// array a u32 type, a u64 count and its values. Every count and length is checked against the bytes
// that are there, and every tensor's place against the size of the file.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_TOKENIZER_GGUFMETADATA_H
#define LLMOPT_RUNTIME_TOKENIZER_GGUFMETADATA_H

#include "support/Error.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace llmopt {

class GgufMetadata {
public:
  /// The strings and arrays stay in `bytes`, which must outlive this. `what` names the file in
  /// errors.
  static Result<GgufMetadata> parse(std::string_view bytes, const std::string &what);

  bool has(const std::string &key) const { return values.count(key) != 0; }

  /// The value of a key: nothing (an empty array) if it is missing, an Error if it is of another
  /// type.
  Result<std::optional<std::string_view>> string(const std::string &key) const;
  Result<std::optional<bool>> boolean(const std::string &key) const;
  /// Any integer type, from `minimum` to `maximum`.
  Result<std::optional<int64_t>> integer(const std::string &key, int64_t minimum,
                                         int64_t maximum) const;
  Result<std::vector<std::string_view>> strings(const std::string &key) const;
  /// Arrays of 32-bit numbers.
  Result<std::vector<int32_t>> integers(const std::string &key) const;
  Result<std::vector<float>> floats(const std::string &key) const;

private:
  /// An array of numbers, as bytes.
  struct NumberArray {
    uint32_t type;
    std::string_view bytes;
  };
  struct Float {
    double value;
  };
  using Value = std::variant<int64_t, uint64_t, Float, bool, std::string_view, NumberArray,
                             std::vector<std::string_view>>;
  friend class GgufReader;

  template <typename T> Result<const T *> get(const std::string &key, const char *kind) const;
  template <typename T>
  Result<std::vector<T>> numbers(const std::string &key, uint32_t first, uint32_t second,
                                 const char *kind) const;

  std::string what;
  std::map<std::string, Value> values;
};

} // namespace llmopt

#endif // LLMOPT_RUNTIME_TOKENIZER_GGUFMETADATA_H
