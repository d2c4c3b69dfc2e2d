//===- Safetensors.h - The safetensors file format, read and written --------------------------===//
//
// Layout: 8 bytes little-endian header length H, H bytes of JSON {name: {dtype, shape,
// data_offsets: [begin, end]}}, then the data, offsets counted from its first byte. Every name,
// type, shape and offset of a file is checked when it is opened: no name is there twice, and the
// tensors cover the data without overlaps and holes.
// https://github.com/huggingface/safetensors#format
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_SUPPORT_SAFETENSORS_H
#define LLMOPT_SUPPORT_SAFETENSORS_H

#include "support/Error.h"
#include "support/Files.h"
#include "support/Json.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace llmopt {

/// One tensor of a file: row-major, little-endian, dense.
struct SafetensorsEntry {
  std::string dtype; ///< "F32", "BF16", "I8", ... as the file spells it
  std::vector<int64_t> shape;
  uint64_t begin = 0; ///< from the first data byte
  uint64_t end = 0;

  uint64_t bytes() const { return end - begin; }
};

/// Bytes of one element of a dtype; 0 for a dtype that is not known.
uint64_t safetensorsElementBytes(const std::string &dtype);

class SafetensorsFile {
public:
  static Result<SafetensorsFile> open(const std::string &path);

  const std::string &path() const { return file.path(); }
  const std::map<std::string, SafetensorsEntry> &entries() const { return tensors; }
  /// Null if there is no such tensor.
  const SafetensorsEntry *find(const std::string &name) const;
  const uint8_t *data(const SafetensorsEntry &entry) const {
    return file.data() + dataOffset + entry.begin;
  }
  /// The position of a tensor's first byte in the file.
  uint64_t fileOffset(const SafetensorsEntry &entry) const { return dataOffset + entry.begin; }
  const MappedFile &mapping() const { return file; }
  /// The `__metadata__` strings.
  const std::map<std::string, std::string> &metadata() const { return meta; }

private:
  MappedFile file;
  uint64_t dataOffset = 0;
  std::map<std::string, SafetensorsEntry> tensors;
  std::map<std::string, std::string> meta;
};

/// The parts of open() that look at bytes, for fuzzing: parses a header of a file with `dataBytes`
/// of data behind it. `what` names the file.
Status parseSafetensorsHeader(std::string_view header, uint64_t dataBytes, const std::string &what,
                              std::map<std::string, SafetensorsEntry> &tensors,
                              std::map<std::string, std::string> &metadata);

/// Lays out a file whose tensors all begin on multiples of `alignment` from the file's first byte.
/// The format has no holes, so gaps are tensors of their own, named "__padding__.N" (U8).
class SafetensorsLayout {
public:
  explicit SafetensorsLayout(uint64_t alignment) : alignment(alignment) {}

  void add(const std::string &name, const std::string &dtype, const std::vector<int64_t> &shape,
           uint64_t bytes);
  /// The 8 length bytes and the header, padded with blanks to the alignment.
  std::string header() const;
  /// Bytes behind the header.
  uint64_t dataBytes() const { return position; }
  const std::map<std::string, SafetensorsEntry> &entries() const { return tensors; }

private:
  uint64_t alignment;
  uint64_t position = 0;
  int paddings = 0;
  OrderedJson json = OrderedJson::object();
  std::map<std::string, SafetensorsEntry> tensors;
};

/// Writes small tensors of float32 (the dumps and goldens).
struct FloatTensor {
  std::vector<int64_t> shape;
  std::vector<float> values;
};
Status writeFloatTensors(const std::string &path,
                         const std::map<std::string, FloatTensor> &tensors);

} // namespace llmopt

#endif // LLMOPT_SUPPORT_SAFETENSORS_H
