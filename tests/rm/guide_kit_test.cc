// The resource manager of docs/writing-a-resource-manager.md, word for word, before the kit.
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <cairn/rm_kit.h>
#include <cairn/sim/sim_storage.h>

#include "rm/kit_options.h"

#define main guide_main
#include "guide_program.cc"
#undef main

namespace cairn::rm_kit {
namespace {

class GuideSubject : public Subject {
 public:
  static Result<std::unique_ptr<Subject>> open(const Surroundings& at) {
    log::CreateOptions create;
    create.container_size = log::kMinContainerSize;
    create.calibrate = false;
    log::OpenOptions options;
    options.storage = at.storage;
    auto subject = std::make_unique<GuideSubject>();
    std::shared_ptr<log::Log> log = at.log;
    if (!log) {
      CAIRN_ASSIGN_OR_RETURN(log, log::Log::open_or_create(at.directory, create, options));
    }
    CAIRN_ASSIGN_OR_RETURN(subject->counters_, guide::Counters::open(log, at.manager, at.id));
    return std::unique_ptr<Subject>(std::move(subject));
  }
  Status add(const tm::Transaction& transaction, const std::string& item) override {
    return counters_->add(transaction, item);
  }
  Result<std::uint64_t> count(const std::string& item) override { return counters_->count(item); }

 private:
  std::unique_ptr<guide::Counters> counters_;
};

TEST(GuidesResourceManager, BreaksNoRule) {
  const Report report = check(GuideSubject::open, options());
  EXPECT_TRUE(report.status.is_ok() && report.violations.empty()) << report.to_string();
  std::printf("[ kit      ] %s", report.to_string().c_str());
}

TEST(GuidesResourceManager, BreaksNoRuleInTheLogOfItsManager) {
  Options in_one_log = options();
  in_one_log.keeping = Keeping::kManagersLog;
  const Report report = check(GuideSubject::open, in_one_log);
  EXPECT_TRUE(report.status.is_ok() && report.violations.empty()) << report.to_string();
  std::printf("[ kit      ] %s", report.to_string().c_str());
}

// What is committed again is told by its work, not by its name.
TEST(GuidesResourceManager, CommitsAUnitOfWorkThatIsUsedAgain) {
  log::CreateOptions create;
  create.container_size = log::kMinContainerSize;
  create.calibrate = false;
  log::OpenOptions options;
  options.storage = std::make_shared<sim::SimStorage>();
  const auto log = std::shared_ptr(log::Log::create("/log", create, options).value());
  tm::TransactionManager manager = tm::TransactionManager::create({.log = log}).value();
  ASSERT_TRUE(manager.recover().is_ok());
  const Uuid id = Uuid::generate();
  auto counters = guide::Counters::open(log, manager, id).value();
  for (std::uint64_t count = 1; count <= 3; ++count) {
    auto transaction = manager.create_transaction({.unit_of_work = id}).value();
    ASSERT_TRUE(counters->add(transaction, "again").is_ok());
    ASSERT_TRUE(transaction.commit().is_ok());
    EXPECT_EQ(counters->count("again"), count);
  }
}

TEST(GuidesResourceManager, RulesAreThoseOfTheKit) {
  std::ifstream in(CAIRN_GUIDE);
  const std::string guide((std::istreambuf_iterator<char>(in)), {});
  for (int rule = 1; rule <= kRules; ++rule) {
    const std::string row = "\n| " + std::to_string(rule) + " | " + std::string(rule_text(rule));
    EXPECT_NE(guide.find(row + " |"), std::string::npos) << row;
  }
  EXPECT_EQ(rule_text(0), "");
  EXPECT_EQ(rule_text(kRules + 1), "");
}

}  // namespace
}  // namespace cairn::rm_kit
