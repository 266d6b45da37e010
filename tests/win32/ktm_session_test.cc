// ktmw32.h: resource managers, and how they are told.
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>
#include <thread>

#include "win32/ktm_fixture.h"

namespace cairn::win32 {
namespace {

// A buffer that waits for a notification.
struct Buffer {
  Told told{};
  ULONG length = 0;
  OVERLAPPED overlapped{};

  BOOL hand_over(HANDLE rm, ULONG size = sizeof(Told)) {
    return GetNotificationResourceManagerAsync(rm, &told.head, size, &length, &overlapped);
  }
  // What came of it. The rest may be read only where it is completed.
  ULONG_PTR result() const {
    EXPECT_TRUE(HasOverlappedIoCompleted(&overlapped));
    return overlapped.Internal;
  }
};

class KtmSession : public Ktm {
 protected:
  KtmSession() : port_(CairnOpenCompletionPort(fd_)) {}
  ~KtmSession() override { ::close(fd_); }

  // Waits until the port was signaled, and takes that. How often it was.
  std::uint64_t completions() {
    EXPECT_EQ(WaitForSingleObject(port_, kSoonMs), WAIT_OBJECT_0);
    std::uint64_t count = 0;
    EXPECT_EQ(::read(fd_, &count, sizeof count), static_cast<ssize_t>(sizeof count));
    return count;
  }
  // A transaction is rolled back, which each resource manager that enlisted is told.
  void roll_back(HANDLE rm, PVOID key) {
    Handle transaction = begin();
    Handle enlistment = enlist(rm, transaction, kTwoPhases, 0, key);
    EXPECT_DONE(RollbackTransaction(transaction));
  }

  const int fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  Handle port_;
};

TEST_F(KtmSession, OptionsAndRolesAreChecked) {
  GUID id = guid(1);
  std::wstring too_long(MAX_RESOURCEMANAGER_DESCRIPTION_LENGTH + 1, L'x');
  EXPECT_ERROR(CreateResourceManager(nullptr, &id, RESOURCE_MANAGER_COMMUNICATION, tm_, nullptr),
               ERROR_NOT_SUPPORTED);
  EXPECT_ERROR(CreateResourceManager(nullptr, &id, 4, tm_, nullptr), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(CreateResourceManager(nullptr, nullptr, 1, tm_, nullptr), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(CreateResourceManager(nullptr, &id, 1, tm_, too_long.data()),
               ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(CreateResourceManager(nullptr, &id, 0, tm_, nullptr), ERROR_TM_VOLATILE);
  Handle rm = volatile_rm(tm_);
  EXPECT_ERROR(RecoverResourceManager(rm), ERROR_TM_VOLATILE);
  EXPECT_ERROR(CreateResourceManager(nullptr, &id, 1, tm_, nullptr), ERROR_ALREADY_EXISTS);
}

TEST_F(KtmSession, NewSessionEndsTheOneBefore) {
  GUID id = guid(1);
  EXPECT_ERROR(OpenResourceManager(0, tm_, &id), ERROR_RESOURCEMANAGER_NOT_FOUND);
  Handle old_session = volatile_rm(tm_);
  Handle transaction = begin();
  Handle enlistment = enlist(old_session, transaction);
  Handle session = OpenResourceManager(0, tm_, &id);
  ASSERT_DONE(session != INVALID_HANDLE_VALUE);
  Told told;
  EXPECT_ERROR(GetNotificationResourceManager(old_session, &told.head, sizeof told, 0, nullptr),
               ERROR_EXPIRED_HANDLE);
  EXPECT_ERROR(RollbackEnlistment(enlistment, nullptr), ERROR_EXPIRED_HANDLE);
  EXPECT_EQ(outcome_of(transaction), DWORD{TransactionOutcomeAborted});
}

TEST_F(KtmSession, RecoversOnceAndServesOnlyThen) {
  Handle tm = durable();
  GUID id = guid(1);
  Handle rm = CreateResourceManager(nullptr, &id, 0, tm, nullptr);
  Handle transaction = begin();
  EXPECT_ERROR(CreateEnlistment(nullptr, rm, transaction, kTwoPhases, 0, nullptr),
               ERROR_TRANSACTIONMANAGER_NOT_ONLINE);
  EXPECT_DONE(RecoverResourceManager(rm));
  EXPECT_ERROR(RecoverResourceManager(rm), ERROR_TRANSACTION_REQUEST_NOT_VALID);
  EXPECT_EQ(next(rm), TRANSACTION_NOTIFY_LAST_RECOVER);
}

TEST_F(KtmSession, SmallBufferLeavesTheNotificationWhereItIs) {
  Handle rm = volatile_rm(tm_);
  int key = 0;
  roll_back(rm, &key);
  Told told;
  ULONG length = 0;
  for (ULONG size = 0; size < sizeof told.head; ++size) {
    EXPECT_ERROR(GetNotificationResourceManager(rm, &told.head, size, kSoonMs, &length),
                 ERROR_INSUFFICIENT_BUFFER);
    EXPECT_EQ(length, sizeof told.head);
  }
  EXPECT_ERROR(GetNotificationResourceManager(rm, nullptr, 100, 0, nullptr),
               ERROR_INVALID_PARAMETER);
  EXPECT_DONE(GetNotificationResourceManager(rm, &told.head, sizeof told.head, 0, nullptr));
  EXPECT_EQ(told.head.TransactionKey, &key);
  EXPECT_EQ(told.head.TmVirtualClock.QuadPart, 1);
  EXPECT_ERROR(GetNotificationResourceManager(rm, &told.head, sizeof told, 1, &length),
               ERROR_TIMEOUT);
  EXPECT_EQ(length, 0u);
}

TEST_F(KtmSession, ClosingItsHandleEndsAWait) {
  Handle rm = volatile_rm(tm_);
  const HANDLE raw = rm;
  std::thread waiter([raw] {
    Told told;
    EXPECT_FALSE(GetNotificationResourceManager(raw, &told.head, sizeof told, INFINITE, nullptr));
    // It was closed during the wait, or before it began.
    EXPECT_TRUE(GetLastError() == ERROR_EXPIRED_HANDLE || GetLastError() == ERROR_INVALID_HANDLE);
  });
  rm.close();
  waiter.join();
}

TEST_F(KtmSession, PortIsNeededSetOnceAndMayBeClosed) {
  Handle rm = volatile_rm(tm_);
  Buffer buffer;
  EXPECT_ERROR(buffer.hand_over(rm), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(SetResourceManagerCompletionPort(rm, tm_, 0), ERROR_INVALID_HANDLE);
  Handle second = CairnOpenCompletionPort(fd_);
  EXPECT_DONE(SetResourceManagerCompletionPort(rm, second, 4711));
  EXPECT_ERROR(SetResourceManagerCompletionPort(rm, port_, 0), ERROR_ALREADY_EXISTS);
  second.close();
  EXPECT_ERROR(buffer.hand_over(rm), ERROR_IO_PENDING);
  EXPECT_FALSE(HasOverlappedIoCompleted(&buffer.overlapped));
  roll_back(rm, nullptr);
  EXPECT_EQ(completions(), 1u);
  EXPECT_TRUE(HasOverlappedIoCompleted(&buffer.overlapped));
  buffer.overlapped.hEvent = port_;
  EXPECT_ERROR(buffer.hand_over(rm), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(GetNotificationResourceManagerAsync(rm, nullptr, 100, nullptr, &buffer.overlapped),
               ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(GetNotificationResourceManagerAsync(rm, &buffer.told.head, 100, nullptr, nullptr),
               ERROR_INVALID_PARAMETER);
}

TEST_F(KtmSession, BuffersAreFilledInOrderAndEachIsCounted) {
  Handle rm = volatile_rm(tm_);
  EXPECT_DONE(SetResourceManagerCompletionPort(rm, port_, 0));
  std::array<Buffer, 3> buffers;
  for (Buffer& buffer : buffers) EXPECT_ERROR(buffer.hand_over(rm), ERROR_IO_PENDING);
  std::array<int, 3> keys{};
  for (int& key : keys) roll_back(rm, &key);
  for (std::uint64_t count = 0; count < 3;) count += completions();
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(HasOverlappedIoCompleted(&buffers[i].overlapped));
    EXPECT_EQ(buffers[i].result(), ERROR_SUCCESS);
    EXPECT_EQ(buffers[i].overlapped.InternalHigh, sizeof(TRANSACTION_NOTIFICATION));
    EXPECT_EQ(buffers[i].length, sizeof(TRANSACTION_NOTIFICATION));
    EXPECT_EQ(buffers[i].told.head.TransactionKey, &keys[i]);
  }
}

TEST_F(KtmSession, BufferThatIsTooSmallComesBackAndALargerOneIsFilled) {
  // The buffers outlive the session, which gives them back when it ends.
  Buffer small;
  Buffer large;
  Handle rm = volatile_rm(tm_);
  EXPECT_DONE(SetResourceManagerCompletionPort(rm, port_, 0));
  EXPECT_ERROR(small.hand_over(rm, 8), ERROR_IO_PENDING);
  int key = 0;
  roll_back(rm, &key);
  EXPECT_EQ(completions(), 1u);
  EXPECT_EQ(small.result(), ERROR_INSUFFICIENT_BUFFER);
  EXPECT_EQ(small.length, sizeof(TRANSACTION_NOTIFICATION));
  EXPECT_ERROR(large.hand_over(rm), ERROR_IO_PENDING);
  EXPECT_EQ(completions(), 1u);
  EXPECT_EQ(large.result(), ERROR_SUCCESS);
  EXPECT_EQ(large.told.head.TransactionKey, &key);
  // Of several, the first that is large enough.
  EXPECT_ERROR(small.hand_over(rm, 8), ERROR_IO_PENDING);
  EXPECT_ERROR(large.hand_over(rm), ERROR_IO_PENDING);
  roll_back(rm, nullptr);
  EXPECT_EQ(completions(), 1u);
  EXPECT_TRUE(HasOverlappedIoCompleted(&large.overlapped));
  EXPECT_FALSE(HasOverlappedIoCompleted(&small.overlapped));
}

TEST_F(KtmSession, BuffersComeBackWhenTheSessionEnds) {
  GUID id = guid(1);
  Buffer one;
  Buffer two;
  Handle rm = volatile_rm(tm_);
  EXPECT_DONE(SetResourceManagerCompletionPort(rm, port_, 0));
  EXPECT_ERROR(one.hand_over(rm), ERROR_IO_PENDING);
  Handle newer = OpenResourceManager(0, tm_, &id);
  EXPECT_EQ(completions(), 1u);
  EXPECT_EQ(one.result(), ERROR_OPERATION_ABORTED);
  EXPECT_ERROR(one.hand_over(rm), ERROR_EXPIRED_HANDLE);
  EXPECT_DONE(SetResourceManagerCompletionPort(newer, port_, 0));
  EXPECT_ERROR(two.hand_over(newer), ERROR_IO_PENDING);
  newer.close();
  EXPECT_TRUE(HasOverlappedIoCompleted(&two.overlapped)) << "nothing is written after it returned";
  EXPECT_EQ(two.result(), ERROR_OPERATION_ABORTED);
}

}  // namespace
}  // namespace cairn::win32
