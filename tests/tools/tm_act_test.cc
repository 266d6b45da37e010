// `cairn tm resolve` and `cairn tm forget`.
#include <cairn/transaction_manager.h>

#include "recovery/records.h"
#include "tools/tool_test.h"

namespace cairn {
namespace {

using testing::HasSubstr;

class TmAct : public ToolTest {
 protected:
  // A manager in stream "tm" with transaction 1 in doubt below a superior and transaction 2
  // committed, of resource managers that are away.
  void make_log() {
    create_log();
    log::Stream tm = stream("tm");
    const auto restart = recovery::encode(recovery::restart(1, 9));
    ASSERT_TRUE(tm.write_restart_area(restart, log().end_lsn()).is_ok());
    add(recovery::prepare(1, 1));
    add(recovery::decision(2, 2));
    ASSERT_TRUE(log().flush().is_ok());
    close_log();
  }
  void add(const recovery::TransactionRecord& record) {
    log::AppendOptions options;
    options.type = static_cast<std::uint16_t>(record.type);
    ASSERT_TRUE(stream("tm").append(recovery::encode(record), options).is_ok());
  }
  static std::string id(std::uint8_t number) { return recovery::numbered_id(number).to_string(); }
  Json transactions() const {
    return cairn_json({"tm", "list", path(), "--json"})["transaction_managers"][0]["transactions"];
  }
};

TEST_F(TmAct, ListShowsWhatIsInDoubtAndItsSuperior) {
  make_log();
  const Json in_doubt = transactions()[0];
  EXPECT_EQ(in_doubt["uow"], id(1));
  EXPECT_EQ(in_doubt["state"], "in doubt");
  EXPECT_EQ(in_doubt["outcome"], "undetermined");
  EXPECT_EQ(in_doubt["superior"]["id"], id(201));
  EXPECT_THAT(cairn({"tm", "list", path()}).out, HasSubstr("superior " + id(201)));
}

TEST_F(TmAct, ResolveDecidesAndListSaysWhoAndWhy) {
  make_log();
  const Outcome done = cairn({"tm", "resolve", path(), id(1), "commit", "--reason",
                              "ticket 7: the other site is lost", "--who", "operator"});
  EXPECT_EQ(done.exit_code, 0) << done;
  EXPECT_EQ(done.out, "uow " + id(1) + "  committed by hand\n");
  for (const Json& transaction : transactions()) {
    if (transaction["uow"] != id(1)) continue;
    EXPECT_EQ(transaction["state"], "decided");
    EXPECT_EQ(transaction["outcome"], "committed");
    EXPECT_EQ(transaction["by_hand"][0]["who"], "operator");
    EXPECT_EQ(transaction["by_hand"][0]["why"], "ticket 7: the other site is lost");
  }
  EXPECT_THAT(cairn({"tm", "list", path()}).out,
              HasSubstr("by hand: decided in the superior's place  by operator"));
  const Outcome again = cairn({"tm", "resolve", path(), id(1), "abort", "--reason", "no"});
  EXPECT_EQ(again.exit_code, 1) << again;
  EXPECT_THAT(again.err, HasSubstr("expected one that is promised to a superior"));
  EXPECT_EQ(cairn({"verify", path()}).exit_code, 0);
}

TEST_F(TmAct, ResolveRollsBackToo) {
  make_log();
  const Json done =
      cairn_json({"tm", "resolve", path(), id(1), "abort", "--reason", "ticket 8", "--json"});
  EXPECT_EQ(done["act"], "rolled back by hand");
  EXPECT_THAT(done["who"].get<std::string>(), HasSubstr("@"));
  for (const Json& transaction : transactions()) {
    if (transaction["uow"] == id(1)) {
      EXPECT_EQ(transaction["outcome"], "aborted");
    }
  }
}

TEST_F(TmAct, ForgetWaitsNoLongerForALostResourceManager) {
  make_log();
  const Outcome done =
      cairn({"tm", "forget", path(), id(2), "--rm", id(102), "--reason", "disk gone"});
  EXPECT_EQ(done.exit_code, 0) << done;
  EXPECT_THAT(cairn({"tm", "list", path()}).out,
              HasSubstr("no longer waits for enlistment " + id(2)));
  const Outcome again =
      cairn({"tm", "forget", path(), id(2), "--rm", id(102), "--reason", "disk gone"});
  EXPECT_EQ(again.exit_code, 1) << again;
  EXPECT_THAT(again.err, HasSubstr("waits for no enlistment"));
}

TEST_F(TmAct, WhatCannotBeDoneIsSaidAndChangesNothing) {
  make_log();
  const DirectoryContent before = content();
  const auto refused = [&](const Arguments& arguments, const std::string& text) {
    const Outcome outcome = cairn(arguments);
    EXPECT_EQ(outcome.exit_code, 1) << outcome;
    EXPECT_THAT(outcome.err, HasSubstr(text));
  };
  refused({"tm", "resolve", path(), id(1), "commit"}, "--reason");
  refused({"tm", "resolve", path(), id(1), "maybe", "--reason", "x"}, "maybe");
  refused({"tm", "resolve", path(), "17", "commit", "--reason", "x"}, "unit of work \"17\"");
  refused({"tm", "forget", path(), id(2), "--rm", "x", "--reason", "x"}, "resource manager \"x\"");
  refused({"tm", "resolve", "/nonexistent", id(1), "commit", "--reason", "x"}, "/nonexistent");
  EXPECT_EQ(content(), before);
  refused({"tm", "resolve", path(), id(7), "commit", "--reason", "x"},
          "no live transaction " + id(7));
  refused({"tm", "resolve", path(), id(1), "commit", "--reason", "x", "--stream", "nobody"},
          "nobody");
  refused({"tm", "resolve", path(), id(1), "commit", "--reason", std::string(300, 'x')}, "300");
}

TEST_F(TmAct, LogThatAProgramHasOpenIsLeftAlone) {
  make_log();
  open_log();
  const Outcome outcome = cairn({"tm", "resolve", path(), id(1), "commit", "--reason", "x"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome;
  EXPECT_THAT(outcome.err, HasSubstr("Locked"));
}

}  // namespace
}  // namespace cairn
