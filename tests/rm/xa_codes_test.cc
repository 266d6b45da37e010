// XA resource managers under Cairn: every return code of every call ends as it must.
#include "xa_codes.h"

#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rm/xa_part.h"
#include "xa_name.h"

namespace cairn::rm {
namespace {

using testing::ElementsAre;
using testing::SizeIs;
using tm::Outcome;

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

}  // namespace
}  // namespace cairn::rm
