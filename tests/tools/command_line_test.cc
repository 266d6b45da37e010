// The command line itself: help, mistakes, and where the output goes.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <map>
#include <string>

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
#ifdef CAIRN_TORTURE_HAS_SOAK
      {{"torture", "soak"}, "DIR is required"},
      {{"torture", "soak", "x", "--hours", "0"}, "--hours"},
      {{"torture", "soak", "x", "--hours", "long"}, "--hours"},
      {{"torture", "soak", "x", "--max-memory", "0"}, "--max-memory"},
      {{"torture", "soak", "x", "--max-disk", "-1"}, "--max-disk"},
      {{"torture", "soak", "x", "--storage", "tape"}, "--storage"},
#endif
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

#ifdef CAIRN_TORTURE_HAS_SOAK

std::size_t times(const std::string& part, const std::string& text) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

TEST_F(CommandLine, TortureSoakReportsWhatItDid) {
  const std::string json_file = (scratch() / "soak.json").string();
  const std::string svg_file = (scratch() / "soak.svg").string();
  const std::string directory = (scratch() / "soak").string();
  const char* seconds = std::getenv("CAIRN_TEST_SECONDS");
  const double hours = (seconds == nullptr ? 2.0 : std::strtod(seconds, nullptr)) / 3600;
  // A sanitizer takes memory for itself.
  const Outcome outcome =
      cairn({"torture", "soak", directory, "--hours", std::to_string(hours), "--seed", "7",
             "--max-memory", "4096", "--json", json_file, "--svg", svg_file});
  EXPECT_EQ(outcome.exit_code, 0) << outcome;
  EXPECT_EQ(outcome.err, "") << "no progress in a pipe";
  EXPECT_THAT(outcome.out, HasSubstr("seed 7"));
  EXPECT_THAT(outcome.out, HasSubstr("0 violations"));
  const Json json = Json::parse(file_bytes(json_file));
  EXPECT_EQ(json["torture"], "soak");
  EXPECT_EQ(json["seed"], 7);
  EXPECT_TRUE(json["violations"].empty());
  EXPECT_GT(json["committed"], 0);
  EXPECT_GT(json["records"], 0);
  EXPECT_EQ(json["lives"].get<int>(), json["kills"].get<int>() + json["closings"].get<int>());
  for (const char* bound : {"memory_bytes", "descriptors", "disk_bytes", "recovery_cpu_ms"}) {
    EXPECT_GT(json["bounds"][bound]["most"], 0) << bound;
    EXPECT_GT(json["bounds"][bound]["bound"], json["bounds"][bound]["most"]) << bound;
    EXPECT_GT(json["curve"][0][bound], 0) << bound;
  }
  const std::string svg = file_bytes(svg_file);
  EXPECT_TRUE(svg.starts_with("<svg xmlns='http://www.w3.org/2000/svg'")) << svg.substr(0, 100);
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_EQ(times("<polyline", svg), 5U);
  EXPECT_EQ(times("<text", svg), times("</text>", svg));
  for (const char* part : {"resident memory: at most", "open descriptors: at most",
                           "disk space: at most", "recovery: at most"}) {
    EXPECT_THAT(svg, HasSubstr(part));
  }
  EXPECT_EQ(cairn({"verify", directory + "/log"}).exit_code, 0) << "it is left whole";
  EXPECT_EQ(cairn({"torture", "soak", directory}).exit_code, 1) << "it is not empty";
}

TEST_F(CommandLine, TortureSoakFailsBeyondEachBound) {
  const std::string json_file = (scratch() / "soak.json").string();
  for (const auto& [bound, what] :
       std::map<std::string, std::string>{{"--max-memory", "bytes of resident memory"},
                                          {"--max-descriptors", "open descriptors"},
                                          {"--max-disk", "bytes on the disk"},
                                          {"--max-recovery", "ms of processor time"}}) {
    const std::string directory = (scratch() / bound).string();
    Arguments arguments = {"torture", "soak",    directory, "--hours", "0.01",
                           "--json",  json_file, bound,     "1"};
    if (bound != "--max-memory") arguments.insert(arguments.end(), {"--max-memory", "4096"});
    const Outcome outcome = cairn(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << outcome;
    EXPECT_THAT(outcome.out, HasSubstr("1 violations"));
    const Json json = Json::parse(file_bytes(json_file));
    ASSERT_EQ(json["violations"].size(), 1U);
    EXPECT_THAT(json["violations"][0]["what"].get<std::string>(), HasSubstr("bound: " + what));
  }
}

#endif

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
