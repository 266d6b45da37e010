// How a resource manager waits for its notifications.
#include <poll.h>

#include <atomic>
#include <future>
#include <thread>

#include "tm/harness.h"

namespace cairn::tm {
namespace {

class Queue : public VolatileTm {
 protected:
  static bool is_readable(int descriptor) {
    pollfd entry{descriptor, POLLIN, 0};
    return ::poll(&entry, 1, 0) == 1;
  }

  Rm rm_ = make_rm(1);
};

TEST_F(Queue, WaitEndsWithItsLimit) {
  EXPECT_CODE(rm_.session().get_notification(std::chrono::milliseconds(5)), kTimeout);
  EXPECT_CODE(rm_.session().get_notification(std::chrono::nanoseconds(0)), kTimeout);
}

TEST_F(Queue, WaitEndsWithANotification) {
  Transaction transaction = begin();
  const Enlistment enlistment = rm_.enlist(transaction);
  std::thread client([&] { EXPECT_OK(transaction.rollback()); });
  auto heard = rm_.session().get_notification(kSoon);
  client.join();
  ASSERT_OK(heard);
  EXPECT_EQ(heard->kind, NotificationKind::kRollback);
}

TEST_F(Queue, NotificationThatDoesNotFitStaysTheNextOne) {
  Transaction first = begin();
  Transaction second = begin();
  const Enlistment a = rm_.enlist(first, kTwoPhase, 1);
  const Enlistment b = rm_.enlist(second, kTwoPhase, 2);
  const auto never = [](const Notification&) { return false; };
  const auto always = [](const Notification&) { return true; };
  EXPECT_CODE(rm_.session().get_notification(never, std::chrono::nanoseconds(0)), kTimeout);
  EXPECT_OK(first.rollback());
  EXPECT_OK(second.rollback());
  EXPECT_CODE(rm_.session().get_notification(never, kSoon), kBufferTooSmall);
  EXPECT_CODE(rm_.session().get_notification(never, kSoon), kBufferTooSmall);
  auto heard = rm_.session().get_notification(always, kSoon);
  ASSERT_OK(heard);
  EXPECT_EQ(heard->key, 1u);
  heard = rm_.session().get_notification();
  ASSERT_OK(heard);
  EXPECT_EQ(heard->key, 2u);
}

TEST_F(Queue, WaiterThatHasRoomGetsWhatAnotherHasNoneFor) {
  auto without_room = std::async(std::launch::async, [&] {
    return rm_.session().get_notification([](const Notification&) { return false; }, std::nullopt);
  });
  auto with_room = std::async(std::launch::async, [&] {
    return rm_.session().get_notification([](const Notification&) { return true; }, kSoon);
  });
  Transaction transaction = begin();
  const Enlistment enlistment = rm_.enlist(transaction);
  EXPECT_OK(transaction.rollback());
  EXPECT_OK(with_room.get());
  EXPECT_OK(rm_.session().disconnect(Status(StatusCode::kClosed, "the end of the test")));
  EXPECT_FALSE(without_room.get().is_ok());
}

TEST_F(Queue, LongestLimitIsNoLimit) {
  auto heard = std::async(std::launch::async, [&] {
    return rm_.session().get_notification(std::chrono::nanoseconds::max());
  });
  EXPECT_EQ(heard.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  Transaction transaction = begin();
  const Enlistment enlistment = rm_.enlist(transaction);
  EXPECT_OK(transaction.rollback());
  EXPECT_OK(heard.get());
}

TEST_F(Queue, WaitWithoutLimitEndsWithTheSession) {
  std::thread newer([&] { EXPECT_OK(tm_.open_resource_manager(numbered_id(1))); });
  EXPECT_CODE(rm_.session().get_notification(), kFenced);
  newer.join();
}

TEST_F(Queue, WaitWithoutLimitEndsWithTheManager) {
  std::thread closer([&] { EXPECT_OK(tm_.close()); });
  EXPECT_CODE(rm_.session().get_notification(), kObjectExpired);
  closer.join();
}

TEST_F(Queue, EventDescriptorIsReadableWhileSomethingIsQueued) {
  auto descriptor = rm_.session().event_fd();
  ASSERT_OK(descriptor);
  EXPECT_FALSE(is_readable(*descriptor));
  Transaction transaction = begin();
  const Enlistment a = rm_.enlist(transaction);
  const Enlistment b = rm_.enlist(transaction);
  EXPECT_OK(transaction.rollback());
  EXPECT_TRUE(is_readable(*descriptor));
  ASSERT_OK(rm_.session().try_get_notification());
  EXPECT_TRUE(is_readable(*descriptor)) << "one of two is left";
  ASSERT_OK(rm_.session().get_notification());
  EXPECT_FALSE(is_readable(*descriptor));
  EXPECT_EQ(*rm_.session().event_fd(), *descriptor);
}

TEST_F(Queue, EventDescriptorMadeLateKnowsWhatIsQueued) {
  Transaction transaction = begin();
  const Enlistment enlistment = rm_.enlist(transaction);
  EXPECT_OK(transaction.rollback());
  EXPECT_TRUE(is_readable(*rm_.session().event_fd()));
}

TEST_F(Queue, EventDescriptorIsReadableOnceTheSessionHasEnded) {
  const int descriptor = *rm_.session().event_fd();
  EXPECT_OK(tm_.close());
  EXPECT_TRUE(is_readable(descriptor));
  EXPECT_CODE(rm_.session().try_get_notification(), kObjectExpired);
  EXPECT_TRUE(is_readable(descriptor));
}

TEST_F(Queue, NotificationTextNamesEverything) {
  Transaction transaction = begin();
  const Enlistment enlistment = rm_.enlist(transaction, kTwoPhase, 9);
  EXPECT_OK(transaction.rollback());
  EXPECT_EQ(rm_.hear(), "ROLLBACK");
  EXPECT_EQ(rm_.last().to_string(), "ROLLBACK enlistment " + enlistment.id().to_string() +
                                        " transaction " + transaction.id().to_string() +
                                        " key 9 clock 1");
}

}  // namespace
}  // namespace cairn::tm
