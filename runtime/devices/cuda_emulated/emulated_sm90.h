//===- emulated_sm90.h - The functions of intrinsics_sm90.cuh on a CPU ------------------------===//
//
// What intrinsics_sm90.cuh includes where no CUDA compiler is at work. As in emulated.h, what
// hardware may do late happens as late as it may: a bulk copy when its barrier is waited for and
// nothing else can go on, a warpgroup's product when it is waited for. In between, whoever touches
// the destination of the one or overwrites an operand of the other is reported. Descriptors are
// decoded as the tensor cores do it, so a wrong stride reads wrong numbers.
//
// Held to their rules, though nothing happens late for them: fences between the two sides of shared
// memory (fenceAsyncSide), of barriers that bulk copies use (fenceBarriers), and of registers
// before products (fenceProducts). Not modelled: that the four warps of a group agree on their
// products (each warp does its own share by its own operands).
//
//===------------------------------------------------------------------------------------------===//

#ifndef LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_EMULATED_SM90_H
#define LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_EMULATED_SM90_H

namespace llmopt::cuda {

//===- Barriers in shared memory --------------------------------------------------------------===//

/// 8 bytes, as on the card.
struct SharedBarrier {
  unsigned long long expected : 15; ///< arrivals of a phase
  unsigned long long pending : 15;  ///< arrivals that the running phase still waits for
  unsigned long long parity : 1;    ///< of the running phase
  unsigned long long : 1;
  long long bytes : 32; ///< announced and not come yet

  /// Orders memory: what was told in phases of one parity.
  LLMOPT_UNCHECKED const void *object(int phase) const {
    return reinterpret_cast<const char *>(this) + phase;
  }
  LLMOPT_UNCHECKED void endPhaseIfDone() {
    if (pending != 0 || bytes != 0)
      return;
    pending = expected;
    parity = !parity;
  }
};
static_assert(sizeof(SharedBarrier) == 8, "as on the card");

// Objects that a module keeps begin as constants: what a thread did not finish to initialize,
// because its launch has ended in it, would be waited for by the next one.

/// Barriers of the block.
struct Barriers {
  static constexpr int most = 256;
  uint64_t blockRun = 0; ///< of the block that it belongs to
  int count = 0;
  struct Made {
    const SharedBarrier *barrier = nullptr;
    int thread = 0;      ///< that has made it
    bool fenced = false; ///< by it: bulk copies know of the barrier
  } barriers[most] = {};

  LLMOPT_UNCHECKED static Barriers &own() {
    static Barriers all[emulated::mostBlocks];
    Barriers &barriers = all[machine->slot];
    if (barriers.blockRun != machine->blockRun) {
      barriers.blockRun = machine->blockRun;
      barriers.count = 0;
    }
    return barriers;
  }
  LLMOPT_UNCHECKED void add(const SharedBarrier *barrier, Site site) {
    if (find(barrier))
      machine->fail("makes an mbarrier of one that was not invalidated", site);
    if (count == most)
      machine->fail("more mbarriers than the emulator can follow", site);
    barriers[count].barrier = barrier;
    barriers[count].thread = machine->thread;
    barriers[count++].fenced = false;
  }
  LLMOPT_UNCHECKED void remove(const SharedBarrier *barrier, Site site) {
    Made *made = check(barrier, site);
    *made = barriers[--count];
  }
  /// By the thread that has made them.
  LLMOPT_UNCHECKED void fence() {
    for (int i = 0; i < count; ++i)
      if (barriers[i].thread == machine->thread)
        barriers[i].fenced = true;
  }
  /// Null: it is no barrier.
  LLMOPT_UNCHECKED Made *find(const SharedBarrier *barrier) {
    for (int i = 0; i < count; ++i)
      if (barriers[i].barrier == barrier)
        return &barriers[i];
    return nullptr;
  }
  LLMOPT_UNCHECKED Made *check(const SharedBarrier *barrier, Site site) {
    Made *made = find(barrier);
    if (!made)
      machine->fail("uses an mbarrier that was invalidated or never made", site);
    return made;
  }
};

LLMOPT_UNCHECKED inline void initBarrier(SharedBarrier &barrier, int arrivals, Site site = here()) {
  machine->write(&barrier, sizeof barrier, 8, site);
  Barriers::own().add(&barrier, site);
  barrier.expected = barrier.pending = unsigned(arrivals);
  barrier.parity = 0;
  barrier.bytes = 0;
}
LLMOPT_UNCHECKED inline void invalidateBarrier(SharedBarrier &barrier, Site site = here()) {
  machine->write(&barrier, sizeof barrier, 8, site);
  Barriers::own().remove(&barrier, site);
  if (barrier.bytes != 0)
    machine->fail("invalidates an mbarrier whose copies have not come", site);
  machine->forget(barrier.object(0));
  machine->forget(barrier.object(1));
  std::memset(static_cast<void *>(&barrier), 0xff, sizeof barrier);
}
LLMOPT_UNCHECKED inline void fenceBarriers() { Barriers::own().fence(); }
/// The thread arrives at, waits for or copies to a barrier.
LLMOPT_UNCHECKED inline void useBarrier(SharedBarrier &barrier, Site site) {
  machine->atomic(&barrier, sizeof barrier, site);
  Barriers::own().check(&barrier, site);
}
LLMOPT_UNCHECKED inline void arriveExpecting(SharedBarrier &barrier, int bytes,
                                             Site site = here()) {
  useBarrier(barrier, site);
  if (barrier.pending == 0)
    machine->fail("more threads arrive at an mbarrier than it expects", site);
  machine->release(barrier.object(int(barrier.parity)));
  barrier.bytes = barrier.bytes + bytes;
  barrier.pending = barrier.pending - 1;
  barrier.endPhaseIfDone();
}
LLMOPT_UNCHECKED inline void arrive(SharedBarrier &barrier, Site site = here()) {
  arriveExpecting(barrier, 0, site);
}

/// What arrives late arrives in the phase that runs then: it is one of those that this waits for.
struct LateArrival {
  SharedBarrier *barrier;
  LLMOPT_UNCHECKED static void make(void *self) {
    SharedBarrier &barrier = *static_cast<LateArrival *>(self)->barrier;
    barrier.pending = barrier.pending - 1;
    barrier.endPhaseIfDone();
  }
};
LLMOPT_UNCHECKED inline void arriveAfterCopies(SharedBarrier &barrier, Site site = here()) {
  machine->atomic(&barrier, sizeof barrier, site);
  if (barrier.pending == 0)
    machine->fail("more threads arrive at an mbarrier than it expects", site);
  LateArrival arrival{&barrier};
  machine->deferCopies(&barrier, barrier.object(int(barrier.parity)), LateArrival::make, &arrival,
                       sizeof arrival);
}

struct PhaseWait {
  const SharedBarrier *barrier;
  int parity;
  LLMOPT_UNCHECKED static bool isOver(const void *self) {
    auto *wait = static_cast<const PhaseWait *>(self);
    return int(wait->barrier->parity) != wait->parity;
  }
};
LLMOPT_UNCHECKED inline void waitBarrier(SharedBarrier &barrier, int parity, Site site = here()) {
  useBarrier(barrier, site);
  PhaseWait wait{&barrier, parity};
  machine->waitUntil(PhaseWait::isOver, &wait,
                     parity ? "an odd phase of an mbarrier" : "an even phase of an mbarrier", site);
  machine->acquire(barrier.object(parity));
}

LLMOPT_UNCHECKED inline void arriveNamed(int index, int threads, Site site = here()) {
  machine->arriveNamed(index, threads, site);
}
/// Makes new barriers known to bulk copies as well.
LLMOPT_UNCHECKED inline void fenceAsyncSide() {
  machine->fenceAsyncSide();
  Barriers::own().fence();
}

//===- Bulk copies ----------------------------------------------------------------------------===//

struct BulkCopy {
  void *to;
  const void *from;
  size_t bytes;
  SharedBarrier *barrier;
  LLMOPT_UNCHECKED static void make(void *self) {
    auto *copy = static_cast<BulkCopy *>(self);
    SharedBarrier &barrier = *copy->barrier;
    machine->closeWrite(copy->to, copy->bytes, barrier.object(int(barrier.parity)));
    std::memcpy(copy->to, copy->from, copy->bytes);
    barrier.bytes = barrier.bytes - (long long)(copy->bytes);
    barrier.endPhaseIfDone();
  }
};
LLMOPT_UNCHECKED inline void copyBulk(void *shared, const void *global, int bytes,
                                      SharedBarrier &barrier, StreamPolicy = {},
                                      Site site = here()) {
  if (bytes <= 0 || bytes % 16 != 0)
    machine->fail("a bulk copy is of a multiple of 16 bytes", site);
  if (auto *made = Barriers::own().find(&barrier); made && !made->fenced)
    machine->fail("a bulk copy uses an mbarrier that was made without fenceBarriers()", site);
  useBarrier(barrier, site);
  machine->read(global, size_t(bytes), 16, site);
  machine->openWrite(shared, size_t(bytes), 16, site);
  BulkCopy copy{shared, global, size_t(bytes), &barrier};
  machine->defer(&barrier, BulkCopy::make, &copy, sizeof copy);
}

//===- Registers ------------------------------------------------------------------------------===//

template <int Count> void lowerRegisters() {}
template <int Count> void raiseRegisters() {}

//===- Products of a warpgroup ----------------------------------------------------------------===//

LLMOPT_UNCHECKED inline unsigned long long describe(const void *shared, int nextK, int nextRows,
                                                    unsigned long long swizzle) {
  auto field = [](uintptr_t bytes) { return (unsigned long long)(bytes / 16 & 0x3fff); };
  return field(reinterpret_cast<uintptr_t>(shared) - machine->sharedBegin) |
         field(uintptr_t(nextK)) << 16 | field(uintptr_t(nextRows)) << 32 | swizzle << 62;
}
LLMOPT_UNCHECKED inline MatrixDescriptor describeCores(const void *shared, int nextK,
                                                       int nextRows) {
  return {describe(shared, nextK, nextRows, 0)};
}
LLMOPT_UNCHECKED inline MatrixDescriptor describeSwizzled(const void *shared, int nextRows) {
  return {describe(shared, 16, nextRows, 1)};
}

/// The operand that a descriptor describes.
struct MatrixOperand {
  uintptr_t begin, nextK, nextRows;
  bool swizzled;

  LLMOPT_UNCHECKED explicit MatrixOperand(MatrixDescriptor descriptor)
      : begin((descriptor.bits & 0x3fff) * 16), nextK((descriptor.bits >> 16 & 0x3fff) * 16),
        nextRows((descriptor.bits >> 32 & 0x3fff) * 16), swizzled(descriptor.bits >> 62 == 1) {}
  /// A row's element 8 * piece + k of a transposed operand, whose cores are [8 of K][8 rows].
  LLMOPT_UNCHECKED const char *transposedElement(int row, int k) const {
    return reinterpret_cast<const char *>(machine->sharedBegin + begin +
                                          uintptr_t(row / 8) * nextRows + uintptr_t(k / 8) * nextK +
                                          uintptr_t(k % 8 * 16 + row % 8 * 2));
  }
  /// The 16 bytes of a row with elements 8 * piece and on.
  LLMOPT_UNCHECKED const char *piece(int row, int piece) const {
    uintptr_t at = begin + uintptr_t(row / 8) * nextRows;
    if (swizzled) {
      at += uintptr_t(row % 8 * 128 + piece * 16);
      at ^= at / 128 % 8 * 16;
    } else {
      at += uintptr_t(row % 8 * 16) + uintptr_t(piece) * nextK;
    }
    return reinterpret_cast<const char *>(machine->sharedBegin + at);
  }
  /// Announces that `rows` rows from `first` on will be read, or that they have been.
  LLMOPT_UNCHECKED void announce(bool begins, int first, int rows, Site site,
                                 bool transposed = false) const {
    for (int row = first; row < first + rows; ++row)
      for (int i = 0; i < 2; ++i) {
        // Of a transposed one the same 16 pieces of eight rows, in another order.
        const char *from =
            transposed ? transposedElement(row / 8 * 8, i * 8 + row % 8) : piece(row, i);
        if (begins)
          machine->openRead(from, 16, 16, site);
        else
          machine->closeRead(from, 16);
      }
  }
};

/// A product that a warp has asked for: its share, 16 rows, of the group's.
struct WarpProduct {
  MatrixDescriptor a{}, b{};
  bool starts = false; ///< with sums of 0
  /// Where the left operand is in registers, those of each lane and what they were when the product
  /// was asked for; the right one is transposed then.
  const unsigned *registers[32] = {};
  unsigned asked[32][4] = {};
  int columns = 0;
  float (*toFloat)(uint16_t) = nullptr;
  float *sums[32] = {}; ///< of the lanes
  Site site{};

  LLMOPT_UNCHECKED static void readRow(const MatrixOperand &operand, int row,
                                       float (*toFloat)(uint16_t), float (&to)[16]) {
    for (int k = 0; k < 16; ++k) {
      uint16_t bits;
      std::memcpy(&bits, operand.piece(row, k / 8) + k % 8 * 2, 2);
      to[k] = toFloat(bits);
    }
  }
  LLMOPT_UNCHECKED void run(int firstRow) const {
    MatrixOperand left(a), right(b);
    float weights[16][16], x[16];
    for (int row = 0; row < 16; ++row) {
      if (inRegisters())
        readRegisters(row, weights[row]);
      else
        readRow(left, firstRow + row, toFloat, weights[row]);
    }
    for (int column = 0; column < columns; ++column) {
      if (inRegisters())
        readTransposed(right, column, x);
      else
        readRow(right, column, toFloat, x);
      for (int row = 0; row < 16; ++row) {
        float sum = 0;
        for (int k = 0; k < 16; ++k)
          sum += weights[row][k] * x[k];
        float &to = sums[row % 8 * 4 + column % 8 / 2][column / 8 * 4 + row / 8 * 2 + column % 2];
        to = starts ? sum : to + sum;
      }
    }
  }
  LLMOPT_UNCHECKED bool inRegisters() const { return registers[0] != nullptr; }
  LLMOPT_UNCHECKED void announce(bool begins, int firstRow) const {
    if (!inRegisters())
      MatrixOperand(a).announce(begins, firstRow, 16, site);
    MatrixOperand(b).announce(begins, 0, columns, site, inRegisters());
  }

private:
  /// Row g of the warp's is in lanes 4 g to 4 g + 3 of eight rows: registers 0 and 2, of the next
  /// eight 1 and 3.
  LLMOPT_UNCHECKED void readRegisters(int row, float (&to)[16]) const {
    for (int k = 0; k < 16; ++k) {
      int lane = row % 8 * 4 + k % 8 / 2, index = row / 8 + k / 8 * 2;
      if (registers[lane][index] != asked[lane][index])
        machine->fail("changes a register of a product before it was waited for", site);
      to[k] = toFloat(uint16_t(asked[lane][index] >> k % 2 * 16));
    }
  }
  LLMOPT_UNCHECKED void readTransposed(const MatrixOperand &operand, int row,
                                       float (&to)[16]) const {
    for (int k = 0; k < 16; ++k) {
      uint16_t bits;
      std::memcpy(&bits, operand.transposedElement(row, k), 2);
      to[k] = toFloat(bits);
    }
  }
};

/// The products of a warp that are not waited for yet; only its first lane uses it.
struct WarpProducts {
  static constexpr int most = 32;
  uint64_t blockRun = 0; ///< of the block that it belongs to
  int count = 0, groups = 0;
  bool fenced = false;      ///< since the last wait
  int groupEnds[most] = {}; ///< committed, by rising number of products
  WarpProduct products[most] = {};

  /// Of the running thread's warp.
  LLMOPT_UNCHECKED static WarpProducts &own() {
    static WarpProducts all[emulated::mostBlocks][32];
    WarpProducts &products = all[machine->slot][machine->thread / 32];
    if (products.blockRun != machine->blockRun) {
      products.blockRun = machine->blockRun;
      products.count = products.groups = 0;
      products.fenced = false;
    }
    return products;
  }
  LLMOPT_UNCHECKED static int firstRow() { return machine->thread / 32 % 4 * 16; }

  LLMOPT_UNCHECKED void wait(int pending) {
    int first = groups > pending ? groups - pending : 0;
    int done = first > 0 ? groupEnds[first - 1] : 0;
    for (int i = 0; i < done; ++i) {
      products[i].run(firstRow());
      products[i].announce(/*begins=*/false, firstRow());
    }
    for (int i = done; i < count; ++i)
      products[i - done] = products[i];
    for (int i = first; i < groups; ++i)
      groupEnds[i - first] = groupEnds[i] - done;
    count -= done;
    groups -= first;
    fenced = false;
  }
};

/// What a lane brings to its warp's product.
struct LaneProduct {
  WarpProduct *product; ///< of the first lane; it takes the others' sums
  MatrixDescriptor a, b;
  const unsigned *registers; ///< of the left operand, or null
  float *sums;
  Site site;

  LLMOPT_UNCHECKED static void gather(const emulated::Lanes &lanes) {
    auto *first = static_cast<const LaneProduct *>(lanes.in[0]);
    for (int i = 0; i < 32; ++i) {
      auto *lane = static_cast<const LaneProduct *>(lanes.in[i]);
      if (lane->a.bits != first->a.bits || lane->b.bits != first->b.bits)
        machine->fail("the lanes of a warp ask for products of different operands", lane->site);
      first->product->sums[i] = lane->sums;
      first->product->registers[i] = lane->registers;
      if (lane->registers)
        std::memcpy(first->product->asked[i], lane->registers, sizeof first->product->asked[i]);
    }
  }
};

LLMOPT_UNCHECKED inline void queueProduct(float *sums, int columns, MatrixDescriptor a,
                                          MatrixDescriptor b, float (*toFloat)(uint16_t), Site site,
                                          bool starts = false,
                                          const unsigned *registers = nullptr) {
  if (machine->thread / 128 * 128 + 128 > machine->threads)
    machine->fail("asks for a product of a warpgroup, which has four warps", site);
  LaneProduct lane{nullptr, a, b, registers, sums, site};
  bool first = machine->thread % 32 == 0;
  if (first) {
    WarpProducts &products = WarpProducts::own();
    if (!products.fenced)
      machine->fail("asks for a product without fenceProducts() since the last waitProducts()",
                    site);
    if (products.count == WarpProducts::most)
      machine->fail("more products are open than the emulator can follow", site);
    lane.product = &products.products[products.count++];
    lane.product->a = a;
    lane.product->b = b;
    lane.product->starts = starts;
    lane.product->registers[0] = registers; // the others' when they are gathered
    lane.product->columns = columns;
    lane.product->toFloat = toFloat;
    lane.product->site = site;
    lane.product->announce(/*begins=*/true, WarpProducts::firstRow());
  }
  machine->collect("wgmma.mma_async", emulated::wholeWarp, &lane, nullptr, LaneProduct::gather,
                   site);
}
template <int Count>
LLMOPT_UNCHECKED inline void multiplyGroup(float (&sums)[Count], MatrixDescriptor a,
                                           MatrixDescriptor b, bf16, Site site = here()) {
  queueProduct(sums, Count * 2, a, b, bfloat16ToFloat, site);
}
template <int Count>
LLMOPT_UNCHECKED inline void multiplyGroup(float (&sums)[Count], MatrixDescriptor a,
                                           MatrixDescriptor b, f16, Site site = here()) {
  queueProduct(sums, Count * 2, a, b, float16ToFloat, site);
}

template <int Count>
LLMOPT_UNCHECKED inline void startGroup(float (&sums)[Count], MatrixDescriptor a,
                                        MatrixDescriptor b, bf16, Site site = here()) {
  queueProduct(sums, Count * 2, a, b, bfloat16ToFloat, site, /*starts=*/true);
}
template <int Count>
LLMOPT_UNCHECKED inline void startGroup(float (&sums)[Count], MatrixDescriptor a,
                                        MatrixDescriptor b, f16, Site site = here()) {
  queueProduct(sums, Count * 2, a, b, float16ToFloat, site, /*starts=*/true);
}
template <int Count>
LLMOPT_UNCHECKED inline void multiplyGroupTransposed(float (&sums)[Count], const unsigned (&a)[4],
                                                     MatrixDescriptor b, bf16, Site site = here()) {
  queueProduct(sums, Count * 2, b, b, bfloat16ToFloat, site, /*starts=*/false, a);
}
template <int Count>
LLMOPT_UNCHECKED inline void multiplyGroupTransposed(float (&sums)[Count], const unsigned (&a)[4],
                                                     MatrixDescriptor b, f16, Site site = here()) {
  queueProduct(sums, Count * 2, b, b, float16ToFloat, site, /*starts=*/false, a);
}

/// A warp's registers are fenced if its first lane's are.
LLMOPT_UNCHECKED inline void fenceProducts() {
  if (machine->thread % 32 == 0)
    WarpProducts::own().fenced = true;
}
LLMOPT_UNCHECKED inline void commitProducts(Site site = here()) {
  if (machine->thread % 32 != 0)
    return;
  WarpProducts &products = WarpProducts::own();
  if (products.groups == WarpProducts::most)
    machine->fail("more groups of products are open than the emulator can follow", site);
  products.groupEnds[products.groups++] = products.count;
}
LLMOPT_UNCHECKED inline void meetForProducts(Site site) {
  machine->collect(
      "wgmma.wait_group", emulated::wholeWarp, nullptr, nullptr, [](const emulated::Lanes &) {},
      site);
}
/// The lanes meet before, since what any of them did to its registers counts, and after.
template <int Pending> LLMOPT_UNCHECKED inline void waitProducts(Site site = here()) {
  meetForProducts(site);
  if (machine->thread % 32 == 0)
    WarpProducts::own().wait(Pending);
  meetForProducts(site);
}
template <int Count> void keepSums(float (&)[Count]) {}

} // namespace llmopt::cuda

#endif // LLMOPT_RUNTIME_DEVICES_CUDA_EMULATED_EMULATED_SM90_H
