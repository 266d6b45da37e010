// What the tests of ktmw32.h share: handles that close themselves, and resource managers.
#ifndef CAIRN_TESTS_WIN32_KTM_FIXTURE_H_
#define CAIRN_TESTS_WIN32_KTM_FIXTURE_H_

#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include <cairn/ktmw32.h>

namespace cairn::win32 {

// Fails as EXPECT_ does, with what GetLastError() says.
#define EXPECT_DONE(call) EXPECT_TRUE(call) << GetLastError() << ": " << CairnLastErrorText()
#define ASSERT_DONE(call) ASSERT_TRUE(call) << GetLastError() << ": " << CairnLastErrorText()
#define EXPECT_ERROR(call, error)                             \
  do {                                                        \
    SetLastError(ERROR_SUCCESS);                              \
    EXPECT_TRUE(::cairn::win32::is_failure(call)) << #call;   \
    EXPECT_EQ(GetLastError(), error) << CairnLastErrorText(); \
  } while (false)

inline bool is_failure(BOOL done) { return done == FALSE; }
inline bool is_failure(HANDLE handle) { return handle == INVALID_HANDLE_VALUE; }

// Closes what it holds.
class Handle {
 public:
  Handle() = default;
  Handle(HANDLE handle) : handle_(handle) {}  // NOLINT: implicit
  Handle(Handle&& other) noexcept : handle_(std::exchange(other.handle_, INVALID_HANDLE_VALUE)) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      close();
      handle_ = std::exchange(other.handle_, INVALID_HANDLE_VALUE);
    }
    return *this;
  }
  ~Handle() { close(); }

  operator HANDLE() const { return handle_; }  // NOLINT: implicit
  void close() {
    if (handle_ != INVALID_HANDLE_VALUE) {
      EXPECT_DONE(CloseHandle(handle_));
    }
    handle_ = INVALID_HANDLE_VALUE;
  }

 private:
  HANDLE handle_ = INVALID_HANDLE_VALUE;
};

inline constexpr DWORD kSoonMs = 20'000;  // a wait that must end, and a test that fails if not

inline constexpr ULONG kTwoPhases =
    TRANSACTION_NOTIFY_PREPARE | TRANSACTION_NOTIFY_COMMIT | TRANSACTION_NOTIFY_ROLLBACK;
inline constexpr ULONG kSuperiorMask =
    TRANSACTION_NOTIFY_ROLLBACK | TRANSACTION_NOTIFY_PREPREPARE_COMPLETE |
    TRANSACTION_NOTIFY_PREPARE_COMPLETE | TRANSACTION_NOTIFY_COMMIT_COMPLETE |
    TRANSACTION_NOTIFY_ROLLBACK_COMPLETE | TRANSACTION_NOTIFY_RECOVER_QUERY;

struct Told {
  TRANSACTION_NOTIFICATION head{};
  TRANSACTION_NOTIFICATION_RECOVERY_ARGUMENT argument{};
};

inline GUID guid(std::uint32_t number) { return GUID{number, 0, 0, {1, 2, 3, 4, 5, 6, 7, 8}}; }
inline bool same(const GUID& a, const GUID& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

// A volatile manager, and durable ones in a directory of the test's.
class Ktm : public testing::Test {
 protected:
  Ktm()
      : directory_(std::filesystem::temp_directory_path() /
                   ("cairn-ktm-" + std::to_string(::getpid()) + "-" +
                    testing::UnitTest::GetInstance()->current_test_info()->name())),
        tm_(CreateTransactionManager(nullptr, nullptr, TRANSACTION_MANAGER_VOLATILE, 0)) {
    std::filesystem::create_directories(directory_);
  }
  ~Ktm() override { std::filesystem::remove_all(directory_); }

  std::wstring path(const std::wstring& name = L"log") {
    return directory_.wstring() + L"/" + name;
  }
  // A durable manager in the directory's log, recovered.
  Handle durable(const std::wstring& name = L"log") {
    Handle tm = CreateTransactionManager(nullptr, path(name).data(), 0, 0);
    EXPECT_DONE(tm != INVALID_HANDLE_VALUE);
    EXPECT_DONE(RecoverTransactionManager(tm));
    return tm;
  }
  Handle volatile_rm(HANDLE tm, std::uint32_t number = 1) {
    GUID id = guid(number);
    Handle rm = CreateResourceManager(nullptr, &id, RESOURCE_MANAGER_VOLATILE, tm, nullptr);
    EXPECT_DONE(rm != INVALID_HANDLE_VALUE);
    return rm;
  }
  // New in its log, and recovered.
  Handle durable_rm(HANDLE tm, std::uint32_t number = 1) {
    GUID id = guid(number);
    Handle rm = CreateResourceManager(nullptr, &id, 0, tm, nullptr);
    EXPECT_DONE(rm != INVALID_HANDLE_VALUE);
    EXPECT_DONE(RecoverResourceManager(rm));
    EXPECT_EQ(next(rm), TRANSACTION_NOTIFY_LAST_RECOVER);
    return rm;
  }
  static Handle begin(DWORD timeout_ms = 0, LPWSTR description = nullptr) {
    Handle transaction = CreateTransaction(nullptr, nullptr, 0, 0, 0, timeout_ms, description);
    EXPECT_DONE(transaction != INVALID_HANDLE_VALUE);
    return transaction;
  }
  static Handle enlist(HANDLE rm, HANDLE transaction, ULONG mask = kTwoPhases, DWORD options = 0,
                       PVOID key = nullptr) {
    Handle enlistment = CreateEnlistment(nullptr, rm, transaction, mask, options, key);
    EXPECT_DONE(enlistment != INVALID_HANDLE_VALUE);
    return enlistment;
  }
  // The kind of the next notification; 0: none came.
  static ULONG next(HANDLE rm, Told* told = nullptr) {
    Told here;
    if (told == nullptr) told = &here;
    const BOOL came =
        GetNotificationResourceManager(rm, &told->head, sizeof *told, kSoonMs, nullptr);
    return came ? told->head.TransactionNotification : 0;
  }
  // Commits with one durable resource manager.
  void commit_once(HANDLE rm) {
    Handle transaction = begin();
    Handle enlistment = enlist(rm, transaction);
    EXPECT_ERROR(CommitTransactionAsync(transaction), ERROR_IO_PENDING);
    EXPECT_EQ(next(rm), TRANSACTION_NOTIFY_PREPARE);
    EXPECT_DONE(PrepareComplete(enlistment, nullptr));
    EXPECT_EQ(next(rm), TRANSACTION_NOTIFY_COMMIT);
    EXPECT_DONE(CommitComplete(enlistment, nullptr));
  }
  static DWORD outcome_of(HANDLE transaction) {
    DWORD outcome = 0;
    EXPECT_DONE(
        GetTransactionInformation(transaction, &outcome, nullptr, nullptr, nullptr, 0, nullptr));
    return outcome;
  }
  static GUID id_of_manager(HANDLE tm) {
    GUID id{};
    EXPECT_DONE(GetTransactionManagerId(tm, &id));
    return id;
  }

  const std::filesystem::path directory_;
  Handle tm_;
};

}  // namespace cairn::win32

#endif  // CAIRN_TESTS_WIN32_KTM_FIXTURE_H_
