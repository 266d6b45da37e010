// XA resource managers under Cairn: every return code of every call, promises and outcomes through
// losses and restarts, and nobody else's touched.
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/rm_xa.h>
#include <cairn/sim/sim_storage.h>

#include "rm/fake_xa.h"
#include "xa_codes.h"
#include "xa_heuristics.h"
#include "xa_name.h"

namespace cairn::rm {
namespace {

using std::chrono::milliseconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using tm::Outcome;

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

std::vector<int> every_code() {
  std::vector<int> codes{XA_OK, 1, 2, XA_RDONLY, XA_RETRY, XA_NOMIGRATE, 42, -1, -10, 99, 108};
  for (int code = XA_HEURMIX; code <= XA_HEURHAZ; ++code) codes.push_back(code);
  for (int code = XAER_OUTSIDE; code <= XAER_ASYNC; ++code) codes.push_back(code);
  for (int code = XA_RBBASE; code <= XA_RBEND; ++code) codes.push_back(code);
  return codes;
}

// What is to be seen when the first such call returns the code, and later ones do what they should.
struct Expected {
  XaCall call;
  int first;
  int last;
  const char* ending;
};
// clang-format off
const Expected kEndings[] = {
    // Refused work is not done, and the transaction goes on without it; what was associated before, or may be, does not.
    {XaCall::kStart,       XA_OK,       XA_OK,       "commits"},
    {XaCall::kStart,       XA_RBBASE,   XA_RBEND,    "work refused, rolls back"},
    {XaCall::kStart,       XAER_NOTA,   XAER_NOTA,   "work refused, rolls back"},
    {XaCall::kStart,       XAER_DUPID,  XAER_DUPID,  "work refused, rolls back"},
    {XaCall::kStart,       -1000,       1000,        "work refused, commits"},
    {XaCall::kEnd,         XA_OK,       XA_OK,       "commits"},
    {XaCall::kEnd,         -1000,       1000,        "work refused, rolls back"},
    // A vote is yes by XA_OK alone.
    {XaCall::kPrepare,     XA_OK,       XA_OK,       "commits"},
    {XaCall::kPrepare,     XA_RDONLY,   XA_RDONLY,   "commits, nothing of it"},
    {XaCall::kPrepare,     -1000,       1000,        "rolls back"},
    // Alone.
    {XaCall::kCommitAlone, XA_OK,       XA_OK,       "commits"},
    {XaCall::kCommitAlone, XA_RETRY,    XA_RETRY,    "commits"},
    {XaCall::kCommitAlone, XA_HEURCOM,  XA_HEURCOM,  "commits, nothing of it, told, forgotten"},
    {XaCall::kCommitAlone, XA_HEURRB,   XA_HEURRB,   "rolls back, told, forgotten"},
    {XaCall::kCommitAlone, XA_HEURMIX,  XA_HEURHAZ,  "unknown, told, forgotten"},
    {XaCall::kCommitAlone, -1000,       1000,        "rolls back"},
    {XaCall::kAskAlone,    XA_OK,       XA_OK,       "rolls back"},
    {XaCall::kAskAlone,    XA_RBBASE,   XA_RBEND,    "rolls back"},
    {XaCall::kAskAlone,    XA_RETRY,    XA_RETRY,    "rolls back"},
    {XaCall::kAskAlone,    XAER_RMERR,  XAER_RMERR,  "rolls back"},
    {XaCall::kAskAlone,    XAER_RMFAIL, XAER_RMFAIL, "rolls back"},
    {XaCall::kAskAlone,    XAER_NOTA,   XAER_NOTA,   "unknown"},
    {XaCall::kAskAlone,    XA_HEURCOM,  XA_HEURCOM,  "commits, nothing of it, told, forgotten"},
    {XaCall::kAskAlone,    XA_HEURRB,   XA_HEURRB,   "rolls back, told, forgotten"},
    {XaCall::kAskAlone,    XA_HEURMIX,  XA_HEURHAZ,  "unknown, told, forgotten"},
    {XaCall::kAskAlone,    -1000,       1000,        "unknown, broken"},
    // Promised and decided.
    {XaCall::kCommit,      XA_OK,       XA_OK,       "commits"},
    {XaCall::kCommit,      XA_RETRY,    XA_RETRY,    "commits"},
    {XaCall::kCommit,      XAER_RMFAIL, XAER_RMFAIL, "commits"},
    {XaCall::kCommit,      XA_HEURMIX,  XA_HEURHAZ,  "commits, nothing of it, told, forgotten"},
    {XaCall::kCommit,      XAER_NOTA,   XAER_NOTA,   "commits, nothing of it, told"},
    {XaCall::kCommit,      XAER_RMERR,  XAER_RMERR,  "commits, nothing of it, told"},
    {XaCall::kCommit,      XA_RBBASE,   XA_RBEND,    "commits, nothing of it, told"},
    {XaCall::kCommit,      -1000,       1000,        "broken, commits later"},
    {XaCall::kRollback,    XA_OK,       XA_OK,       "rolls back"},
    {XaCall::kRollback,    XA_RBBASE,   XA_RBEND,    "rolls back"},
    {XaCall::kRollback,    XAER_NOTA,   XAER_NOTA,   "rolls back"},
    {XaCall::kRollback,    XA_RETRY,    XA_RETRY,    "rolls back"},
    {XaCall::kRollback,    XAER_RMERR,  XAER_RMERR,  "rolls back"},
    {XaCall::kRollback,    XAER_RMFAIL, XAER_RMFAIL, "rolls back"},
    {XaCall::kRollback,    XA_HEURMIX,  XA_HEURHAZ,  "rolls back, told, forgotten"},
    {XaCall::kRollback,    -1000,       1000,        "rolls back, broken"},
    // Written down before, so it does not matter to anyone but the resource manager.
    {XaCall::kForget,      -1000,       1000,        "commits, nothing of it, told, forgotten"},
};
// clang-format on

const char* expected_ending(XaCall call, int code) {
  for (const Expected& row : kEndings) {
    if (row.call == call && row.first <= code && code <= row.last) return row.ending;
  }
  return "";
}

// Every code at every call: one transaction each, alone or with a second resource manager.
class XaEveryCode : public testing::TestWithParam<XaCall> {
 protected:
  static void script(FakeXa& fake, XaCall call, int code) {
    switch (call) {
      case XaCall::kStart:
        return fake.script("start", code, code == XA_OK);
      case XaCall::kEnd:
        return fake.script("end", code, true);
      case XaCall::kPrepare:
        // Rolled back or read only, it has nothing of it any more.
        return fake.script("prepare", code, code == XA_OK);
      case XaCall::kAskAlone:
        fake.script("commit", XAER_RMFAIL);
        return fake.script("rollback", code, code == XA_OK);
      case XaCall::kCommit:
      case XaCall::kCommitAlone:
        return fake.script("commit", code, code == XA_OK);
      case XaCall::kRollback:
        return fake.script("rollback", code, code == XA_OK);
      case XaCall::kForget:
        fake.script("commit", XA_HEURCOM);
        return fake.script("forget", code, code == XA_OK);
    }
  }

  // Work, the end of the transaction, and what is left when nothing moves any more.
  std::string ending(XaCall call, int code) {
    XaPart part(manager);
    XaPart other(manager);
    EXPECT_TRUE(part.status && other.status) << part.status.to_string();
    script(part.fake, call, code);
    tm::Transaction transaction = manager.tm.create_transaction().value();
    const Status worked = part.work(transaction);
    const bool is_alone = call == XaCall::kCommitAlone || call == XaCall::kAskAlone;
    if (!is_alone) {
      EXPECT_TRUE(other.work(transaction));
    }
    std::string seen = worked ? "" : "work refused, ";
    if (call == XaCall::kRollback) {
      EXPECT_TRUE(transaction.rollback());
    } else if (!transaction.commit(tm::WaitFor::kDecided, std::chrono::seconds(20)) &&
               transaction.outcome() == Outcome::kUndetermined) {
      return "hangs";
    }
    const bool has_promised = call == XaCall::kCommit;
    const auto is_over = [&] {
      return !part.rm->health() || (transaction.information()->enlistments.empty() &&
                                    other.fake.known().empty() && is_quiet(part, call, code));
    };
    if (!xa_eventually(is_over)) return "never ends";
    const bool is_broken = !part.rm->health();
    if (is_broken && has_promised) return end_later(part, transaction);
    if (transaction.outcome() == Outcome::kCommitted) seen += "commits";
    if (transaction.outcome() == Outcome::kAborted) seen += "rolls back";
    if (transaction.outcome() == Outcome::kUnknown) seen += "unknown";
    const bool is_refused = !worked;
    if (transaction.outcome() == Outcome::kCommitted && part.fake.committed() == 0 && !is_refused) {
      seen += ", nothing of it";
    }
    if (transaction.outcome() == Outcome::kAborted) {
      EXPECT_EQ(part.fake.committed(), 0U);
    }
    EXPECT_EQ(other.fake.committed(),
              !is_alone && transaction.outcome() == Outcome::kCommitted ? 1U : 0U);
    if (!part.told.empty()) {
      seen += ", told";
      EXPECT_EQ(part.told[0].code, call == XaCall::kForget ? XA_HEURCOM : code);
      EXPECT_FALSE(part.forgotten_when_told);
      EXPECT_THAT(part.rm->heuristics(), SizeIs(1));
    }
    if (part.fake.was_called("forget")) seen += ", forgotten";
    if (is_broken) seen += ", broken";
    part.rm.reset();
    other.rm.reset();
    EXPECT_EQ(part.fake.violations() + other.fake.violations(), "");
    EXPECT_EQ(part.fake.threads(), 0U) << "a thread did not close it";
    return seen;
  }

  // The last thing that is asked has been asked.
  static bool is_quiet(const XaPart& part, XaCall call, int code) {
    if (call == XaCall::kForget) return part.fake.was_called("forget");
    if (call == XaCall::kRollback && code == XAER_NOTA) return part.fake.was_called("rollback");
    // What is not said to be rolled back may be prepared: it must be.
    const bool is_gone = code == XAER_NOTA || (code >= XA_RBBASE && code <= XA_RBEND);
    const bool may_be_prepared = call == XaCall::kPrepare && code != XA_RDONLY && !is_gone;
    return !may_be_prepared || part.fake.known().empty();
  }

  // The session ended; the outcome is kept, and the next adapter brings it.
  std::string end_later(XaPart& part, const tm::Transaction& transaction) {
    EXPECT_EQ(part.fake.committed(), 0U);
    part.open(manager);
    EXPECT_TRUE(part.status) << part.status.to_string();
    EXPECT_THAT(part.rm->recovery().committed, ElementsAre(transaction.id()));
    EXPECT_EQ(part.fake.committed(), 1U);
    return "broken, commits later";
  }

  XaManager manager;
};

TEST_P(XaEveryCode, EndsAsItMust) {
  int pairs = 0;
  for (const int code : every_code()) {
    SCOPED_TRACE(std::string(xa_call_name(GetParam())) + ": " + xa_code_name(code));
    EXPECT_EQ(ending(GetParam(), code), expected_ending(GetParam(), code));
    ++pairs;
  }
  EXPECT_EQ(pairs, 31);
}

std::string call_of_test(const testing::TestParamInfo<XaCall>& tested) {
  constexpr const char* kNames[] = {"Start",    "End",    "Prepare",  "CommitAlone",
                                    "AskAlone", "Commit", "Rollback", "Forget"};
  return kNames[static_cast<int>(tested.param)];
}
INSTANTIATE_TEST_SUITE_P(Calls, XaEveryCode,
                         testing::Values(XaCall::kStart, XaCall::kEnd, XaCall::kPrepare,
                                         XaCall::kCommitAlone, XaCall::kAskAlone, XaCall::kCommit,
                                         XaCall::kRollback, XaCall::kForget),
                         call_of_test);

class XaRmTest : public testing::Test {
 protected:
  tm::Transaction begin() { return manager.tm.create_transaction().value(); }
  XID name(const XaPart& of, const Uuid& unit) const {
    return to_xid({manager.tm.id(), of.id, unit});
  }

  XaManager manager;
  XaPart part{manager};
};

TEST(XaName, NamesManagerResourceManagerAndUnitOfWork) {
  const BranchName name{Uuid::generate(), Uuid::generate(), Uuid::generate()};
  XID xid = to_xid(name);
  EXPECT_EQ(from_xid(xid), name);
  for (std::size_t i = 0; i < 48; ++i) {
    XID other = xid;
    other.data[i] = static_cast<char>(other.data[i] ^ 1);
    EXPECT_NE(from_xid(other), name) << i;
  }
  xid.formatID = 0;
  EXPECT_FALSE(from_xid(xid));
}

TEST(XaName, AnXidThatIsCutOrChangedAtAnyByteIsRefusedOrAnother) {
  const XID xid = to_xid({Uuid::generate(), Uuid::generate(), Uuid::generate()});
  const std::vector<std::byte> bytes = encode_xid(xid);
  EXPECT_EQ(xid_key(*decode_xid(bytes)), xid_key(xid));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(decode_xid(std::span(bytes).first(size)).code(), StatusCode::kCorrupt) << size;
  }
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::vector<std::byte> other = bytes;
    other[i] ^= std::byte{0x80};
    const auto decoded = decode_xid(other);
    EXPECT_TRUE(!decoded || xid_key(*decoded) != xid_key(xid)) << i;
  }
}

TEST(XaHeuristicRecord, IsRefusedWhenItIsCutAtAnyByte) {
  const std::vector<XaHeuristic> all{{Uuid::generate(), Outcome::kCommitted, XA_HEURRB, false},
                                     {Uuid::generate(), Outcome::kAborted, XAER_RMERR, true}};
  const std::vector<std::byte> bytes = encode_heuristics(all);
  const auto decoded = decode_heuristics(bytes);
  ASSERT_TRUE(decoded);
  ASSERT_THAT(*decoded, SizeIs(2));
  EXPECT_EQ((*decoded)[1].code, XAER_RMERR);
  EXPECT_FALSE((*decoded)[0].agrees);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(decode_heuristics(std::span(bytes).first(size)).code(), StatusCode::kCorrupt);
  }
}

// Threads, and work.

TEST_F(XaRmTest, EachThreadOpensBeforeItCallsAndClosesBehind) {
  part.open(manager, [](XaOptions& options) { options.workers = 3; });
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      for (int round = 0; round < 10; ++round) {
        tm::Transaction transaction = begin();
        EXPECT_TRUE(part.work(transaction) && part.work(transaction));  // joins
        EXPECT_TRUE(transaction.commit());
      }
    });
  }
  for (std::thread& client : clients) client.join();
  part.rm.reset();
  EXPECT_EQ(part.fake.committed(), 40U);
  EXPECT_EQ(part.fake.violations(), "");
  EXPECT_EQ(part.fake.threads(), 0U);
}

TEST_F(XaRmTest, WithoutWorkersOneThreadDoesItAll) {
  part.open(manager, [](XaOptions& options) { options.workers = 0; });
  std::thread::id thread;
  tm::Transaction transaction = begin();
  ASSERT_TRUE(part.rm->work(transaction, [&] {
    thread = std::this_thread::get_id();
    return Status::ok();
  }));
  EXPECT_NE(thread, std::this_thread::get_id());
  EXPECT_EQ(part.fake.threads(), 1U);
  EXPECT_TRUE(transaction.commit());
}

// The client is inside work() of one branch when another, and then its own, is to be ended.
TEST_F(XaRmTest, WorkThatWaitsHoldsNoOtherBranchUp) {
  part.open(manager, [](XaOptions& options) { options.workers = 2; });
  tm::Transaction other = begin();
  ASSERT_TRUE(part.work(other));
  tm::Transaction transaction = begin();
  EXPECT_TRUE(part.rm->work(transaction, [&] {
    EXPECT_TRUE(transaction.rollback());
    return other.commit();
  }));
  EXPECT_TRUE(xa_eventually([&] { return part.fake.known().empty(); }));
  EXPECT_EQ(part.fake.committed(), 1U);
}

TEST_F(XaRmTest, WorkThatFailsIsEndedAsFailedAndVotesNo) {
  tm::Transaction transaction = begin();
  const Status done =
      part.rm->work(transaction, [] { return Status(StatusCode::kLocked, "the row is taken"); });
  EXPECT_EQ(done.code(), StatusCode::kLocked);
  EXPECT_EQ(part.work(transaction).code(), StatusCode::kLocked) << "no more work";
  const Status committed = transaction.commit();
  EXPECT_EQ(committed.code(), StatusCode::kAlreadyAborted);
  EXPECT_THAT(committed.message(), HasSubstr("the row is taken"));
}

TEST_F(XaRmTest, ATransactionWithoutWorkInItIsCommittedWithoutACall) {
  part.fake.script("start", XAER_OUTSIDE);
  tm::Transaction transaction = begin();
  EXPECT_EQ(part.work(transaction).code(), StatusCode::kInvalidState);
  EXPECT_TRUE(transaction.commit());
  EXPECT_FALSE(part.fake.was_called("commit one"));
  EXPECT_EQ(part.work(transaction).code(), StatusCode::kNotActive);
}

TEST_F(XaRmTest, WhatHasNotPromisedIsRolledBackAtTheEnd) {
  tm::Transaction transaction = begin();
  ASSERT_TRUE(part.work(transaction));
  part.rm.reset();
  EXPECT_THAT(part.fake.known(), IsEmpty());
  EXPECT_EQ(transaction.commit().code(), StatusCode::kAlreadyAborted);
}

TEST_F(XaRmTest, OptionsThatCannotWorkAreRefused) {
  const auto refused = [&](const std::function<void(XaOptions&)>& change) {
    part.open(manager, change);
    return part.status.code();
  };
  EXPECT_EQ(refused([](XaOptions& options) { options.id = {}; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(refused([](XaOptions& options) { options.rm = nullptr; }),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(refused([](XaOptions& options) { options.log = nullptr; }),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(refused([](XaOptions& options) { options.open.assign(MAXINFOSIZE, 'x'); }),
            StatusCode::kInvalidArgument);
  const FakeXa registers(TMREGISTER);
  EXPECT_EQ(refused([&](XaOptions& options) { options.rm = registers.rm(); }),
            StatusCode::kNotSupported);
  part.fake.script("open", XAER_INVAL);
  EXPECT_EQ(refused({}), StatusCode::kInvalidArgument);
  part.fake.script("open", XAER_RMERR);
  EXPECT_EQ(refused({}), StatusCode::kIoError);
}

// Losses.

TEST_F(XaRmTest, ACommitWhoseAnswerWasLostIsNotDoneAgain) {
  XaPart other(manager);
  tm::Transaction before = begin();
  ASSERT_TRUE(part.work(before) && before.rollback());  // the worker has opened it
  part.fake.script("commit", XAER_RMFAIL, true);
  part.fake.script("open", XAER_RMERR);  // away for a while
  tm::Transaction transaction = begin();
  ASSERT_TRUE(part.work(transaction) && other.work(transaction));
  EXPECT_TRUE(transaction.commit());
  EXPECT_EQ(part.fake.committed(), 1U);
  EXPECT_THAT(part.told, IsEmpty());
  EXPECT_TRUE(part.rm->trouble().code() == StatusCode::kIoError || part.rm->trouble());
}

TEST_F(XaRmTest, AResourceManagerThatIsAwayIsNotWaitedForBeforeThePromise) {
  tm::Transaction first = begin();
  ASSERT_TRUE(part.work(first));
  part.fake.script("commit", XAER_RMFAIL);
  for (int i = 0; i < 12; ++i) part.fake.script("open", XAER_RMERR);
  tm::Transaction second = begin();
  ASSERT_TRUE(part.work(second));
  EXPECT_TRUE(first.commit_async());
  ASSERT_TRUE(xa_eventually([&] { return part.fake.was_called("commit one"); }));
  EXPECT_EQ(second.commit().code(), StatusCode::kAlreadyAborted);
}

TEST_F(XaRmTest, CallsOfABatchRunAtTheSameTimeWhereItCan) {
  XaPart fast(manager, TMUSEASYNC);
  XaPart other(manager);
  tm::Transaction busy = begin();
  std::vector<tm::Transaction> all;
  for (int i = 0; i < 3; ++i) {
    all.push_back(begin());
    ASSERT_TRUE(fast.work(all.back()) && other.work(all.back()));
  }
  // Their orders wait for each other behind a connection that is to be made anew.
  fast.fake.script("commit", XAER_RMFAIL);
  fast.fake.script("commit", XAER_ASYNC);  // one too many: it waits for that
  for (auto& transaction : all) EXPECT_TRUE(transaction.commit_async());
  for (auto& transaction : all) {
    EXPECT_TRUE(transaction.wait(tm::WaitFor::kCompleted, std::chrono::seconds(20)));
  }
  EXPECT_EQ(fast.fake.committed(), 3U);
  EXPECT_THAT(fast.fake.calls(), Contains("prepare async"));
  EXPECT_THAT(fast.fake.calls(), Contains("commit async"));
  EXPECT_THAT(fast.fake.calls(), Contains("complete"));
  EXPECT_THAT(fast.fake.calls(), Not(Contains("prepare")));
  EXPECT_THAT(fast.fake.calls(), Contains("commit"));
  EXPECT_EQ(fast.fake.violations(), "");
}

TEST_F(XaRmTest, AnAsynchronousCommitThatCannotBeCompletedIsOrderedAgain) {
  XaPart fast(manager, TMUSEASYNC);
  XaPart other(manager);
  tm::Transaction transaction = begin();
  ASSERT_TRUE(fast.work(transaction) && other.work(transaction));
  fast.fake.script("complete", XA_OK, true);  // the promise
  fast.fake.script("complete", XAER_PROTO);   // the commit, which was carried out
  EXPECT_TRUE(transaction.commit());
  EXPECT_EQ(fast.fake.committed(), 1U);
  EXPECT_THAT(fast.told, IsEmpty());
}

// Recovery.

TEST_F(XaRmTest, OrphansAreRolledBackInManyScansAndOthersAreLeftAlone) {
  part.rm.reset();
  for (int i = 0; i < 100; ++i) part.fake.put_prepared(name(part, Uuid::generate()));
  const XID of_another_manager = to_xid({Uuid::generate(), part.id, Uuid::generate()});
  const XID of_another_adapter = to_xid({manager.tm.id(), Uuid::generate(), Uuid::generate()});
  XID of_another_program = name(part, Uuid::generate());
  of_another_program.formatID = 7;
  const std::vector<XID> others{of_another_manager, of_another_adapter, of_another_program};
  for (const XID& xid : others) part.fake.put_prepared(xid);
  part.open(manager);
  ASSERT_TRUE(part.status) << part.status.to_string();
  EXPECT_THAT(part.rm->recovery().aborted, SizeIs(100));
  EXPECT_THAT(part.rm->recovery().foreign, SizeIs(3));
  EXPECT_THAT(part.rm->recovery().foreign, Contains(xid_text(of_another_manager)));
  EXPECT_THAT(part.fake.known(), SizeIs(3));
  const std::vector<std::string> calls = part.fake.calls();
  EXPECT_EQ(std::count(calls.begin(), calls.end(), "recover start"), 2) << "and one of the fixture";
  EXPECT_EQ(std::count(calls.begin(), calls.end(), "recover"), 3);
  EXPECT_EQ(std::count(calls.begin(), calls.end(), "recover end"), 2);
}

TEST_F(XaRmTest, AScanThatAnswersNonsenseEndsTheOpening) {
  for (const int code : {XAER_RMERR, XAER_RMFAIL, XAER_INVAL, XAER_PROTO, 33}) {
    part.fake.script("recover", code);
    part.open(manager);
    EXPECT_FALSE(part.status) << code;
  }
  for (int i = 0; i < 40; ++i) {
    part.fake.put_prepared(to_xid({Uuid::generate(), part.id, Uuid::generate()}));
  }
  part.open(manager);
  EXPECT_TRUE(part.status) << part.status.to_string();
}

// Decided, and the resource manager was away, until the adapter and its manager had gone.
class XaRestart : public XaRmTest {
 protected:
  Uuid decide(const std::string& store) {
    part.open(manager, [&](XaOptions& options) { options.store = store; });
    XaPart other(manager);
    tm::Transaction transaction = begin();
    EXPECT_TRUE(part.work(transaction) && other.work(transaction));
    part.fake.script("commit", XAER_RMFAIL);
    part.fake.script("open", XAER_RMFAIL);
    for (int i = 0; i < 30; ++i) part.fake.script("open", XAER_RMFAIL);
    EXPECT_TRUE(transaction.commit(tm::WaitFor::kDecided, std::chrono::seconds(20)));
    part.rm.reset();
    while (part.fake.rm()->xa_open_entry(nullptr, part.fake.rmid(), TMNOFLAGS) != XA_OK) continue;
    part.fake.rm()->xa_close_entry(nullptr, part.fake.rmid(), TMNOFLAGS);
    const Uuid unit = transaction.id();
    other.rm.reset();
    transaction = {};
    manager.stop();
    manager.start();
    return unit;
  }
};

TEST_F(XaRestart, ADecisionIsBroughtByTheNextAdapter) {
  const Uuid unit = decide("");
  EXPECT_THAT(part.fake.known(), SizeIs(1));
  part.open(manager);
  ASSERT_TRUE(part.status) << part.status.to_string();
  EXPECT_THAT(part.rm->recovery().committed, ElementsAre(unit));
  EXPECT_EQ(part.fake.committed(), 1U);
}

TEST_F(XaRestart, WhatIsDecidedAndNotThereWasCommittedBefore) {
  const Uuid unit = decide("east");
  part.fake.remove(name(part, unit));
  part.open(manager, [](XaOptions& options) { options.store = "east"; });
  ASSERT_TRUE(part.status) << part.status.to_string();
  EXPECT_THAT(part.rm->recovery().redelivered, ElementsAre(unit));
}

TEST_F(XaRestart, ADecidedBranchIsNotSoughtInAnotherStore) {
  const Uuid unit = decide("east");
  part.fake.remove(name(part, unit));
  part.open(manager, [](XaOptions& options) { options.store = "west"; });
  EXPECT_EQ(part.status.code(), StatusCode::kIdentityMismatch);
  EXPECT_THAT(part.status.message(), HasSubstr(unit.to_string()));
}

// Heuristic outcomes.

TEST_F(XaRestart, AHeuristicOutcomeIsToldOnceAndKeptUntilItIsCleared) {
  const Uuid unit = decide("");
  part.fake.script("commit", XA_HEURRB);
  part.fake.script("forget", XAER_RMERR);
  part.open(manager);
  ASSERT_TRUE(part.status) << part.status.to_string();
  ASSERT_THAT(part.told, SizeIs(1));
  EXPECT_EQ(part.told[0].transaction, unit);
  EXPECT_EQ(part.told[0].decided, Outcome::kCommitted);
  EXPECT_FALSE(part.told[0].agrees);
  part.rm.reset();
  manager.stop();
  manager.start();
  part.open(manager);
  ASSERT_THAT(part.rm->heuristics(), SizeIs(1));
  EXPECT_EQ(part.rm->heuristics()[0].code, XA_HEURRB);
  EXPECT_THAT(part.told, SizeIs(1));
  EXPECT_TRUE(part.rm->clear_heuristics());
  part.open(manager);
  EXPECT_THAT(part.rm->heuristics(), IsEmpty());
}

// Killed between the record and xa_forget: the resource manager still knows of it, and the manager
// does not any more.
TEST_F(XaRestart, AHeuristicOutcomeThatIsKnownAlreadyIsForgottenQuietly) {
  const Uuid unit = decide("");
  part.fake.script("commit", XA_HEURCOM);
  part.open(manager);
  ASSERT_THAT(part.told, SizeIs(1));
  EXPECT_TRUE(part.told[0].agrees);
  part.rm.reset();
  part.fake.put_prepared(name(part, unit));
  part.fake.script("rollback", XA_HEURCOM);
  part.open(manager);
  ASSERT_TRUE(part.status) << part.status.to_string();
  EXPECT_THAT(part.told, SizeIs(1));
  EXPECT_THAT(part.rm->heuristics(), SizeIs(1));
  EXPECT_THAT(part.fake.known(), IsEmpty());
}

}  // namespace
}  // namespace cairn::rm
