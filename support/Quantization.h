//===- Quantization.h - Weights of few bits: codes, scales, rounding to nearest ---------------===//
//
// A row of a weight is cut into groups of consecutive elements. A group has a scale and, of some
// codes, a zero point; an element is a code of 8 or 4 bits:
//
//   i8, i4     scale * (code - 128), scale * (code - 8)
//   u8, u4     scale * (code - zero)
//   nf4, fp4   scale * table[code], the tables of QLoRA (Dettmers et al. 2023) as bitsandbytes has
//              them
//
// Codes are unsigned throughout, as kernels read them.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_SUPPORT_QUANTIZATION_H
#define LLMOPT_SUPPORT_QUANTIZATION_H

#include <cstdint>
#include <optional>
#include <string_view>

namespace llmopt {

enum class QuantCode { I8, U8, I4, U4, Nf4, Fp4 };
enum class ScaleType { F32, F16, BF16 };

/// "i8"
const char *toString(QuantCode code);
std::optional<QuantCode> parseQuantCode(std::string_view text);

int bitsOf(QuantCode code);
/// Whether groups have a zero point of their own.
bool hasZeroPoint(QuantCode code);
/// The code of 0 in a group of this zero point.
uint8_t codeOfZero(QuantCode code, uint8_t zero);

float roundScale(ScaleType type, float scale);

/// How a weight is quantized.
struct QuantFormat {
  QuantCode code = QuantCode::I8;
  int64_t group = 0; ///< elements; 0: a row is one group
  ScaleType scale = ScaleType::F32;

  /// Elements of a group of rows of so many, and groups of such a row; the last may be shorter.
  int64_t groupSize(int64_t columns) const { return group ? group : columns; }
  int64_t groups(int64_t columns) const { return group ? (columns + group - 1) / group : 1; }
};

struct QuantGroup {
  float scale = 0; ///< a value of the format's scale type
  uint8_t zero = 0;
};

/// Rounds to nearest. The scale is chosen from the values alone and rounded to its type, then the
/// codes to it:
///   i8         max |w| / 127
///   i4         -m / 8, m the element of the largest magnitude: all 16 codes are used, and the sign
///              of the largest one has the code more (llama.cpp's Q4_0)
///   u8, u4     (max - min) / 255 or 15, with 0 in the range, which is a code then
///   nf4, fp4   max |w|
/// A group that has a value that is not finite is NaN throughout.
QuantGroup quantizeGroup(const QuantFormat &format, const float *values, int64_t count,
                         uint8_t *codes);

float dequantize(QuantCode code, QuantGroup group, uint8_t value);

} // namespace llmopt

#endif // LLMOPT_SUPPORT_QUANTIZATION_H
