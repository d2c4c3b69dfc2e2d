//===- QuantizedPanels.h - Codes and scales in the layout that kernels read -------------------===//

#ifndef LLMOPT_IR_WEIGHTS_QUANTIZEDPANELS_H
#define LLMOPT_IR_WEIGHTS_QUANTIZEDPANELS_H

#include "support/Quantization.h"

#include <cstdint>

namespace llmopt {

/// A weight of rows of `columns` elements in panels of `panel` rows: of each group the panel's
/// scales, zero points if the code has them, and codes [group / interleave][panel][interleave],
/// where the codes of one row in a step, `interleave` of them, begin at the lowest bits of the
/// lowest byte. The last group is padded to a whole one (of rows that are one group to a multiple
/// of 32 elements) with codes of zero, the last panel with scales of 0.
struct QuantizedPanels {
  QuantFormat format;
  int64_t columns = 0, panel = 1, interleave = 1;

  /// Elements of a group, padding included.
  int64_t groupElements() const;
  int64_t groupBytes() const;
  int64_t panelBytes() const { return format.groups(columns) * groupBytes(); }

  /// Lays out `rows` rows from the beginning of a panel on (see Recipe::encode), with the rest of
  /// the last panel: whole panels of panelBytes().
  void pack(int64_t rows, const uint8_t *codes, const QuantGroup *groups, uint8_t *out) const;
};

} // namespace llmopt

#endif // LLMOPT_IR_WEIGHTS_QUANTIZEDPANELS_H
