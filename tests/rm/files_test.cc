// The resource manager for files on the real file system: what it takes, what it refuses, and who
// sees what when.
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/rm_files.h>

#include "file_locks.h"
#include "file_record.h"
#include "servers/temporary_directory.h"

namespace cairn::rm {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

class FilesTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(tree_);
    start();
  }
  void TearDown() override { stop(); }
  void start() {
    log_ = log::Log::open_or_create(temporary_ / "log",
                                    {.container_size = log::kMinContainerSize, .calibrate = false})
               .value();
    tm_ = tm::TransactionManager::open_or_create({.log = log_}).value();
    ASSERT_TRUE(tm_.recover());
    auto opened = open();
    ASSERT_TRUE(opened) << opened.status().to_string();
    files_ = std::move(*opened);
  }
  void stop() {
    files_.reset();
    static_cast<void>(tm_.close());
    tm_ = {};
    log_.reset();
  }
  [[nodiscard]] FilesOptions options() const { return {.id = id_, .tree = tree_, .log = log_}; }
  Result<std::unique_ptr<FilesResourceManager>> open() {
    return FilesResourceManager::open(tm_, options());
  }
  tm::Transaction begin() { return tm_.create_transaction().value(); }
  void put(const std::string& path, const std::string& contents) {
    auto transaction = begin();
    ASSERT_TRUE(files_->write(transaction, path, contents));
    const Status done = transaction.commit();
    ASSERT_TRUE(done) << done.to_string();
  }
  [[nodiscard]] std::size_t staged() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(tree_ + ".staging"), fs::directory_iterator()));
  }

  const TemporaryDirectory temporary_;
  const std::string tree_ = temporary_ / "tree";
  const Uuid id_ = Uuid::parse("9d0b3b54-6a2c-4d4e-8d5f-6f1f0c9b7a01").value();
  std::shared_ptr<log::Log> log_;
  tm::TransactionManager tm_;
  std::unique_ptr<FilesResourceManager> files_;
};

TEST_F(FilesTest, SeveralFilesChangeAsOne) {
  put("a", "old a");
  put("dir/b", "old b");
  put("c", "old c");
  auto transaction = begin();
  ASSERT_TRUE(files_->write(transaction, "a", "new a"));
  ASSERT_TRUE(files_->rename(transaction, "dir/b", "other/dir/b2"));
  ASSERT_TRUE(files_->remove(transaction, "c"));
  ASSERT_TRUE(files_->create(transaction, "d", "new d"));
  EXPECT_EQ(slurp(tree_ + "/a"), "old a");
  EXPECT_FALSE(fs::exists(tree_ + "/d"));
  ASSERT_TRUE(transaction.commit());
  EXPECT_EQ(slurp(tree_ + "/a"), "new a");
  EXPECT_EQ(slurp(tree_ + "/other/dir/b2"), "old b");
  EXPECT_EQ(slurp(tree_ + "/d"), "new d");
  EXPECT_FALSE(fs::exists(tree_ + "/dir/b") || fs::exists(tree_ + "/c"));
  EXPECT_EQ(staged(), 0u);
}

TEST_F(FilesTest, ARollbackLeavesNothing) {
  put("a", "old a");
  auto transaction = begin();
  ASSERT_TRUE(files_->write(transaction, "a", "new a"));
  ASSERT_TRUE(files_->rename(transaction, "a", "x/b"));
  EXPECT_GT(staged(), 0u);
  ASSERT_TRUE(transaction.rollback());
  EXPECT_EQ(*files_->read("a", std::chrono::seconds(20)), "old a");
  EXPECT_EQ(staged(), 0u);
  EXPECT_FALSE(fs::exists(tree_ + "/x"));
}

TEST_F(FilesTest, ATransactionSeesItsOwnChanges) {
  put("a", "old");
  put("z", "z");
  auto transaction = begin();
  ASSERT_TRUE(files_->write(transaction, "a", "1"));
  ASSERT_TRUE(files_->write(transaction, "a", "2"));
  EXPECT_EQ(*files_->read(transaction, "a"), "2");
  EXPECT_EQ(files_->create(transaction, "a", "3").code(), StatusCode::kAlreadyExists);
  ASSERT_TRUE(files_->rename(transaction, "a", "b"));
  EXPECT_EQ(files_->read(transaction, "a").code(), StatusCode::kNotFound);
  EXPECT_EQ(files_->remove(transaction, "a").code(), StatusCode::kNotFound);
  EXPECT_EQ(files_->rename(transaction, "z", "b").code(), StatusCode::kAlreadyExists);
  ASSERT_TRUE(files_->rename(transaction, "z", "a"));
  ASSERT_TRUE(files_->rename(transaction, "b", "z"));
  ASSERT_TRUE(transaction.commit());
  EXPECT_EQ(*files_->read("a"), "z");
  EXPECT_EQ(*files_->read("z"), "2");
  EXPECT_EQ(files_->read("b").code(), StatusCode::kNotFound);
  EXPECT_EQ(staged(), 0u);
}

TEST_F(FilesTest, ARenameThereAndBackChangesNothing) {
  put("a", "same");
  auto transaction = begin();
  ASSERT_TRUE(files_->rename(transaction, "a", "b"));
  ASSERT_TRUE(files_->rename(transaction, "b", "a"));
  ASSERT_TRUE(transaction.commit());
  EXPECT_EQ(*files_->read("a"), "same");
  EXPECT_EQ(staged(), 0u);  // rename(2) of two names of one file leaves both
}

TEST_F(FilesTest, AReplacedFileKeepsItsPermissions) {
  put("script", "old");
  ASSERT_EQ(::chmod((tree_ + "/script").c_str(), 0750), 0);
  put("script", "new");
  struct stat found {};
  ASSERT_EQ(::stat((tree_ + "/script").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777u, 0750u);
}

TEST_F(FilesTest, APathOfAnUndecidedTransactionIsLocked) {
  put("a", "old");
  auto first = begin();
  auto second = begin();
  ASSERT_TRUE(files_->write(first, "a", "new"));
  ASSERT_TRUE(files_->write(first, "d/x", "new"));
  EXPECT_EQ(files_->write(second, "a", "2").code(), StatusCode::kLocked);
  EXPECT_EQ(files_->write(second, "d", "a file where a directory comes").code(),
            StatusCode::kLocked);
  EXPECT_EQ(files_->write(second, "a/below", "2").code(), StatusCode::kLocked);
  EXPECT_EQ(files_->read("a").code(), StatusCode::kLocked);
  EXPECT_EQ(files_->write(first, "d/x/y", "").code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(files_->write(second, "d/y", "2"));
  ASSERT_TRUE(first.commit());
  EXPECT_EQ(*files_->read("a"), "new");
  EXPECT_TRUE(second.commit());
}

TEST_F(FilesTest, FilesThatAreReadTogetherAreOfOneMoment) {
  put("a", "0");
  put("b", "0");
  std::thread writer([&] {
    for (int i = 1; i <= 20; ++i) {
      auto transaction = begin();
      EXPECT_TRUE(files_->write(transaction, "a", std::to_string(i)));
      EXPECT_TRUE(files_->write(transaction, "b", std::to_string(i)));
      EXPECT_TRUE(transaction.commit());
    }
  });
  const std::vector<std::string> paths{"a", "b"};
  std::string last;
  while (last != "20") {
    const auto both = files_->read_together(paths, std::chrono::seconds(20));
    ASSERT_TRUE(both) << both.status().to_string();
    EXPECT_EQ(both->at(0), both->at(1));
    last = both->at(0).value();
  }
  writer.join();
}

TEST_F(FilesTest, ReadingTogetherSaysWhatIsNotThere) {
  put("a", "1");
  const std::vector<std::string> paths{"a", "none", "no/ne"};
  EXPECT_THAT(*files_->read_together(paths),
              ElementsAre(Optional(std::string("1")), std::nullopt, std::nullopt));
}

TEST_F(FilesTest, WhatIsNotPromisedIsGoneAfterARestart) {
  auto transaction = begin();
  ASSERT_TRUE(files_->write(transaction, "a", "new"));
  std::ofstream(tree_ + ".staging/of-another") << "kept";
  std::ofstream(tree_ + ".staging/" + id_.to_string() + ".orphan") << "gone";
  stop();
  start();
  EXPECT_FALSE(fs::exists(tree_ + "/a"));
  EXPECT_EQ(staged(), 1u);
  EXPECT_TRUE(fs::exists(tree_ + ".staging/of-another"));
}

TEST_F(FilesTest, PathsThatLeadOutAreRefused) {
  fs::create_directory(temporary_ / "outside");
  fs::create_directory_symlink(temporary_ / "outside", tree_ + "/link");
  fs::create_directory(tree_ + "/dir");
  std::ofstream(temporary_ / "secret") << "secret";
  fs::create_symlink(temporary_ / "secret", tree_ + "/file-link");
  std::ofstream(tree_ + "/file") << "file";
  auto transaction = begin();
  const std::string long_name(300, 'n');
  for (const std::string& path :
       {std::string(), std::string("/etc/passwd"), std::string(".."), std::string("../secret"),
        std::string("dir/../../secret"), std::string("a//b"), std::string("a/"), std::string("./a"),
        std::string("link/x"), std::string("file-link"), std::string("dir"),
        std::string("file/below"), long_name}) {
    EXPECT_EQ(files_->read(path).code(), StatusCode::kInvalidArgument) << path;
    EXPECT_EQ(files_->write(transaction, path, "x").code(), StatusCode::kInvalidArgument) << path;
  }
  EXPECT_EQ(files_->write(transaction, std::string_view("a\0b", 3), "x").code(),
            StatusCode::kInvalidArgument);
  EXPECT_THAT(files_->write(transaction, "link/x", "x").to_string(), HasSubstr("symbolic link"));
  EXPECT_TRUE(fs::is_empty(temporary_ / "outside"));
  EXPECT_TRUE(transaction.rollback());
}

// A link that comes between the call and COMMIT leads nowhere either.
TEST_F(FilesTest, ADirectoryThatBecomesALinkIsNotFollowed) {
  put("dir/a", "old");
  fs::create_directory(temporary_ / "outside");
  auto transaction = begin();
  ASSERT_TRUE(files_->write(transaction, "dir/a", "new"));
  fs::rename(tree_ + "/dir", tree_ + "/moved");
  fs::create_directory_symlink(temporary_ / "outside", tree_ + "/dir");
  const Status done = transaction.commit();
  EXPECT_EQ(done.code(), StatusCode::kAlreadyAborted) << done.to_string();
  EXPECT_TRUE(fs::is_empty(temporary_ / "outside"));
  EXPECT_TRUE(files_->health());
}

TEST_F(FilesTest, AFileThatSomeoneElseDeletedMeanwhileIsNoHindrance) {
  put("a", "a");
  put("b", "b");
  put("c", "c");
  auto transaction = begin();
  ASSERT_TRUE(files_->remove(transaction, "a"));
  ASSERT_TRUE(files_->rename(transaction, "b", "b2"));
  ASSERT_TRUE(files_->write(transaction, "c", "new"));
  for (const char* const name : {"/a", "/b", "/c"}) fs::remove(tree_ + name);
  ASSERT_TRUE(transaction.commit());
  EXPECT_EQ(*files_->read("b2"), "b");
  EXPECT_EQ(*files_->read("c"), "new");
  auto next = begin();
  EXPECT_EQ(files_->remove(next, "a").code(), StatusCode::kNotFound);
  EXPECT_EQ(files_->rename(next, "a", "x").code(), StatusCode::kNotFound);
}

TEST_F(FilesTest, AStagedFileThatSomeoneElseDeletedIsARollback) {
  put("a", "old");
  auto transaction = begin();
  ASSERT_TRUE(files_->write(transaction, "a", "new"));
  for (const auto& entry : fs::directory_iterator(tree_ + ".staging")) fs::remove(entry.path());
  EXPECT_EQ(transaction.commit().code(), StatusCode::kAlreadyAborted);
  EXPECT_EQ(*files_->read("a"), "old");
  EXPECT_TRUE(files_->health());
}

TEST_F(FilesTest, AFullDiskIsNoSpaceAndTheTransactionGoesOn) {
  put("a", "old");
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  auto transaction = begin();
  ASSERT_TRUE(files_->write(transaction, "a", "new"));
  struct rlimit small = before;
  small.rlim_cur = 1 << 20;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status full = files_->write(transaction, "a", std::string((1 << 20) + 1, 'x'));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(full.code(), StatusCode::kNoSpace) << full.to_string();
  EXPECT_EQ(staged(), 1u);
  ASSERT_TRUE(transaction.commit());
  EXPECT_EQ(*files_->read("a"), "new");
}

TEST_F(FilesTest, StagingIsOneOwnersBesideTheTree) {
  EXPECT_EQ(open().code(), StatusCode::kLocked);
  FilesOptions with = options();
  with.staging = tree_ + "/inside";
  EXPECT_EQ(FilesResourceManager::open(tm_, with).code(), StatusCode::kInvalidArgument);
  with.staging = temporary_.path();
  EXPECT_EQ(FilesResourceManager::open(tm_, with).code(), StatusCode::kInvalidArgument);
  with = options();
  with.tree = temporary_ / "none";
  EXPECT_EQ(FilesResourceManager::open(tm_, with).code(), StatusCode::kNotFound);
  with = options();
  with.id = {};
  with.staging = temporary_ / "second";
  EXPECT_EQ(FilesResourceManager::open(tm_, with).code(), StatusCode::kInvalidArgument);
  with.id = Uuid::generate();
  EXPECT_EQ(FilesResourceManager::open(tm_, with).code(), StatusCode::kIdentityMismatch);
}

TEST_F(FilesTest, StagingOnAnotherFileSystemIsRefused) {
  struct stat here {
  }, there{};
  if (::stat("/dev/shm", &there) != 0 || ::stat(tree_.c_str(), &here) != 0 ||
      here.st_dev == there.st_dev) {
    GTEST_SKIP() << "only one file system";
  }
  const TemporaryDirectory elsewhere("/dev/shm");
  FilesOptions with = options();
  with.staging = elsewhere / "staging";
  const auto opened = FilesResourceManager::open(tm_, with);
  EXPECT_EQ(opened.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(opened.status().to_string(), HasSubstr("found it on another"));
}

TEST(FileRecords, ComeBackAsTheyWere) {
  const FileChanges changes{{"a", {}}, {"b/c", {FileChangeKind::kPut, 7, "name"}}};
  const auto again = decode_file_changes(encode(changes));
  ASSERT_TRUE(again) << again.status().to_string();
  EXPECT_EQ(*again, changes);
}

TEST(FileRecords, CutAnywhereButBetweenChangesAreCorrupt) {
  const auto bytes = encode({{"a", {}}, {"b/c", {FileChangeKind::kPut, 7, "name"}}});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const bool is_whole = size == 0 || size == 18;
    EXPECT_EQ(decode_file_changes(std::span(bytes).first(size)).is_ok(), is_whole) << size;
  }
}

TEST(FileRecords, ThatLeadOutOfTheTreeAreCorrupt) {
  for (const std::string path : {"../x", "/x", "a//b"}) {
    const auto bytes = encode({{path, {}}});
    EXPECT_EQ(decode_file_changes(bytes).code(), StatusCode::kCorrupt) << path;
  }
  for (const std::string name : {"", "../x", "a/b", ".."}) {
    const auto bytes = encode({{"a", {FileChangeKind::kPut, 1, name}}});
    EXPECT_EQ(decode_file_changes(bytes).code(), StatusCode::kCorrupt) << name;
  }
  const auto bytes = encode({{"a", {static_cast<FileChangeKind>(9), 0, ""}}});
  EXPECT_EQ(decode_file_changes(bytes).code(), StatusCode::kCorrupt);
}

}  // namespace
}  // namespace cairn::rm
