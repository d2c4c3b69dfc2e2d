//===- FloatConversion.h - Runs of elements from one float type to another --------------------===//

#ifndef LLMOPT_IR_WEIGHTS_FLOATCONVERSION_H
#define LLMOPT_IR_WEIGHTS_FLOATCONVERSION_H

#include "ir/weights/TensorSource.h"

#include <cstdint>

namespace llmopt {

inline int64_t elementBytes(TensorSource::Type type) {
  return type == TensorSource::Type::F32 ? 4 : 2;
}

/// Converts `count` elements, rounding to nearest even. The runs may not overlap.
void convertElements(TensorSource::Type from, const void *source, TensorSource::Type to,
                     void *destination, int64_t count);

/// The value of float type `type` nearest to `value`, ties to even.
float roundToType(TensorSource::Type type, float value);

} // namespace llmopt

#endif // LLMOPT_IR_WEIGHTS_FLOATCONVERSION_H
