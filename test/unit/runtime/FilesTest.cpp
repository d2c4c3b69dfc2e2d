#include "support/Files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <thread>

namespace fs = std::filesystem;
using namespace llmopt;

namespace {
class FilesTest : public testing::Test {
protected:
  void SetUp() override {
    fs::remove_all(folder);
    fs::create_directories(folder);
  }
  void TearDown() override { fs::remove_all(folder); }

  std::string path(const std::string &name) const { return (folder / name).string(); }
  static std::string content(const std::string &path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  /// Names in the folder.
  int count() const {
    return static_cast<int>(
        std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
  }
  static Result<PendingDirectory> create(const std::string &path) {
    return PendingDirectory::create(
        path, "a good folder", [](const std::string &old) { return fs::exists(old + "/good"); });
  }

  fs::path folder = fs::path(testing::TempDir()) / ("llmopt-files-" + std::to_string(::getpid()));
};
} // namespace

TEST_F(FilesTest, WritingFollowsALink) {
  ASSERT_TRUE(writeFile(path("file"), "old"));
  fs::create_symlink("file", path("link"));
  ASSERT_TRUE(writeFile(path("link"), "new"));
  EXPECT_TRUE(fs::is_symlink(path("link")));
  EXPECT_EQ(content(path("file")), "new");
}

TEST_F(FilesTest, WritingIntoAPipeKeepsThePipe) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  std::string read;
  std::thread reader([&] { read = content(path("pipe")); });
  EXPECT_TRUE(writeFile(path("pipe"), "text"));
  reader.join();
  EXPECT_EQ(read, "text");
  EXPECT_TRUE(fs::is_fifo(path("pipe")));
}

TEST_F(FilesTest, WritingNamesTheFileThatWasAskedFor) {
  Status status = writeFile(path("missing/file"), "text");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message(),
            "cannot write " + path("missing/file") + ": No such file or directory");
  EXPECT_FALSE(writeFile(folder.string(), "text"));
  EXPECT_EQ(count(), 0);
}

TEST_F(FilesTest, APendingDirectoryAppearsWhenItIsCommitted) {
  auto pending = create(path("new/"));
  ASSERT_TRUE(pending);
  ASSERT_TRUE(writeFile(pending->path() + "/file", "text"));
  EXPECT_FALSE(fs::exists(path("new")));
  ASSERT_TRUE(pending->commit());
  EXPECT_EQ(content(path("new/file")), "text");
  EXPECT_EQ(count(), 1);
}

TEST_F(FilesTest, APendingDirectoryThatIsNotCommittedLeavesNothing) {
  {
    ASSERT_TRUE(create(path("new")));
  }
  EXPECT_EQ(count(), 0);
}

TEST_F(FilesTest, APendingDirectoryReplacesOnlyWhatItMay) {
  fs::create_directory(path("old"));
  auto refused = create(path("old"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            path("old") + " exists and is not a good folder; not replacing it");
  ASSERT_TRUE(writeFile(path("old/good"), ""));
  auto pending = create(path("old"));
  ASSERT_TRUE(pending);
  ASSERT_TRUE(pending->commit());
  EXPECT_TRUE(fs::is_empty(path("old")));
  EXPECT_EQ(count(), 1);
}

TEST_F(FilesTest, APendingDirectoryFollowsALink) {
  fs::create_directory(path("real"));
  ASSERT_TRUE(writeFile(path("real/good"), ""));
  fs::create_directory_symlink("real", path("link"));
  auto pending = create(path("link"));
  ASSERT_TRUE(pending);
  ASSERT_TRUE(pending->commit());
  EXPECT_TRUE(fs::is_symlink(path("link")));
  EXPECT_TRUE(fs::is_empty(path("real")));
}

TEST_F(FilesTest, WhatAKilledProgramLeftGoesAndWhatIsBeingWrittenStays) {
  fs::create_directory(path("new.llmopt-unfinished-abcdef"));
  fs::create_directory(path("new.llmopt-unfinished-of-mine"));
  auto first = create(path("new"));
  ASSERT_TRUE(first);
  auto second = create(path("new"));
  ASSERT_TRUE(second);
  EXPECT_FALSE(fs::exists(path("new.llmopt-unfinished-abcdef")));
  EXPECT_TRUE(fs::exists(path("new.llmopt-unfinished-of-mine")));
  EXPECT_TRUE(fs::exists(first->path()));
}
