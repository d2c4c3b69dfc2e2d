#include "ir/weights/FloatConversion.h"

#include "support/FloatTypes.h"

#include <algorithm>
#include <cstring>

namespace llmopt {

using Type = TensorSource::Type;

static void widen(Type from, const void *source, float *out, int64_t count) {
  const auto *bits = static_cast<const uint16_t *>(source);
  if (from == Type::BF16)
    for (int64_t i = 0; i < count; ++i)
      out[i] = bfloat16ToFloat(bits[i]);
  else
    for (int64_t i = 0; i < count; ++i)
      out[i] = float16ToFloat(bits[i]);
}

static void narrow(Type to, const float *values, void *out, int64_t count) {
  auto *bits = static_cast<uint16_t *>(out);
  if (to == Type::BF16)
    for (int64_t i = 0; i < count; ++i)
      bits[i] = floatToBfloat16(values[i]);
  else
    for (int64_t i = 0; i < count; ++i)
      bits[i] = floatToFloat16(values[i]);
}

void convertElements(Type from, const void *source, Type to, void *destination, int64_t count) {
  if (from == to) {
    std::memcpy(destination, source, count * elementBytes(from));
    return;
  }
  if (to == Type::F32)
    return widen(from, source, static_cast<float *>(destination), count);
  if (from == Type::F32)
    return narrow(to, static_cast<const float *>(source), destination, count);
  float buffer[512];
  for (int64_t begin = 0; begin < count; begin += 512) {
    int64_t part = std::min<int64_t>(512, count - begin);
    widen(from, static_cast<const uint16_t *>(source) + begin, buffer, part);
    narrow(to, buffer, static_cast<uint16_t *>(destination) + begin, part);
  }
}

float roundToType(Type type, float value) {
  switch (type) {
  case Type::F32:
    return value;
  case Type::F16:
    return float16ToFloat(floatToFloat16(value));
  case Type::BF16:
    return bfloat16ToFloat(floatToBfloat16(value));
  }
  return value;
}

} // namespace llmopt
