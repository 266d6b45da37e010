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

// What superior.pml shows sound before the tables have it: superior enlistments. A row that gets
// into its table leaves this list, which the last test below insists on.
const Rows& not_in_the_tables_yet() {
  static const Rows rows = {
      "transaction Active PrePrepare Always PrePreparing",
      "transaction Active Prepare Always Preparing",
      "transaction Committing GoOn Unlogged Committed",
      "transaction InDoubt SuperiorCommit Always Committing",
      "transaction InDoubt SuperiorRollback Always Aborted",
      "transaction PrePrepared Prepare Always Preparing",
      "transaction Prepared SuperiorCommit Always Committing",
      "transaction Prepared SuperiorGone Always InDoubt",
      "transaction Prepared SuperiorRollback Always Aborted",
      "transaction Preparing Answered SuperiorLogged Promising",
      "transaction Promising Durable Always Prepared",
      "transaction Promising Lost Always InDoubt",
      "transaction Promising Refused Always Aborted",
      "transaction Recovering FoundPrepared Always InDoubt",
  };
  return rows;
}

Rows names_of(const std::map<std::string, const char*>& list) {
  Rows names;
  for (const auto& [name, reason] : list) names.insert(name);
  return names;
}

TEST(ModelCorrespondence, EachMoveOfAModelIsARowOfItsTable) {
  EXPECT_EQ(without(without(moves_of_the_models(), rows_of_the_tables()), not_in_the_tables_yet()),
            Rows())
      << "the model makes moves that the code cannot make";
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

TEST(ModelCorrespondence, ListsHoldOnlyWhatTheyMust) {
  const Rows rows = rows_of_the_tables();
  const Rows moves = moves_of_the_models();
  EXPECT_EQ(without(names_of(not_modelled()), without(rows, moves)), Rows())
      << "not_modelled(): rows that are no rows, or that a model makes";
  EXPECT_EQ(without(not_in_the_tables_yet(), without(moves, rows)), Rows())
      << "not_in_the_tables_yet(): rows that the tables have, or that no model makes";
}

}  // namespace
}  // namespace cairn::model
