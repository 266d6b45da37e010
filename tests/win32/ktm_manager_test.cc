// ktmw32.h: transaction managers, and what there is of everything.
#include <algorithm>
#include <cstddef>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <cairn/clfsw32.h>

#include "win32/ktm_fixture.h"

namespace cairn::win32 {
namespace {

using KtmManager = Ktm;
using KtmEnumeration = Ktm;

TEST_F(KtmManager, IsVolatileOrHasALogNeverBothOrNeither) {
  std::wstring log = path();
  EXPECT_ERROR(CreateTransactionManager(nullptr, nullptr, 0, 0), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(CreateTransactionManager(nullptr, log.data(), TRANSACTION_MANAGER_VOLATILE, 0),
               ERROR_INVALID_PARAMETER);
  EXPECT_FALSE(std::filesystem::exists(log));
}

// Of a manager's stream, nobody else appends to it, moves its base, or deletes it.
TEST_F(KtmManager, HasItsStreamToItself) {
  constexpr ACCESS_MASK kAll = GENERIC_READ | GENERIC_WRITE | DELETE;
  constexpr DWORD kShared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
  const std::wstring stream = L"log:" + path() + L"::tm";
  const auto open = [&](ACCESS_MASK access) {
    return CreateLogFile(stream.c_str(), access, kShared, nullptr, OPEN_EXISTING, 0);
  };
  std::wstring log = path();
  {
    Handle tm = durable();
    Handle rm = durable_rm(tm);
    commit_once(rm);
    EXPECT_ERROR(open(GENERIC_WRITE), ERROR_SHARING_VIOLATION);
    EXPECT_ERROR(open(DELETE), ERROR_SHARING_VIOLATION);
    EXPECT_ERROR(DeleteLogFile(stream.c_str(), nullptr), ERROR_SHARING_VIOLATION);
    Handle reads = open(GENERIC_READ);
    EXPECT_DONE(reads != INVALID_HANDLE_VALUE);
    commit_once(rm);
  }
  {
    Handle writes = open(kAll);
    EXPECT_DONE(writes != INVALID_HANDLE_VALUE);
    EXPECT_ERROR(CreateTransactionManager(nullptr, log.data(), 0, 0), ERROR_SHARING_VIOLATION);
    EXPECT_ERROR(OpenTransactionManager(log.data(), 0, 0), ERROR_SHARING_VIOLATION);
    GUID id = guid(1);
    EXPECT_ERROR(RenameTransactionManager(log.data(), &id), ERROR_SHARING_VIOLATION);
    std::wstring other = log + L"::other";
    Handle beside = CreateTransactionManager(nullptr, other.data(), 0, 0);
    EXPECT_DONE(beside != INVALID_HANDLE_VALUE);
  }
  Handle tm = durable();
}

// A dedicated log has one stream, and its end is set where its client says.
TEST_F(KtmManager, IsInNoDedicatedLog) {
  std::wstring name = path();
  Handle log = CreateLogFile((L"log:" + name).c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr,
                             CREATE_NEW, 0);
  ULONGLONG size = 1 << 20;
  std::wstring container = L"one";
  EXPECT_DONE(AddLogContainer(log, &size, container.data(), nullptr));
  EXPECT_ERROR(CreateTransactionManager(nullptr, name.data(), 0, 0), ERROR_LOG_DEDICATED);
}

TEST_F(KtmManager, IsTheOneThatItsRelativePathMeantWhenItWasOpened) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory_);
  std::wstring name = L"relative";
  Handle tm = CreateTransactionManager(nullptr, name.data(), 0, 0);
  EXPECT_DONE(tm != INVALID_HANDLE_VALUE);
  std::wstring whole = path(L"relative");
  std::filesystem::current_path(before);
  EXPECT_ERROR(CreateTransactionManager(nullptr, whole.data(), 0, 0), ERROR_ALREADY_EXISTS);
}

TEST_F(KtmManager, PathsThatCannotBeOnesAreTold) {
  std::wstring file = path(L"file");
  std::ofstream(directory_ / "file") << "no directory";
  EXPECT_ERROR(CreateTransactionManager(nullptr, file.data(), 0, 0), ERROR_PATH_NOT_FOUND);
  EXPECT_ERROR(OpenTransactionManager(file.data(), 0, 0), ERROR_PATH_NOT_FOUND);
  std::wstring long_name = path(std::wstring(256, L'n'));
  EXPECT_ERROR(CreateTransactionManager(nullptr, long_name.data(), 0, 0),
               ERROR_FILENAME_EXCED_RANGE);
}

TEST_F(KtmManager, OptionsThatAreNotDocumentedOrNotHonouredAreRefused) {
  std::wstring log = path();
  for (const ULONG wrong : {TRANSACTION_MANAGER_COMMIT_SYSTEM_VOLUME,
                            TRANSACTION_MANAGER_COMMIT_SYSTEM_HIVES, 0x40u, 0x80000000u}) {
    EXPECT_ERROR(CreateTransactionManager(nullptr, log.data(), wrong, 0), ERROR_INVALID_PARAMETER);
  }
  for (const ULONG guessing :
       {TRANSACTION_MANAGER_COMMIT_LOWEST, TRANSACTION_MANAGER_CORRUPT_FOR_RECOVERY,
        TRANSACTION_MANAGER_CORRUPT_FOR_PROGRESS}) {
    EXPECT_ERROR(CreateTransactionManager(nullptr, log.data(), guessing, 0), ERROR_NOT_SUPPORTED);
  }
  EXPECT_ERROR(CreateTransactionManager(nullptr, log.data(), 0, 1), ERROR_INVALID_PARAMETER);
  SECURITY_ATTRIBUTES inherited{sizeof inherited, nullptr, TRUE};
  EXPECT_ERROR(CreateTransactionManager(&inherited, log.data(), 0, 0), ERROR_NOT_SUPPORTED);
  std::wstring empty;
  EXPECT_ERROR(CreateTransactionManager(nullptr, empty.data(), 0, 0), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(OpenTransactionManager(nullptr, 0, 0), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(OpenTransactionManager(log.data(), 0, 1), ERROR_INVALID_PARAMETER);
  EXPECT_FALSE(std::filesystem::exists(log));
}

TEST_F(KtmManager, IsOpenedByItsNameAndByItsIdentity) {
  Handle tm = durable();
  GUID id = id_of_manager(tm);
  std::wstring other_name = L"log:" + path(L"x/../log/") + L"::tm";
  std::filesystem::create_directories(directory_ / "x");
  Handle by_name = OpenTransactionManager(other_name.data(), TRANSACTIONMANAGER_ALL_ACCESS, 0);
  ASSERT_DONE(by_name != INVALID_HANDLE_VALUE);
  EXPECT_TRUE(same(id_of_manager(by_name), id));
  EXPECT_DONE(RecoverTransactionManager(by_name)) << "of one that is online: nothing to do";
  Handle by_id = OpenTransactionManagerById(&id, 0, 0);
  EXPECT_TRUE(same(id_of_manager(by_id), id));
  GUID unknown = guid(77);
  EXPECT_ERROR(OpenTransactionManagerById(&unknown, 0, 0), ERROR_TRANSACTIONMANAGER_NOT_FOUND);
  std::wstring log = path();
  EXPECT_ERROR(CreateTransactionManager(nullptr, log.data(), 0, 0), ERROR_ALREADY_EXISTS);
}

TEST_F(KtmManager, IsOpenedFromItsLogOnlyIfItIsThere) {
  std::wstring none = path(L"none");
  EXPECT_ERROR(OpenTransactionManager(none.data(), 0, 0), ERROR_FILE_NOT_FOUND);
  EXPECT_FALSE(std::filesystem::exists(none));
  GUID id = id_of_manager(durable());
  // Its last handle is closed.
  EXPECT_ERROR(OpenTransactionManagerById(&id, 0, 0), ERROR_TRANSACTIONMANAGER_NOT_FOUND);
  std::wstring other_stream = path() + L"::other";
  EXPECT_ERROR(OpenTransactionManager(other_stream.data(), 0, 0),
               ERROR_TRANSACTIONMANAGER_NOT_FOUND);
  std::wstring log = path();
  Handle again = OpenTransactionManager(log.data(), 0, 0);
  ASSERT_DONE(again != INVALID_HANDLE_VALUE);
  EXPECT_TRUE(same(id_of_manager(again), id));
  EXPECT_DONE(RecoverTransactionManager(again));
}

TEST_F(KtmManager, StreamsOfOneLogHoldManagersOfTheirOwn) {
  Handle one = durable(L"log::one");
  Handle two = durable(L"log::two");
  EXPECT_FALSE(same(id_of_manager(one), id_of_manager(two)));
  commit_once(durable_rm(one));
  commit_once(durable_rm(two));
}

TEST_F(KtmManager, StaysOpenWhileAnythingOfItIs) {
  Handle tm = durable();
  GUID id = id_of_manager(tm);
  Handle rm = durable_rm(tm);
  tm.close();
  commit_once(rm);
  Handle transaction = begin();
  Handle enlistment = enlist(rm, transaction);
  rm.close();
  EXPECT_EQ(outcome_of(transaction), DWORD{TransactionOutcomeAborted})
      << "its resource manager had not promised";
  EXPECT_TRUE(Handle(OpenTransactionManagerById(&id, 0, 0)) != INVALID_HANDLE_VALUE);
  enlistment.close();
  transaction.close();
  EXPECT_ERROR(OpenTransactionManagerById(&id, 0, 0), ERROR_TRANSACTIONMANAGER_NOT_FOUND);
}

TEST_F(KtmManager, ClockCountsDecisionsAndIsRaisedByAnswers) {
  LARGE_INTEGER clock{};
  ASSERT_DONE(GetCurrentClockTransactionManager(tm_, &clock));
  EXPECT_EQ(clock.QuadPart, 1);
  Handle rm = volatile_rm(tm_);
  commit_once(rm);
  ASSERT_DONE(GetCurrentClockTransactionManager(tm_, &clock));
  EXPECT_EQ(clock.QuadPart, 2);
  Handle transaction = begin();
  Handle enlistment = enlist(rm, transaction);
  clock.QuadPart = 500;
  EXPECT_DONE(ReadOnlyEnlistment(enlistment, &clock));
  clock.QuadPart = -1;
  EXPECT_ERROR(ReadOnlyEnlistment(enlistment, &clock), ERROR_INVALID_PARAMETER);
  ASSERT_DONE(GetCurrentClockTransactionManager(tm_, &clock));
  EXPECT_EQ(clock.QuadPart, 500);
}

TEST_F(KtmManager, RollforwardServesOnlyAtTheEnd) {
  {
    Handle tm = durable();
    Handle rm = durable_rm(tm);
    commit_once(rm);
    commit_once(rm);
    Handle transaction = begin();  // unfinished: so that the log keeps its decision
    Handle enlistment = enlist(rm, transaction);
    EXPECT_ERROR(CommitTransactionAsync(transaction), ERROR_IO_PENDING);
    EXPECT_EQ(next(rm), TRANSACTION_NOTIFY_PREPARE);
    EXPECT_DONE(PrepareComplete(enlistment, nullptr));
    EXPECT_EQ(next(rm), TRANSACTION_NOTIFY_COMMIT);
  }
  std::wstring log = path();
  Handle tm = OpenTransactionManager(log.data(), 0, 0);
  LARGE_INTEGER clock{};
  clock.QuadPart = -1;
  EXPECT_ERROR(RollforwardTransactionManager(tm, &clock), ERROR_INVALID_PARAMETER);
  clock.QuadPart = 2;
  EXPECT_DONE(RollforwardTransactionManager(tm, &clock));
  GUID id = guid(1);
  EXPECT_ERROR(OpenResourceManager(0, tm, &id), ERROR_TRANSACTIONMANAGER_NOT_ONLINE);
  EXPECT_DONE(RollforwardTransactionManager(tm, nullptr));
  Handle rm = OpenResourceManager(0, tm, &id);
  EXPECT_DONE(rm != INVALID_HANDLE_VALUE);
}

TEST_F(KtmManager, RenameGivesANewIdentityToOneThatNobodyHasOpen) {
  std::wstring log = path();
  GUID id{};
  {
    Handle tm = durable();
    id = id_of_manager(tm);
    EXPECT_ERROR(RenameTransactionManager(log.data(), &id), ERROR_SHARING_VIOLATION);
  }
  GUID wrong = guid(1);
  EXPECT_ERROR(RenameTransactionManager(log.data(), &wrong),
               ERROR_TRANSACTIONMANAGER_IDENTITY_MISMATCH);
  EXPECT_DONE(RenameTransactionManager(log.data(), &id));
  EXPECT_FALSE(same(id_of_manager(durable()), id));
  std::wstring none = path() + L"::none";
  EXPECT_ERROR(RenameTransactionManager(none.data(), &id), ERROR_TRANSACTIONMANAGER_NOT_FOUND);
}

// Reads with room for `room` identities at a time.
std::vector<GUID> enumerate(HANDLE root, KTMOBJECT_TYPE type, std::size_t room) {
  std::vector<std::byte> buffer(offsetof(KTMOBJECT_CURSOR, ObjectIds) + room * sizeof(GUID));
  auto* const cursor = reinterpret_cast<PKTMOBJECT_CURSOR>(buffer.data());
  std::vector<GUID> all;
  ULONG used = 0;
  while (EnumerateTransactionObject(root, type, cursor, static_cast<ULONG>(buffer.size()), &used)) {
    EXPECT_EQ(used, offsetof(KTMOBJECT_CURSOR, ObjectIds) + cursor->ObjectIdCount * sizeof(GUID));
    EXPECT_LE(cursor->ObjectIdCount, room);
    for (DWORD i = 0; i < cursor->ObjectIdCount; ++i) {
      GUID id;
      std::memcpy(&id, buffer.data() + offsetof(KTMOBJECT_CURSOR, ObjectIds) + i * sizeof id,
                  sizeof id);
      all.push_back(id);
    }
  }
  EXPECT_EQ(GetLastError(), ERROR_NO_MORE_ITEMS);
  EXPECT_EQ(cursor->ObjectIdCount, 0u);
  return all;
}

bool holds(const std::vector<GUID>& ids, const GUID& id) {
  return std::any_of(ids.begin(), ids.end(), [&id](const GUID& each) { return same(each, id); });
}

TEST_F(KtmEnumeration, GoesOnWhereItStoppedAndEnds) {
  std::vector<Handle> sessions;
  for (std::uint32_t i = 1; i <= 7; ++i) sessions.push_back(volatile_rm(tm_, i));
  for (std::size_t room = 1; room <= 8; ++room) {
    const auto found = enumerate(tm_, KTMOBJECT_RESOURCE_MANAGER, room);
    ASSERT_EQ(found.size(), 7u) << room;
    for (std::uint32_t i = 1; i <= 7; ++i) EXPECT_TRUE(holds(found, guid(i)));
  }
}

TEST_F(KtmEnumeration, KnowsEachKindBelowItsRoot) {
  Handle rm = volatile_rm(tm_);
  Handle bound = begin();
  Handle enlistment = enlist(rm, bound);
  Handle unbound = begin();
  GUID bound_id{};
  GUID unbound_id{};
  GUID enlistment_id{};
  EXPECT_DONE(GetTransactionId(bound, &bound_id));
  EXPECT_DONE(GetTransactionId(unbound, &unbound_id));
  EXPECT_DONE(GetEnlistmentId(enlistment, &enlistment_id));
  const auto all = enumerate(nullptr, KTMOBJECT_TRANSACTION, 2);
  EXPECT_TRUE(holds(all, bound_id));
  EXPECT_TRUE(holds(all, unbound_id));
  const auto of_manager = enumerate(tm_, KTMOBJECT_TRANSACTION, 2);
  EXPECT_EQ(of_manager.size(), 1u);
  EXPECT_TRUE(holds(of_manager, bound_id));
  EXPECT_TRUE(holds(enumerate(nullptr, KTMOBJECT_TRANSACTION_MANAGER, 2), id_of_manager(tm_)));
  EXPECT_TRUE(holds(enumerate(rm, KTMOBJECT_ENLISTMENT, 2), enlistment_id));
}

TEST_F(KtmEnumeration, RootsAndCursorsAreChecked) {
  Handle rm = volatile_rm(tm_);
  KTMOBJECT_CURSOR cursor{};
  const auto size = static_cast<ULONG>(sizeof cursor);
  const auto ask = [&](HANDLE root, KTMOBJECT_TYPE type) {
    return EnumerateTransactionObject(root, type, &cursor, size, nullptr);
  };
  EXPECT_ERROR(ask(rm, KTMOBJECT_TRANSACTION), ERROR_INVALID_HANDLE);
  EXPECT_ERROR(ask(tm_, KTMOBJECT_TRANSACTION_MANAGER), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(ask(nullptr, KTMOBJECT_RESOURCE_MANAGER), ERROR_INVALID_HANDLE);
  EXPECT_ERROR(ask(tm_, KTMOBJECT_ENLISTMENT), ERROR_INVALID_HANDLE);
  for (const int wrong : {int{KTMOBJECT_INVALID}, -1, 99}) {
    EXPECT_ERROR(ask(tm_, static_cast<KTMOBJECT_TYPE>(wrong)), ERROR_INVALID_PARAMETER);
  }
  EXPECT_ERROR(EnumerateTransactionObject(tm_, KTMOBJECT_RESOURCE_MANAGER, nullptr, size, nullptr),
               ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(EnumerateTransactionObject(tm_, KTMOBJECT_RESOURCE_MANAGER, &cursor, 19, nullptr),
               ERROR_INSUFFICIENT_BUFFER);
}

}  // namespace
}  // namespace cairn::win32
