// The reference resource manager before the conformance kit.
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <cairn/rm_kit.h>

#include "kv/kv_store.h"
#include "rm/kit_options.h"

namespace cairn::rm_kit {
namespace {

class KvSubject : public Subject {
 public:
  static Result<std::unique_ptr<Subject>> open(const Surroundings& at) {
    log::CreateOptions create;
    create.container_size = log::kMinContainerSize;
    create.calibrate = false;
    log::OpenOptions options;
    options.storage = at.storage;
    auto subject = std::make_unique<KvSubject>();
    CAIRN_ASSIGN_OR_RETURN(subject->log_, log::Log::open_or_create(at.directory, create, options));
    CAIRN_ASSIGN_OR_RETURN(
        subject->store_,
        examples::KvStore::open(subject->log_, at.manager,
                                {.id = at.id, .stream = "kv", .snapshot_bytes = 600}));
    return std::unique_ptr<Subject>(std::move(subject));
  }

  Status add(const tm::Transaction& transaction, const std::string& item) override {
    CAIRN_ASSIGN_OR_RETURN(const auto found, store_->get(transaction, item));
    const int count = found ? std::stoi(*found) : 0;
    return store_->put(transaction, item, std::to_string(count + 1));
  }
  Result<std::uint64_t> count(const std::string& item) override {
    const auto found = store_->read(item);
    return found ? std::stoull(*found) : 0;
  }
  Status look(const tm::Transaction& transaction, const std::string& item) override {
    return store_->get(transaction, item).status();
  }

 private:
  std::shared_ptr<log::Log> log_;
  std::unique_ptr<examples::KvStore> store_;
};

TEST(KitOnTheReference, FindsNoRuleBroken) {
  const Report report = check(KvSubject::open, options());
  EXPECT_TRUE(report.status.is_ok() && report.violations.empty()) << report.to_string();
  std::printf("[ kit      ] %s", report.to_string().c_str());
}

}  // namespace
}  // namespace cairn::rm_kit
