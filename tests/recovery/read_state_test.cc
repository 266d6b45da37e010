// A manager's state read from a log that nobody has open, and from one that is at work.
#include <array>

#include <gtest/gtest.h>

#include <cairn/sim/sim_storage.h>

#include "recovery/records.h"

namespace cairn::recovery {
namespace {

class ReadState : public testing::Test {
 protected:
  ReadState() {
    open_options_.storage = storage_;
    open_options_.background = log::Background::kManual;
    auto made = log::Log::create("/log", {.container_size = log::kMinContainerSize}, open_options_);
    EXPECT_TRUE(made.is_ok()) << made.status().to_string();
    log_ = std::move(*made);
    stream_ = *log_->create_stream("tm");
  }
  Lsn write(const std::vector<std::byte>& bytes, RecordType type) {
    log::AppendOptions options;
    options.type = static_cast<std::uint16_t>(type);
    auto lsn = stream_.append(bytes, options);
    EXPECT_TRUE(lsn.is_ok());
    return lsn ? *lsn : Lsn();
  }
  std::unique_ptr<log::LogView> view() {
    EXPECT_TRUE(log_->flush().is_ok());
    auto opened = log::LogView::open("/log", open_options_);
    EXPECT_TRUE(opened.is_ok()) << opened.status().to_string();
    return opened ? std::move(*opened) : nullptr;
  }

  std::shared_ptr<sim::SimStorage> storage_ = std::make_shared<sim::SimStorage>();
  log::OpenOptions open_options_;
  std::unique_ptr<log::Log> log_;
  log::Stream stream_;
};

TEST_F(ReadState, OfAViewIsWhatWasDecidedAndNotForgotten) {
  ASSERT_TRUE(stream_.write_restart_area(encode(restart(1)), log_->end_lsn()).is_ok());
  const Lsn first = write(encode(decision(1, 2)), RecordType::kDecision);
  const Lsn second = write(encode(decision(2, 3)), RecordType::kDecision);
  write(encode(forget(1, 3, first.value())), RecordType::kForget);
  const auto state = read_tm_state(*view(), "tm");
  ASSERT_TRUE(state.is_ok()) << state.status().to_string();
  ASSERT_EQ(state->transactions.size(), 1u);
  EXPECT_EQ(state->transactions[0].lsn, second);
  EXPECT_EQ(state->transactions[0].record, decision(2, 3));
  EXPECT_EQ(state->records, 4u);
}

TEST_F(ReadState, OfAContradictionIsItsPlace) {
  ASSERT_TRUE(stream_.write_restart_area(encode(restart(1)), log_->end_lsn()).is_ok());
  write(encode(decision(1, 2)), RecordType::kDecision);
  const Lsn wrong = write(encode(decision(1, 3)), RecordType::kDecision);
  const auto state = read_tm_state(*view(), "tm");
  EXPECT_EQ(state.code(), StatusCode::kCorrupt);
  EXPECT_EQ(state.status().detail().lsn_begin, wrong);
}

TEST_F(ReadState, OfAStreamThatHoldsNoManagerIsAnError) {
  EXPECT_EQ(read_tm_state(*view(), "tm").code(), StatusCode::kNoRestartArea);
  EXPECT_EQ(read_tm_state(*view(), "nothing").code(), StatusCode::kNotFound);
  const std::array<std::byte, 3> foreign{};
  ASSERT_TRUE(stream_.write_restart_area(foreign).is_ok());
  EXPECT_EQ(read_tm_state(*view(), "tm").code(), StatusCode::kCorrupt);
}

TEST_F(ReadState, StreamsWithAManagerAreFound) {
  EXPECT_TRUE(find_tm_streams(*view())->empty());
  ASSERT_TRUE(stream_.write_restart_area(encode(restart(1))).is_ok());
  auto other = log_->create_stream("orders");
  const std::array<std::byte, 3> foreign{};
  ASSERT_TRUE(other->write_restart_area(foreign).is_ok());
  EXPECT_EQ(*find_tm_streams(*view()), std::vector<std::string>{"tm"});
}

}  // namespace
}  // namespace cairn::recovery
