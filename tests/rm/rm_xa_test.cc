// XA resource managers under Cairn: promises and outcomes through losses and restarts, and nobody
// else's touched.
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rm/xa_part.h"
#include "xa_codes.h"
#include "xa_heuristics.h"
#include "xa_name.h"

namespace cairn::rm {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using tm::Outcome;

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
  EXPECT_EQ(part.rm->work(begin(), {}).code(), StatusCode::kInvalidArgument);
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

// A copy of the manager's log was renamed; what it promised before is not for it to touch.
TEST_F(XaRestart, ADecidedBranchThatIsPreparedForAFormerIdentityIsNoCommit) {
  const Uuid unit = decide("");
  part.fake.remove(name(part, unit));
  part.fake.put_prepared(to_xid({Uuid::generate(), part.id, unit}));
  part.open(manager);
  EXPECT_EQ(part.status.code(), StatusCode::kIdentityMismatch) << part.status.to_string();
  EXPECT_THAT(part.status.message(), HasSubstr(unit.to_string()));
  EXPECT_THAT(part.fake.known(), SizeIs(1));
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
