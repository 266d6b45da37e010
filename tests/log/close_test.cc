// close() beside threads that are inside other calls: what they write is over when it returns.
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "log/gated_storage.h"
#include "log/sim_log_fixture.h"

namespace cairn::log_test {
namespace {

// A log without threads of its own, so that the calls themselves do what is to be done.
class CloseTest : public testing::Test {
 protected:
  static constexpr std::size_t kPayload = 50'000;

  void SetUp() override {
    storage_ = std::make_shared<sim::SimStorage>();
    auto made = log::Log::create(kDirectory, small_log(), manual_options(gated()));
    ASSERT_TRUE(made) << made.status().to_string();
    log_ = std::move(*made);
    stream_ = log_->create_stream("s").value();
  }

  // Holds the next such change of a file whose name begins so.
  void hold(std::string_view change, std::string_view name) {
    held_change_ = change;
    held_name_ = name;
    gate_->shut();
    armed_ = true;
  }

  // The next call that waits for a write is held behind it, in a callback.
  void hold_in_callback() {
    gate_->shut();
    log_->on_durable(stream_.append(Bytes(10)).value(), [this](const Status& status) {
      EXPECT_TRUE(status);
      inside_ = true;
      gate_->pass();
    });
  }

  // `call` is held inside a change while close() is called. Gives its answer.
  Status close_during(const std::function<Status()>& call) {
    Status answer;
    std::thread caller([&] { answer = call(); });
    while (!inside_) std::this_thread::yield();
    done_when_held_ = done_;
    std::thread closer([&] {
      EXPECT_TRUE(log_->close());
      closed_ = true;
    });
    while (log_->flush().code() != StatusCode::kClosed) std::this_thread::yield();
    // A close() that does not wait has every occasion to end now.
    for (int i = 0; i < 2'000 && !closed_; ++i) {
      EXPECT_EQ(log_->flush().code(), StatusCode::kClosed);
      std::this_thread::yield();
    }
    EXPECT_EQ(log::Log::open(kDirectory, manual_options(storage_)).code(), StatusCode::kLocked);
    EXPECT_FALSE(closed_);
    EXPECT_EQ(changes_while_held_, 0) << "close() did not wait with the base log";
    let_go_ = true;
    gate_->open();
    caller.join();
    closer.join();
    EXPECT_EQ(late_changes_, 0) << "files were changed after close() had returned";
    return answer;
  }

  // The log was closed in order, and goes on under another opener, which loses nothing.
  void expect_that_the_log_goes_on() {
    EXPECT_EQ(verify_log(storage_).end_of_log.label, log::EndLabel::kCleanClose);
    LogContents before;
    {
      auto second = log::Log::open(kDirectory, manual_options(storage_));
      ASSERT_TRUE(second) << second.status().to_string();
      log::Stream stream = (*second)->open_stream("s").value();
      for (int i = 0; i < 40; ++i) {
        auto lsn = stream.append(Bytes(kPayload), durable());
        if (lsn.code() == StatusCode::kLogFull) {
          ASSERT_TRUE(stream.advance_base((*second)->end_lsn()));
          lsn = stream.append(Bytes(kPayload), durable());
        }
        ASSERT_TRUE(lsn) << lsn.status().to_string();
      }
      before = read_contents(**second).value();
      ASSERT_TRUE((*second)->close());
    }
    auto third = log::Log::open(kDirectory, manual_options(storage_));
    ASSERT_TRUE(third) << third.status().to_string();
    EXPECT_EQ(difference(before, read_contents(**third).value()), "");
  }

  Status append_until_it_fails() {
    for (;;) CAIRN_RETURN_IF_ERROR(stream_.append(Bytes(kPayload)).status());
  }
  void fill_container_but(std::uint64_t left) {
    while (log_->end_lsn().offset(log::kMinContainerSize) < log::kMinContainerSize - left) {
      ASSERT_TRUE(stream_.append(Bytes(2'000)));
    }
    ASSERT_TRUE(log_->flush());
  }
  // Their names.
  std::vector<std::string> create_streams(int count, const std::string& prefix) {
    std::vector<std::string> names;
    for (int i = 0; i < count; ++i) names.push_back(prefix + std::to_string(i));
    const std::vector<std::string_view> views(names.begin(), names.end());
    EXPECT_TRUE(log_->create_streams(views));
    return names;
  }
  void fill_and_give_up() {
    ASSERT_EQ(append_until_it_fails().code(), StatusCode::kLogFull);
    ASSERT_TRUE(stream_.advance_base(log_->end_lsn()));
  }

  std::shared_ptr<sim::SimStorage> storage_;
  std::unique_ptr<log::Log> log_;
  log::Stream stream_;
  std::atomic<bool> closed_ = false;
  std::atomic<int> done_ = 0;  // counted by a call that does many
  int done_when_held_ = 0;

 private:
  std::shared_ptr<log::Storage> gated() {
    return std::make_shared<GatedStorage>(
        storage_, std::make_shared<Gate>(), [this](std::string_view change, std::string_view name) {
          if (armed_ && change == held_change_ && name.starts_with(held_name_)) {
            armed_ = false;
            inside_ = true;
            gate_->pass();
          } else if (inside_ && !let_go_) {
            ++changes_while_held_;
          }
          if (closed_) ++late_changes_;
        });
  }

  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
  std::string held_change_;
  std::string held_name_;
  std::atomic<bool> armed_ = false;
  std::atomic<bool> inside_ = false;
  std::atomic<bool> let_go_ = false;
  std::atomic<int> changes_while_held_ = 0;
  std::atomic<int> late_changes_ = 0;
};
using Close = CloseTest;

TEST_F(Close, WaitsForTheContainerThatAnAppendEnters) {
  hold("write", "container-");
  const Status answer = close_during([this] { return append_until_it_fails(); });
  EXPECT_EQ(answer.code(), StatusCode::kClosed) << answer.to_string();
  expect_that_the_log_goes_on();
}

TEST_F(Close, WaitsForTheContainerThatAnAppendMakes) {
  hold("fill", "");
  const Status answer = close_during([this] { return append_until_it_fails(); });
  EXPECT_EQ(answer.code(), StatusCode::kClosed) << answer.to_string();
  expect_that_the_log_goes_on();
}

TEST_F(Close, WaitsForTheContainersThatAnAppendRecycles) {
  fill_and_give_up();
  hold("rename", "container-");
  const Status answer = close_during([this] { return append_until_it_fails(); });
  EXPECT_EQ(answer.code(), StatusCode::kClosed) << answer.to_string();
  expect_that_the_log_goes_on();
}

TEST_F(Close, WaitsForTheBaseLogOfAnAppendThatReclaims) {
  fill_and_give_up();
  hold("write", "base");
  const Status answer = close_during([this] { return append_until_it_fails(); });
  EXPECT_EQ(answer.code(), StatusCode::kClosed) << answer.to_string();
  expect_that_the_log_goes_on();
}

TEST_F(Close, WaitsForTheContainersThatAReservationRecycles) {
  fill_and_give_up();
  hold("rename", "container-");
  const Status answer =
      close_during([this] { return stream_.reserve(20, 20 * kPayload).status(); });
  EXPECT_EQ(answer.code(), StatusCode::kClosed) << answer.to_string();
  expect_that_the_log_goes_on();
}

TEST_F(Close, WaitsForTheBaseLogThatNewPoliciesWrite) {
  log::Policies policies = log_->policies();
  policies.low_space_percent = 7;
  hold_in_callback();  // the record is on its way, the base log is still to be written
  const Status answer = close_during([&] { return log_->set_policies(policies); });
  EXPECT_TRUE(answer) << "the record was durable: " << answer.to_string();
  expect_that_the_log_goes_on();
}

TEST_F(Close, WaitsForTheContainersThatAreAdded) {
  log::Policies policies = log_->policies();
  policies.spare_max = 3;
  ASSERT_TRUE(log_->set_policies(policies));
  hold("fill", "");
  const Status answer = close_during([this] { return log_->add_containers(2); });
  EXPECT_EQ(answer.code(), StatusCode::kClosed) << answer.to_string();
  expect_that_the_log_goes_on();
}

TEST_F(Close, WaitsForTheContainersThatAreRemoved) {
  log::Policies policies = log_->policies();
  policies.spare_max = 3;
  ASSERT_TRUE(log_->set_policies(policies));
  ASSERT_TRUE(log_->add_containers(2));
  hold("remove", "spare-");
  const Status answer = close_during([this] { return log_->remove_containers(1); });
  EXPECT_TRUE(answer) << answer.to_string();
  expect_that_the_log_goes_on();
}

TEST_F(Close, WaitsForTheRoundOfRunBackground) {
  fill_and_give_up();
  hold("rename", "container-");
  const Status answer = close_during([this] { return log_->run_background(); });
  EXPECT_EQ(answer.code(), StatusCode::kClosed) << "the round's next step: " << answer.to_string();
  expect_that_the_log_goes_on();
}

// A truncation states the catalog in a snapshot; this one is so long that it enters a container.
TEST_F(Close, LetsATruncationThatBeganEnd) {
  create_streams(400, std::string(200, 'n'));
  const Lsn last = stream_.append(Bytes(10)).value();
  fill_container_but(70'000);
  hold("write", "container-");
  const Status answer = close_during([&] { return log_->truncate_after(last); });
  EXPECT_TRUE(answer) << answer.to_string();
  expect_that_the_log_goes_on();
}

TEST_F(Close, LetsATruncationThatAppendedNothingYetEnd) {
  const Lsn last = stream_.append(Bytes(10)).value();
  hold_in_callback();  // while it waits to read what is before the cut
  const Status answer = close_during([&] { return log_->truncate_after(last); });
  EXPECT_TRUE(answer) << answer.to_string();
  expect_that_the_log_goes_on();
}

// --- nothing is appended behind the closing mark ---

TEST_F(Close, RefusesAStreamThatIsBeingCreated) {
  fill_container_but(70'000);
  hold("write", "container-");
  const Status answer = close_during([&] {
    for (;; ++done_) {
      const std::string name = std::to_string(done_);
      CAIRN_RETURN_IF_ERROR(log_->create_stream(name).status());
    }
  });
  EXPECT_EQ(answer.code(), StatusCode::kClosed) << answer.to_string();
  EXPECT_EQ(done_, done_when_held_) << "the call that was held is the one that is refused";
  expect_that_the_log_goes_on();
  auto opened = log::Log::open(kDirectory, manual_options(storage_));
  ASSERT_TRUE(opened);
  EXPECT_EQ((*opened)->list_streams().size(), 1U + done_);
}

TEST_F(Close, RefusesAStreamThatIsBeingDeleted) {
  constexpr int kStreams = 300;
  const std::vector<std::string> names = create_streams(kStreams, "n");
  fill_container_but(70'000);
  hold("write", "container-");
  const Status answer = close_during([&] {
    for (;; ++done_) CAIRN_RETURN_IF_ERROR(log_->delete_stream(names.at(done_)));
  });
  EXPECT_EQ(answer.code(), StatusCode::kClosed) << answer.to_string();
  EXPECT_EQ(done_, done_when_held_) << "the call that was held is the one that is refused";
  expect_that_the_log_goes_on();
  auto opened = log::Log::open(kDirectory, manual_options(storage_));
  ASSERT_TRUE(opened);
  EXPECT_EQ((*opened)->list_streams().size(), 1U + kStreams - done_);
}

}  // namespace
}  // namespace cairn::log_test
