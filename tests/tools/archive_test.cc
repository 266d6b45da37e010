// `cairn archive`, `cairn restore` and `cairn rebuild`.
#include "tools/tool_test.h"

namespace cairn {
namespace {

using testing::HasSubstr;

class ArchiveCommand : public ToolTest {
 protected:
  std::string archive_path() const { return (scratch() / "archive").string(); }
  std::string restored_path() const { return (scratch() / "restored").string(); }
  std::string base_log() const { return path() + "/base.cairn"; }
};

TEST_F(ArchiveCommand, ARestoredLogShowsTheSameRecords) {
  make_sample_log();
  const std::vector<Json> records = dump();
  const Json archived = cairn_json({"archive", path(), archive_path(), "--json"});
  EXPECT_GT(archived["bytes"], 0);
  const Json restored = cairn_json({"restore", archive_path(), restored_path(), "--json"});
  EXPECT_EQ(restored["id"], archived["id"]);
  EXPECT_EQ(restored["end_of_log"]["label"], "clean-close");
  EXPECT_TRUE(cairn_json({"verify", restored_path(), "--json"})["sound"]);
  const Outcome of_log = cairn({"dump", path()});
  EXPECT_EQ(cairn({"dump", restored_path()}).out, of_log.out);
}

TEST_F(ArchiveCommand, IsIncrementalBesideAProcessThatWrites) {
  create_log();
  append("orders", "first");
  ASSERT_EQ(cairn({"archive", path(), archive_path()}).exit_code, 0);
  append("orders", "second");
  const Json again = cairn_json({"archive", path(), archive_path(), "--json"});
  EXPECT_EQ(again["extents"], 1);
  EXPECT_EQ(cairn_json({"archive", path(), archive_path(), "--json"})["extents"], 0);
  close_log();
  ASSERT_EQ(cairn({"restore", archive_path(), restored_path()}).exit_code, 0);
  EXPECT_THAT(cairn({"dump", restored_path()}).out, HasSubstr("second"));
}

TEST_F(ArchiveCommand, SetsTheArchiveTailOnceTheArchiveIsDurable) {
  make_sample_log();
  const Json plain = cairn_json({"archive", path(), archive_path(), "--json"});
  EXPECT_FALSE(plain.contains("archive_tail"));
  EXPECT_TRUE(cairn_json({"info", path(), "--json"})["archive_tail"].is_null());
  const Json done = cairn_json({"archive", path(), archive_path(), "--set-archive-tail", "--json"});
  EXPECT_EQ(done["archive_tail"], done["end"]);
  EXPECT_EQ(cairn_json({"info", path(), "--json"})["archive_tail"], done["end"]);
  const Outcome text = cairn({"archive", path(), archive_path(), "--set-archive-tail"});
  EXPECT_EQ(text.exit_code, 0) << text;
  EXPECT_THAT(text.out, HasSubstr("tail        archived up to LSN "));
  EXPECT_TRUE(cairn_json({"verify", path(), "--json"})["sound"]);
}

TEST_F(ArchiveCommand, LeavesTheArchiveTailOfALogThatIsOpenToItsProcess) {
  create_log();
  append("orders", "first");
  const Outcome refused = cairn({"archive", path(), archive_path(), "--set-archive-tail"});
  EXPECT_EQ(refused.exit_code, 1) << refused;
  EXPECT_THAT(refused.err, HasSubstr("open elsewhere"));
  EXPECT_FALSE(std::filesystem::exists(archive_path())) << "nothing was begun";
}

TEST_F(ArchiveCommand, ADamagedArchiveIsRefusedWithStatus2) {
  make_sample_log();
  ASSERT_EQ(cairn({"archive", path(), archive_path()}).exit_code, 0);
  flip_byte(archive_path() + "/container-0000000000000000.cairn", 5000);
  const Outcome refused = cairn({"restore", archive_path(), restored_path()});
  EXPECT_EQ(refused.exit_code, 2) << refused;
  EXPECT_THAT(refused.err, HasSubstr("container-0000000000000000.cairn: LSN 0 to "));
  EXPECT_THAT(refused.err, HasSubstr("expected checksum"));
}

TEST_F(ArchiveCommand, WhatCannotRunIsStatus1) {
  make_sample_log();
  EXPECT_EQ(cairn({"archive", path() + "/none", archive_path()}).exit_code, 1);
  EXPECT_EQ(cairn({"restore", path(), restored_path()}).exit_code, 1);
  ASSERT_EQ(cairn({"archive", path(), archive_path()}).exit_code, 0);
  EXPECT_EQ(cairn({"restore", archive_path(), path()}).exit_code, 1);
}

TEST_F(ArchiveCommand, RebuildMakesALostBaseLogAnew) {
  make_sample_log();
  const std::string before = cairn({"dump", path()}).out;
  EXPECT_EQ(cairn({"rebuild", path()}).exit_code, 1) << "the base log is sound";
  EXPECT_EQ(cairn({"rebuild", path(), "--replace-sound"}).exit_code, 0);
  std::filesystem::remove(base_log());
  EXPECT_EQ(cairn({"verify", path()}).exit_code, 1);
  const Json rebuilt = cairn_json({"rebuild", path(), "--json"});
  EXPECT_EQ(rebuilt["end_of_log"]["label"], "clean-close");
  EXPECT_THAT(rebuilt["base_log"], HasSubstr("found no such file"));
  EXPECT_EQ(cairn({"verify", path()}).exit_code, 0);
  EXPECT_EQ(cairn({"dump", path()}).out, before);
  open_log();
  append("orders", "it goes on");
}

TEST_F(ArchiveCommand, RebuildRefusesDamagedContainersWithStatus2) {
  make_sample_log();
  const Json record = dump({"--stream", "orders"}).front();
  flip_byte(record["file"], record["file_offset"]);
  std::filesystem::remove(base_log());
  const Outcome refused = cairn({"rebuild", path()});
  EXPECT_EQ(refused.exit_code, 2) << refused;
  EXPECT_THAT(refused.err, HasSubstr(record["lsn"].dump()));
  EXPECT_FALSE(std::filesystem::exists(base_log()));
}

}  // namespace
}  // namespace cairn
