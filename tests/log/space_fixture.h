// What the tests of space share: a log that can be filled to its last byte, and the way out of it.
#ifndef CAIRN_TESTS_LOG_SPACE_FIXTURE_H_
#define CAIRN_TESTS_LOG_SPACE_FIXTURE_H_

#include <array>
#include <string>
#include <vector>

#include "log/sim_log_fixture.h"

namespace cairn::log_test {

class Space : public SimLogTest {
 protected:
  log::Stream stream(const std::string& name) { return log->log().open_stream(name).value(); }

  // Fills the log with records of stream "s" in memory, each shorter than the last that did not
  // fit, until not even an empty one fits. The last answer.
  Status fill(log::Durability durability = log::Durability::kNone) {
    Status status;
    for (std::size_t size = 60'000;; size /= 2) {
      log::AppendOptions options;
      options.durability = durability;
      do {
        status = log->append("s", Bytes(size, std::byte{7}), options);
      } while (status);
      if (status.code() != StatusCode::kLogFull || size == 0) return status;
    }
  }

  // Appends what `reservation` is for, record by record. The first error.
  Status use(const std::string& name, log::Reservation& reservation,
             const std::vector<std::uint64_t>& sizes, log::Durability durability) {
    log::AppendOptions options;
    options.durability = durability;
    for (const std::uint64_t size : sizes) {
      const Bytes payload(size, std::byte{9});
      const std::array<std::span<const std::byte>, 1> pieces{payload};
      const Result<Lsn> lsn = stream(name).append(log::Gather(pieces), options, reservation);
      CAIRN_RETURN_IF_ERROR(lsn.status());
      last_used = *lsn;
    }
    return {};
  }

  // Restart areas on all streams, the bases move, appends go on, and no byte is damaged.
  void expect_the_way_out() {
    for (const log::StreamInfo& info : log->log().list_streams()) {
      EXPECT_TRUE(log->write_restart_area(info.name, Bytes(1024), Lsn::invalid())) << info.name;
    }
    for (const log::StreamInfo& info : log->log().list_streams()) {
      EXPECT_TRUE(log->advance_base(info.name, info.last)) << info.name;
    }
    (void)log->log().run_background();  // the file system may have no space for more containers
    EXPECT_TRUE(append(50'000, 3));
    ASSERT_TRUE(log->close());
    const log::VerifyReport report = verify_log(storage);
    EXPECT_TRUE(report.damages.empty());
  }

  Lsn last_used;
};

}  // namespace cairn::log_test

#endif  // CAIRN_TESTS_LOG_SPACE_FIXTURE_H_
