// Logs of every format version so far, opened by today's code.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/log.h>
#include <cairn/sim/sim_storage.h>
#include <cairn/transaction_manager.h>

#include "golden/golden_text.h"
#include "log/torture_names.h"

namespace cairn::golden {
namespace {

// The logs are unpacked there by the build; what they hold lies in the tree.
const std::filesystem::path kUnpacked = CAIRN_GOLDEN_UNPACKED;
const std::filesystem::path kSource = CAIRN_GOLDEN_SOURCE;

std::vector<std::string> golden_logs() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kSource)) {
    if (entry.path().extension() == ".txt" && entry.path().stem() != "CMakeLists") {
      names.push_back(entry.path().stem());
    }
  }
  return names;
}

bool has_manager(const std::string& name) { return name.ends_with("-transactions"); }

class Golden : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    storage = std::make_shared<sim::SimStorage>(sim::SimOptions{.max_delay = 0, .reorder = false});
    ASSERT_TRUE(storage->load(kUnpacked / GetParam(), "log"));
    ASSERT_TRUE(storage->exists("log", "base.cairn"));
  }

  static std::string expected() {
    std::ifstream in(kSource / (GetParam() + ".txt"));
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

  std::shared_ptr<sim::SimStorage> storage;
};

TEST_P(Golden, LogHoldsWhatItHeldWhenItWasWritten) {
  const auto text = golden_text(storage->clone());
  ASSERT_TRUE(text) << text.status().to_string();
  std::string found = *text;
  if (has_manager(GetParam())) {
    const auto manager = manager_text(storage);
    ASSERT_TRUE(manager) << manager.status().to_string();
    found += *manager;
  }
  EXPECT_EQ(found, expected());
}

TEST_P(Golden, LogIsSoundToVerifyAndToLookAt) {
  const auto report = log::verify("log", {storage});
  ASSERT_TRUE(report) << report.status().to_string();
  EXPECT_TRUE(report->damages.empty()) << report->damages[0].reason;
  EXPECT_GT(report->records, 0U);
  EXPECT_TRUE(log::LogView::open("log", log_test::manual_options(storage)));
}

TEST_P(Golden, LogGoesOnAndKeepsOldAndNew) {
  log_test::LogContents before;
  Lsn appended;
  {
    const auto opened = log::Log::open("log", log_test::manual_options(storage));
    ASSERT_TRUE(opened) << opened.status().to_string();
    before = log_test::read_contents(**opened).value();
    log::Stream stream = (*opened)->create_stream("written today").value();
    log::AppendOptions durable;
    durable.durability = log::Durability::kDurable;
    appended = stream.append(std::as_bytes(std::span("bytes", 5)), durable).value();
  }
  const auto again =
      log::Log::open("log", log_test::manual_options(storage->after_crash(sim::survive_none())));
  ASSERT_TRUE(again) << again.status().to_string();
  log_test::LogContents after = log_test::read_contents(**again).value();
  ASSERT_TRUE(after.streams.contains("written today"));
  EXPECT_EQ(after.streams["written today"].records.at(0).lsn, appended);
  after.streams.erase("written today");
  EXPECT_EQ(log_test::difference(before, after), "");
}

class GoldenManager : public Golden {};

TEST_P(GoldenManager, TransactionsAreTakenOver) {
  tm::TmOptions options;
  options.log = log::Log::open("log", log_test::manual_options(storage)).value();
  options.background = tm::Background::kManual;
  auto manager = tm::TransactionManager::open(options);
  ASSERT_TRUE(manager) << manager.status().to_string();
  const auto report = manager->recover();
  ASSERT_TRUE(report) << report.status().to_string();
  EXPECT_EQ(report->committed.size(), 1U);
  EXPECT_EQ(report->enlistments, 1U);
}

std::string test_name(const testing::TestParamInfo<std::string>& log) {
  std::string name = log.param;
  std::ranges::replace(name, '-', '_');
  return name;
}

std::vector<std::string> managers_logs() {
  std::vector<std::string> names = golden_logs();
  std::erase_if(names, [](const std::string& name) { return !has_manager(name); });
  return names;
}

INSTANTIATE_TEST_SUITE_P(Logs, Golden, testing::ValuesIn(golden_logs()), test_name);
INSTANTIATE_TEST_SUITE_P(Logs, GoldenManager, testing::ValuesIn(managers_logs()), test_name);

}  // namespace
}  // namespace cairn::golden
