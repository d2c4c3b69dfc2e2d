#include "runtime/tokenizer/GgufMetadata.h"

#include <algorithm>
#include <cstring>

namespace llmopt {

namespace {
enum GgufType : uint32_t {
  U8 = 0,
  I8 = 1,
  U16 = 2,
  I16 = 3,
  U32 = 4,
  I32 = 5,
  F32 = 6,
  Bool = 7,
  String = 8,
  Array = 9,
  U64 = 10,
  I64 = 11,
  F64 = 12,
};
} // namespace

/// The bytes of a number, 0 for what is none.
static size_t sizeOf(uint32_t type) {
  switch (type) {
  case U8:
  case I8:
  case Bool:
    return 1;
  case U16:
  case I16:
    return 2;
  case U32:
  case I32:
  case F32:
    return 4;
  case U64:
  case I64:
  case F64:
    return 8;
  default:
    return 0;
  }
}

/// Reads a GGUF header from front to back.
class GgufReader {
public:
  GgufReader(std::string_view bytes, GgufMetadata &metadata) : bytes(bytes), metadata(metadata) {}

  Status read();

private:
  Status readValue(std::string_view key);
  /// `key` is the key as messages name it.
  Result<GgufMetadata::Value> readArray(const std::string &key);
  Result<GgufMetadata::Value> readScalar(uint32_t type, const std::string &key);
  Status readTensors(uint64_t count);
  Result<std::string_view> readString(const char *of);

  template <typename T> Result<T> number(const char *of) {
    if (bytes.size() - position < sizeof(T))
      return makeError("{} ends within {}", metadata.what, of);
    T value;
    std::memcpy(&value, bytes.data() + position, sizeof(T));
    position += sizeof(T);
    return value;
  }

  std::string_view bytes;
  size_t position = 0;
  GgufMetadata &metadata;
};

Status GgufReader::read() {
  if (bytes.substr(0, 4) != "GGUF")
    return makeError("{} is not a GGUF file: it does not begin with \"GGUF\"", metadata.what);
  position = 4;
  LLMOPT_ASSIGN(uint32_t version, number<uint32_t>("the version"));
  if (version != 2 && version != 3)
    return makeError("{} is GGUF version {}; versions 2 and 3 (little-endian) are supported",
                     metadata.what, version);
  LLMOPT_ASSIGN(uint64_t tensors, number<uint64_t>("the number of tensors"));
  LLMOPT_ASSIGN(uint64_t keys, number<uint64_t>("the number of keys"));
  // The shortest key and value take 13 bytes: an empty name, a type, one byte.
  if (keys > bytes.size() / 13)
    return makeError("{} says that it has {} keys, more than fit into its {} bytes", metadata.what,
                     keys, bytes.size());
  for (uint64_t i = 0; i < keys; ++i) {
    LLMOPT_ASSIGN(std::string_view key, readString("a key"));
    LLMOPT_TRY(readValue(key));
  }
  return readTensors(tensors);
}

Result<std::string_view> GgufReader::readString(const char *of) {
  LLMOPT_ASSIGN(uint64_t length, number<uint64_t>(of));
  if (length > bytes.size() - position)
    return makeError("{}: {} has a length of {}, past the end of the file", metadata.what, of,
                     length);
  std::string_view text = bytes.substr(position, length);
  position += length;
  return text;
}

Status GgufReader::readValue(std::string_view key) {
  const std::string name = shortened(key);
  LLMOPT_ASSIGN(uint32_t type, number<uint32_t>("the type of a value"));
  LLMOPT_ASSIGN(GgufMetadata::Value value,
                type == Array ? readArray(name) : readScalar(type, name));
  if (!metadata.values.emplace(key, std::move(value)).second)
    return makeError("{} has the key {} twice", metadata.what, name);
  return success();
}

Result<GgufMetadata::Value> GgufReader::readScalar(uint32_t type, const std::string &key) {
  using Value = GgufMetadata::Value;
  constexpr const char *of = "a value";
  switch (type) {
#define LLMOPT_SCALAR(tag, stored, type)                                                           \
  case tag: {                                                                                      \
    LLMOPT_ASSIGN(stored value, number<stored>(of));                                               \
    return Value(type(value));                                                                     \
  }
    LLMOPT_SCALAR(U8, uint8_t, uint64_t)
    LLMOPT_SCALAR(I8, int8_t, int64_t)
    LLMOPT_SCALAR(U16, uint16_t, uint64_t)
    LLMOPT_SCALAR(I16, int16_t, int64_t)
    LLMOPT_SCALAR(U32, uint32_t, uint64_t)
    LLMOPT_SCALAR(I32, int32_t, int64_t)
    LLMOPT_SCALAR(U64, uint64_t, uint64_t)
    LLMOPT_SCALAR(I64, int64_t, int64_t)
#undef LLMOPT_SCALAR
  case F32: {
    LLMOPT_ASSIGN(float value, number<float>(of));
    return Value(GgufMetadata::Float{value});
  }
  case F64: {
    LLMOPT_ASSIGN(double value, number<double>(of));
    return Value(GgufMetadata::Float{value});
  }
  case Bool: {
    LLMOPT_ASSIGN(uint8_t value, number<uint8_t>(of));
    if (value > 1)
      return makeError("{}: {} is a boolean of value {}", metadata.what, key, value);
    return Value(value == 1);
  }
  case String: {
    LLMOPT_ASSIGN(std::string_view text, readString("a string"));
    return Value(text);
  }
  default:
    return makeError("{}: {} has the unknown type {}", metadata.what, key, type);
  }
}

Result<GgufMetadata::Value> GgufReader::readArray(const std::string &key) {
  using Value = GgufMetadata::Value;
  LLMOPT_ASSIGN(uint32_t type, number<uint32_t>("the type of an array"));
  LLMOPT_ASSIGN(uint64_t count, number<uint64_t>("the length of an array"));
  const uint64_t left = bytes.size() - position;
  if (type == String) {
    if (count > left / sizeof(uint64_t))
      return makeError("{}: {} says that it has {} strings, more than fit into the file",
                       metadata.what, key, count);
    std::vector<std::string_view> texts;
    texts.reserve(count);
    for (uint64_t i = 0; i < count; ++i) {
      LLMOPT_ASSIGN(std::string_view text, readString("a string of an array"));
      texts.push_back(text);
    }
    return Value(std::move(texts));
  }
  size_t size = sizeOf(type);
  if (size == 0)
    return makeError("{}: {} is an array of type {}, which is not supported", metadata.what, key,
                     type);
  if (count > left / size)
    return makeError("{}: {} says that it has {} values, more than fit into the file",
                     metadata.what, key, count);
  std::string_view data = bytes.substr(position, count * size);
  position += data.size();
  return Value(GgufMetadata::NumberArray{type, data});
}

/// The tensors themselves are none of the metadata's business, but a file that is cut short is
/// found out here: each must begin within the data, which begins at the next multiple of the
/// alignment.
Status GgufReader::readTensors(uint64_t count) {
  LLMOPT_ASSIGN(auto alignment, metadata.integer("general.alignment", 1, 1 << 20));
  uint64_t last = 0;
  // A tensor info takes at least 24 bytes: an empty name, no dimensions, a type, an offset.
  if (count > bytes.size() / 24)
    return makeError("{} says that it has {} tensors, more than fit into its {} bytes",
                     metadata.what, count, bytes.size());
  for (uint64_t i = 0; i < count; ++i) {
    LLMOPT_ASSIGN(std::string_view name, readString("the name of a tensor"));
    LLMOPT_ASSIGN(uint32_t rank, number<uint32_t>("a tensor's shape"));
    if (rank > 8)
      return makeError("{}: tensor {} has {} dimensions", metadata.what, shortened(name), rank);
    bool empty = false;
    for (uint32_t d = 0; d < rank; ++d) {
      LLMOPT_ASSIGN(uint64_t extent, number<uint64_t>("a tensor's shape"));
      empty |= extent == 0;
    }
    LLMOPT_TRY(number<uint32_t>("a tensor's type"));
    LLMOPT_ASSIGN(uint64_t offset, number<uint64_t>("a tensor's offset"));
    if (offset >= bytes.size() && !empty)
      return makeError("{}: tensor {} begins at {}, past the end of the file", metadata.what,
                       shortened(name), offset);
    last = std::max(last, offset);
  }
  uint64_t align = static_cast<uint64_t>(alignment.value_or(32));
  uint64_t data = (position + align - 1) / align * align;
  if (count > 0 && (data > bytes.size() || last >= bytes.size() - data))
    return makeError("{} ends before its tensors: the last begins at {} of a file of {} bytes",
                     metadata.what, data + last, bytes.size());
  return success();
}

Result<GgufMetadata> GgufMetadata::parse(std::string_view bytes, const std::string &what) {
  GgufMetadata metadata;
  metadata.what = what;
  LLMOPT_TRY(GgufReader(bytes, metadata).read());
  return metadata;
}

template <typename T>
Result<const T *> GgufMetadata::get(const std::string &key, const char *kind) const {
  auto found = values.find(key);
  if (found == values.end())
    return static_cast<const T *>(nullptr);
  if (const T *value = std::get_if<T>(&found->second))
    return value;
  return makeError("{}: {} is not {}", what, key, kind);
}

Result<std::optional<std::string_view>> GgufMetadata::string(const std::string &key) const {
  LLMOPT_ASSIGN(const auto *value, get<std::string_view>(key, "a string"));
  return value ? std::make_optional(*value) : std::nullopt;
}

Result<std::optional<bool>> GgufMetadata::boolean(const std::string &key) const {
  LLMOPT_ASSIGN(const auto *value, get<bool>(key, "a boolean"));
  return value ? std::make_optional(*value) : std::nullopt;
}

Result<std::optional<int64_t>> GgufMetadata::integer(const std::string &key, int64_t minimum,
                                                     int64_t maximum) const {
  auto found = values.find(key);
  if (found == values.end())
    return std::optional<int64_t>();
  int64_t value = 0;
  if (const auto *natural = std::get_if<uint64_t>(&found->second))
    value = *natural > uint64_t(INT64_MAX) ? INT64_MAX : static_cast<int64_t>(*natural);
  else if (const auto *whole = std::get_if<int64_t>(&found->second))
    value = *whole;
  else
    return makeError("{}: {} is not an integer", what, key);
  if (value < minimum || value > maximum)
    return makeError("{}: {} is {}, outside {} to {}", what, key, value, minimum, maximum);
  return std::make_optional(value);
}

Result<std::vector<std::string_view>> GgufMetadata::strings(const std::string &key) const {
  LLMOPT_ASSIGN(const auto *value, get<std::vector<std::string_view>>(key, "an array of strings"));
  return value ? *value : std::vector<std::string_view>();
}

template <typename T>
Result<std::vector<T>> GgufMetadata::numbers(const std::string &key, uint32_t first,
                                             uint32_t second, const char *kind) const {
  LLMOPT_ASSIGN(const auto *array, get<NumberArray>(key, kind));
  if (!array)
    return std::vector<T>();
  if (array->type != first && array->type != second)
    return makeError("{}: {} is not {}", what, key, kind);
  std::vector<T> numbers(array->bytes.size() / sizeof(T));
  if (!numbers.empty())
    std::copy_n(array->bytes.begin(), numbers.size() * sizeof(T),
                reinterpret_cast<char *>(numbers.data()));
  return numbers;
}

Result<std::vector<int32_t>> GgufMetadata::integers(const std::string &key) const {
  return numbers<int32_t>(key, I32, U32, "an array of 32-bit integers");
}

Result<std::vector<float>> GgufMetadata::floats(const std::string &key) const {
  return numbers<float>(key, F32, F32, "an array of 32-bit floats");
}

} // namespace llmopt
