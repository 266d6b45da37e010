// `cairn verify`.
#include <sys/wait.h>
#include <unistd.h>

#include "tools/tool_test.h"

namespace cairn {
namespace {

using testing::HasSubstr;

class Verify : public ToolTest {
 protected:
  // The last block of a closed log: its closing mark.
  struct LastBlock {
    std::string file;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
  };
  LastBlock closing_mark() const {
    constexpr std::uint64_t kBlockHeader = 96;
    constexpr std::uint64_t kRecordHeader = 40;
    const Json record = dump().back();
    EXPECT_THAT(record["description"], HasSubstr("closing mark"));
    const auto end = cairn_json({"info", path(), "--json"})["end"].get<std::uint64_t>();
    const std::uint64_t offset =
        record["file_offset"].get<std::uint64_t>() - kRecordHeader - kBlockHeader;
    return {record["file"], offset, end % kContainerSize - offset};
  }

  void expect_torn_tail(const LastBlock& block) {
    const Outcome text = cairn({"verify", path()});
    EXPECT_EQ(text.exit_code, 0) << text;
    EXPECT_THAT(text.out, HasSubstr("torn tail"));
    const Json json = cairn_json({"verify", path(), "--json"});
    EXPECT_EQ(json["end_of_log"]["label"], "torn-tail");
    EXPECT_EQ(json["end_of_log"]["lsn"].get<std::uint64_t>() % kContainerSize, block.offset);
    EXPECT_TRUE(json["sound"]);
  }
};

TEST_F(Verify, ASoundLogIsCountedAndLabelled) {
  make_sample_log();
  const Json json = cairn_json({"verify", path(), "--json"});
  EXPECT_TRUE(json["sound"]);
  EXPECT_EQ(json["verdict"], "sound");
  EXPECT_EQ(json["end_of_log"]["label"], "clean-close");
  EXPECT_EQ(json["damages"], Json::array());
  EXPECT_GT(json["blocks"], 0);
  EXPECT_EQ(json["records"], dump().size());
  const Outcome text = cairn({"verify", path()});
  EXPECT_THAT(text.out, HasSubstr("clean-close"));
  EXPECT_THAT(text.out, HasSubstr(json["records"].dump() + " records"));
  EXPECT_THAT(text.out, HasSubstr("verdict     sound\n"));
}

// Every record that a client was promised, hit at its first, middle and last byte.
TEST_F(Verify, AFlippedByteIsDamageFromItsRecordOn) {
  make_sample_log();
  const DirectoryContent whole = content();
  for (const Json& record : dump()) {
    if (record["stream_id"] == 0) continue;
    const auto length = record["length"].get<std::uint64_t>();
    for (const std::uint64_t at : {std::uint64_t{0}, length / 2, length - 1}) {
      flip_byte(record["file"], record["file_offset"].get<std::uint64_t>() + at);
      const Json json = cairn_json({"verify", path(), "--json"}, 2);
      ASSERT_EQ(json["damages"].size(), 1U) << json;
      EXPECT_EQ(json["damages"][0]["begin"], record["lsn"]);
      EXPECT_GT(json["damages"][0]["end"], record["lsn"]);
      EXPECT_EQ(json["damages"][0]["file"], record["file"]);
      restore(whole);
    }
  }
}

TEST_F(Verify, DamageIsNamedWithRangeFileAndReason) {
  make_sample_log();
  const Json record = dump({"--stream", "orders"}).front();
  flip_byte(record["file"], record["file_offset"]);
  const Outcome text = cairn({"verify", path()});
  EXPECT_EQ(text.exit_code, 2) << text;
  EXPECT_THAT(text.out, HasSubstr("damage      LSN " + record["lsn"].dump() + " to "));
  EXPECT_THAT(text.out, HasSubstr(" in " + record["file"].get<std::string>() + ": damage-proven"));
  EXPECT_THAT(text.out, HasSubstr("checksum: expected"));
  EXPECT_THAT(text.out, HasSubstr("verdict     damaged\n"));
}

TEST_F(Verify, ALastBlockCutInHalfByZerosIsATornTail) {
  make_sample_log();
  const LastBlock block = closing_mark();
  write_at(block.file, block.offset + block.length / 2, std::string(block.length / 2, '\0'));
  expect_torn_tail(block);
}

TEST_F(Verify, ALastBlockCutInHalfByTheFilesEndIsATornTail) {
  make_sample_log();
  const LastBlock block = closing_mark();
  std::filesystem::resize_file(block.file, block.offset + block.length / 2);
  expect_torn_tail(block);
  EXPECT_THAT(cairn({"verify", path()}).out, HasSubstr("expected 1048576 bytes, found"));
}

TEST_F(Verify, ALogKilledBeforeItsCloseIsSound) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    create_log();
    append("orders", "acknowledged");
    const std::string_view text = "appended, never written";
    (void)stream("orders").append(std::as_bytes(std::span(text.data(), text.size())));
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_TRUE(cairn_json({"verify", path(), "--json"})["sound"]);
  EXPECT_EQ(payload_on_disk(dump({"--stream", "orders"}).front()), "acknowledged");
}

}  // namespace
}  // namespace cairn
