// A manager on a simulated storage, and a scripted XA resource manager with its adapter.
#ifndef CAIRN_TESTS_RM_XA_PART_H_
#define CAIRN_TESTS_RM_XA_PART_H_

#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/log.h>
#include <cairn/rm_xa.h>
#include <cairn/sim/sim_storage.h>

#include "rm/fake_xa.h"

namespace cairn::rm {

template <typename Condition>
bool xa_eventually(const Condition& condition) {
  for (int i = 0; i < 20000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  return false;
}

// A manager on a simulated storage.
struct XaManager {
  XaManager() { start(); }
  ~XaManager() { stop(); }
  void start() {
    log::OpenOptions open;
    open.storage = storage;
    log::CreateOptions create;
    create.container_size = log::kMinContainerSize;
    create.calibrate = false;
    log = std::shared_ptr(log::Log::open_or_create("log", create, open).value());
    tm::TmOptions options;
    options.log = log;
    tm = tm::TransactionManager::open_or_create(options).value();
    EXPECT_TRUE(tm.recover());
  }
  void stop() {
    EXPECT_TRUE(tm.close());
    EXPECT_TRUE(log->close());
  }

  std::shared_ptr<sim::SimStorage> storage = std::make_shared<sim::SimStorage>();
  std::shared_ptr<log::Log> log;
  tm::TransactionManager tm;
};

// A resource manager of the script, and its adapter.
struct XaPart {
  explicit XaPart(XaManager& manager, long flags = TMNOFLAGS) : fake(flags) { open(manager); }
  void open(XaManager& manager, const std::function<void(XaOptions&)>& change = {}) {
    XaOptions options;
    options.id = id;
    options.rm = fake.rm();
    options.rmid = fake.rmid();
    options.log = manager.log;
    options.workers = 1;
    options.on_heuristic = [this](const XaHeuristic& heuristic) {
      told.push_back(heuristic);
      forgotten_when_told = fake.was_called("forget");
    };
    if (change) change(options);
    rm.reset();
    auto opened = XaResourceManager::open(manager.tm, options);
    status = opened.status();
    if (opened) rm = *std::move(opened);
  }
  Status work(const tm::Transaction& transaction) {
    return rm->work(transaction, [] { return Status::ok(); });
  }

  FakeXa fake;
  const Uuid id = Uuid::generate();
  std::vector<XaHeuristic> told;
  bool forgotten_when_told = false;
  std::unique_ptr<XaResourceManager> rm;
  Status status;
};

}  // namespace cairn::rm

#endif  // CAIRN_TESTS_RM_XA_PART_H_
