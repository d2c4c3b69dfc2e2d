#include "ir/weights/QuantizedPanels.h"

#include "support/FloatTypes.h"

#include <algorithm>
#include <cstring>

namespace llmopt {

static int64_t scaleBytes(ScaleType type) { return type == ScaleType::F32 ? 4 : 2; }

static void storeScale(ScaleType type, float scale, uint8_t *out) {
  if (type == ScaleType::F32) {
    std::memcpy(out, &scale, 4);
    return;
  }
  uint16_t bits = type == ScaleType::F16 ? floatToFloat16(scale) : floatToBfloat16(scale);
  std::memcpy(out, &bits, 2);
}

int64_t QuantizedPanels::groupElements() const {
  return format.group ? format.group : (columns + 31) / 32 * 32;
}

int64_t QuantizedPanels::groupBytes() const {
  return panel * (scaleBytes(format.scale) + (hasZeroPoint(format.code) ? 1 : 0) +
                  groupElements() * bitsOf(format.code) / 8);
}

void QuantizedPanels::pack(int64_t rows, const uint8_t *codes, const QuantGroup *groups,
                           uint8_t *out) const {
  const int64_t groupCount = format.groups(columns), size = format.groupSize(columns);
  const int64_t scale = scaleBytes(format.scale), bits = bitsOf(format.code);
  const int64_t panels = (rows + panel - 1) / panel;
  std::memset(out, 0, static_cast<size_t>(panels * panelBytes()));
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t lane = row % panel;
    for (int64_t g = 0; g < groupCount; ++g) {
      const QuantGroup &group = groups[row * groupCount + g];
      uint8_t *at = out + row / panel * panelBytes() + g * groupBytes();
      storeScale(format.scale, group.scale, at + lane * scale);
      at += panel * scale;
      if (hasZeroPoint(format.code)) {
        at[lane] = group.zero;
        at += panel;
      }
      const uint8_t *from = codes + row * columns + g * size;
      const int64_t count = std::min(size, columns - g * size);
      const uint8_t zero = codeOfZero(format.code, group.zero);
      for (int64_t i = 0; i < groupElements(); ++i) {
        const uint8_t code = i < count ? from[i] : zero;
        const int64_t place = (i / interleave * panel + lane) * interleave + i % interleave;
        if (bits == 8)
          at[place] = code;
        else
          at[place / 2] |= static_cast<uint8_t>(code << (place % 2 * 4));
      }
    }
  }
}

} // namespace llmopt
