// Notifications that come to a handler, on an executor.
#include <atomic>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

#include <cairn/delivery.h>

#include "tm/harness.h"

namespace cairn::tm {
namespace {

class DeliveryTo : public VolatileTm {
 protected:
  // Hears what came, in order; a wait that ends.
  struct Heard {
    void add(const Result<Notification>& next) {
      const std::lock_guard lock(mutex);
      text += (text.empty() ? "" : " ") +
              (next ? std::string(notification_kind_name(next->kind))
                    : "<" + std::string(status_code_name(next.code())) + ">");
      changed.notify_all();
    }
    bool becomes(const std::string& expected) {
      std::unique_lock lock(mutex);
      return changed.wait_for(lock, kSoon, [&] { return text == expected; });
    }
    std::mutex mutex;
    std::condition_variable changed;
    std::string text;
  };

  Rm rm_ = make_rm(1);
  Heard heard_;
};

TEST_F(DeliveryTo, AHandlerRunsAWholeTransaction) {
  std::map<Uuid, Enlistment> enlistments;
  std::mutex mutex;
  auto delivery = Delivery::start(rm_.session(), {}, [&](const Result<Notification>& next) {
    heard_.add(next);
    if (!next) return;
    const std::lock_guard lock(mutex);
    Enlistment& enlistment = enlistments.at(next->enlistment);
    EXPECT_OK(next->kind == NotificationKind::kPrepare ? enlistment.prepare_complete()
                                                       : enlistment.commit_complete());
  });
  ASSERT_OK(delivery);
  Transaction transaction = begin();
  {
    const std::lock_guard lock(mutex);
    Enlistment enlistment = rm_.enlist(transaction);
    enlistments.emplace(enlistment.id(), enlistment);
  }
  EXPECT_OK(transaction.commit(WaitFor::kCompleted, kSoon));
  EXPECT_TRUE(heard_.becomes("PREPARE COMMIT"));
}

TEST_F(DeliveryTo, AnExecutorGetsOneTaskAtATimeInOrder) {
  std::deque<std::function<void()>> tasks;
  std::mutex mutex;
  std::condition_variable changed;
  auto delivery = Delivery::start(
      rm_.session(),
      [&](std::function<void()> task) {
        const std::lock_guard lock(mutex);
        tasks.push_back(std::move(task));
        changed.notify_all();
      },
      [&](const Result<Notification>& next) { heard_.add(next); });
  ASSERT_OK(delivery);
  std::vector<Transaction> transactions;
  std::vector<Enlistment> enlistments;
  for (int i = 0; i < 3; ++i) {
    transactions.push_back(begin());
    enlistments.push_back(rm_.enlist(transactions.back()));
    EXPECT_OK(transactions.back().rollback());
  }
  for (const char* after : {"ROLLBACK", "ROLLBACK ROLLBACK", "ROLLBACK ROLLBACK ROLLBACK"}) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex);
      ASSERT_TRUE(changed.wait_for(lock, kSoon, [&] { return !tasks.empty(); }));
      EXPECT_EQ(tasks.size(), 1u) << "the next comes when this one was run";
      task = std::move(tasks.front());
      tasks.pop_front();
    }
    task();
    task = nullptr;
    EXPECT_TRUE(heard_.becomes(after));
  }
}

TEST_F(DeliveryTo, TaskThatIsNeverRunDoesNotHoldTheNextOneUp) {
  std::atomic<int> thrown_away{0};
  auto delivery = Delivery::start(
      rm_.session(), [&](std::function<void()> task) { task = nullptr, ++thrown_away; },
      [&](const Result<Notification>& next) { heard_.add(next); });
  ASSERT_OK(delivery);
  std::vector<Enlistment> enlistments;
  for (int i = 0; i < 2; ++i) {
    Transaction transaction = begin();
    enlistments.push_back(rm_.enlist(transaction));
    EXPECT_OK(transaction.rollback());
  }
  rm_ = Rm();  // ends the session, which is told last
  while (thrown_away < 1) std::this_thread::yield();
  delivery->stop();
  EXPECT_EQ(heard_.text, "");
}

TEST_F(DeliveryTo, EndOfTheSessionIsTheLastThatComes) {
  auto delivery = Delivery::start(rm_.session(), {},
                                  [&](const Result<Notification>& next) { heard_.add(next); });
  ASSERT_OK(delivery);
  auto newer = tm_.open_resource_manager(numbered_id(1));
  EXPECT_OK(newer);
  EXPECT_TRUE(heard_.becomes("<Fenced>"));
}

TEST_F(DeliveryTo, NothingComesAfterStopAndWhatIsQueuedStays) {
  auto delivery = Delivery::start(rm_.session(), {},
                                  [&](const Result<Notification>& next) { heard_.add(next); });
  ASSERT_OK(delivery);
  delivery->stop();
  delivery->stop();
  Transaction transaction = begin();
  const Enlistment enlistment = rm_.enlist(transaction);
  EXPECT_OK(transaction.rollback());
  EXPECT_EQ(rm_.hear(), "ROLLBACK");
  EXPECT_EQ(heard_.text, "");
}

TEST_F(DeliveryTo, HandlerMayStopItFromWithin) {
  Delivery delivery;
  std::promise<void> stopped;
  std::promise<void> ready;
  auto wait = ready.get_future().share();
  auto started = Delivery::start(rm_.session(), {}, [&, wait](const Result<Notification>&) {
    wait.wait();
    delivery.stop();
    stopped.set_value();
  });
  ASSERT_OK(started);
  delivery = std::move(*started);
  ready.set_value();
  Transaction transaction = begin();
  const Enlistment enlistment = rm_.enlist(transaction);
  EXPECT_OK(transaction.rollback());
  EXPECT_EQ(stopped.get_future().wait_for(kSoon), std::future_status::ready);
}

TEST_F(DeliveryTo, NobodyIsRefused) {
  EXPECT_CODE(Delivery::start(ResourceManager(), {}, [](const Result<Notification>&) {}),
              kInvalidState);
  EXPECT_CODE(Delivery::start(rm_.session(), {}, {}), kInvalidArgument);
}

}  // namespace
}  // namespace cairn::tm
