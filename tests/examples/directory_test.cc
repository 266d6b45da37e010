// The directory of a run: fresh, or the bank's own; never somebody else's.
#include "bank/directory.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "servers/temporary_directory.h"

namespace cairn::examples::bank {
namespace {

namespace fs = std::filesystem;

void touch(const std::string& path) { std::ofstream(path) << "x"; }

TEST(BankDirectory, IsMadeWithItsParents) {
  const TemporaryDirectory temporary;
  ASSERT_TRUE(make_directory(temporary / "a/b").is_ok());
  EXPECT_TRUE(fs::is_directory(temporary / "a/b"));
}

TEST(BankDirectory, ThatOfAnEarlierRunIsEmptied) {
  const TemporaryDirectory temporary;
  ASSERT_TRUE(make_directory(temporary / "a").is_ok());
  fs::create_directory(temporary / "a/log");
  touch(temporary / "a/log/old");
  ASSERT_TRUE(make_directory(temporary / "a").is_ok());
  EXPECT_FALSE(fs::exists(temporary / "a/log"));
}

TEST(BankDirectory, AForeignOneIsRefusedUntouched) {
  const TemporaryDirectory temporary;
  touch(temporary / "mine");
  EXPECT_EQ(make_directory(temporary.path()).code(), StatusCode::kAlreadyExists);
  EXPECT_TRUE(fs::exists(temporary / "mine"));
}

TEST(BankDirectory, ThatOfARunInProgressIsRefusedUntouched) {
  const TemporaryDirectory temporary;
  auto running = make_directory(temporary / "a");
  ASSERT_TRUE(running.is_ok());
  touch(temporary / "a/work.csv");
  EXPECT_EQ(make_directory(temporary / "a").code(), StatusCode::kLocked);
  EXPECT_TRUE(fs::exists(temporary / "a/work.csv"));
  running = BankDirectory{};
  EXPECT_TRUE(make_directory(temporary / "a").is_ok());
}

TEST(BankDirectory, AFileIsRefused) {
  const TemporaryDirectory temporary;
  touch(temporary / "file");
  EXPECT_EQ(make_directory(temporary / "file").code(), StatusCode::kIoError);
}

TEST(BankDirectory, TheDefaultIsNew) { EXPECT_FALSE(fs::exists(default_directory())); }

}  // namespace
}  // namespace cairn::examples::bank
