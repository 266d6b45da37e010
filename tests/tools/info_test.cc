// `cairn info`.
#include "tools/tool_test.h"

namespace cairn {
namespace {

using testing::HasSubstr;

class Info : public ToolTest {};

TEST_F(Info, JsonSaysWhatTheLogSaysOfItself) {
  create_log();
  append("orders", "first order");
  const log::LogInfo of_log = log().info();
  close_log();
  const Json json = cairn_json({"info", path(), "--json"});
  EXPECT_EQ(json["log"], path());
  EXPECT_EQ(json["id"], of_log.id.to_string());
  EXPECT_EQ(json["format_version"], 2);
  EXPECT_EQ(json["epoch"], of_log.epoch);
  EXPECT_EQ(json["container_size"], kContainerSize);
  EXPECT_EQ(json["block_size"], of_log.block_size);
  EXPECT_EQ(json["max_record"], of_log.max_record);
  EXPECT_EQ(json["tail"].get<std::uint64_t>(), of_log.tail.value());
  EXPECT_GT(json["end"].get<std::uint64_t>(), of_log.end.value());  // the closing mark
  EXPECT_EQ(json["durable"], json["end"]);
  EXPECT_EQ(json["end_of_log"]["label"], "clean-close");
}

TEST_F(Info, JsonHoldsEachStreamWithItsRestartArea) {
  make_sample_log();
  std::map<std::string, Json> streams;
  const Json info = cairn_json({"info", path(), "--json"});
  for (const Json& stream : info["streams"]) {
    streams[stream["name"]] = stream;
  }
  ASSERT_EQ(streams.size(), 3U);
  EXPECT_TRUE(streams["orders"]["restart"].is_null());
  const std::vector<Json> audit = dump({"--stream", "audit"});
  EXPECT_EQ(streams["audit"]["restart"], audit.back()["lsn"]);
  EXPECT_EQ(streams["audit"]["last"], audit.back()["lsn"]);
  EXPECT_EQ(streams["tm"]["base"], dump({"--stream", "tm"}).front()["lsn"]);
}

TEST_F(Info, JsonHoldsEachContainerWithItsState) {
  create_log();
  fill_to_container(1);
  const std::uint64_t active = log().end_lsn().container(kContainerSize);
  close_log();
  const Json containers = cairn_json({"info", path(), "--json"})["containers"];
  ASSERT_GE(containers.size(), active + 1);
  EXPECT_EQ(containers[0]["state"], "inactive");
  EXPECT_EQ(containers[active]["state"], "active");
  EXPECT_EQ(path() + "/" + containers[0]["file"].get<std::string>(), container_path(0));
}

TEST_F(Info, PoliciesAreShown) {
  create_log();
  log::Policies policies = log().policies();
  policies.ahead = 3;
  policies.low_space_percent = 20;
  ASSERT_TRUE(log().set_policies(policies));
  close_log();
  const Json json = cairn_json({"info", path(), "--json"})["policies"];
  EXPECT_EQ(json["ahead"], 3);
  EXPECT_EQ(json["low_space_percent"], 20);
  EXPECT_EQ(json["max_size"], policies.max_size);
  EXPECT_THAT(cairn({"info", path()}).out, HasSubstr("ahead 3, spare 4 at most"));
}

TEST_F(Info, StorageIsShownWithItsReasonAndWeaknesses) {
  make_sample_log();
  const Json storage = cairn_json({"info", path(), "--json"})["storage"];
  EXPECT_THAT((std::vector<std::string>{"uring", "posix"}), testing::Contains(storage["kind"]));
  EXPECT_FALSE(storage["reason"].get<std::string>().empty());
  EXPECT_FALSE(storage["file_system"].get<std::string>().empty());
  EXPECT_FALSE(storage["direct_reason"].get<std::string>().empty());
  EXPECT_EQ(storage["durable_writes"], "per write");
  EXPECT_EQ(storage["durable_writes_reason"], "the default");
  EXPECT_TRUE(storage["weaknesses"].is_array());
}

TEST_F(Info, ALogThatWasNotCalibratedSaysSoAndWhatRuns) {
  make_sample_log();
  const Json json = cairn_json({"info", path(), "--json"});
  EXPECT_TRUE(json["calibration"].is_null());
  EXPECT_EQ(json["calibration_note"], "");
  EXPECT_EQ(json["depth"], 2) << "all that four blocks, a quarter of a container, allow";
  EXPECT_THAT(json["depth_reason"].get<std::string>(), testing::StartsWith("the default"));
  const Outcome text = cairn({"info", path()});
  EXPECT_THAT(text.out, HasSubstr("in flight   2 writes at once: the default"));
  EXPECT_THAT(text.out, HasSubstr("calibrated  no\n"));
}

TEST_F(Info, TextSaysTheSame) {
  make_sample_log();
  const Json json = cairn_json({"info", path(), "--json"});
  const Outcome text = cairn({"info", path()});
  EXPECT_EQ(text.exit_code, 0) << text;
  for (const char* key : {"log", "id"}) EXPECT_THAT(text.out, HasSubstr(json[key]));
  EXPECT_THAT(text.out, HasSubstr("end of log  clean-close: "));
  EXPECT_THAT(text.out, HasSubstr("end         " + json["end"].dump()));
  EXPECT_THAT(text.out, HasSubstr("storage     " + json["storage"]["kind"].get<std::string>()));
  EXPECT_THAT(text.out, HasSubstr("  orders\n"));
  EXPECT_THAT(text.out, HasSubstr("active"));
  for (const Json& weakness : json["storage"]["weaknesses"]) {
    EXPECT_THAT(text.out, HasSubstr("weakness    " + weakness.get<std::string>()));
  }
}

TEST_F(Info, StreamThatPinsTheTailIsNamed) {
  create_log();
  append("orders", "first order");
  close_log();
  const Json pins = cairn_json({"info", path(), "--json"})["pins"];
  ASSERT_EQ(pins.size(), 1U);
  EXPECT_EQ(pins[0]["kind"], "stream");
  EXPECT_EQ(pins[0]["name"], "orders");
  EXPECT_THAT(cairn({"info", path()}).out, HasSubstr("pinned by   stream \"orders\" at "));
}

TEST_F(Info, ControlCharactersOfANameDoNotReachTheTerminal) {
  create_log();
  append("bell\x07\x1b[2J", "x");
  close_log();
  const Outcome text = cairn({"info", path()});
  EXPECT_THAT(text.out, HasSubstr("bell\\x07\\x1b[2J"));
  EXPECT_EQ(text.out.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace cairn
