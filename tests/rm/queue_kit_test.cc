// The resource manager for queues before the conformance kit, in the log of the kit's manager.
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <cairn/rm_kit.h>
#include <cairn/rm_queue.h>

#include "rm/kit_options.h"

namespace cairn::rm_kit {
namespace {

// A count is a message that is taken out of the item's queue and put in again, one higher.
class QueueSubject : public Subject {
 public:
  static Result<std::unique_ptr<Subject>> open(const Surroundings& at) {
    auto subject = std::make_unique<QueueSubject>();
    CAIRN_ASSIGN_OR_RETURN(subject->queues_,
                           rm::QueueResourceManager::open(
                               at.manager, {.id = at.id, .log = at.log, .snapshot_bytes = 600}));
    return std::unique_ptr<Subject>(std::move(subject));
  }

  Status add(const tm::Transaction& transaction, const std::string& item) override {
    if (queues_->depth(item).taken > 0) return Status(StatusCode::kLocked, item + " is taken");
    const auto found = queues_->consume(transaction, item);
    if (!found && found.code() != StatusCode::kTimeout) return found.status();
    return queues_->produce(transaction, item,
                            std::to_string(found ? std::stoi(found->body) + 1 : 1));
  }
  Result<std::uint64_t> count(const std::string& item) override {
    if (queues_->depth(item).taken > 0) return Status(StatusCode::kLocked, item + " is taken");
    const auto messages = queues_->browse(item);
    if (messages.empty()) return 0;
    return messages.size() == 1 ? std::stoull(messages.front().body) : 1000;
  }
  Status look(const tm::Transaction& transaction, const std::string& item) override {
    const auto found = queues_->consume(transaction, "not " + item);
    return found.code() == StatusCode::kTimeout ? Status::ok() : found.status();
  }

 private:
  std::unique_ptr<rm::QueueResourceManager> queues_;
};

TEST(KitOnQueues, FindsNoRuleBroken) {
  Options with = options();
  with.keeping = Keeping::kManagersLog;
  const Report report = check(QueueSubject::open, with);
  EXPECT_TRUE(report.status.is_ok() && report.violations.empty()) << report.to_string();
  std::printf("[ kit      ] %s", report.to_string().c_str());
}

}  // namespace
}  // namespace cairn::rm_kit
