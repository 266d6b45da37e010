// What handles promise: only a live one of the right kind is taken.
#include "handle_table.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/win32_types.h>

#include "completion_port.h"

namespace cairn::win32 {
namespace {

class Thing : public Object {
 public:
  static constexpr HandleType kType = HandleType::kLogFile;
  explicit Thing(int its_number = 0) : Object(kType), number(its_number) {}
  const int number;
};

class Context : public Object {
 public:
  static constexpr HandleType kType = HandleType::kReadContext;
  Context() : Object(kType) {}
  [[nodiscard]] bool is_handle() const override { return false; }
};

HANDLE as_handle(std::uint64_t number) { return reinterpret_cast<HANDLE>(number); }

TEST(Handles, NameWhatTheyWereMadeForUntilTheyAreClosed) {
  HandleTable table;
  const HANDLE one = *table.insert(std::make_shared<Thing>(1));
  const HANDLE two = *table.insert(std::make_shared<Thing>(2));
  EXPECT_EQ(table.find<Thing>(one)->number, 1);
  EXPECT_EQ(table.find<Thing>(two)->number, 2);
  EXPECT_EQ(table.take_handle(one)->type(), HandleType::kLogFile);
  EXPECT_EQ(table.find<Thing>(one), nullptr);
  EXPECT_EQ(table.take_handle(one), nullptr);
  EXPECT_EQ(table.find<Thing>(two)->number, 2);
  EXPECT_EQ(table.size(), 1u);
}

TEST(Handles, StaleOneIsToldFromTheLiveOneInItsPlace) {
  HandleTable table;
  std::set<HANDLE> stale;
  for (int i = 0; i < 1000; ++i) {
    const HANDLE handle = *table.insert(std::make_shared<Thing>(i));
    for (const HANDLE old : stale) ASSERT_EQ(table.find_object(old), nullptr);
    ASSERT_TRUE(stale.insert(handle).second) << "a number was given out again";
    ASSERT_NE(table.take<Thing>(handle), nullptr);
  }
}

TEST(Handles, OfAnotherKindAreNotTaken) {
  HandleTable table;
  const HANDLE thing = *table.insert(std::make_shared<Thing>());
  const HANDLE context = *table.insert(std::make_shared<Context>());
  EXPECT_EQ(table.find<Context>(thing), nullptr);
  EXPECT_EQ(table.take<Context>(thing), nullptr);
  EXPECT_EQ(table.take_handle(context), nullptr) << "CloseHandle() closes no contexts";
  EXPECT_NE(table.find<Thing>(thing), nullptr);
  EXPECT_NE(table.take<Context>(context), nullptr);
}

TEST(Handles, ForeignNumbersNameNothing) {
  HandleTable table;
  const HANDLE handle = *table.insert(std::make_shared<Thing>());
  const auto number = reinterpret_cast<std::uint64_t>(handle);
  int on_the_stack = 0;
  EXPECT_EQ(table.find_object(nullptr), nullptr);
  EXPECT_EQ(table.find_object(INVALID_HANDLE_VALUE), nullptr);
  EXPECT_EQ(table.find_object(&on_the_stack), nullptr);
  EXPECT_EQ(table.find_object(&table), nullptr);
  for (std::uint64_t small = 0; small < 4096; ++small) {
    EXPECT_EQ(table.find_object(as_handle(small)), nullptr) << small;
  }
  for (unsigned bit = 0; bit < 64; ++bit) {
    EXPECT_EQ(table.find_object(as_handle(number ^ (std::uint64_t{1} << bit))), nullptr) << bit;
  }
}

TEST(Handles, OneMoreThanTheMaximumIsRefused) {
  HandleTable table(3);
  std::vector<HANDLE> open;
  for (int i = 0; i < 3; ++i) open.push_back(*table.insert(std::make_shared<Thing>(i)));
  EXPECT_EQ(table.insert(std::make_shared<Thing>()).code(), StatusCode::kResourceExhausted);
  EXPECT_NE(table.take_handle(open[1]), nullptr);
  EXPECT_TRUE(table.insert(std::make_shared<Thing>()).is_ok());
}

TEST(Handles, OneIsClosedOnceWhoeverCloses) {
  HandleTable table;
  constexpr int kThreads = 4;
  for (int round = 0; round < 50; ++round) {
    const HANDLE handle = *table.insert(std::make_shared<Thing>());
    std::atomic<int> closed{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        [[maybe_unused]] const auto found = table.find<Thing>(handle);
        closed += table.take_handle(handle) != nullptr ? 1 : 0;
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(closed, 1);
  }
}

TEST(CloseHandle, OfWhatIsNoHandleIsAnError) {
  for (const HANDLE wrong : {HANDLE{nullptr}, INVALID_HANDLE_VALUE, as_handle(0x7fff'0000)}) {
    SetLastError(ERROR_SUCCESS);
    EXPECT_FALSE(CloseHandle(wrong));
    EXPECT_EQ(GetLastError(), ERROR_INVALID_HANDLE);
    EXPECT_EQ(WaitForSingleObject(wrong, 0), WAIT_FAILED);
    EXPECT_EQ(GetLastError(), ERROR_INVALID_HANDLE);
  }
}

TEST(CompletionPort, StandsForAnEventDescriptorAndIsSignaledWhileItIsReadable) {
  const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  const HANDLE port = CairnOpenCompletionPort(fd);
  ASSERT_NE(port, INVALID_HANDLE_VALUE) << GetLastError();
  EXPECT_EQ(WaitForSingleObject(port, 0), WAIT_TIMEOUT);
  const std::uint64_t one = 1;
  ASSERT_EQ(::write(fd, &one, sizeof one), static_cast<ssize_t>(sizeof one));
  EXPECT_EQ(WaitForSingleObject(port, INFINITE), WAIT_OBJECT_0);
  ::close(fd);  // the port has its own
  EXPECT_EQ(WaitForSingleObject(port, 0), WAIT_OBJECT_0);
  EXPECT_TRUE(CloseHandle(port));
}

TEST(CompletionPort, ClosingItEndsAWait) {
  const int fd = ::eventfd(0, EFD_CLOEXEC);
  const HANDLE handle = CairnOpenCompletionPort(fd);
  const auto port = HandleTable::get().find<CompletionPort>(handle);  // as a call that waits has it
  std::thread waiter([&] { EXPECT_EQ(port->wait(std::nullopt), std::nullopt); });
  EXPECT_TRUE(CloseHandle(handle));
  waiter.join();
  ::close(fd);
}

TEST(CompletionPort, CountsWithoutWaitingForWhoeverReadsIt) {
  const int fd = ::eventfd(0, EFD_CLOEXEC);  // a write to it waits while it is full
  const std::uint64_t most = 0xffff'ffff'ffff'fffe;
  ASSERT_EQ(::write(fd, &most, sizeof most), static_cast<ssize_t>(sizeof most));
  CompletionPort port(fd, ::eventfd(0, EFD_CLOEXEC));
  port.signal();
  EXPECT_EQ(port.wait(std::chrono::nanoseconds(0)), true);
}

TEST(CompletionPort, IsOfNoOtherKindOfDescriptor) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  for (const int wrong : {-1, 100'000, pipe[0], pipe[1]}) {
    EXPECT_EQ(CairnOpenCompletionPort(wrong), INVALID_HANDLE_VALUE) << wrong;
    EXPECT_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
  }
  ::close(pipe[0]);
  ::close(pipe[1]);
}

}  // namespace
}  // namespace cairn::win32
