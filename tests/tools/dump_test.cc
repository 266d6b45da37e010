// `cairn dump`.
#include <algorithm>

#include "tools/tool_test.h"

namespace cairn {
namespace {

using testing::HasSubstr;

class Dump : public ToolTest {};

std::vector<std::uint64_t> lsns(const std::vector<Json>& lines) {
  std::vector<std::uint64_t> all;
  for (const Json& line : lines) all.push_back(line["lsn"]);
  return all;
}

TEST_F(Dump, FileAndOffsetLeadToThePayloadOfEveryRecord) {
  create_log();
  append_transaction_manager();
  append("orders", "first order");
  append("orders", "");
  fill_to_container(1);
  append("orders", "in another file");
  close_log();
  const std::vector<Json> lines = dump({"--payload"});
  for (const Json& line : lines) {
    EXPECT_EQ(hex_of(payload_on_disk(line)), line["payload"]) << line;
    EXPECT_EQ(line["payload"].get<std::string>().size(), 2 * line["length"].get<std::size_t>());
  }
  EXPECT_EQ(payload_on_disk(dump({"--stream", "orders"}).back()), "in another file");
}

TEST_F(Dump, RecordsComeInLogOrderWithTheEnginesAmongThem) {
  make_sample_log();
  const std::vector<Json> lines = dump();
  const std::vector<std::uint64_t> order = lsns(lines);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(lines.front()["stream"], "(engine)");
  EXPECT_EQ(lines.front()["stream_id"], 0);
  EXPECT_EQ(lines.front()["kind"], "catalog");
  EXPECT_THAT(lines.front()["description"], HasSubstr("snapshot begins"));
  EXPECT_THAT(lines.back()["description"], HasSubstr("closing mark"));
}

TEST_F(Dump, JsonHoldsTypesAndLinks) {
  make_sample_log();
  const std::vector<Json> orders = dump({"--stream", "orders"});
  ASSERT_EQ(orders.size(), 3U);
  EXPECT_EQ(orders[1]["type"], 8);
  EXPECT_EQ(orders[1]["kind"], "data");
  EXPECT_TRUE(orders[0]["previous"].is_null());
  EXPECT_EQ(orders[1]["previous"], orders[0]["lsn"]);
  EXPECT_TRUE(orders[1]["undo_next"].is_null());
  EXPECT_EQ(orders[2]["undo_next"], orders[0]["lsn"]);
  EXPECT_FALSE(orders[2].contains("payload"));
  EXPECT_FALSE(orders[2].contains("description"));
}

TEST_F(Dump, RestartRecordsShowTheBaseTheySet) {
  create_log();
  const Lsn base = append("orders", "first order");
  const auto area = std::as_bytes(std::span("area", 4));
  ASSERT_TRUE(stream("orders").write_restart_area(area, base).is_ok());
  close_log();
  const Json restart = dump({"--stream", "orders"}).back();
  EXPECT_EQ(restart["kind"], "restart");
  EXPECT_EQ(restart["base"], base.value());
  EXPECT_EQ(payload_on_disk(restart), "area");
  EXPECT_THAT(cairn({"dump", path()}).out, HasSubstr("base " + base.to_string() + ": area"));
}

TEST_F(Dump, RecordsOfATransactionManagerAreDescribed) {
  make_sample_log();
  const std::vector<Json> tm = dump({"--stream", "tm"});
  ASSERT_EQ(tm.size(), 4U);
  EXPECT_THAT(tm[0]["description"], HasSubstr("restart area of transaction manager"));
  EXPECT_THAT(tm[1]["description"], HasSubstr("decision transaction"));
  EXPECT_THAT(tm[3]["description"], HasSubstr("forget transaction"));
}

TEST_F(Dump, RecordsOfOtherStreamsAreNotTakenForATransactionManagers) {
  create_log();
  append("orders", "looks like a decision by its type", {.type = 1});
  close_log();
  EXPECT_FALSE(dump({"--stream", "orders"}).front().contains("description"));
}

TEST_F(Dump, FiltersByStream) {
  make_sample_log();
  for (const Json& line : dump({"--stream", "orders", "--stream", "audit"})) {
    EXPECT_TRUE(line["stream"] == "orders" || line["stream"] == "audit") << line;
  }
  EXPECT_EQ(dump({"--stream", "orders", "--stream", "audit"}).size(), 5U);
  for (const Json& line : dump({"--stream", "(engine)"})) EXPECT_EQ(line["stream_id"], 0);
}

TEST_F(Dump, FiltersByType) {
  make_sample_log();
  EXPECT_EQ(dump({"--type", "7"}).size(), 3U);
  EXPECT_EQ(dump({"--type", "7", "--type", "8"}).size(), 4U);
  EXPECT_EQ(dump({"--type", "7", "--stream", "audit"}).size(), 1U);
  // The engine numbers its own: 2 is a created stream there, a forgotten transaction in "tm".
  ASSERT_EQ(dump({"--type", "2"}).size(), 1U);
  EXPECT_EQ(dump({"--type", "2"}).front()["stream"], "tm");
  const std::vector<Json> created = dump({"--type", "2", "--stream", "(engine)"});
  ASSERT_EQ(created.size(), 3U);
  EXPECT_EQ(created.front()["kind"], "catalog");
}

TEST_F(Dump, FiltersByRangeOfLsns) {
  make_sample_log();
  const std::vector<std::uint64_t> all = lsns(dump());
  ASSERT_GT(all.size(), 4U);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto from = lsns(dump({"--from", std::to_string(all[i])}));
    EXPECT_EQ(from, std::vector(all.begin() + static_cast<std::ptrdiff_t>(i), all.end()));
    const auto to = lsns(dump({"--to", std::to_string(all[i])}));
    EXPECT_EQ(to.size(), all[i] == 0 ? all.size() : i);
  }
  EXPECT_EQ(lsns(dump({"--from", std::to_string(all[1] + 1)})).front(), all[2]);
}

TEST_F(Dump, TextHasALineForEachRecord) {
  make_sample_log();
  const Outcome text = cairn({"dump", path(), "--stream", "orders", "--payload"});
  EXPECT_EQ(text.exit_code, 0) << text;
  EXPECT_EQ(std::count(text.out.begin(), text.out.end(), '\n'), 1 + 2 * 3) << text;
  EXPECT_THAT(text.out, HasSubstr("LSN"));
  EXPECT_THAT(text.out, HasSubstr("second order\n    " + hex_of("second order") + "\n"));
}

TEST_F(Dump, ADeletedStreamKeepsItsRecordsUnderItsNumber) {
  create_log();
  append("orders", "first order");
  const log::StreamId id = stream("orders").id();
  ASSERT_TRUE(log().delete_stream("orders").is_ok());
  close_log();
  const std::string name = "(stream " + std::to_string(id) + ")";
  EXPECT_THAT(cairn({"dump", path()}).out, HasSubstr(name));
}

TEST_F(Dump, AnUnknownStreamIsAnError) {
  make_sample_log();
  const Outcome outcome = cairn({"dump", path(), "--stream", "nobody"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome;
  EXPECT_THAT(outcome.err, HasSubstr(path() + ": no stream \"nobody\""));
}

TEST_F(Dump, ADamagedLogIsShownUpToTheDamage) {
  make_sample_log();
  const std::vector<Json> whole = dump();
  const Json hit = dump({"--stream", "audit"}).front();
  flip_byte(hit["file"], hit["file_offset"]);
  const std::vector<Json> before = dump({}, 2);
  ASSERT_FALSE(before.empty());
  EXPECT_LT(before.back()["lsn"], hit["lsn"]);
  EXPECT_EQ(before,
            std::vector(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(before.size())));
  EXPECT_EQ(whole[before.size()]["lsn"], hit["lsn"]);  // the next one is the damaged one
  const Outcome outcome = cairn({"dump", path()});
  EXPECT_THAT(outcome.err, HasSubstr("LSN " + hit["lsn"].dump()));
  EXPECT_THAT(outcome.err, HasSubstr(hit["file"].get<std::string>()));
}

}  // namespace
}  // namespace cairn
