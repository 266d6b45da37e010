// The circle: Cairn over Cairn. The manager of the kit decides; below it stands the adapter for XA
// resource managers; what it drives is the switch of another manager, in whose transactions the
// reference resource manager keeps the data. Both managers lose power, at each I/O, one or both.
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <cairn/rm_kit.h>
#include <cairn/rm_xa.h>
#include <cairn/xa_switch.h>

#include "kv/kv_store.h"
#include "rm/kit_options.h"

namespace cairn::rm_kit {
namespace {

constexpr int kCircleRmid = 901;

class CircleSubject : public Subject {
 public:
  static Result<std::unique_ptr<Subject>> open(const Surroundings& at) {
    log::CreateOptions create;
    create.container_size = log::kMinContainerSize;
    create.calibrate = false;
    log::OpenOptions options;
    options.storage = at.storage;
    auto subject = std::make_unique<CircleSubject>();
    CAIRN_ASSIGN_OR_RETURN(subject->log_, log::Log::open_or_create(at.directory, create, options));
    tm::TmOptions lower;
    lower.log = subject->log_;
    CAIRN_ASSIGN_OR_RETURN(subject->lower_, tm::TransactionManager::open_or_create(lower));
    CAIRN_RETURN_IF_ERROR(subject->lower_.recover().status());
    CAIRN_ASSIGN_OR_RETURN(
        subject->store_,
        examples::KvStore::open(subject->log_, subject->lower_, {.id = kStore, .stream = "kv"}));
    rm::XaOptions xa;
    xa.id = at.id;
    xa.rm = &cairn_xa_switch;
    xa.open = "manager=" + subject->lower_.id().to_string();
    xa.rmid = kCircleRmid;
    xa.store = subject->lower_.id().to_string();
    xa.log = subject->log_;
    xa.workers = 1;
    xa.patience = std::chrono::seconds(4);
    CAIRN_ASSIGN_OR_RETURN(subject->adapter_, rm::XaResourceManager::open(at.manager, xa));
    return std::unique_ptr<Subject>(std::move(subject));
  }
  // The lower manager first: what waits for the store below, which may be dead, ends with it.
  ~CircleSubject() override {
    static_cast<void>(lower_.close());
    adapter_.reset();
    store_.reset();
  }

  Status add(const tm::Transaction& transaction, const std::string& item) override {
    return adapter_->work(transaction, [&]() -> Status {
      CAIRN_ASSIGN_OR_RETURN(const tm::Transaction below, rm::xa_current_transaction());
      CAIRN_ASSIGN_OR_RETURN(const auto found, store_->get(below, item));
      const int count = found ? std::stoi(*found) : 0;
      return store_->put(below, item, std::to_string(count + 1));
    });
  }
  Result<std::uint64_t> count(const std::string& item) override {
    const auto found = store_->read(item);
    return found ? std::stoull(*found) : 0;
  }
  Status look(const tm::Transaction& transaction, const std::string& item) override {
    return adapter_->work(transaction, [&]() -> Status {
      CAIRN_ASSIGN_OR_RETURN(const tm::Transaction below, rm::xa_current_transaction());
      return store_->get(below, item).status();
    });
  }

 private:
  static inline const Uuid kStore = *Uuid::parse("0e6a2d0c-7a3e-4f43-8a55-2f3a4a1c9b10");
  std::shared_ptr<log::Log> log_;
  tm::TransactionManager lower_;
  std::unique_ptr<examples::KvStore> store_;
  std::unique_ptr<rm::XaResourceManager> adapter_;
};

TEST(KitOnTheCircleOfXa, FindsNoRuleBroken) {
  Options with = options();
  with.stride = sim::test_budget() > 1 ? 1 : 23;  // a stop of the store takes its time
  const Report report = check(CircleSubject::open, with);
  EXPECT_TRUE(report.status.is_ok() && report.violations.empty()) << report.to_string();
  std::printf("[ kit      ] %s", report.to_string().c_str());
}

}  // namespace
}  // namespace cairn::rm_kit
