#include "support/Safetensors.h"

#include <algorithm>
#include <cstring>

namespace llmopt {

/// The format's own limit on a header.
static constexpr uint64_t maximumHeaderBytes = 100'000'000;

uint64_t safetensorsElementBytes(const std::string &dtype) {
  static const std::map<std::string, uint64_t> bytes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1},
      {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},
      {"U32", 4},  {"F32", 4}, {"F64", 8}, {"I64", 8},     {"U64", 8}};
  auto found = bytes.find(dtype);
  return found == bytes.end() ? 0 : found->second;
}

/// Fills `entry` from its JSON and checks it against itself and the data behind the header.
static Status parseEntry(const Json &json, uint64_t dataBytes, const std::string &where,
                         SafetensorsEntry &entry) {
  LLMOPT_ASSIGN(entry.dtype, jsonString(json, "dtype", where));
  uint64_t elementBytes = safetensorsElementBytes(entry.dtype);
  if (elementBytes == 0)
    return makeError("{}: unknown dtype '{}'", where, shortened(entry.dtype));
  LLMOPT_ASSIGN(const Json *shape, jsonArray(json, "shape", where));
  LLMOPT_ASSIGN(const Json *offsets, jsonArray(json, "data_offsets", where));
  uint64_t bytes = elementBytes;
  for (const Json &dimension : *shape) {
    if (!dimension.is_number_unsigned())
      return makeError("{}: shape has '{}', not a size", where, shortened(dimension.dump()));
    uint64_t size = dimension.get<uint64_t>();
    if (size > INT64_MAX || __builtin_mul_overflow(bytes, size, &bytes))
      return makeError("{}: shape {} is too large", where, shortened(shape->dump()));
    entry.shape.push_back(static_cast<int64_t>(size));
  }
  if (offsets->size() != 2 || !(*offsets)[0].is_number_unsigned() ||
      !(*offsets)[1].is_number_unsigned())
    return makeError("{}: data_offsets must be two sizes, not {}", where,
                     shortened(offsets->dump()));
  entry.begin = (*offsets)[0].get<uint64_t>();
  entry.end = (*offsets)[1].get<uint64_t>();
  if (entry.begin > entry.end || entry.end > dataBytes)
    return makeError("{}: data_offsets {} lie outside the file's {} data bytes", where,
                     offsets->dump(), dataBytes);
  if (entry.bytes() != bytes)
    return makeError("{}: {} of shape {} needs {} bytes, data_offsets give {}", where, entry.dtype,
                     shortened(shape->dump()), bytes, entry.bytes());
  return success();
}

static Status parseMetadata(const Json &json, const std::string &what,
                            std::map<std::string, std::string> &metadata) {
  if (json.is_null())
    return success();
  if (!json.is_object())
    return makeError("{}: __metadata__ is not a JSON object", what);
  for (const auto &[key, text] : json.items()) {
    if (!text.is_string())
      return makeError("{}: __metadata__ has '{}', which is not a string", what, shortened(key));
    metadata[key] = text.get<std::string>();
  }
  return success();
}

/// The tensors lie one behind the other, without holes, and are all of the data.
static Status checkCover(const std::map<std::string, SafetensorsEntry> &tensors, uint64_t dataBytes,
                         const std::string &what) {
  using Named = std::map<std::string, SafetensorsEntry>::value_type;
  std::vector<const Named *> sorted;
  sorted.reserve(tensors.size());
  for (const Named &tensor : tensors)
    sorted.push_back(&tensor);
  auto place = [](const Named *tensor) {
    return std::pair(tensor->second.begin, tensor->second.end);
  };
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const Named *a, const Named *b) { return place(a) < place(b); });
  const Named *last = nullptr;
  uint64_t covered = 0;
  for (const Named *tensor : sorted) {
    const auto &[name, entry] = *tensor;
    if (entry.begin < covered)
      return makeError("{}: tensors '{}' and '{}' overlap", what, shortened(last->first),
                       shortened(name));
    if (entry.begin > covered)
      return makeError("{}: {} bytes before tensor '{}' are no tensor's", what,
                       entry.begin - covered, shortened(name));
    covered = entry.end;
    last = tensor;
  }
  if (covered != dataBytes)
    return makeError("{}: the last {} bytes are no tensor's", what, dataBytes - covered);
  return success();
}

Status parseSafetensorsHeader(std::string_view header, uint64_t dataBytes, const std::string &what,
                              std::map<std::string, SafetensorsEntry> &tensors,
                              std::map<std::string, std::string> &metadata) {
  LLMOPT_ASSIGN(Json json, parseUniqueJson(header, what + ": the header"));
  if (!json.is_object())
    return makeError("{}: the header is not a JSON object", what);
  for (const auto &[name, value] : json.items()) {
    if (name == "__metadata__") {
      LLMOPT_TRY(parseMetadata(value, what, metadata));
      continue;
    }
    LLMOPT_TRY(parseEntry(value, dataBytes, fmt::format("{}: tensor '{}'", what, shortened(name)),
                          tensors[name]));
  }
  return checkCover(tensors, dataBytes, what);
}

Result<SafetensorsFile> SafetensorsFile::open(const std::string &path) {
  SafetensorsFile result;
  LLMOPT_ASSIGN(result.file, MappedFile::open(path));
  uint64_t size = result.file.size();
  if (size < 8)
    return makeError("{} has {} bytes, too few for a safetensors file", path, size);
  uint64_t headerBytes;
  std::memcpy(&headerBytes, result.file.data(), 8);
  if (headerBytes > maximumHeaderBytes || headerBytes > size - 8)
    return makeError("{}: the header claims {} bytes, the file has {}", path, headerBytes, size);
  result.dataOffset = 8 + headerBytes;
  std::string_view header(reinterpret_cast<const char *>(result.file.data()) + 8, headerBytes);
  LLMOPT_TRY(
      parseSafetensorsHeader(header, size - result.dataOffset, path, result.tensors, result.meta));
  return result;
}

const SafetensorsEntry *SafetensorsFile::find(const std::string &name) const {
  auto found = tensors.find(name);
  return found == tensors.end() ? nullptr : &found->second;
}

void SafetensorsLayout::add(const std::string &name, const std::string &dtype,
                            const std::vector<int64_t> &shape, uint64_t bytes) {
  auto place = [&](const std::string &entryName, const std::string &entryType,
                   const std::vector<int64_t> &entryShape, uint64_t entryBytes) {
    tensors[entryName] = {entryType, entryShape, position, position + entryBytes};
    json[entryName] = {{"dtype", entryType},
                       {"shape", entryShape},
                       {"data_offsets", {position, position + entryBytes}}};
    position += entryBytes;
  };
  if (uint64_t rest = position % alignment) {
    uint64_t gap = alignment - rest;
    place(fmt::format("__padding__.{}", paddings++), "U8", {static_cast<int64_t>(gap)}, gap);
  }
  place(name, dtype, shape, bytes);
}

std::string SafetensorsLayout::header() const {
  std::string text = json.dump();
  text.resize((text.size() + 8 + alignment - 1) / alignment * alignment - 8, ' ');
  uint64_t length = text.size();
  std::string result(8, '\0');
  std::memcpy(result.data(), &length, 8);
  return result + text;
}

Status writeFloatTensors(const std::string &path,
                         const std::map<std::string, FloatTensor> &tensors) {
  SafetensorsLayout layout(8);
  for (const auto &[name, tensor] : tensors)
    layout.add(name, "F32", tensor.shape, tensor.values.size() * sizeof(float));
  std::string content = layout.header();
  size_t dataOffset = content.size();
  content.resize(dataOffset + layout.dataBytes());
  for (const auto &[name, tensor] : tensors)
    std::memcpy(content.data() + dataOffset + layout.entries().at(name).begin, tensor.values.data(),
                tensor.values.size() * sizeof(float));
  return writeFile(path, content);
}

} // namespace llmopt
