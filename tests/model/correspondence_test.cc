// The models and the tables of tm/ make the same moves: each move of a model is a row of its table,
// and each row is made by a model, or stands below with the reason why not.
#include <algorithm>
#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "enlistment_machine.h"
#include "model/model_text.h"
#include "resource_manager_machine.h"
#include "sim/test_counters.h"
#include "superior_machine.h"
#include "tm_machine.h"
#include "transaction_machine.h"

namespace cairn::model {
namespace {

using Rows = std::set<std::string>;

template <typename Table, typename State, typename Event, typename Guard>
void add_rows(Rows& rows, const std::string& machine, const Table& table, State state, Event event,
              Guard guard) {
  for (const auto& line : table) {
    const std::string condition(guard(line.guard));
    rows.insert(row(machine, std::string(state(line.from)), std::string(event(line.event)),
                    condition.empty() ? "Always" : condition, std::string(state(line.to))));
  }
}

Rows rows_of_the_tables() {
  Rows rows;
  add_rows(rows, "transaction", tm::kTransactionTable, tm::transaction_state_name,
           tm::transaction_event_name, tm::transaction_guard_name);
  add_rows(rows, "enlistment", tm::kEnlistmentTable, tm::enlistment_state_name,
           tm::enlistment_event_name, tm::enlistment_guard_name);
  add_rows(rows, "superior", tm::kSuperiorTable, tm::enlistment_state_name, tm::superior_event_name,
           tm::superior_guard_name);
  add_rows(rows, "rm", tm::kRmTable, tm::rm_state_name, tm::rm_event_name, tm::rm_guard_name);
  add_rows(rows, "tm", tm::kTmTable, tm::tm_state_name, tm::tm_event_name, tm::tm_guard_name);
  return rows;
}

Rows moves_of_the_models() {
  Rows moves;
  for (const char* file : {"commit.pml", "members.pml", "superior.pml"})
    moves.merge(moves_in(file));
  return moves;
}

Rows without(const Rows& rows, const Rows& others) {
  Rows rest;
  std::ranges::set_difference(rows, others, std::inserter(rest, rest.end()));
  return rest;
}

// Why a row is in no model.
constexpr const char* kNoVote =
    "every resource manager of the models votes; one that does not promises nothing that a crash "
    "could break";
constexpr const char* kVolatile =
    "every resource manager of the models is durable; a volatile one is owed nothing after its "
    "session";
constexpr const char* kQuery = "no state changes, and what it lets through is modelled";
constexpr const char* kHandedDown =
    "a superior that orders the commit before the votes hands the decision down: then this manager "
    "decides as a root does, which commit.pml shows";
constexpr const char* kSuperiorLetsGo =
    "a superior that lets go of its handle does what one does whose session ends, before the votes";
constexpr const char* kVolatileSuperior =
    "the superior is durable; of a volatile one that is gone nothing is known, and so it says";
constexpr const char* kAsPrepared =
    "what is promised asks for a rollback as it does from Prepared, which members.pml shows";
constexpr const char* kHeldBack =
    "the models' logs take a record when it is there; only one that a freeze held back is refused "
    "after the superior has come back";
constexpr const char* kByHand =
    "an administrator's act breaks what the models show; tests/tm/by_hand_test.cc says how it ends";
constexpr const char* kUnhardened =
    "for the manager as CommittedNotify, whose commit a crash brings again; only clients wait less";
constexpr const char* kClose =
    "for the log and all others, closing is the Crash that loses nothing";
constexpr const char* kOpen = "the models begin with a manager that is open";
constexpr const char* kDamaged =
    "the models' logs are not damaged; tests/log and tests/recovery are";

const std::map<std::string, const char*>& not_modelled() {
  static const std::map<std::string, const char*> rows = {
      {"enlistment Active Disconnect Drop Forgotten", kNoVote},
      {"enlistment Active Disconnect Keep Offline", kNoVote},
      {"enlistment Active TellCommit NoCommit Forgotten", kNoVote},
      {"enlistment Active TellCommit WantsCommit CommittedNotify", kNoVote},
      {"enlistment Active TellDisconnected Always OutcomeUnavailable", kNoVote},
      {"enlistment CommittedNotify Disconnect Drop Forgotten", kVolatile},
      {"enlistment PrePrepared Disconnect Drop Forgotten", kNoVote},
      {"enlistment PrePrepared Disconnect Keep Offline", kNoVote},
      {"enlistment PrePrepared TellCommit Always CommittedNotify", kNoVote},
      {"enlistment PrePrepared TellDisconnected Always OutcomeUnavailable", kNoVote},
      {"enlistment PrePreparing PrePrepareComplete NoCommit Forgotten", kNoVote},
      {"enlistment Prepared Disconnect Drop Forgotten", kVolatile},
      {"enlistment Prepared Disconnect Revoke Forgotten", kVolatile},
      {"enlistment InDoubt RequestOutcome Irrevocable InDoubt", kQuery},
      {"enlistment InDoubt RequestOutcome Revocable InDoubt", kAsPrepared},
      {"enlistment Prepared RequestOutcome Irrevocable Prepared", kQuery},
      {"enlistment Prepared TellDisconnected Always OutcomeUnavailable", kVolatileSuperior},
      {"superior Aborting Disconnect Lose Forgotten", kVolatileSuperior},
      {"superior Active Commit Always Committing", kHandedDown},
      {"superior Active Release Revoke Forgotten", kSuperiorLetsGo},
      {"superior CommitRequested Commit Always Committing", kHandedDown},
      {"superior CommitRequested Release Revoke Forgotten", kSuperiorLetsGo},
      {"superior Committing Disconnect Lose Forgotten", kVolatileSuperior},
      {"superior Committing Disconnect Revoke Offline", kHandedDown},
      {"superior Committing RolledBack Always Aborting", kHandedDown},
      {"superior InDoubt OutcomeAsked Always InDoubt", kQuery},
      {"superior Recovering RolledBack Always Forgotten", kHandedDown},
      {"superior Forgotten Recover Aborted Forgotten", kHandedDown},
      {"superior InDoubt RolledBack Always Aborting", kHeldBack},
      {"superior PrePrepared Commit Always Committing", kHandedDown},
      {"superior PrePrepared Release Revoke Forgotten", kSuperiorLetsGo},
      {"superior PrePreparing Release Revoke Forgotten", kSuperiorLetsGo},
      {"superior Prepared Disconnect Lose OutcomeUnavailable", kVolatileSuperior},
      {"superior Prepared OutcomeAsked Always Prepared", kQuery},
      {"superior Preparing Release Revoke Forgotten", kSuperiorLetsGo},
      {"transaction Prepared SuperiorLost Always Unknown", kVolatileSuperior},
      {"enlistment CommittedNotify CommitUnhardened Logged Unhardened", kUnhardened},
      {"enlistment CommittedNotify CommitUnhardened Unlogged Committed", kVolatile},
      {"enlistment Unhardened CommitComplete Always Committed", kUnhardened},
      {"enlistment Unhardened Disconnect Keep Offline", kUnhardened},
      {"enlistment Unhardened Hardened Always Committed", kUnhardened},
      {"superior InDoubt Commit Committed Committing", kByHand},
      {"superior InDoubt Rollback Aborted Aborting", kByHand},
      {"superior Prepared Commit Committed Committing", kByHand},
      {"superior Prepared Rollback Aborted Aborting", kByHand},
      {"tm Initialized RollForward Durable Initialized", kQuery},
      {"transaction Committed Completed Always Committed", kUnhardened},
      {"transaction InDoubt ResolveRollback Always RollingBack", kByHand},
      {"transaction Prepared ResolveRollback Always RollingBack", kByHand},
      {"transaction Recovering Found ByHand Aborted", kByHand},
      {"transaction RollingBack Durable Always Aborted", kByHand},
      {"transaction RollingBack Lost Always Unknown", kByHand},
      {"transaction RollingBack Refused Always Unknown", kByHand},
      {"rm Offline Begin Volatile Online", kVolatile},
      {"tm Initialized Begin Durable Initialized", kOpen},
      {"tm Initialized Begin Volatile Online", kVolatile},
      {"tm Initialized Close Always Offline", kClose},
      {"tm Offline Close Always Offline", kClose},
      {"tm Online Close Always Offline", kClose},
      {"tm Online Work Always Online", kQuery},
      {"tm Recovering Failed Always RecoveryFailed", kDamaged},
      {"tm RecoveryFailed Close Always Offline", kClose},
  };
  return rows;
}

Rows names_of(const std::map<std::string, const char*>& list) {
  Rows names;
  for (const auto& [name, reason] : list) names.insert(name);
  return names;
}

TEST(ModelCorrespondence, EachMoveOfAModelIsARowOfItsTable) {
  EXPECT_EQ(without(moves_of_the_models(), rows_of_the_tables()), Rows())
      << "moves of a model that the code cannot make";
}

TEST(ModelCorrespondence, EachRowOfATableIsMadeByAModelOrSaysWhyNot) {
  const Rows rows = rows_of_the_tables();
  const Rows modelled = without(rows, without(rows, moves_of_the_models()));
  EXPECT_EQ(without(without(rows, modelled), names_of(not_modelled())), Rows())
      << "rows that no model makes: make them in tests/model/*.pml, or say in not_modelled() why "
         "not";
  sim::TestCounters::get().add("rows of the tables in a model", modelled.size());
  sim::TestCounters::get().add("rows of the tables in no model, with a reason",
                               rows.size() - modelled.size());
}

TEST(ModelCorrespondence, NoReasonOutlivesItsRow) {
  const Rows unmade = without(rows_of_the_tables(), moves_of_the_models());
  EXPECT_EQ(without(names_of(not_modelled()), unmade), Rows())
      << "not_modelled(): rows that are in no table, or that a model makes";
}

}  // namespace
}  // namespace cairn::model
