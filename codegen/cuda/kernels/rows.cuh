//===- rows.cuh - Row by row: embeddings, norms, tables, and what makes a linear's input ------===//
//
// A row function is what codegen makes of the ops that treat each row by itself. A block works on a
// row together; an element of the row is an expression of its column, and of the statistics of the
// norms on the way, which are made first:
//
//   struct Rows {
//     struct Statistics { RowStatistics norm0; };
//     template <class Block> Statistics prepare(const Block &block, int row) const;
//     float element(int row, int column, const Statistics &statistics) const;   // of a linear's x
//     template <class Block> void make(const Block &block, int row) const;      // of a row kernel
//   };
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_CUDA_ROWS_CUH
#define LLMOPT_CUDA_ROWS_CUH

#include "launch.cuh"
#include "pointwise.cuh"

namespace llmopt::cuda {

/// Row `row` of a dense matrix.
template <class T> LLMOPT_DEVICE T *rowOf(T *matrix, int row, int columns) {
  return matrix + (long long)row * columns;
}

/// Where an element lies in a matrix of `Columns` columns, a multiple of Interleave, that is
/// #llm.packed<panel = Panel, interleave = Interleave>.
template <int Panel, int Interleave, int Columns>
constexpr LLMOPT_DEVICE long long packedOffset(int row, int column) {
  return (long long)(row / Panel) * (Columns * Panel) + column / Interleave * (Panel * Interleave) +
         row % Panel * Interleave + column % Interleave;
}

/// The sum over a warp, the same in every lane.
LLMOPT_DEVICE float warpSum(float value) {
  LLMOPT_UNROLL
  for (int mask = 16; mask > 0; mask /= 2)
    value += shuffleXor(value, mask);
  return value;
}

/// The threads of a block that work on a row together; all of them call every function.
template <int Threads> struct RowBlock {
  static constexpr int warps = Threads / 32;
  float *shared; ///< a float per warp

  /// The sum over the block, the same in every thread.
  LLMOPT_DEVICE float sum(float value) const {
    value = warpSum(value);
    syncThreads<Threads>();
    if (laneIndex() == 0)
      shared[warpIndex()] = value;
    syncThreads<Threads>();
    float total = 0;
    LLMOPT_UNROLL
    for (int warp = 0; warp < warps; ++warp)
      total += shared[warp];
    return total;
  }

  /// Calls visit(column) for each column, by one of the threads.
  template <class Visit> LLMOPT_DEVICE void forEach(int columns, const Visit &visit) const {
    for (int column = threadIndex(); column < columns; column += Threads)
      visit(column);
  }
};

/// What a norm knows of its row.
struct RowStatistics {
  float mean, scale;
  LLMOPT_DEVICE float normalize(float x) const { return (x - mean) * scale; }
};

/// load(column) is the norm's input.
template <class Block, class Load>
LLMOPT_DEVICE RowStatistics rmsStatistics(const Block &block, int columns, float epsilon,
                                          const Load &load, float mean = 0) {
  float squares = 0;
  block.forEach(columns, [&](int column) {
    float x = load(column) - mean;
    squares = fmaf(x, x, squares);
  });
  float variance = block.sum(squares) / float(columns);
  return {mean, 1.0f / sqrtf(variance + epsilon)};
}

/// The variance is taken around the mean, in a second pass.
template <class Block, class Load>
LLMOPT_DEVICE RowStatistics layerStatistics(const Block &block, int columns, float epsilon,
                                            const Load &load) {
  float sum = 0;
  block.forEach(columns, [&](int column) { sum += load(column); });
  float mean = block.sum(sum) / float(columns);
  return rmsStatistics(block, columns, epsilon, load, mean);
}

/// One row by one block.
struct RowKernel {
  static constexpr int threads = 256;
  static constexpr int sharedBytes = threads / 32 * 4;

  template <class Rows, class Gate>
  static LLMOPT_DEVICE void tile(const Rows &rows, int index, char *shared, const Gate &gate) {
    gate.wait();
    rows.make(RowBlock<threads>{reinterpret_cast<float *>(shared)}, index);
  }
};

/// The input of a linear with many rows, made once: [rows][Columns] of Compute.
template <int Columns, class Compute, class Rows> struct InputRows {
  Rows rows;
  Compute *to;

  template <class Block> LLMOPT_DEVICE void make(const Block &block, int row) const {
    auto statistics = rows.prepare(block, row);
    block.forEach(Columns, [&](int column) {
      rowOf(to, row, Columns)[column] = fromFloat<Compute>(rows.element(row, column, statistics));
    });
  }
};

} // namespace llmopt::cuda

#endif // LLMOPT_CUDA_ROWS_CUH
