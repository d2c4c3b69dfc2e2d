//===- DeviceTest.cpp - What the CUDA device asks of a driver, and in what order --------------===//

#include "runtime/devices/cuda/CudaDevice.h"
#include "test/unit/cuda_device/FakeDriver.h"
#include "test/unit/cuda_device/SmallModel.h"

#include <gmock/gmock.h>

using namespace llmopt;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

/// The arrays of a batch: (tokens, first position) of each sequence, the last row's logits each.
struct Arrays {
  std::vector<int32_t> ids, positions, sequenceOf, logitRow, firstRow{0}, pages;
  int32_t stride;

  Arrays(const std::vector<std::pair<int, int>> &sequences, int32_t stride = 2) : stride(stride) {
    for (auto [tokens, first] : sequences) {
      auto sequence = static_cast<int32_t>(firstRow.size()) - 1;
      for (int i = 0; i < tokens; ++i) {
        ids.push_back((first + i) % 7);
        positions.push_back(first + i);
        sequenceOf.push_back(sequence);
      }
      firstRow.push_back(static_cast<int32_t>(ids.size()));
      logitRow.push_back(static_cast<int32_t>(ids.size()) - 1);
      for (int32_t i = 0; i < stride; ++i)
        pages.push_back(sequence * stride + i);
    }
  }
  LlmoptBatch view() const {
    return {static_cast<int32_t>(ids.size()),
            static_cast<int32_t>(logitRow.size()),
            static_cast<int32_t>(firstRow.size()) - 1,
            stride,
            ids.data(),
            positions.data(),
            sequenceOf.data(),
            logitRow.data(),
            firstRow.data(),
            pages.data()};
  }
};

template <typename T> T *pointer(uint64_t address) { return reinterpret_cast<T *>(address); }

class CudaDeviceTest : public testing::Test {
protected:
  SmallModel model;
  FakeDriver *driver = new FakeDriver;
  std::unique_ptr<CudaDriver> owner{driver};
  std::unique_ptr<Device> device;

  /// The next token is the row's plus 1, its logit the position.
  CudaDeviceTest() {
    driver->bodies["head_few"] = [](const LlmoptBatch &step, const FakeDriver::Arguments &args) {
      for (int i = 0; i < step.logitRows; ++i)
        pointer<float>(args[2])[i * SmallModel::vocabulary] =
            static_cast<float>(step.positions[step.logitRow[i]]);
    };
    driver->bodies["sample"] = [](const LlmoptBatch &step, const FakeDriver::Arguments &args) {
      for (int i = 0; i < step.logitRows; ++i)
        pointer<int32_t>(args[2])[i] = step.tokenIds[step.logitRow[i]] + 1;
    };
    driver->bodies["advance"] = [](const LlmoptBatch &step, const FakeDriver::Arguments &args) {
      for (int i = 0; i < step.tokens; ++i) {
        const_cast<int32_t *>(step.tokenIds)[i] = pointer<int32_t>(args[0])[i];
        ++const_cast<int32_t *>(step.positions)[i];
      }
    };
  }

  Status open(int64_t pages = 16, const std::string &launch = "") {
    DeviceOptions options;
    options.quiet = true;
    options.launch = launch;
    LLMOPT_ASSIGN(device, openCudaDevice(model.shared(), std::move(owner), options));
    LLMOPT_TRY(device->allocateCache(pages));
    driver->calls.clear();
    return success();
  }

  int count(const std::string &call) {
    return static_cast<int>(std::count(driver->calls.begin(), driver->calls.end(), call));
  }
};

} // namespace

static void expect(const Status &status) { EXPECT_TRUE(status) << status.error().message(); }

#define OPEN(...) expect(open(__VA_ARGS__))

//===- Loading --------------------------------------------------------------------------------===//

TEST_F(CudaDeviceTest, LoadsEachKernelFromItsSource) {
  OPEN();
  std::map<std::string, std::vector<std::string>> loaded;
  for (const CudaSource &source : driver->sources)
    loaded[source.name] = source.kernels;
  EXPECT_THAT(loaded["source/embed.cu"], ElementsAre("embed_few", "embed_many"));
  EXPECT_THAT(loaded["source/attention.cu"], ElementsAre("attention_any"));
  EXPECT_THAT(loaded["source/head.cu"], ElementsAre("gather", "head_few"));
  EXPECT_THAT(loaded["source/sampling.cu"], ElementsAre("advance", "sample"));
  EXPECT_EQ(driver->arch, "sm_90a");
}

TEST_F(CudaDeviceTest, WeightsAreThere) {
  OPEN();
  expect(device->run(Arrays({{1, 0}}).view()));
  const float *table = pointer<float>(driver->launches[0].arguments[0]);
  EXPECT_EQ(table[0], 0);
  EXPECT_EQ(table[31], 31);
}

TEST_F(CudaDeviceTest, RefusesASourceThatIsNotListed) {
  model.artifact.manifest.files.erase("source/head.cu");
  EXPECT_THAT(open().error().message(), HasSubstr("file 'source/head.cu' is not listed"));
}

TEST_F(CudaDeviceTest, RefusesAFunctionOfTwoKernels) {
  model.artifact.plan.launches[1].target["variants"][0]["functions"][0]["name"] = "embed_few";
  EXPECT_THAT(open().error().message(),
              HasSubstr("function 'embed_few' belongs to kernels 'embed' and 'attention'"));
}

TEST_F(CudaDeviceTest, RefusesMoreSharedMemoryThanTheCardHas) {
  driver->facts.sharedBytes = 1000;
  EXPECT_THAT(open().error().message(), HasSubstr("takes 1024 bytes of shared memory, a block of "
                                                  "the Fake 9000 has 1000"));
}

//===- Architectures --------------------------------------------------------------------------===//

TEST_F(CudaDeviceTest, RefusesACardThatTheSpecialCodeIsNotFor) {
  driver->facts.major = 8;
  EXPECT_THAT(open().error().message(),
              HasSubstr("was compiled for sm_90a, which runs on cards of compute capability 9.0 "
                        "only; the Fake 9000 has 8.0; compile it with --arch sm_80"));
}

TEST_F(CudaDeviceTest, RefusesANewerCardForSpecialCode) {
  driver->facts.major = 10;
  EXPECT_THAT(open().error().message(), HasSubstr("9.0 only; the Fake 9000 has 10.0"));
}

TEST_F(CudaDeviceTest, CompilesOlderCodeForTheCardItself) {
  model.artifact.manifest.arch = "sm_80";
  driver->facts.minor = 1;
  OPEN();
  EXPECT_EQ(driver->arch, "sm_91");
}

TEST_F(CudaDeviceTest, RefusesAnOlderCard) {
  model.artifact.manifest.arch = "sm_80";
  driver->facts.major = 7;
  driver->facts.minor = 5;
  EXPECT_THAT(open().error().message(),
              HasSubstr("was compiled for sm_80, which runs on cards of compute capability 8.0 and "
                        "above; the Fake 9000 has 7.5"));
}

TEST_F(CudaDeviceTest, RefusesWhatIsNoArchitecture) {
  for (const char *arch : {"", "sm_", "sm_90b", "sm_90aa", "90a", "sm_9", "sm_99999999999"}) {
    model.artifact.manifest.arch = arch;
    auto opened = openCudaDevice(model.shared(), std::make_unique<FakeDriver>(), {});
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().message(), HasSubstr("which is no architecture of CUDA"));
  }
}

//===- Steps ----------------------------------------------------------------------------------===//

TEST_F(CudaDeviceTest, ChoosesVariantsAndGridsByRows) {
  OPEN();
  expect(device->run(Arrays({{3, 0}, {6, 0}}).view()));
  EXPECT_EQ(driver->launches.size(), 3u);
  EXPECT_EQ(driver->launches[0].name, "embed_many"); // 9 rows, 8 per tile
  EXPECT_EQ(driver->launches[0].blocks, 6u);
  EXPECT_TRUE(driver->launches[0].early);
  EXPECT_EQ(driver->launches[0].threads, 64u);
  EXPECT_EQ(driver->launches[0].sharedBytes, 1024u);
  EXPECT_EQ(driver->launches[1].name, "attention_any"); // 2 * (9 / 4 + 2)
  EXPECT_EQ(driver->launches[1].blocks, 8u);
  EXPECT_FALSE(driver->launches[1].early);
  EXPECT_EQ(driver->launches[2].name, "head_few");
  EXPECT_EQ(driver->launches[2].blocks, 2u);
}

TEST_F(CudaDeviceTest, TakesTheLibraryForProductsThatAreItsOwn) {
  OPEN();
  std::vector<std::pair<int, int>> sequences(5, {2, 0});
  expect(device->run(Arrays(sequences).view()));
  ASSERT_EQ(driver->products.size(), 1u);
  const CudaProduct &product = driver->products[0];
  EXPECT_EQ(product.rows, 5);
  EXPECT_EQ(product.columns, 8);
  EXPECT_EQ(product.depth, 4);
  EXPECT_EQ(product.strideB, 4);
  EXPECT_EQ(product.b, driver->launches[0].arguments[0]);
  EXPECT_EQ(driver->launches.back().name, "gather");
}

TEST_F(CudaDeviceTest, LaunchesNothingForLogitsThatNobodyWants) {
  OPEN();
  Arrays arrays({{5, 0}});
  arrays.logitRow.clear();
  expect(device->run(arrays.view()));
  EXPECT_THAT(driver->calls,
              ElementsAre(HasSubstr("upload"), "launch embed_many 3", "launch attention_any 4"));
}

TEST_F(CudaDeviceTest, TheBatchOnTheDeviceIsTheOneGiven) {
  OPEN();
  Arrays arrays({{2, 5}, {1, 9}}, /*stride=*/3);
  expect(device->run(arrays.view()));
  const LlmoptBatch &step = driver->launches[0].batch;
  EXPECT_EQ(step.tokens, 3);
  EXPECT_EQ(step.pageTableStride, SmallModel::contextLength / SmallModel::pageTokens);
  EXPECT_EQ(std::vector<int32_t>(step.tokenIds, step.tokenIds + 3), arrays.ids);
  EXPECT_EQ(std::vector<int32_t>(step.positions, step.positions + 3), arrays.positions);
  EXPECT_EQ(std::vector<int32_t>(step.sequenceOf, step.sequenceOf + 3), arrays.sequenceOf);
  EXPECT_EQ(std::vector<int32_t>(step.firstRow, step.firstRow + 3), arrays.firstRow);
  EXPECT_EQ(std::vector<int32_t>(step.logitRow, step.logitRow + 2), arrays.logitRow);
  for (int sequence = 0; sequence < 2; ++sequence)
    for (int page = 0; page < 3; ++page)
      EXPECT_EQ(step.pageTable[sequence * step.pageTableStride + page], sequence * 3 + page);
}

TEST_F(CudaDeviceTest, ExtentsHoldALaunchToItsMemory) {
  OPEN();
  expect(device->run(Arrays({{3, 0}}).view()));
  const auto &launch = driver->launches[1]; // cache layer 1, hidden
  const auto &cache = launch.extents[launch.extents.size() - 2];
  EXPECT_EQ(cache.begin, launch.arguments[0]);
  EXPECT_EQ(cache.bytes, 16u * SmallModel::pageBytes);
  EXPECT_TRUE(cache.writable);
  EXPECT_EQ(launch.extents.back().bytes, 3u * 16);
  EXPECT_FALSE(driver->launches[0].extents[6].writable) << "a weight";
  EXPECT_FALSE(launch.extents[0].writable) << "the batch's tokens";
}

TEST_F(CudaDeviceTest, RefusesASequenceWithMorePagesThanThereCanBe) {
  OPEN();
  Status status = device->run(Arrays({{1, 0}}, /*stride=*/9).view());
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message(), HasSubstr("has 9 pages of the key-value cache, the longest "
                                                  "possible has 8"));
}

TEST_F(CudaDeviceTest, WorkIsSplitOverAsManyBlocksAsRunAtOnce) {
  model.artifact.plan.launches[1].target["variants"][0]["functions"][0]["splits"] = 40;
  OPEN();
  expect(device->run(Arrays({{3, 0}}).view()));
  EXPECT_EQ(driver->launches[1].blocks, 80u) << "two tiles in 40";
  expect(device->run(Arrays({{3, 0}, {2, 0}}).view()));
  EXPECT_EQ(driver->launches[4].blocks, 6u * 13) << "of the 132 that run at once, 80 at most";
}

TEST_F(CudaDeviceTest, LogitsComeToTheHost) {
  OPEN();
  EXPECT_FALSE(device->logits());
  expect(device->run(Arrays({{3, 0}, {2, 4}}).view()));
  auto logits = device->logits();
  ASSERT_TRUE(logits);
  EXPECT_EQ((*logits)[0], 2);
  EXPECT_EQ((*logits)[SmallModel::vocabulary], 5);
}

TEST_F(CudaDeviceTest, CopiesPagesOfEveryLayer) {
  OPEN();
  expect(device->copyPages({{1, 2}}));
  EXPECT_EQ(count(fmt::format("copy {}", SmallModel::pageBytes)), 2);
}

//===- Graphs ---------------------------------------------------------------------------------===//

TEST_F(CudaDeviceTest, DecodesAreRecordedOnceForEachNumberOfSequences) {
  OPEN();
  for (int i = 0; i < 3; ++i) {
    expect(device->run(Arrays({{1, i}}).view()));
    expect(device->run(Arrays({{1, i}, {1, 4}}).view()));
  }
  EXPECT_EQ(count("record"), 2);
  EXPECT_EQ(count("run"), 6);
  EXPECT_EQ((*device->logits())[0], 2) << "the last batch's position";
}

TEST_F(CudaDeviceTest, PrefillsAreLaunchedDirectly) {
  OPEN();
  expect(device->run(Arrays({{2, 0}}).view()));
  EXPECT_EQ(count("record"), 0);
}

TEST_F(CudaDeviceTest, AMeasuredStepHasMarksAroundEachFunction) {
  OPEN();
  auto times = device->runProfiled(Arrays({{1, 3}, {1, 0}}).view());
  ASSERT_TRUE(times) << times.error().message();
  std::vector<std::string> functions;
  for (size_t i = 0; i < times->size(); ++i) {
    functions.push_back((*times)[i].function);
    EXPECT_EQ((*times)[i].begin, 2.0 * double(i));
    EXPECT_EQ((*times)[i].end, 2.0 * double(i) + 1);
  }
  EXPECT_THAT(functions, ElementsAre("embed_few", "attention_any", "head_few"));
  EXPECT_EQ(times->back().launch, 2u);
  EXPECT_EQ(count("record"), 1);
  EXPECT_EQ(count("run"), 2);
  auto logits = device->logits();
  ASSERT_TRUE(logits);
  EXPECT_EQ((*logits)[0], 3);
}

//===- Steps as one kernel --------------------------------------------------------------------===//

TEST_F(CudaDeviceTest, DecodesOfAPersistentArtifactAreOneKernel) {
  model.addPersistentStep();
  OPEN();
  EXPECT_EQ(count("upload"), 0);
  for (int i = 0; i < 3; ++i)
    expect(device->run(Arrays({{1, i}, {1, 4}}).view()));
  EXPECT_EQ(count("record"), 1);
  EXPECT_EQ(count("launch step_rows4 132"), 3) << "as many blocks as run at once";
  EXPECT_EQ(driver->launches.size(), 3u);
  EXPECT_TRUE(driver->launches.back().cooperative);
  const auto *kernels = pointer<LlmoptStepKernel>(driver->launches.back().arguments[0]);
  EXPECT_EQ(kernels[0].function, 1) << "embed, of the kernels by name";
  EXPECT_EQ(kernels[0].tiles, 4) << "two rows of two";
  EXPECT_EQ(kernels[2].tiles, 2);
}

TEST_F(CudaDeviceTest, WhatIsNoDecodeOrOfMoreRowsIsLaunchedKernelByKernel) {
  model.addPersistentStep();
  OPEN();
  expect(device->run(Arrays({{2, 0}}).view()));
  expect(device->run(Arrays({{1, 0}, {1, 0}, {1, 1}, {1, 2}, {1, 3}}).view()));
  EXPECT_EQ(driver->launches.size(), 6u);
  for (const FakeDriver::Launched &launch : driver->launches)
    EXPECT_FALSE(launch.cooperative);
}

TEST_F(CudaDeviceTest, APersistentArtifactRunsAsAGraphToo) {
  model.addPersistentStep();
  expect(open(/*pages=*/16, "graph"));
  expect(device->run(Arrays({{1, 0}}).view()));
  EXPECT_EQ(count("launch head_few 1"), 1);
}

TEST_F(CudaDeviceTest, RefusesPersistentStepsThatTheArtifactHasNot) {
  Status status = open(/*pages=*/16, "persistent");
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message(),
              HasSubstr("has no persistent step; compile it with --launch persistent"));
}

TEST_F(CudaDeviceTest, RefusesAPersistentStepOfOtherTiles) {
  model.addPersistentStep();
  model.artifact.plan.launches[0].target["variants"][0]["functions"][0]["tiles"] = 3;
  OPEN();
  Status status = device->run(Arrays({{1, 0}}).view());
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message(), HasSubstr("launch 0: its tiles in a persistent step are "
                                                  "not those of its function"));
}

TEST_F(CudaDeviceTest, TheTableOfAPersistentStepGoesWhenMemoryMoves) {
  model.addPersistentStep();
  OPEN();
  expect(device->run(Arrays({{1, 0}}).view()));
  const uint64_t used = driver->used;
  expect(device->allocateCache(16));
  EXPECT_LT(driver->used, used);
  expect(device->run(Arrays({{1, 0}}).view()));
  EXPECT_EQ(driver->used, used);
}

//===- Memory that moves ----------------------------------------------------------------------===//

TEST_F(CudaDeviceTest, GraphsGoWhenMemoryMoves) {
  OPEN();
  expect(device->run(Arrays({{1, 0}}).view()));
  expect(device->run(Arrays({{3000, 0}}, 8).view()));
  expect(device->run(Arrays({{1, 1}}).view()));
  EXPECT_EQ(count("record"), 2);
  expect(device->allocateCache(8));
  expect(device->run(Arrays({{1, 1}}).view()));
  EXPECT_EQ(count("record"), 3);
}

//===- Sampled steps --------------------------------------------------------------------------===//

static std::vector<int32_t> take(Device &device, int64_t count) {
  auto tokens = device.takeTokens();
  EXPECT_TRUE(tokens);
  return tokens ? std::vector<int32_t>(*tokens, *tokens + count) : std::vector<int32_t>();
}

TEST_F(CudaDeviceTest, TokensAndPositionsFollowOnTheDevice) {
  OPEN();
  ASSERT_TRUE(device->samples());
  Arrays arrays({{1, 2}, {1, 5}});
  std::vector<LlmoptSampling> rows(2, LlmoptSampling{0, 0, 1, 0, 0});
  expect(device->runSampled(arrays.view(), rows.data()));
  expect(device->runNext(arrays.view()));
  EXPECT_THAT(take(*device, 2), ElementsAre(3, 6));
  expect(device->runNext(arrays.view()));
  EXPECT_THAT(take(*device, 2), ElementsAre(4, 7));
  EXPECT_THAT(take(*device, 2), ElementsAre(5, 8));
  EXPECT_EQ((*device->logits())[SmallModel::vocabulary], 7);
  EXPECT_EQ(count("record"), 1);
  EXPECT_EQ(count("run"), 3);
}

TEST_F(CudaDeviceTest, TheNextStepIsQueuedWithoutUploads) {
  OPEN();
  Arrays arrays({{1, 2}});
  LlmoptSampling row{0, 0, 1, 0, 0};
  expect(device->runSampled(arrays.view(), &row));
  driver->calls.clear();
  expect(device->runNext(arrays.view()));
  EXPECT_EQ(driver->calls[0], "run");
  EXPECT_EQ(count("wait"), 0);
}

TEST_F(CudaDeviceTest, AChangedPageTableIsUploaded) {
  OPEN();
  Arrays arrays({{1, 2}, {1, 3}});
  std::vector<LlmoptSampling> rows(2, LlmoptSampling{0, 0, 1, 0, 0});
  expect(device->runSampled(arrays.view(), rows.data()));
  driver->calls.clear();
  arrays.pages[3] = 11;
  expect(device->runNext(arrays.view()));
  EXPECT_THAT(driver->calls[0], HasSubstr("upload"));
  const LlmoptBatch &step = driver->launches.back().batch;
  EXPECT_EQ(step.pageTable[step.pageTableStride + 1], 11);
}

TEST_F(CudaDeviceTest, HowTokensAreChosenIsOnTheDevice) {
  OPEN();
  LlmoptSampling row{0.5f, 40, 0.9f, 123, 7};
  expect(device->runSampled(Arrays({{4, 0}}).view(), &row));
  EXPECT_EQ(driver->launches.back().name, "sample") << "no decode, so nothing is advanced";
  auto *there = pointer<LlmoptSampling>(driver->launches.back().arguments[1]);
  EXPECT_EQ(there->topK, 40);
  EXPECT_EQ(there->stream, 7u);
}

TEST_F(CudaDeviceTest, OnlyADecodeIsFollowedByTheNext) {
  OPEN();
  Arrays decode({{1, 2}});
  EXPECT_FALSE(device->runNext(decode.view())) << "nothing has run";
  LlmoptSampling row{0, 0, 1, 0, 0};
  expect(device->runSampled(Arrays({{4, 0}}).view(), &row));
  EXPECT_FALSE(device->runNext(decode.view())) << "a prompt has run";
  EXPECT_THAT(take(*device, 1), ElementsAre(4));
  expect(device->runSampled(decode.view(), &row));
  EXPECT_FALSE(device->runNext(Arrays({{1, 2}, {1, 2}}).view())) << "others have run";
  expect(device->run(decode.view()));
  EXPECT_FALSE(device->runNext(decode.view())) << "no token was chosen";
}

TEST_F(CudaDeviceTest, NoMoreStepsAreQueuedThanCanBeTaken) {
  OPEN();
  EXPECT_FALSE(device->takeTokens());
  Arrays decode({{1, 2}});
  LlmoptSampling row{0, 0, 1, 0, 0};
  expect(device->runSampled(decode.view(), &row));
  expect(device->runNext(decode.view()));
  EXPECT_FALSE(device->runNext(decode.view()));
}

TEST_F(CudaDeviceTest, WithoutSamplingKernelsTheHostChooses) {
  model.artifact.plan.target = Json::object();
  OPEN();
  EXPECT_FALSE(device->samples());
  LlmoptSampling row{0, 0, 1, 0, 0};
  EXPECT_FALSE(device->runSampled(Arrays({{1, 2}}).view(), &row));
}

//===- Memory ---------------------------------------------------------------------------------===//

TEST_F(CudaDeviceTest, TooLittleMemoryForTheWeightsIsToldWithTheNumbers) {
  driver->facts.freeBytes = 2000;
  EXPECT_THAT(open().error().message(),
              HasSubstr("does not fit on the Fake 9000: the weights take 0.00 GB, a step of 512 "
                        "rows 0.00 GB and each token of the key-value cache 32 bytes; of 0.00 GB "
                        "that are free this leaves a context of 0 tokens"));
}

TEST_F(CudaDeviceTest, ACacheThatDoesNotFitIsToldWithTheNumbers) {
  EXPECT_THAT(open(int64_t(1) << 30).error().message(),
              HasSubstr("a key-value cache of 1073741824 pages takes 137.44 GB, 1.07 GB are left; "
                        "the weights take"));
}
