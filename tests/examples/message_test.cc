// Messages between worker and driver, and the report.
#include "bank/message.h"

#include <climits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace cairn::examples::bank {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

Result<Message> send(const Message& message) {
  std::string line = encode(message);
  EXPECT_THAT(line, EndsWith("\n"));
  line.pop_back();
  return decode(line);
}

TEST(Message, ReadyArrivesAsItWasSent) {
  const Message got = send(Ready{{.finished = true,
                                  .milliseconds = 1.5,
                                  .committed = 2,
                                  .aborted = 3,
                                  .redelivered = 4}})
                          .value();
  const Recovery& recovery = std::get<Ready>(got).recovery;
  EXPECT_TRUE(recovery.finished);
  EXPECT_EQ(recovery.milliseconds, 1.5);
  EXPECT_EQ(recovery.committed, 2U);
  EXPECT_EQ(recovery.aborted, 3U);
  EXPECT_EQ(recovery.redelivered, 4U);
}

TEST(Message, EveryVerdictArrivesAsItWasSent) {
  for (const Verdict verdict : {Verdict::kCommitted, Verdict::kAlreadyThere, Verdict::kAborted}) {
    const Message got = send(Done{.id = 7, .verdict = verdict, .conflicts = 9}).value();
    EXPECT_EQ(std::get<Done>(got).id, 7U);
    EXPECT_EQ(std::get<Done>(got).verdict, verdict);
    EXPECT_EQ(std::get<Done>(got).conflicts, 9U);
  }
}

TEST(Message, ALineFitsAPipeWriteWhateverTheText) {
  const std::string line = encode(Failed{std::string(100'000, '\x01')});
  EXPECT_LE(line.size(), static_cast<std::size_t>(PIPE_BUF));
}

TEST(Message, EveryCutLineIsRefused) {
  const std::string line = encode(Done{.id = 7, .verdict = Verdict::kAborted, .conflicts = 0});
  for (std::size_t size = 0; size + 2 < line.size(); ++size) {
    EXPECT_EQ(decode(line.substr(0, size)).code(), StatusCode::kInvalidArgument) << size;
  }
}

TEST(Message, AnythingElseIsRefusedWithTheLine) {
  for (const std::string line : {R"({"kind":"other"})", R"({"kind":"done","id":1})", "[]", "7",
                                 R"({"kind":"done","id":"x","verdict":"committed","conflicts":0})",
                                 R"({"kind":"done","id":1,"verdict":"lost","conflicts":0})"}) {
    EXPECT_EQ(decode(line).code(), StatusCode::kInvalidArgument) << line;
  }
}

Report good_report() {
  Report report;
  report.transfers = 10;
  report.committed = 9;
  report.aborted = 1;
  report.kills = report.kills_asked = 2;
  report.recoveries = {{.finished = true, .milliseconds = 3, .committed = 1, .aborted = 4}, {}};
  report.audit.sum_expected = report.audit.sum_found = 5;
  report.log = "/x/log";
  return report;
}

TEST(Report, JsonSaysWhatProgramsAskFor) {
  const auto json = nlohmann::json::parse(to_json(good_report()));
  EXPECT_EQ(json.at("transfers"), 10);
  EXPECT_EQ(json.at("lost"), 0);
  EXPECT_EQ(json.at("duplicated"), 0);
  EXPECT_EQ(json.at("sum_unchanged"), true);
  EXPECT_EQ(json.at("in_doubt_resolved"), 5);
  EXPECT_EQ(json.at("recoveries").size(), 2U);
  EXPECT_EQ(json.at("recoveries")[0].at("in_doubt_found"), 5);
  EXPECT_EQ(json.at("log"), "/x/log");
}

TEST(Report, TextSaysTheSame) {
  EXPECT_THAT(to_text(good_report()),
              HasSubstr("in doubt      5 resolved: 1 committed, 4 rolled back"));
  EXPECT_THAT(to_text(good_report()), HasSubstr("killed before it was through"));
  EXPECT_THAT(to_text(good_report()), EndsWith("Every transfer is there exactly once.\n"));
}

TEST(Report, SuccessNeedsEveryPart) {
  EXPECT_TRUE(good_report().is_success());
  const std::vector<void (*)(Report&)> breaks{
      [](Report& report) { report.audit.lost = 1; },
      [](Report& report) { report.audit.half_applied = 1; },
      [](Report& report) { report.audit.unexplained = 1; },
      [](Report& report) { report.audit.wrong_balances = 1; },
      [](Report& report) { report.audit.sum_found += 1; },
      [](Report& report) { report.applied_twice = 1; },
      [](Report& report) { report.pending = 1; },
      [](Report& report) { report.committed -= 1; },
      [](Report& report) { report.kills -= 1; }};
  for (std::size_t i = 0; i < breaks.size(); ++i) {
    Report report = good_report();
    breaks[i](report);
    EXPECT_FALSE(report.is_success()) << i;
    EXPECT_THAT(to_text(report), HasSubstr("FAILED")) << i;
  }
}

}  // namespace
}  // namespace cairn::examples::bank
