// `cairn tm list`.
#include "recovery/records.h"
#include "tools/tool_test.h"

namespace cairn {
namespace {

using testing::HasSubstr;

class TmList : public ToolTest {};

TEST_F(TmList, ShowsWhatWasDecidedAndNotForgotten) {
  make_sample_log();
  const Json managers = cairn_json({"tm", "list", path(), "--json"})["transaction_managers"];
  ASSERT_EQ(managers.size(), 1U);
  EXPECT_EQ(managers[0]["stream"], "tm");
  EXPECT_EQ(managers[0]["id"], recovery::numbered_id(9).to_string());
  EXPECT_EQ(managers[0]["clock"], 3);
  ASSERT_EQ(managers[0]["transactions"].size(), 1U);
  const Json transaction = managers[0]["transactions"][0];
  EXPECT_EQ(transaction["uow"], recovery::numbered_id(2).to_string());
  EXPECT_EQ(transaction["outcome"], "committed");
  EXPECT_EQ(transaction["lsn"], dump({"--stream", "tm"})[2]["lsn"]);
  EXPECT_EQ(transaction["clock"], 3);
  EXPECT_EQ(transaction["description"], "transfer");
  EXPECT_EQ(transaction["resource_managers"],
            Json::array({recovery::numbered_id(102).to_string()}));
  EXPECT_EQ(transaction["enlistments"][0]["id"], recovery::numbered_id(2).to_string());
  EXPECT_EQ(transaction["enlistments"][0]["recovery_information_bytes"], 3);
  EXPECT_EQ(transaction["time"], "2023-11-14T22:13:20Z");
  EXPECT_GT(transaction["age_seconds"], 0.0);
}

TEST_F(TmList, TextSaysTheSame) {
  make_sample_log();
  const Outcome text = cairn({"tm", "list", path()});
  EXPECT_EQ(text.exit_code, 0) << text;
  const std::vector<std::string> parts = {
      "stream \"tm\"",
      "uow " + recovery::numbered_id(2).to_string(),
      "committed",
      "resource manager " + recovery::numbered_id(102).to_string(),
      "age ",
      "description \"transfer\"",
      "1 transactions not forgotten"};
  for (const std::string& part : parts) {
    EXPECT_THAT(text.out, HasSubstr(part));
  }
  EXPECT_EQ(text.out.find(recovery::numbered_id(1).to_string()), std::string::npos);
}

TEST_F(TmList, WorksBesideAnOpenLog) {
  create_log();
  append_transaction_manager();
  EXPECT_THAT(cairn({"tm", "list", path()}).out, HasSubstr("1 transactions not forgotten"));
}

TEST_F(TmList, ALogWithoutATransactionManagerSaysSo) {
  create_log();
  append("orders", "first order");
  close_log();
  const Outcome text = cairn({"tm", "list", path()});
  EXPECT_EQ(text.exit_code, 0) << text;
  EXPECT_EQ(text.out, "no transaction manager in " + path() + "\n");
  EXPECT_EQ(cairn_json({"tm", "list", path(), "--json"})["transaction_managers"], Json::array());
}

TEST_F(TmList, TheStreamAskedForIsTheOnlyOneShown) {
  make_sample_log();
  EXPECT_EQ(
      cairn_json({"tm", "list", path(), "--stream", "tm", "--json"})["transaction_managers"].size(),
      1U);
  const Outcome without = cairn({"tm", "list", path(), "--stream", "orders"});
  EXPECT_EQ(without.exit_code, 1) << without;
  EXPECT_THAT(without.err, HasSubstr("expected a transaction manager, found no restart area"));
  const Outcome foreign = cairn({"tm", "list", path(), "--stream", "audit"});
  EXPECT_EQ(foreign.exit_code, 1) << foreign;
  EXPECT_THAT(foreign.err, HasSubstr("found a restart area of something else"));
  const Outcome unknown = cairn({"tm", "list", path(), "--stream", "nobody"});
  EXPECT_EQ(unknown.exit_code, 1) << unknown;
  EXPECT_THAT(unknown.err, HasSubstr("no stream \"nobody\""));
}

TEST_F(TmList, DamageInTheManagersRecordsIsReported) {
  make_sample_log();
  const Json decision = dump({"--stream", "tm"})[1];
  flip_byte(decision["file"], decision["file_offset"]);
  const Outcome outcome = cairn({"tm", "list", path()});
  EXPECT_EQ(outcome.exit_code, 2) << outcome;
  EXPECT_THAT(outcome.err, HasSubstr("LSN " + decision["lsn"].dump()));
}

}  // namespace
}  // namespace cairn
