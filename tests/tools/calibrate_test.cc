// `cairn calibrate`. What is chosen is the test machine's affair; that it is shown and kept is not.
#include <fstream>

#include "tools/tool_test.h"

namespace cairn {
namespace {

using testing::HasSubstr;

class Calibrate : public ToolTest {
 protected:
  void SetUp() override {
    create_log();
    append("orders", "first order");
    close_log();
  }
  // However busy the machine is: without a time, the command takes as long as it needs.
  Json calibrate() { return cairn_json({"calibrate", path(), "--json"}); }
};

TEST_F(Calibrate, IsShownByInfoAsItWasPrinted) {
  const Json made = calibrate()["calibration"];
  EXPECT_GE(made["rounds"], 3);
  EXPECT_GE(made["ways"].size(), 2U);
  EXPECT_GT(made["ways"][0]["writes_per_second"], 0);
  const Json info = cairn_json({"info", path(), "--json"});
  EXPECT_EQ(info["calibration"], made);
  EXPECT_EQ(info["storage"]["durable_writes"], made["durable_writes"]);
  EXPECT_EQ(info["storage"]["durable_writes_reason"], "calibrated");
  EXPECT_EQ(made["device"], info["storage"]["device"]);
  const Outcome text = cairn({"info", path()});
  EXPECT_THAT(text.out, HasSubstr("calibrated  " + made["reason"].get<std::string>()));
  EXPECT_THAT(text.out, HasSubstr(made["taken"].get<std::string>()));
  EXPECT_EQ(cairn({"verify", path()}).exit_code, 0);
}

TEST_F(Calibrate, TextIsATableOfWhatWasMeasured) {
  const Outcome text = cairn({"calibrate", path()});
  EXPECT_EQ(text.exit_code, 0) << text;
  EXPECT_THAT(text.out, HasSubstr("DURABLE     IN FLIGHT   WRITES/S"));
  EXPECT_THAT(text.out, HasSubstr("\nper write           1  "));
  EXPECT_THAT(text.out, HasSubstr("calibrated  per "));
}

TEST_F(Calibrate, LeavesRecordsAndContainersAsTheyAre) {
  const std::vector<Json> before = dump();
  DirectoryContent content_before = content();
  calibrate();
  EXPECT_EQ(dump(), before);
  DirectoryContent content_after = content();
  content_before.erase("base.cairn");
  content_after.erase("base.cairn");
  EXPECT_EQ(content_after, content_before);
}

TEST_F(Calibrate, OfALogThatIsOpenIsRefused) {
  open_log();
  const Outcome outcome = cairn({"calibrate", path()});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("the log is open elsewhere"));
}

TEST_F(Calibrate, RefusesWhatIsNoLogAndChangesNothingThere) {
  const std::string other = (scratch() / "other").string();
  std::filesystem::create_directory(other);
  std::ofstream(other + "/letter.txt") << "dear reader";
  for (const std::string& where : {other, path() + "/nowhere", std::string("/dev/null")}) {
    const Outcome outcome = cairn({"calibrate", where});
    EXPECT_EQ(outcome.exit_code, 1) << outcome;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(where));
  }
  EXPECT_EQ(cairn({"calibrate", ""}).exit_code, 1);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(other), {}), 1);
}

TEST_F(Calibrate, TimesThatMakeNoSenseAreRefused) {
  for (const char* seconds : {"0", "-1", "61", "soon", "nan"}) {
    const Outcome outcome = cairn({"calibrate", path(), "--seconds", seconds});
    EXPECT_EQ(outcome.exit_code, 1) << outcome;
    EXPECT_THAT(outcome.err, HasSubstr("--seconds"));
  }
}

TEST_F(Calibrate, OfALogWithoutItsBaseLogSaysWhatIsMissing) {
  std::filesystem::remove(path() + "/base.cairn");
  const Outcome outcome = cairn({"calibrate", path()});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("expected the base log beside container-"));
}

}  // namespace
}  // namespace cairn
