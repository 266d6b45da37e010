// docs/states.md is made from the tables: this compares them, and writes the file anew when
// CAIRN_REGENERATE is set.
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "enlistment_machine.h"
#include "resource_manager_machine.h"
#include "superior_machine.h"
#include "tm/harness.h"
#include "tm_machine.h"
#include "transaction_machine.h"

namespace cairn::tm {
namespace {

// "kPrePrepared" as its name; a state's name has no blanks, which the diagrams need.
template <typename Table, typename StateName, typename EventName, typename GuardName,
          typename ActionName>
std::string section(const std::string& title, const std::string& text, const Table& table,
                    StateName state, EventName event, GuardName guard, ActionName action) {
  std::string out = "## " + title + "\n\n" + text + "\n\n```mermaid\nstateDiagram-v2\n";
  std::vector<std::pair<std::string, std::string>> edges;  // in the order of the table
  std::map<std::string, std::string> labels;
  for (const auto& row : table) {
    if (row.from == row.to) continue;
    const std::string edge =
        "  " + std::string(state(row.from)) + " --> " + std::string(state(row.to));
    std::string& label = labels[edge];
    if (label.empty()) edges.emplace_back(edge, "");
    if (label.find(event(row.event)) == std::string::npos) {
      label += (label.empty() ? "" : ", ") + std::string(event(row.event));
    }
  }
  for (const auto& [edge, unused] : edges) out += edge + " : " + labels[edge] + "\n";
  out += "```\n\n| from | event | condition | to | action |\n|---|---|---|---|---|\n";
  for (const auto& row : table) {
    out += "| " + std::string(state(row.from)) + " | " + std::string(event(row.event)) + " | " +
           std::string(guard(row.guard)) + " | " + std::string(state(row.to)) + " | " +
           std::string(action(row.action)) + " |\n";
  }
  return out + "\n";
}

std::string document() {
  std::string out =
      "# The state machines of the transaction manager\n\n"
      "Made from the tables in `tm/*_machine.h` by `tests/tm/states_document_test.cc`; do not "
      "edit. To make it "
      "anew:\n`CAIRN_REGENERATE=1 cairn_test_tm --gtest_filter='StatesDocument.*'`.\n\n"
      "An event that a table does not have for a state is refused and changes nothing. A row "
      "without a condition "
      "holds\nunder any. What the conditions and actions mean stands beside their names in the "
      "headers.\n\n";
  out += section("Transaction",
                 "Table: `tm/transaction_machine.h`. Begins Active, or Recovering when it is "
                 "rebuilt from the log.",
                 kTransactionTable, transaction_state_name, transaction_event_name,
                 transaction_guard_name, transaction_action_name);
  out += section("Enlistment",
                 "Table: `tm/enlistment_machine.h`. Begins Active, or Recovering when it is "
                 "rebuilt from the log. An answer that was\naccepted before is accepted again, "
                 "whatever the state.",
                 kEnlistmentTable, enlistment_state_name, enlistment_event_name,
                 enlistment_guard_name, enlistment_action_name);
  out += section("Superior enlistment",
                 "Table: `tm/superior_machine.h`. Begins Active, or Recovering when it is rebuilt "
                 "from the log. A verb that was accepted\nbefore is accepted again.",
                 kSuperiorTable, enlistment_state_name, superior_event_name, superior_guard_name,
                 superior_action_name);
  out += section("Resource manager", "Table: `tm/resource_manager_machine.h`. Begins Offline.",
                 kRmTable, rm_state_name, rm_event_name, rm_guard_name, rm_action_name);
  out += section("Transaction manager", "Table: `tm/tm_machine.h`. Begins Initialized.", kTmTable,
                 tm_state_name, tm_event_name, tm_guard_name, tm_action_name);
  out.pop_back();
  return out;
}

TEST(StatesDocument, IsWhatTheTablesSay) {
  if (std::getenv("CAIRN_REGENERATE") != nullptr)
    std::ofstream(CAIRN_STATES_DOCUMENT) << document();
  std::ifstream file(CAIRN_STATES_DOCUMENT);
  ASSERT_TRUE(file.is_open()) << CAIRN_STATES_DOCUMENT;
  std::stringstream found;
  found << file.rdbuf();
  EXPECT_EQ(found.str(), document())
      << "run this test with CAIRN_REGENERATE=1 and look at what changed";
}

TEST(StatesDocument, EveryStateEventConditionAndActionHasAName) {
  for (const auto& row : kTransactionTable) {
    EXPECT_FALSE(transaction_state_name(row.from).empty());
    EXPECT_FALSE(transaction_event_name(row.event).empty());
  }
  for (const auto& row : kEnlistmentTable) {
    EXPECT_FALSE(enlistment_state_name(row.from).empty());
    EXPECT_FALSE(enlistment_event_name(row.event).empty());
  }
  for (const auto& row : kSuperiorTable) {
    EXPECT_FALSE(enlistment_state_name(row.from).empty());
    EXPECT_FALSE(superior_event_name(row.event).empty());
  }
}

}  // namespace
}  // namespace cairn::tm
