//===- SyncTest.cpp - Derived counters, on models and on random steps -------------------------===//

#include "ir/ShapeInference.h"
#include "passes/DeriveSync.h"
#include "passes/Passes.h"
#include "passes/VerifyLaunch.h"
#include "test/unit/passes/Simulation.h"
#include "tools/Compile.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"

#include <gmock/gmock.h>

namespace llmopt::test {
namespace {

using testing::HasSubstr;

/// A model of test/passes/Inputs, placed for CUDA.
class PlacedModel {
public:
  explicit PlacedModel(const std::string &name, const std::string &options) {
    static const bool registered = (registerPasses(), true);
    (void)registered;
    context.loadDialect<LLMDialect, mlir::func::FuncDialect>();
    CompileOptions compileOptions;
    compileOptions.checkpoint = LLMOPT_SOURCE_DIR "/test/passes/Inputs/" + name + ".json";
    compileOptions.emit = CompileOptions::Emit::Mlir;
    compileOptions.target = "cuda";
    compileOptions.randomWeights = compileOptions.quiet = true;
    compileOptions.passPipeline = "llm-cuda{" + options + "}";
    auto report = compile(compileOptions);
    EXPECT_TRUE(bool(report)) << (report ? "" : report.error().message());
    if (report)
      module = mlir::parseSourceString<mlir::ModuleOp>(report->text, &context);
    step = module->lookupSymbol<mlir::func::FuncOp>(LLMDialect::stepFunctionName);
  }

  TiledStep tiles(int64_t maxRows) {
    auto columns = tileColumns(step, maxRows);
    EXPECT_TRUE(mlir::succeeded(columns));
    auto tiled = tileStep(step, *columns);
    EXPECT_TRUE(mlir::succeeded(tiled));
    return std::move(*tiled);
  }

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp step;
};

/// Where the bytes of a step with some rows lie: the arenas, the cache, what attentions leave for
/// their parts.
class Bytes {
public:
  explicit Bytes(int64_t rows) : rows(rows) {}

  /// Adds what a tile of a period touches; `row` is -1 for all rows.
  void add(const KernelTiling &tiling, int64_t tile, int64_t row, bool wholeCache,
           std::vector<std::pair<int64_t, bool>> &touched) {
    for (const TileAccess &access : tiling.accesses) {
      // Rows are gathered from anywhere; what is written is the tile's own.
      bool own = row >= 0 && (access.writes || tiling.splits) &&
                 !(wholeCache && access.kind != TileAccess::Kind::Buffer &&
                   access.kind != TileAccess::Kind::Partials);
      for (int64_t r = own ? row : 0; r < (own ? row + 1 : rows); ++r)
        for (ColumnRange range : access.columnsOf(tile))
          for (int64_t column = range.begin; column < range.end; ++column)
            addElement(access, r, column, touched);
    }
  }

private:
  int64_t rows;

  /// Addresses are far apart: 2^32 to a space.
  void addElement(const TileAccess &access, int64_t row, int64_t column,
                  std::vector<std::pair<int64_t, bool>> &touched) {
    constexpr int64_t space = int64_t(1) << 32, cacheWidth = 4096;
    if (access.kind == TileAccess::Kind::Partials) {
      touched.emplace_back(2 * space + row * cacheWidth + column, true);
    } else if (access.kind != TileAccess::Kind::Buffer) {
      int64_t region = 3 + 2 * access.layer + (access.kind == TileAccess::Kind::Keys);
      touched.emplace_back(region * space + row * cacheWidth + column, access.writes);
    } else {
      auto result = mlir::cast<mlir::OpResult>(access.value);
      auto placement = mlir::cast<mlir::DictionaryAttr>(
          result.getOwner()->getAttrOfType<mlir::ArrayAttr>("placement")[result.getResultNumber()]);
      auto number = [&](const char *name) {
        return placement.getAs<mlir::IntegerAttr>(name).getInt();
      };
      int64_t base = placement.getAs<mlir::StringAttr>("space").getValue() == "token" ? 0 : space;
      int64_t width = tensorType(access.value).getElementTypeBitWidth() / 8;
      int64_t begin = base + number("offset") * rows + row * number("row_bytes") + column * width;
      for (int64_t byte = begin; byte < begin + width; ++byte)
        touched.emplace_back(byte, access.writes);
    }
  }
};

/// The tiles of a step of `rows` rows whose attentions' keys have `parts` parts.
SimulatedStep simulated(const TiledStep &step, const std::vector<KernelSync> &syncs, int64_t rows,
                        int64_t parts) {
  SimulatedStep result;
  result.syncs = syncs;
  Bytes bytes(rows);
  std::vector<std::vector<std::pair<int64_t, bool>>> touched;
  for (size_t kernel = 0; kernel < step.kernels.size(); ++kernel) {
    const KernelTiling &tiling = step.kernels[kernel].tiling;
    for (int64_t row = 0; row < (tiling.perRow ? rows : 1); ++row)
      for (int64_t tile = 0; tile < tiling.tiles; ++tile)
        for (int64_t part = 0; part < (tiling.splits ? parts : 1); ++part) {
          result.tiles.push_back({kernel, tile, row * tiling.tiles + tile, {}, {}});
          touched.emplace_back();
          bytes.add(tiling, tile, tiling.perRow ? row : -1, tiling.splits, touched.back());
        }
  }
  // Numbers for the addresses that are touched at all.
  llvm::DenseMap<int64_t, unsigned> numbers;
  for (auto &accesses : touched)
    for (auto [address, writes] : accesses)
      numbers.try_emplace(address, numbers.size());
  for (size_t tile = 0; tile < touched.size(); ++tile) {
    result.tiles[tile].reads.resize(numbers.size());
    result.tiles[tile].writes.resize(numbers.size());
    for (auto [address, writes] : touched[tile])
      (writes ? result.tiles[tile].writes : result.tiles[tile].reads).set(numbers[address]);
  }
  return result;
}

/// The message of the check's error; empty if there is none.
std::string check(mlir::MLIRContext &context, const TiledStep &step,
                  const std::vector<KernelSync> &syncs) {
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) {
    message += diagnostic.str();
    return mlir::success();
  });
  bool holds = mlir::succeeded(verifySync(step, syncs));
  EXPECT_EQ(holds, message.empty()) << message;
  return message;
}

/// Calls visit(syncs, wait) for every wait of every set, with that one left out.
template <typename Visit> void withoutEachWait(std::vector<KernelSync> syncs, const Visit &visit) {
  for (KernelSync &sync : syncs)
    for (auto &set : sync.waits)
      for (size_t i = 0; i < set.size(); ++i) {
        ChunkWait wait = set[i];
        set.erase(set.begin() + static_cast<std::ptrdiff_t>(i));
        visit(syncs, wait);
        set.insert(set.begin() + static_cast<std::ptrdiff_t>(i), wait);
      }
}

//===------------------------------------------------------------------------------------------===//
// Models
//===------------------------------------------------------------------------------------------===//

struct Case {
  const char *model, *options;
};
void PrintTo(const Case &value, std::ostream *out) { *out << value.model << ' ' << value.options; }

class SyncOfModel : public testing::TestWithParam<Case> {};

TEST_P(SyncOfModel, noExecutionRaces) {
  PlacedModel model(GetParam().model, GetParam().options);
  std::mt19937 random(1);
  for (int64_t rows : {1, 3, 4}) {
    TiledStep step = model.tiles(4);
    auto syncs = deriveSync(step);
    EXPECT_EQ(check(model.context, step, syncs), "");
    for (int64_t parts : {1, 3}) {
      SimulatedStep simulation = simulated(step, syncs, rows, parts);
      EXPECT_EQ(simulation.conflictInsideKernel(), "");
      auto conflicts = simulation.conflicts();
      for (size_t blocks : {1, 2, 3, 7, 16, 61})
        for (int repetition = 0; repetition < 5; ++repetition) {
          Execution execution = simulate(simulation, blocks, random);
          ASSERT_TRUE(execution.finished);
          ASSERT_EQ(findRace(simulation, conflicts, execution), "");
        }
    }
  }
}

TEST_P(SyncOfModel, everyWaitIsNeeded) {
  PlacedModel model(GetParam().model, GetParam().options);
  TiledStep step = model.tiles(4);
  std::mt19937 random(1);
  withoutEachWait(deriveSync(step), [&](const std::vector<KernelSync> &syncs, ChunkWait wait) {
    EXPECT_NE(check(model.context, step, syncs), "");
    // And it is no matter of the check alone: what was waited for comes last.
    SimulatedStep simulation = simulated(step, syncs, 2, 1);
    Execution execution = simulate(simulation, simulation.tiles.size(), random, wait);
    ASSERT_TRUE(execution.finished);
    EXPECT_NE(findRace(simulation, simulation.conflicts(), execution), "");
  });
}

INSTANTIATE_TEST_SUITE_P(
    Models, SyncOfModel,
    testing::Values(Case{"llama", "precision=bf16-true"}, Case{"falcon", "precision=bf16-true"},
                    Case{"gpt_neox", "precision=bf16-true"},
                    Case{"llama", "precision=32-true arch=sm_80"},
                    Case{"falcon", "precision=bf16-mixed fuse=false"},
                    Case{"gpt_neox", "precision=16-true arch=sm_80 fuse=false"}));

//===------------------------------------------------------------------------------------------===//
// Random steps
//===------------------------------------------------------------------------------------------===//

/// A step of kernels that read and write a few buffers, some of which share bytes.
class RandomStep {
public:
  RandomStep(KernelOp op, unsigned seed) : random(seed) {
    for (int64_t i = 0; i < 7; ++i)
      step.memories.push_back({"memory " + std::to_string(i), "arena", number(0, 60), 24});
    for (int64_t kernel = 0, count = number(2, 12); kernel < count; ++kernel)
      addKernel(op, kernel);
  }

  TiledStep step;

  /// With a row, whose columns are bytes.
  SimulatedStep simulated(const std::vector<KernelSync> &syncs) const {
    SimulatedStep result;
    result.syncs = syncs;
    for (size_t kernel = 0; kernel < step.kernels.size(); ++kernel)
      for (int64_t tile = 0; tile < step.kernels[kernel].tiling.tiles; ++tile) {
        SimulatedTile added = {kernel, tile, tile, llvm::BitVector(100), llvm::BitVector(100)};
        const TiledKernel &tiled = step.kernels[kernel];
        for (size_t i = 0; i < tiled.tiling.accesses.size(); ++i)
          for (ColumnRange range : tiled.tiling.accesses[i].columnsOf(tile))
            for (int64_t column = range.begin; column < range.end; ++column)
              (tiled.tiling.accesses[i].writes ? added.writes : added.reads)
                  .set(static_cast<unsigned>(step.memories[tiled.memoryOf[i]].offset + column));
        result.tiles.push_back(std::move(added));
      }
    return result;
  }

private:
  std::mt19937 random;

  int64_t number(int64_t least, int64_t most) {
    return std::uniform_int_distribution<int64_t>(least, most)(random);
  }

  void addKernel(KernelOp op, int64_t index) {
    TiledKernel kernel;
    kernel.op = op;
    kernel.index = index;
    kernel.tiling.tiles = std::vector<int64_t>{1, 2, 3, 4, 6, 8, 12}[size_t(number(0, 6))];
    auto written = static_cast<size_t>(number(0, 6));
    add(kernel, written, true, parts(kernel.tiling.tiles));
    for (size_t memory = 0; memory < step.memories.size(); ++memory)
      if (!step.mayShare(memory, written) && number(0, 2) == 0)
        add(kernel, memory, false,
            number(0, 1) ? std::vector<ColumnRanges>{{{0, 24}}} : parts(kernel.tiling.tiles));
    step.kernels.push_back(std::move(kernel));
  }

  static void add(TiledKernel &kernel, size_t memory, bool writes,
                  std::vector<ColumnRanges> columns) {
    TileAccess access;
    access.writes = writes;
    access.columns = std::move(columns);
    kernel.tiling.accesses.push_back(std::move(access));
    kernel.memoryOf.push_back(memory);
  }

  /// The columns of each tile, side by side or one after the other; some tiles may have none.
  std::vector<ColumnRanges> parts(int64_t tiles) {
    std::vector<ColumnRanges> columns(static_cast<size_t>(tiles));
    bool interleaved = number(0, 3) == 0;
    int64_t users = number(0, 2) == 0 ? (tiles + 1) / 2 : tiles, width = 24 / users;
    for (int64_t column = 0; column < users * width; ++column)
      columns[size_t(interleaved ? column % users : column / width)].push_back(
          {column, column + 1});
    return columns;
  }
};

TEST(SyncOfRandomSteps, isSafeAndMinimal) {
  PlacedModel model("llama", "precision=bf16-true");
  KernelOp op = *model.step.getBody().front().getOps<KernelOp>().begin();
  int64_t waits = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    RandomStep random(op, seed);
    auto syncs = deriveSync(random.step);
    ASSERT_EQ(check(model.context, random.step, syncs), "") << "seed " << seed;
    SimulatedStep simulation = random.simulated(syncs);
    ASSERT_EQ(simulation.conflictInsideKernel(), "");
    auto conflicts = simulation.conflicts();
    std::mt19937 order(seed);
    for (size_t blocks : {1, 3, 8, 40}) {
      Execution execution = simulate(simulation, blocks, order);
      ASSERT_TRUE(execution.finished);
      ASSERT_EQ(findRace(simulation, conflicts, execution), "") << "seed " << seed;
    }
    withoutEachWait(syncs, [&](const std::vector<KernelSync> &mutated, ChunkWait wait) {
      ++waits;
      EXPECT_NE(check(model.context, random.step, mutated), "")
          << "seed " << seed << " without kernel " << wait.kernel << " chunk " << wait.chunk;
    });
  }
  EXPECT_GT(waits, 1000);
}

/// A chunk of a random step that is not what the waits mean is found.
TEST(SyncOfRandomSteps, racesAreFoundByTheCheckWhereTheyCanHappen) {
  PlacedModel model("llama", "precision=bf16-true");
  KernelOp op = *model.step.getBody().front().getOps<KernelOp>().begin();
  int races = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    RandomStep random(op, seed);
    auto syncs = deriveSync(random.step);
    std::mt19937 order(seed);
    auto &sync = syncs[order() % syncs.size()];
    auto tile = order() % sync.chunkOf.size();
    if (order() % 2 == 0)
      sync.chunkOf[tile] = static_cast<int64_t>(order() % size_t(sync.chunks()));
    else
      sync.waitOf[tile] = static_cast<int64_t>(order() % sync.waits.size());
    SimulatedStep simulation = random.simulated(syncs);
    Execution execution = simulate(simulation, simulation.tiles.size(), order);
    bool raced =
        execution.finished && !findRace(simulation, simulation.conflicts(), execution).empty();
    races += raced;
    if (raced)
      EXPECT_NE(check(model.context, random.step, syncs), "") << "seed " << seed;
    else
      (void)check(model.context, random.step, syncs);
  }
  EXPECT_GT(races, 10);
}

} // namespace
} // namespace llmopt::test
