// `cairn dump --follow`.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>

#include "tools/tool_test.h"

namespace cairn {
namespace {

class Follow : public ToolTest {
 protected:
  Arguments follow_orders() const { return {"dump", path(), "--stream", "orders", "--follow"}; }
};

TEST_F(Follow, ARecordAppendedWhileItRunsIsSeen) {
  create_log();
  append("orders", "first order");
  RunningCommand command(follow_orders(), scratch());
  ASSERT_TRUE(command.prints("first order"));
  append("orders", "second order");
  EXPECT_TRUE(command.prints("second order"));
  command.signal(SIGINT);
  const Outcome outcome = command.wait();
  EXPECT_EQ(outcome.exit_code, 0) << outcome;
  EXPECT_EQ(outcome.err, "");
}

TEST_F(Follow, EachRecordIsSeenOnceThroughSeveralContainersAndASecondOpening) {
  create_log();
  append("orders", "order 1.");
  RunningCommand command(follow_orders(), scratch());
  ASSERT_TRUE(command.prints("order 1."));
  fill_to_container(2);
  append("orders", "order 2.");
  ASSERT_TRUE(command.prints("order 2."));
  close_log();
  open_log();
  append("orders", "order 3.");
  ASSERT_TRUE(command.prints("order 3."));
  command.signal(SIGTERM);
  const std::string out = command.wait().out;
  for (const char* order : {"order 1.", "order 2.", "order 3."}) {
    EXPECT_EQ(out.find(order), out.rfind(order)) << out;
  }
}

TEST_F(Follow, RecyclingUnderItDoesNotStopIt) {
  create_log();
  append("orders", "order 1.");
  RunningCommand command(follow_orders(), scratch());
  ASSERT_TRUE(command.prints("order 1."));
  for (std::uint64_t container = 1; container <= 6; ++container) {
    fill_to_container(container);
    const Lsn order = append("orders", "passing");
    ASSERT_TRUE(stream("filler").advance_base(order).is_ok());
    ASSERT_TRUE(stream("orders").advance_base(order).is_ok());
  }
  append("orders", "order 2.");
  EXPECT_TRUE(command.prints("order 2."));
  command.signal(SIGINT);
  const Outcome outcome = command.wait();
  EXPECT_EQ(outcome.exit_code, 0) << outcome;
}

TEST_F(Follow, EndsBeforeTheLsnOfTo) {
  create_log();
  append("orders", "first order");
  const std::string limit = (log().end_lsn() + 1).to_string();
  RunningCommand command({"dump", path(), "--follow", "--to", limit}, scratch());
  ASSERT_TRUE(command.prints("first order"));
  append("orders", "second order");
  ASSERT_TRUE(command.ends());
  EXPECT_EQ(command.wait().exit_code, 0);
}

TEST_F(Follow, EndsQuietlyWhenItsReaderIsGone) {
  create_log();
  append("orders", "first order");
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  RunningCommand command(follow_orders(), scratch(), ends[1]);
  ::close(ends[1]);
  char byte;
  ASSERT_EQ(::read(ends[0], &byte, 1), 1);
  ::close(ends[0]);
  ASSERT_TRUE(command.ends());
  const Outcome outcome = command.wait();
  EXPECT_EQ(outcome.exit_code, 0) << outcome;
  EXPECT_EQ(outcome.err, "");
}

}  // namespace
}  // namespace cairn
