//===- Knowledge.h - Up to where something is known of the threads of blocks ------------------===//
//
// A vector of clocks over the blocks of a launch, stamps as in Order.h. Neighbouring threads mostly
// share their stamp, so each block's part is kept as runs. What is shared does not change: threads
// that have met point to the same object.
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_KNOWLEDGE_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_KNOWLEDGE_H

#include <cstdint>
#include <memory>
#include <vector>

namespace llmopt::emulated {

class Knowledge;
/// Null: nothing is known.
using Known = std::shared_ptr<const Knowledge>;

class Knowledge {
public:
  /// Of one block: `stamps` by thread.
  static Known ofBlock(int block, const std::vector<uint32_t> &stamps);
  /// Of one block: its threads `first` to `last` - 1, all up to one stamp.
  static Known ofThreads(int block, int first, int last, uint32_t stamp);
  /// What either knows; one of the two, if it has all that the other has.
  static Known join(const Known &a, const Known &b);

  /// Are accesses known of the threads `first` to `last` - 1 of a block, up to `stamp`?
  bool covers(int block, int first, int last, uint32_t stamp) const;

private:
  /// Threads from the end of the run before, 0 at first.
  struct Run {
    int end;
    uint32_t stamp;
  };
  struct OfBlock {
    int block;
    std::vector<Run> runs; ///< no two neighbours alike; threads behind them: 0
  };
  static void append(std::vector<Run> &runs, int end, uint32_t stamp);
  static std::vector<Run> join(const std::vector<Run> &a, const std::vector<Run> &b);
  static bool isWithin(const std::vector<Run> &a, const std::vector<Run> &b);
  bool isWithin(const Knowledge &other) const;

  std::vector<OfBlock> blocks; ///< rising
};

} // namespace llmopt::emulated

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_KNOWLEDGE_H
