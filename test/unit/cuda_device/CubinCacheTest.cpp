//===- CubinCacheTest.cpp - What was compiled before is not compiled again --------------------===//

#include "runtime/devices/cuda/CubinCache.h"
#include "support/Files.h"
#include "test/unit/cuda/NvrtcTest.h"
#include "test/unit/runtime/TinyModel.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>

using namespace llmopt;
namespace fs = std::filesystem;

static size_t entries(const std::string &folder) {
  std::error_code none;
  return static_cast<size_t>(
      std::distance(fs::directory_iterator(folder, none), fs::directory_iterator()));
}

TEST(CubinCache, FindsWhatWasKept) {
  tiny::TemporaryDirectory folder;
  CubinCache cache(folder / "cubins");
  EXPECT_FALSE(cache.find("key"));
  std::string cubin("\x7f"
                    "ELF\0code\n",
                    10);
  cache.keep("key", cubin);
  EXPECT_EQ(cache.find("key"), cubin);
  EXPECT_FALSE(cache.find("other"));
}

TEST(CubinCache, ADamagedEntryIsNone) {
  tiny::TemporaryDirectory folder;
  CubinCache cache(folder / "cubins");
  cache.keep("key", "some machine code");
  std::string path = folder / "cubins/key";
  auto content = readFile(path);
  ASSERT_TRUE(content);
  for (size_t i = 0; i < content->size(); ++i) {
    std::string damaged = *content;
    damaged[i] ^= 1;
    ASSERT_TRUE(writeFile(path, damaged));
    EXPECT_FALSE(cache.find("key")) << "byte " << i;
    ASSERT_TRUE(writeFile(path, content->substr(0, i)));
    EXPECT_FALSE(cache.find("key")) << "cut to " << i;
  }
}

TEST(CubinCache, AnEntryUnderAnotherNameIsNone) {
  tiny::TemporaryDirectory folder;
  CubinCache cache(folder / "cubins");
  cache.keep("key", "code");
  fs::rename(folder / "cubins/key", folder / "cubins/other");
  EXPECT_FALSE(cache.find("other"));
}

TEST(CubinCache, WithoutAFolderOrAWritableOneItIsDoneWithout) {
  tiny::TemporaryDirectory folder;
  ASSERT_TRUE(writeFile(folder / "file", "no folder"));
  for (const std::string &path : {std::string(), folder / "file"}) {
    CubinCache cache(path);
    cache.keep("key", "code");
    EXPECT_FALSE(cache.find("key"));
  }
}

TEST(CubinCache, LiesWhereTheEnvironmentSays) {
  tiny::TemporaryDirectory folder;
  const char *before = std::getenv("XDG_CACHE_HOME");
  std::string old = before ? before : "";
  setenv("XDG_CACHE_HOME", (folder / "").c_str(), 1);
  CubinCache().keep("key", "code");
  if (before)
    setenv("XDG_CACHE_HOME", old.c_str(), 1);
  else
    unsetenv("XDG_CACHE_HOME");
  EXPECT_TRUE(fs::exists(folder / "llmopt/cubins/key"));
}

TEST(CubinCache, EveryInputChangesTheKey) {
  LLMOPT_NEED_NVRTC(nvrtc);
  const CudaSource source{"a.cu", "code", {"f"}};
  const std::vector<CudaHeader> headers = {{"x.h", "1"}, {"y.h", "2"}};
  const std::string key = cubinKey(source, headers, "sm_80", nvrtc);
  EXPECT_EQ(key.size(), 32u);
  EXPECT_EQ(key, cubinKey(source, {headers[1], headers[0]}, "sm_80", nvrtc)) << "in any order";
  EXPECT_NE(key, cubinKey(source, headers, "sm_90a", nvrtc));
  EXPECT_NE(key, cubinKey({"a.cu", "code2", {"f"}}, headers, "sm_80", nvrtc));
  EXPECT_NE(key, cubinKey(source, {{"x.h", "1"}, {"y.h", "3"}}, "sm_80", nvrtc));
  EXPECT_NE(key, cubinKey(source, {{"x.h", "1y.h2"}}, "sm_80", nvrtc));
}

TEST(CompileCubins, CompilesOnceAndTakesItFromTheCacheThen) {
  LLMOPT_NEED_NVRTC(nvrtc);
  tiny::TemporaryDirectory folder;
  CubinCache cache(folder / "cubins");
  std::vector<CudaSource> sources;
  for (int i = 0; i < 3; ++i)
    sources.push_back({fmt::format("{}.cu", i),
                       fmt::format("extern \"C\" __global__ void f{}() {{}}", i),
                       {fmt::format("f{}", i)}});
  auto first = compileCubins(sources, {}, "sm_80", nvrtc, cache, 2, true);
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_EQ(entries(folder / "cubins"), 3u);
  for (size_t i = 0; i < 3; ++i)
    cache.keep(cubinKey(sources[i], {}, "sm_80", nvrtc), "kept");
  auto second = compileCubins(sources, {}, "sm_80", nvrtc, cache, 2, true);
  ASSERT_TRUE(second);
  EXPECT_THAT(*second, testing::Each(std::string("kept")));
}

TEST(CompileCubins, TellsASourceThatDoesNotCompile) {
  LLMOPT_NEED_NVRTC(nvrtc);
  auto cubins = compileCubins({{"good.cu", "", {}}, {"bad.cu", "int f(", {}}}, {}, "sm_80", nvrtc,
                              CubinCache(""), 2, true);
  ASSERT_FALSE(cubins);
  EXPECT_THAT(cubins.error().message(), testing::HasSubstr("bad.cu does not compile for sm_80"));
}
