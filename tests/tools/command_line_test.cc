// The command line itself: help, mistakes, and where the output goes.
#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "tools/tool_test.h"

namespace cairn {
namespace {

using testing::HasSubstr;

class CommandLine : public ToolTest {};

const std::vector<Arguments> kCommands = {{"info"}, {"dump"}, {"verify"}, {"tm", "list"}};

TEST_F(CommandLine, VersionIsPrinted) {
  EXPECT_EQ(cairn({"--version"}).out, "cairn " CAIRN_VERSION "\n");
  EXPECT_EQ(cairn({"--version"}).exit_code, 0);
}

TEST_F(CommandLine, HelpNamesEachCommandAndTheExitStatus) {
  const Outcome help = cairn({"--help"});
  EXPECT_EQ(help.exit_code, 0) << help;
  for (const char* part : {"info", "dump", "verify", "tm", "Exit status: 0 done"}) {
    EXPECT_THAT(help.out, HasSubstr(part));
  }
}

TEST_F(CommandLine, HelpOfACommandNamesItsOptions) {
  const Outcome help = cairn({"dump", "--help"});
  EXPECT_EQ(help.exit_code, 0) << help;
  for (const char* part :
       {"DIR", "--stream", "--type", "--from", "--to", "--json", "--payload", "--follow"}) {
    EXPECT_THAT(help.out, HasSubstr(part));
  }
}

TEST_F(CommandLine, TheDirectoryMayStandBehindTheOptions) {
  make_sample_log();
  const Outcome outcome = cairn({"dump", "--json", "--type", "8", "--stream", "orders", path()});
  EXPECT_EQ(outcome.exit_code, 0) << outcome;
  EXPECT_THAT(outcome.out, HasSubstr("\"type\":8"));
}

TEST_F(CommandLine, MistakesAreNamedAndExitWithOne) {
  const std::vector<std::pair<Arguments, std::string>> mistakes = {
      {{}, "expected a command"},
      {{"tell"}, "tell"},
      {{"tm"}, "expected a command"},
      {{"torture"}, "expected a command"},
      {{"torture", "kill"}, "DIR is required"},
      {{"torture", "powercut", "--fs", "fat"}, "--fs"},
      {{"torture", "powercut", "--fault", "all"}, "--fault"},
      {{"torture", "sim", "--rounds", "0"}, "--rounds"},
      {{"info"}, "DIR is required"},
      {{"dump", "x", "--type", "70000"}, "--type"},
      {{"dump", "x", "--from", "near"}, "--from"},
      {{"dump", "x", "--from=-5"}, "--from"},
      {{"dump", "x", "--to=-5"}, "--to"},
      {{"dump", "x", "--to", "0"}, "--to"},
      {{"verify", "x", "--repair"}, "--repair"},
  };
  for (const auto& [arguments, reason] : mistakes) {
    const Outcome outcome = cairn(arguments);
    EXPECT_EQ(outcome.exit_code, 1) << outcome;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(reason));
  }
}

TEST_F(CommandLine, TortureReportsWhatItDid) {
  const std::string file = (scratch() / "report.json").string();
  for (const char* kind : {"sim", "fault"}) {
    const Outcome outcome =
        cairn({"torture", kind, "--rounds", "2", "--seed", "5", "--stride", "100", "--json", file});
    EXPECT_EQ(outcome.exit_code, 0) << outcome;
    EXPECT_THAT(outcome.out, HasSubstr(std::string(kind) + ": 2 seeds from 5 on"));
    const Json json = Json::parse(file_bytes(file));
    EXPECT_EQ(json["torture"], kind);
    EXPECT_GT(json["states"], 0);
    EXPECT_TRUE(json["violations"].empty());
  }
  EXPECT_EQ(cairn({"torture", "kill", path(), "--rounds", "1"}).exit_code, 0);
  EXPECT_EQ(cairn({"verify", path()}).exit_code, 0);
}

TEST_F(CommandLine, TortureRefusesALogOfSomebodyElse) {
  make_sample_log();
  const DirectoryContent before = content();
  const Outcome outcome = cairn({"torture", "kill", path(), "--rounds", "1"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("one of an earlier loop"));
  EXPECT_EQ(content(), before);
}

TEST_F(CommandLine, AReaderThatIsGoneIsNoError) {
  make_sample_log();
  for (Arguments command : kCommands) {
    command.push_back(path());
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    ::close(ends[0]);
    RunningCommand running(command, scratch(), ends[1]);
    ::close(ends[1]);
    const Outcome outcome = running.wait();
    EXPECT_EQ(outcome.exit_code, 0) << outcome;
    EXPECT_EQ(outcome.err, "");
  }
}

TEST_F(CommandLine, OutputThatCannotBeWrittenIsAnError) {
  make_sample_log();
  for (Arguments command : kCommands) {
    command.push_back(path());
    const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
    ASSERT_GE(full, 0);
    RunningCommand running(command, scratch(), full);
    ::close(full);
    const Outcome outcome = running.wait();
    EXPECT_EQ(outcome.exit_code, 1) << outcome;
    EXPECT_THAT(outcome.err, HasSubstr("standard output: No space left on device"));
  }
}

}  // namespace
}  // namespace cairn
