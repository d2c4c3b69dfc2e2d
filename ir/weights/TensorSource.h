//===- TensorSource.h - What a checkpoint reader gives to the compiler ------------------------===//

#ifndef LLMOPT_IR_WEIGHTS_TENSORSOURCE_H
#define LLMOPT_IR_WEIGHTS_TENSORSOURCE_H

#include "support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace llmopt {

/// Named tensors of a checkpoint in memory-mapped files, of the types that the dialect knows.
class TensorSource {
public:
  enum class Type { F32, F16, BF16 };
  struct Tensor {
    Type type = Type::F32;
    std::vector<int64_t> shape; ///< rank 1 or 2, row-major
    const uint8_t *data = nullptr;
    std::string file; ///< for messages
  };

  virtual ~TensorSource() = default;
  /// The tensor of that name, or an error that names the checkpoint and the tensor.
  virtual Result<Tensor> find(const std::string &name) const = 0;
  /// Bytes [begin, end) of a tensor have been read and are not needed soon.
  virtual void release(const Tensor &tensor, uint64_t begin, uint64_t end) const = 0;
};

} // namespace llmopt

#endif // LLMOPT_IR_WEIGHTS_TENSORSOURCE_H
