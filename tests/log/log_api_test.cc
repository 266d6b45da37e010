// What the public calls of Log and Stream promise, one test a promise, on the simulated storage.
#include <atomic>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/log.h>
#include <cairn/sim/sim_storage.h>

namespace cairn::log {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
std::string text(const Record& record) {
  return {reinterpret_cast<const char*>(record.payload.data()), record.payload.size()};
}

class LogApi : public testing::Test {
 protected:
  LogApi() {
    create_.container_size = kMiB;
    open_.storage = storage_;
    open_.idle_mark = std::chrono::milliseconds(0);
  }
  void create() {
    auto created = Log::create("log", create_, open_);
    ASSERT_TRUE(created.is_ok()) << created.status().to_string();
    log_ = std::move(created).value();
  }
  void reopen() {
    if (log_ != nullptr) {
      ASSERT_TRUE(log_->close().is_ok());
    }
    log_.reset();
    auto opened = Log::open("log", open_);
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    log_ = std::move(opened).value();
  }
  Lsn append(Stream& stream, std::string_view what, AppendOptions options = {}) {
    const auto lsn = stream.append(bytes(what), options);
    EXPECT_TRUE(lsn.is_ok()) << lsn.status().to_string();
    return lsn.is_ok() ? *lsn : Lsn::invalid();
  }
  static std::vector<std::string> all(Result<Cursor> cursor) {
    EXPECT_TRUE(cursor.is_ok()) << cursor.status().to_string();
    std::vector<std::string> found;
    while (cursor.is_ok()) {
      const auto record = cursor->next();
      EXPECT_TRUE(record.is_ok()) << record.status().to_string();
      if (!record.is_ok() || !*record) break;
      found.push_back(text(**record));
    }
    return found;
  }
  // Appends until the log refuses, and returns why.
  static Status fill(Stream& stream) {
    const std::string payload(3000, 'f');
    for (;;) {
      const auto lsn = stream.append(bytes(payload));
      if (!lsn.is_ok()) return lsn.status();
    }
  }

  std::shared_ptr<sim::SimStorage> storage_ = std::make_shared<sim::SimStorage>();
  CreateOptions create_;
  OpenOptions open_;
  std::unique_ptr<Log> log_;
};

TEST_F(LogApi, RecordsAreReadBackInOrder) {
  create();
  Stream stream = *log_->create_stream("orders");
  append(stream, "one");
  append(stream, "");
  append(stream, "three");
  ASSERT_TRUE(log_->flush().is_ok());
  EXPECT_EQ(all(stream.read()), (std::vector<std::string>{"one", "", "three"}));
}

TEST_F(LogApi, NothingIsShownThatIsNotDurable) {
  create();
  Stream stream = *log_->create_stream("s");
  append(stream, "in memory only");
  EXPECT_TRUE(all(stream.read()).empty());
}

TEST_F(LogApi, PiecesAreGatheredIntoOneRecord) {
  create();
  Stream stream = *log_->create_stream("s");
  const std::array<std::span<const std::byte>, 3> pieces{bytes("a"), bytes(""), bytes("bc")};
  ASSERT_TRUE(stream.append(Gather(pieces), {.durability = Durability::kDurable}).is_ok());
  EXPECT_EQ(all(stream.read()), std::vector<std::string>{"abc"});
}

TEST_F(LogApi, TypesAndStreamsFilter) {
  create();
  Stream a = *log_->create_stream("a");
  Stream b = *log_->create_stream("b");
  append(a, "a1", {.type = 1});
  append(b, "b1", {.type = 1});
  append(a, "a2", {.type = 2});
  ASSERT_TRUE(log_->flush().is_ok());
  EXPECT_EQ(all(log_->read()), (std::vector<std::string>{"a1", "b1", "a2"}));
  EXPECT_EQ(all(a.read({.types = {2}})), std::vector<std::string>{"a2"});
}

TEST_F(LogApi, ChainsAreFollowedBackwards) {
  create();
  Stream stream = *log_->create_stream("s");
  const Lsn one = append(stream, "one");
  const Lsn two = append(stream, "two", {.previous = one});
  const Lsn three = append(stream, "three", {.previous = two, .undo_next = one});
  EXPECT_EQ(all(stream.read({.order = ReadOrder::kPrevious, .start = three})),
            (std::vector<std::string>{"three", "two", "one"}));
  EXPECT_EQ(all(stream.read({.order = ReadOrder::kUndoNext, .start = three})),
            (std::vector<std::string>{"three", "one"}));
}

TEST_F(LogApi, LinksMustNameOlderRecordsOfTheStream) {
  create();
  Stream a = *log_->create_stream("a");
  Stream b = *log_->create_stream("b");
  const Lsn one = append(a, "one");
  const Lsn other = append(b, "other");
  for (const Lsn bad : {other, one + 8, one + 4096, Lsn::invalid(), Lsn(8)}) {
    EXPECT_EQ(a.append(bytes("x"), {.previous = bad}).code(), StatusCode::kLsnInvalid)
        << bad.to_string();
    EXPECT_EQ(a.append(bytes("x"), {.undo_next = bad}).code(), StatusCode::kLsnInvalid)
        << bad.to_string();
  }
}

TEST_F(LogApi, LinksToRecordsNoLongerRememberedAreReadAndChecked) {
  create();
  Stream a = *log_->create_stream("a");
  const Lsn one = append(a, "one");
  append(a, "two");
  ASSERT_TRUE(log_->flush().is_ok());
  reopen();
  a = *log_->open_stream("a");
  EXPECT_TRUE(a.append(bytes("x"), {.previous = one}).is_ok());
  EXPECT_EQ(a.append(bytes("x"), {.previous = one + 8}).code(), StatusCode::kLsnInvalid);
}

TEST_F(LogApi, LinksBehindTheBaseAreRefused) {
  create();
  Stream stream = *log_->create_stream("s");
  const Lsn one = append(stream, "one");
  const Lsn two = append(stream, "two");
  ASSERT_TRUE(stream.advance_base(two).is_ok());
  EXPECT_EQ(stream.append(bytes("x"), {.previous = one}).code(), StatusCode::kLsnInvalid);
}

TEST_F(LogApi, DurableAppendsAreDurableOnReturn) {
  create();
  Stream stream = *log_->create_stream("s");
  const Lsn lsn = append(stream, "x", {.durability = Durability::kDurable});
  EXPECT_LT(lsn, log_->durable_lsn());
}

TEST_F(LogApi, WrittenAppendsAreWrittenOnReturn) {
  create();
  Stream stream = *log_->create_stream("s");
  const Lsn lsn = append(stream, "x", {.durability = Durability::kWritten});
  EXPECT_LT(lsn, log_->written_lsn());
}

TEST_F(LogApi, CallbacksRunOnceWhenDurable) {
  create();
  Stream stream = *log_->create_stream("s");
  std::atomic<int> calls{0};
  const Lsn lsn = append(stream, "x");
  log_->on_durable(lsn, [&](const Status& status) { calls += status.is_ok() ? 1 : 100; });
  ASSERT_TRUE(log_->wait_durable(lsn).is_ok());
  ASSERT_TRUE(log_->close().is_ok());
  EXPECT_EQ(calls, 1);
}

TEST_F(LogApi, CallbacksWithoutAnyWaiterStillRun) {
  create();
  Stream stream = *log_->create_stream("s");
  std::atomic<bool> called{false};
  log_->on_durable(append(stream, "x"), [&](const Status&) {
    called = true;
    called.notify_one();
  });
  called.wait(false);
}

TEST_F(LogApi, WaitingForWhatWasNeverAppendedIsRefused) {
  create();
  EXPECT_EQ(log_->wait_durable(log_->end_lsn() + 4096).code(), StatusCode::kLsnInvalid);
  Status seen;
  log_->on_durable(Lsn::invalid(), [&](Status status) { seen = std::move(status); });
  EXPECT_EQ(seen.code(), StatusCode::kLsnInvalid);
}

TEST_F(LogApi, ManyThreadsAppendAndEachRecordIsThereOnce) {
  create();
  Stream stream = *log_->create_stream("s");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&stream, t] {
      for (int i = 0; i < 100; ++i) {
        const std::string payload = std::to_string(t) + "/" + std::to_string(i);
        const auto level = static_cast<Durability>(i % 3);
        EXPECT_TRUE(stream.append(bytes(payload), {.durability = level}).is_ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(log_->flush().is_ok());
  const auto found = all(stream.read());
  EXPECT_EQ(found.size(), 400U);
  EXPECT_EQ(std::set<std::string>(found.begin(), found.end()).size(), 400U);
}

TEST_F(LogApi, RestartAreaAndBaseMoveTogetherAndBothAreReadable) {
  create();
  Stream stream = *log_->create_stream("s");
  EXPECT_EQ(stream.read_restart_area().code(), StatusCode::kNoRestartArea);
  append(stream, "old");
  const Lsn keep = append(stream, "keep");
  ASSERT_TRUE(stream.write_restart_area(bytes("first"), keep).is_ok());
  const Lsn second = *stream.write_restart_area(bytes("second"), Lsn::invalid());
  reopen();
  stream = *log_->open_stream("s");
  EXPECT_EQ(stream.base(), second);
  const RestartArea newest = *stream.read_restart_area();
  EXPECT_EQ(newest.lsn, second);
  EXPECT_EQ(newest.base, second);
  EXPECT_EQ(stream.read_previous_restart_area()->base, keep);
}

TEST_F(LogApi, ABaseNeverMovesBackOrBeyondTheEnd) {
  create();
  Stream stream = *log_->create_stream("s");
  const Lsn one = append(stream, "one");
  const Lsn two = append(stream, "two");
  ASSERT_TRUE(stream.advance_base(two).is_ok());
  EXPECT_TRUE(stream.advance_base(one).is_ok());
  EXPECT_EQ(stream.base(), two);
  EXPECT_EQ(stream.advance_base(log_->end_lsn() + 1).code(), StatusCode::kLsnInvalid);
  EXPECT_EQ(stream.write_restart_area(bytes("r"), one).code(), StatusCode::kLsnInvalid);
  EXPECT_EQ(all(stream.read()), std::vector<std::string>{"two"});
}

TEST_F(LogApi, AnAdvanceGivesUpThePreviousRestartArea) {
  create();
  Stream stream = *log_->create_stream("s");
  ASSERT_TRUE(stream.write_restart_area(bytes("first")).is_ok());
  const Lsn second = *stream.write_restart_area(bytes("second"));
  ASSERT_TRUE(stream.advance_base(second).is_ok());
  EXPECT_EQ(stream.read_previous_restart_area().code(), StatusCode::kNoRestartArea);
  reopen();
  stream = *log_->open_stream("s");
  EXPECT_EQ(stream.read_restart_area()->lsn, second);
  EXPECT_EQ(stream.read_previous_restart_area().code(), StatusCode::kNoRestartArea);
}

TEST_F(LogApi, StreamsAreCreatedOpenedListedAndDeleted) {
  create();
  ASSERT_TRUE(log_->create_stream("a").is_ok());
  Stream b = *log_->create_stream("b");
  EXPECT_EQ(log_->create_stream("a").code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(log_->open_stream("c").code(), StatusCode::kNotFound);
  ASSERT_TRUE(log_->delete_stream("b").is_ok());
  EXPECT_EQ(b.append(bytes("x")).code(), StatusCode::kNotFound);
  reopen();
  ASSERT_EQ(log_->list_streams().size(), 1U);
  EXPECT_EQ(log_->list_streams()[0].name, "a");
  EXPECT_NE(log_->create_stream("b")->id(), b.id()) << "stream ids are never reused";
}

TEST_F(LogApi, StreamNamesAreChecked) {
  create();
  for (const std::string& name : {std::string(), std::string(256, 'n'), std::string("a\0b", 3)}) {
    EXPECT_EQ(log_->create_stream(name).code(), StatusCode::kInvalidArgument);
  }
  EXPECT_TRUE(log_->create_stream(std::string(255, 'n')).is_ok());
}

TEST_F(LogApi, ARecordOfTheLargestSizeFitsAndOneByteMoreDoesNot) {
  create();
  Stream stream = *log_->create_stream("s");
  const std::string largest(log_->info().max_record, 'm');
  append(stream, largest, {.durability = Durability::kDurable});
  EXPECT_EQ(stream.append(bytes(largest + "m")).code(), StatusCode::kRecordTooLong);
  EXPECT_EQ(all(stream.read()), std::vector<std::string>{largest});
}

TEST_F(LogApi, ContainersAreRecycledBehindTheBase) {
  create_.max_size = 6 * kMiB;
  create();
  Stream stream = *log_->create_stream("s");
  const std::string payload(3000, 'r');
  for (int i = 0; i < 8000; ++i) {
    const Lsn lsn = append(stream, payload);
    if (i % 100 == 99) {
      ASSERT_TRUE(stream.advance_base(lsn).is_ok());
    }
  }
  EXPECT_GT(log_->statistics().containers_recycled, 10U);
  EXPECT_LE(log_->info().containers.size(), 6U);
}

TEST_F(LogApi, AFullLogNamesWhoPinsItAndGoesOnOnceTheBaseMoves) {
  create_.max_size = 4 * kMiB;
  create();
  Stream idle = *log_->create_stream("idle");
  Stream busy = *log_->create_stream("busy");
  const Lsn pin = append(idle, "old");
  const Status full = fill(busy);
  EXPECT_EQ(full.code(), StatusCode::kLogFull);
  EXPECT_EQ(full.detail().cause, FullCause::kBase);
  EXPECT_EQ(full.detail().stream, "idle");
  EXPECT_LE(full.detail().lsn_begin, pin);
  ASSERT_TRUE(idle.write_restart_area(bytes("r"), Lsn::invalid()).is_ok()) << "space is held back";
  ASSERT_TRUE(busy.advance_base(busy.last_lsn()).is_ok());
  EXPECT_TRUE(busy.append(bytes("x")).is_ok());
  reopen();
}

TEST_F(LogApi, WhatIsReservedCanBeAppendedToAFullLog) {
  create_.max_size = 4 * kMiB;
  create();
  Stream stream = *log_->create_stream("s");
  constexpr std::uint32_t kRecords = 50;
  auto reservation = stream.reserve(kRecords, kRecords * 1000);
  ASSERT_TRUE(reservation.is_ok());
  EXPECT_EQ(fill(stream).code(), StatusCode::kLogFull);
  const std::string payload(1000, 'p');
  const std::array<std::span<const std::byte>, 1> pieces{bytes(payload)};
  for (std::uint32_t i = 0; i < kRecords; ++i) {
    EXPECT_TRUE(
        stream.append(Gather(pieces), {.durability = Durability::kDurable}, *reservation).is_ok())
        << i;
  }
}

TEST_F(LogApi, AReservationIsGivenBackWhenItGoes) {
  create_.max_size = 4 * kMiB;
  create();
  Stream stream = *log_->create_stream("s");
  {
    auto reservation = stream.reserve(40, 2 * kMiB);
    ASSERT_TRUE(reservation.is_ok());
    EXPECT_EQ(stream.reserve(40, 2 * kMiB).code(), StatusCode::kLogFull);
  }
  EXPECT_TRUE(stream.reserve(40, 2 * kMiB).is_ok());
}

TEST_F(LogApi, AClosedLogSaysSo) {
  create();
  Stream stream = *log_->create_stream("s");
  ASSERT_TRUE(log_->close().is_ok());
  EXPECT_TRUE(log_->close().is_ok());
  EXPECT_EQ(stream.append(bytes("x")).code(), StatusCode::kClosed);
  EXPECT_EQ(stream.write_restart_area(bytes("x")).code(), StatusCode::kClosed);
  EXPECT_EQ(stream.advance_base(Lsn(8)).code(), StatusCode::kClosed);
  EXPECT_EQ(stream.reserve(1, 1).code(), StatusCode::kClosed);
  EXPECT_EQ(log_->create_stream("t").code(), StatusCode::kClosed);
  EXPECT_EQ(log_->open_stream("s").code(), StatusCode::kClosed);
  EXPECT_EQ(log_->flush().code(), StatusCode::kClosed);
}

TEST_F(LogApi, AHandleThatNamesNothingSaysSo) {
  Stream none;
  EXPECT_EQ(none.append(bytes("x")).code(), StatusCode::kInvalidState);
  EXPECT_EQ(none.read().code(), StatusCode::kInvalidState);
}

TEST_F(LogApi, ALimitBeyondTheClockIsNoLimit) {
  create();
  Stream stream = *log_->create_stream("s");
  const Status waited = log_->wait_durable(append(stream, "x"), std::chrono::nanoseconds::max());
  EXPECT_TRUE(waited) << waited.to_string();
}

TEST_F(LogApi, ASecondOpenerIsLockedOut) {
  create();
  open_.lock_wait = std::chrono::milliseconds(0);
  EXPECT_EQ(Log::open("log", open_).code(), StatusCode::kLocked);
}

// On real files, with either I/O path: what holds a lock there is more than the Log object.
TEST_F(LogApi, AClosedLogCanBeOpenedAtOnceThoughItsObjectLives) {
  const std::string path = testing::TempDir() + "cairn_log_" + Uuid::generate().to_string();
  for (const StorageKind kind : {StorageKind::kAuto, StorageKind::kPosix}) {
    open_.storage = *make_storage(kind);
    open_.lock_wait = std::chrono::milliseconds(0);
    auto first = Log::open_or_create(path, create_, open_);
    ASSERT_TRUE(first.is_ok()) << first.status().to_string();
    ASSERT_TRUE((*first)->close().is_ok());
    EXPECT_TRUE(Log::open(path, open_).is_ok());
  }
  std::filesystem::remove_all(path);
}

TEST_F(LogApi, CreatingOverALogIsRefusedAndLeavesIt) {
  create();
  Stream stream = *log_->create_stream("s");
  append(stream, "kept");
  ASSERT_TRUE(log_->close().is_ok());
  EXPECT_EQ(Log::create("log", create_, open_).code(), StatusCode::kAlreadyExists);
  reopen();
  EXPECT_EQ(all(log_->open_stream("s")->read()), std::vector<std::string>{"kept"});
}

TEST_F(LogApi, OptionsOutOfRangeAreNamed) {
  create_.container_size = 3 * kMiB;
  EXPECT_EQ(Log::create("log", create_, open_).code(), StatusCode::kInvalidArgument);
  create_.container_size = kMiB;
  create_.max_size = 2 * kMiB;
  EXPECT_EQ(Log::create("log", create_, open_).code(), StatusCode::kInvalidArgument);
  create_.max_size = 0;
  open_.blocks = 3;
  EXPECT_EQ(Log::create("log", create_, open_).code(), StatusCode::kInvalidArgument);
}

TEST_F(LogApi, AViewReadsBesideTheWriterAndSeesItGrow) {
  create();
  Stream stream = *log_->create_stream("s");
  append(stream, "one", {.durability = Durability::kDurable});
  auto view = LogView::open("log", open_);
  ASSERT_TRUE(view.is_ok()) << view.status().to_string();
  EXPECT_EQ(all((*view)->read()), std::vector<std::string>{"one"});
  append(stream, "two", {.durability = Durability::kDurable});
  EXPECT_TRUE(*(*view)->refresh());
  EXPECT_EQ(all((*view)->read()), (std::vector<std::string>{"one", "two"}));
}

TEST_F(LogApi, ACleanlyClosedLogGoesOnWithoutAGap) {
  create();
  const Lsn before = log_->end_lsn();
  reopen();
  EXPECT_EQ(log_->info().end_of_log.label, EndLabel::kCleanClose);
  EXPECT_LT(log_->end_lsn() - before, 64U * 1024);
}

}  // namespace
}  // namespace cairn::log
