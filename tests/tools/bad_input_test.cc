// What all commands say of directories that are no log, not whole, or not theirs to read.
#include <unistd.h>

#include <fstream>
#include <ostream>

#include "tools/tool_test.h"

namespace cairn {
namespace {

using testing::HasSubstr;

struct Case {
  const char* name;
  Arguments words;  // before the directory
};

void PrintTo(const Case& command, std::ostream* out) { *out << command.name; }

class BadInput : public ToolTest, public testing::WithParamInterface<Case> {
 protected:
  Outcome run() const { return run_on(path()); }
  Outcome run_on(const std::string& directory) const {
    Arguments arguments = GetParam().words;
    arguments.push_back(directory);
    return cairn(arguments);
  }
  // The command cannot run, and says why in one line.
  void expect_failure(const Outcome& outcome, const std::string& reason) const {
    EXPECT_EQ(outcome.exit_code, 1) << outcome;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(reason));
    EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << outcome;
  }
  // What is printed names the file and an LSN.
  void expect_damage(const std::filesystem::path& file) const {
    const Outcome outcome = run();
    EXPECT_EQ(outcome.exit_code, 2) << outcome;
    EXPECT_THAT(outcome.out + outcome.err, HasSubstr(file.filename().string()));
    EXPECT_THAT(outcome.out + outcome.err, HasSubstr("LSN "));
  }
  // Closed, its records in several containers, a transaction manager in the first.
  void make_long_log() {
    create_log();
    append_transaction_manager();
    fill_to_container(3);
    close_log();
  }
};

TEST_P(BadInput, WrongPath) {
  const Outcome outcome = run_on(path() + "/nowhere");
  expect_failure(outcome, path() + "/nowhere");
  EXPECT_THAT(outcome.err, HasSubstr("NotFound"));
}

TEST_P(BadInput, AFileInPlaceOfTheDirectory) {
  std::ofstream(path()) << "a file";
  expect_failure(run(), path());
}

TEST_P(BadInput, AnEmptyDirectory) {
  std::filesystem::create_directory(path());
  expect_failure(run(), path() + ": not a Cairn log: expected the file base.cairn, found none");
}

TEST_P(BadInput, ADirectoryOfOtherFiles) {
  std::filesystem::create_directory(path());
  std::ofstream(path() + "/letter.txt") << "dear reader";
  expect_failure(run(), path() + ": not a Cairn log");
}

TEST_P(BadInput, ANewerFormatVersion) {
  make_sample_log();
  for (const std::uint64_t slot : {0, 4096}) {
    write_at(path() + "/base.cairn", slot + 4, std::string_view("\11\0", 2));
  }
  const Outcome outcome = run();
  expect_failure(outcome, path() + "/base.cairn: written by format version 9");
  EXPECT_THAT(outcome.err, HasSubstr("reads up to version 2"));
}

TEST_P(BadInput, AnotherOpenerIsNoHindrance) {
  create_log();
  append_transaction_manager();
  const Outcome outcome = run();
  EXPECT_EQ(outcome.exit_code, 0) << outcome;
  EXPECT_EQ(outcome.err, "");
}

TEST_P(BadInput, AContainerCutShort) {
  make_long_log();
  std::filesystem::resize_file(container_path(1), kContainerSize / 2);
  expect_damage(container_path(1));
}

TEST_P(BadInput, TheLastContainerCutShort) {
  make_long_log();
  const auto end = Lsn(cairn_json({"info", path(), "--json"})["end"].get<std::uint64_t>());
  const std::string file = container_path(end.container(kContainerSize));
  std::filesystem::resize_file(file, end.offset(kContainerSize) / 2);
  expect_damage(file);
}

TEST_P(BadInput, AContainerMissing) {
  make_long_log();
  std::filesystem::remove(container_path(1));
  expect_damage(container_path(1));
}

TEST_P(BadInput, TheFirstContainerMissing) {
  make_long_log();
  std::filesystem::remove(container_path(0));
  expect_damage(container_path(0));
}

TEST_P(BadInput, TheBaseLogMissing) {
  make_sample_log();
  std::filesystem::remove(path() + "/base.cairn");
  expect_failure(run(), path() + "/base.cairn: expected the base log beside container-");
}

TEST_P(BadInput, TheBaseLogZeroed) {
  make_sample_log();
  write_at(path() + "/base.cairn", 0, std::string(8192, '\0'));
  expect_failure(run(), path() + "/base.cairn: neither slot of the base log is valid");
}

TEST_P(BadInput, TheBaseLogOverwritten) {
  make_sample_log();
  write_at(path() + "/base.cairn", 0, std::string(8192, 'x'));
  expect_failure(run(), path() + "/base.cairn: not a Cairn base log: slot 0: expected magic");
}

TEST_P(BadInput, TheBaseLogCutShort) {
  make_sample_log();
  std::filesystem::resize_file(path() + "/base.cairn", 50);
  expect_failure(run(), path() + "/base.cairn: neither slot of the base log is valid");
}

TEST_P(BadInput, ADirectoryThatMayNotBeRead) {
  if (geteuid() == 0) GTEST_SKIP() << "nothing is unreadable to root";
  make_sample_log();
  std::filesystem::permissions(path(), std::filesystem::perms::none);
  const Outcome outcome = run();
  std::filesystem::permissions(path(), std::filesystem::perms::owner_all);
  expect_failure(outcome, path());
  EXPECT_THAT(outcome.err, HasSubstr("PermissionDenied"));
}

TEST_P(BadInput, NothingInTheDirectoryChanges) {
  make_long_log();
  const DirectoryContent sound = content();
  EXPECT_EQ(run().exit_code, 0);
  EXPECT_EQ(content(), sound);
  const Json last = dump().back();
  flip_byte(last["file"], last["file_offset"]);
  const DirectoryContent torn = content();
  EXPECT_EQ(run().exit_code, 0);
  EXPECT_EQ(content(), torn);
  flip_byte(container_path(1), kContainerSize / 2);
  const DirectoryContent damaged = content();
  EXPECT_EQ(run().exit_code, GetParam().name == std::string("Info") ? 0 : 2);
  EXPECT_EQ(content(), damaged);
}

INSTANTIATE_TEST_SUITE_P(Commands, BadInput,
                         testing::Values(Case{"Info", {"info"}}, Case{"Dump", {"dump"}},
                                         Case{"DumpJson", {"dump", "--json"}},
                                         Case{"Verify", {"verify"}},
                                         Case{"TmList", {"tm", "list"}}),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace cairn
