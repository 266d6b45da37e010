// The resource manager for queues: order, locks, waiting, deliveries, and the stream.
#include <memory>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "queue_record.h"
#include "rm/queue_machine.h"

namespace cairn::rm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr seconds kLong{60};  // ends only what hangs

class QueueTest : public testing::Test {
 protected:
  void SetUp() override {
    const Status started = machine_.start();
    ASSERT_TRUE(started) << started.to_string();
  }
  QueueResourceManager& queues() { return machine_.queues(); }
  tm::Transaction begin() { return machine_.begin(); }

  QueueMachine machine_;
};

TEST_F(QueueTest, MessagesComeInTheOrderOfTheirCommits) {
  auto first = begin();
  auto second = begin();
  ASSERT_TRUE(queues().produce(first, "q", "1a"));
  ASSERT_TRUE(queues().produce(second, "q", "2a"));
  ASSERT_TRUE(queues().produce(first, "q", "1b"));
  ASSERT_TRUE(queues().produce(first, "other", "o"));
  EXPECT_THAT(machine_.bodies("q"), IsEmpty());
  ASSERT_TRUE(second.commit());
  ASSERT_TRUE(first.commit());
  EXPECT_THAT(machine_.bodies("q"), ElementsAre("2a", "1a", "1b"));
  EXPECT_THAT(queues().queues(), ElementsAre("other", "q"));
  auto consumer = begin();
  for (const char* const expected : {"2a", "1a", "1b"}) {
    EXPECT_EQ(queues().consume(consumer, "q")->body, expected);
  }
  ASSERT_TRUE(consumer.commit());
  EXPECT_THAT(queues().queues(), ElementsAre("other"));
}

TEST_F(QueueTest, AConsumedMessageIsNobodyElsesUntilTheOutcome) {
  ASSERT_TRUE(machine_.produce("q", {"a", "b"}));
  auto first = begin();
  auto second = begin();
  EXPECT_EQ(queues().consume(first, "q")->body, "a");
  EXPECT_EQ(queues().consume(second, "q")->body, "b");
  EXPECT_EQ(queues().consume(second, "q").code(), StatusCode::kTimeout);
  EXPECT_EQ(queues().depth("q"), (QueueDepth{.ready = 0, .taken = 2}));
  ASSERT_TRUE(second.commit());
  EXPECT_EQ(queues().depth("q"), (QueueDepth{.ready = 0, .taken = 1}));
  ASSERT_TRUE(first.commit());
  EXPECT_EQ(queues().depth("q"), QueueDepth());
}

TEST_F(QueueTest, ARollbackPutsMessagesBackInTheirPlaceAndCountsDeliveries) {
  ASSERT_TRUE(machine_.produce("q", {"a", "b"}));
  auto transaction = begin();
  EXPECT_EQ(queues().consume(transaction, "q")->deliveries, 1u);
  EXPECT_EQ(queues().consume(transaction, "q")->deliveries, 1u);
  ASSERT_TRUE(machine_.produce("q", {"c"}));
  auto other = begin();
  EXPECT_EQ(queues().consume(other, "q")->body, "c");
  ASSERT_TRUE(queues().produce(transaction, "q", "never"));
  ASSERT_TRUE(transaction.rollback());
  auto next = begin();
  const auto again = queues().consume(next, "q", kLong);  // the rollback is told in its own time
  EXPECT_EQ(again->body, "a");
  EXPECT_EQ(again->deliveries, 2u);
  EXPECT_EQ(queues().consume(next, "q")->body, "b");
  EXPECT_EQ(queues().consume(next, "q").code(), StatusCode::kTimeout);
}

TEST_F(QueueTest, AConsumerWaitsForACommit) {
  auto producer = begin();
  ASSERT_TRUE(queues().produce(producer, "q", "late"));
  std::thread consumer([&] {
    auto transaction = begin();
    const auto message = queues().consume(transaction, "q", kLong);
    ASSERT_TRUE(message) << message.status().to_string();
    EXPECT_EQ(message->body, "late");
    EXPECT_TRUE(transaction.commit());
  });
  EXPECT_TRUE(producer.commit());
  consumer.join();
  EXPECT_EQ(queues().depth("q"), QueueDepth());
}

TEST_F(QueueTest, AWaitEndsWithItsTimeOrItsTransactionOrItsSession) {
  auto transaction = begin();
  const auto none = queues().consume(transaction, "q", milliseconds(1));
  EXPECT_EQ(none.code(), StatusCode::kTimeout);
  EXPECT_THAT(none.status().to_string(), HasSubstr("queue \"q\""));
  std::thread consumer(
      [&] { EXPECT_EQ(queues().consume(transaction, "q", kLong).code(), StatusCode::kNotActive); });
  EXPECT_TRUE(transaction.rollback());
  consumer.join();
  auto other = begin();
  std::thread last(
      [&] { EXPECT_FALSE(queues().consume(other, "q", std::chrono::milliseconds::max())); });
  EXPECT_TRUE(machine_.manager().close());
  last.join();
  while (queues().health()) std::this_thread::yield();  // that it has ended is noticed
}

TEST_F(QueueTest, SeveralConsumersGetEachMessageOnce) {
  constexpr int kMessages = 60;
  std::mutex mutex;
  std::multiset<std::string> got;
  std::vector<std::thread> consumers;
  for (int i = 0; i < 3; ++i) {
    consumers.emplace_back([&, i] {
      for (int turn = 0;; ++turn) {
        auto transaction = begin();
        const auto message = queues().consume(transaction, "q", kLong);
        ASSERT_TRUE(message) << message.status().to_string();
        if (message->body == "end") {
          EXPECT_TRUE(transaction.commit());
          return;
        }
        if ((turn + i) % 4 == 0) {
          EXPECT_TRUE(transaction.rollback());
          continue;
        }
        ASSERT_TRUE(transaction.commit());
        const std::lock_guard lock(mutex);
        got.insert(message->body);
      }
    });
  }
  for (int i = 0; i < kMessages; ++i) ASSERT_TRUE(machine_.produce("q", {std::to_string(i)}));
  while (true) {  // what was rolled back comes again, before the ends do
    const std::lock_guard lock(mutex);
    if (got.size() == kMessages) break;
    std::this_thread::yield();
  }
  ASSERT_TRUE(machine_.produce("q", {"end", "end", "end"}));
  for (auto& consumer : consumers) consumer.join();
  EXPECT_EQ(std::set<std::string>(got.begin(), got.end()).size(), got.size());
  EXPECT_EQ(queues().depth("q"), QueueDepth());
}

TEST_F(QueueTest, WhatComesTooLateOrDoesNotFitIsRefusedAndTheRestGoesOn) {
  auto transaction = begin();
  EXPECT_EQ(queues().produce(transaction, "", "x").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(queues().consume(transaction, std::string(256, 'n')).code(),
            StatusCode::kInvalidArgument);
  const std::string most(machine_.log().info().max_record - kPromiseHeaderSize - 7, 'm');
  EXPECT_EQ(queues().produce(transaction, "q", most + "1").code(), StatusCode::kRecordTooLong);
  ASSERT_TRUE(queues().produce(transaction, "q", most));
  EXPECT_EQ(queues().produce(transaction, "q", "").code(), StatusCode::kRecordTooLong);
  const Status done = transaction.commit();
  ASSERT_TRUE(done) << done.to_string();
  EXPECT_EQ(machine_.bodies("q").at(0).size(), most.size());
  EXPECT_EQ(queues().produce(transaction, "q", "x").code(), StatusCode::kNotActive);
}

TEST_F(QueueTest, OnlyTheManagersOwnLogWillDo) {
  const auto elsewhere = std::shared_ptr(
      log::Log::create("other", {.container_size = log::kMinContainerSize, .calibrate = false},
                       {.storage = std::make_shared<sim::SimStorage>()})
          .value());
  const auto opened =
      QueueResourceManager::open(machine_.manager(), {.id = Uuid::generate(), .log = elsewhere});
  EXPECT_EQ(opened.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(opened.status().to_string(), HasSubstr("other"));
  EXPECT_EQ(QueueResourceManager::open(machine_.manager(), {.id = Uuid::generate()}).code(),
            StatusCode::kInvalidArgument);
  const auto stolen = QueueResourceManager::open(
      machine_.manager(), {.id = Uuid::generate(),
                           .log = std::shared_ptr<log::Log>(&machine_.log(), [](log::Log*) {})});
  EXPECT_EQ(stolen.code(), StatusCode::kIdentityMismatch);
}

// Two phases: what is promised by the queues is made durable by the manager's decision.
TEST_F(QueueTest, ACommitWithAnotherTakesNoForcedWriteForTheQueues) {
  ASSERT_TRUE(machine_.produce("q", {"a"}));
  auto transaction = begin();
  ASSERT_TRUE(queues().consume(transaction, "q"));
  ASSERT_TRUE(queues().produce(transaction, "r", "b"));
  auto partner = machine_.join(transaction);
  const auto forced = [this] {
    const log::LogStatistics statistics = machine_.log().statistics();
    return statistics.durable_writes + statistics.syncs;
  };
  const std::uint64_t before = forced();
  ASSERT_TRUE(machine_.commit_with(transaction, &partner));
  EXPECT_EQ(forced() - before, 1u);
  EXPECT_THAT(machine_.bodies("r"), ElementsAre("b"));
}

// ---- Over restarts

TEST_F(QueueTest, OrderDeliveriesAndNumbersOutliveARestart) {
  ASSERT_TRUE(machine_.produce("q", {"a", "b", "c"}));
  auto transaction = begin();
  ASSERT_TRUE(queues().consume(transaction, "q"));
  ASSERT_TRUE(transaction.rollback());
  auto taker = begin();
  ASSERT_TRUE(queues().consume(taker, "q", kLong));
  ASSERT_TRUE(taker.commit());
  const auto before = queues().browse("q");
  machine_.stop();
  ASSERT_TRUE(machine_.start());
  EXPECT_EQ(queues().browse("q"), before);
  ASSERT_TRUE(machine_.produce("q", {"d"}));
  EXPECT_GT(queues().browse("q").back().number, before.back().number);
}

TEST(QueueDeliveries, ThatAreDurableOutliveAPowerCut) {
  QueueMachine machine({.durable_deliveries = true});
  ASSERT_TRUE(machine.start());
  ASSERT_TRUE(machine.produce("q", {"poison"}));
  for (std::uint32_t delivery = 1; delivery <= 3; ++delivery) {
    auto transaction = machine.begin();
    EXPECT_EQ(machine.queues().consume(transaction, "q")->deliveries, delivery);
    ASSERT_TRUE(machine.crash_and_start(sim::survive_none()));
  }
}

// Below a superior that decides after the power cut.
TEST(QueuesInDoubt, APromiseKeepsItsMessagesTakenAndItsOwnUnseenUntilTheOutcome) {
  QueueMachine machine({.snapshot_bytes = 100});
  ASSERT_TRUE(machine.start());
  ASSERT_TRUE(machine.produce("q", {"a"}));
  const Uuid boss = Uuid::generate();
  auto above = machine.manager().create_resource_manager(boss, tm::RmKind::kDurable).value();
  ASSERT_TRUE(above.recover());
  ASSERT_EQ(above.get_notification(kLong)->kind, tm::NotificationKind::kLastRecover);
  auto transaction = machine.begin();
  ASSERT_TRUE(machine.queues().consume(transaction, "q"));
  ASSERT_TRUE(machine.queues().produce(transaction, "q", "b"));
  auto superior = above.enlist(transaction, tm::kSuperior, 1, {.superior = true}).value();
  ASSERT_TRUE(superior.superior_prepare());
  ASSERT_EQ(above.get_notification(kLong)->kind, tm::NotificationKind::kPrepareComplete);
  ASSERT_TRUE(machine.produce("r", {"x", "y", "z"}));  // snapshots with the promise in them
  superior = {};
  above = {};
  ASSERT_TRUE(machine.crash_and_start(sim::survive_none()));
  ASSERT_EQ(machine.queues().depth("q"), (QueueDepth{.ready = 0, .taken = 1}));
  auto other = machine.begin();
  EXPECT_EQ(machine.queues().consume(other, "q").code(), StatusCode::kTimeout);
  above = machine.manager().open_resource_manager(boss).value();
  ASSERT_TRUE(above.recover());
  const auto told = above.get_notification(kLong).value();
  ASSERT_EQ(told.kind, tm::NotificationKind::kRecoverQuery);
  superior = above.open_enlistment(told.enlistment).value();
  ASSERT_TRUE(superior.recover(1));
  ASSERT_TRUE(superior.superior_commit());
  EXPECT_EQ(machine.queues().consume(other, "q", kLong)->body, "b");
  EXPECT_EQ(machine.queues().depth("q"), (QueueDepth{.ready = 0, .taken = 1}));
}

TEST(QueueStream, StaysBoundedThoughMessagesLiveLong) {
  QueueMachine machine({.snapshot_bytes = 2000});
  ASSERT_TRUE(machine.start());
  ASSERT_TRUE(machine.produce("old", {"1", "2"}));
  for (int i = 0; i < 400; ++i) {
    ASSERT_TRUE(machine.produce("q", {std::string(1000, 'x')}));
    auto transaction = machine.begin();
    ASSERT_TRUE(machine.queues().consume(transaction, "q"));
    ASSERT_TRUE(transaction.commit());
  }
  for (const log::StreamInfo& stream : machine.log().list_streams()) {
    if (stream.name == "queue") {
      EXPECT_LT(stream.last - stream.base, 100'000u);
    }
  }
  ASSERT_TRUE(machine.crash_and_start(sim::survive_none()));
  EXPECT_THAT(machine.bodies("old"), ElementsAre("1", "2"));
  EXPECT_EQ(machine.queues().depth("q"), QueueDepth());
}

// Nothing happens to the queues, while others fill the log many times over.
TEST(QueueStream, DoesNotHoldUpTheLogOfOthers) {
  QueueMachine machine;
  ASSERT_TRUE(machine.start());
  ASSERT_TRUE(machine.produce("old", {"1", "2"}));
  auto other = machine.log().create_stream("other").value();
  const std::vector<std::byte> bytes(20'000);
  log::AppendOptions options;
  options.wait_for_space = std::chrono::seconds(60);
  for (int i = 0; i < 600; ++i) {
    const auto lsn = other.append(bytes, options);
    ASSERT_TRUE(lsn) << lsn.status().to_string();
    ASSERT_TRUE(other.advance_base(*lsn));
  }
  EXPECT_GT(machine.log().end_lsn().value(), 8 * log::kMinContainerSize);
  ASSERT_TRUE(machine.crash_and_start(sim::survive_none()));
  EXPECT_THAT(machine.bodies("old"), ElementsAre("1", "2"));
}

// ---- Bytes

TEST(QueueRecords, ComeBackAsTheyWere) {
  const QueueChanges changes{{{"q", "body"}, {std::string(255, 'n'), ""}}, {7, 1ull << 60}};
  EXPECT_EQ(*decode_queue_changes(encode(changes)), changes);
  const StoredMessage message{9, 3, "q", "body"};
  EXPECT_EQ(*decode_stored_message(encode(message)), message);
  EXPECT_EQ(*decode_number(encode_number(12)), 12u);
  EXPECT_EQ(encode(QueueChanges{{{"q", "body"}}, {}}).size(), size_of_produce("q", "body"));
  EXPECT_EQ(encode(QueueChanges{{}, {1}}).size(), kSizeOfConsume);
}

TEST(QueueRecords, CutAnywhereButBetweenChangesAreCorrupt) {
  const auto bytes = encode(QueueChanges{{{"q", "body"}}, {7}});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const bool is_whole = size == 0 || size == size_of_produce("q", "body");
    EXPECT_EQ(decode_queue_changes(std::span(bytes).first(size)).is_ok(), is_whole) << size;
  }
  const auto message = encode(StoredMessage{9, 3, "queue", ""});
  for (std::size_t size = 0; size < message.size(); ++size) {
    EXPECT_EQ(decode_stored_message(std::span(message).first(size)).code(), StatusCode::kCorrupt);
  }
  EXPECT_EQ(decode_number(message).code(), StatusCode::kCorrupt);
  EXPECT_EQ(decode_queue_changes(encode_number(9)).code(), StatusCode::kCorrupt);
  EXPECT_EQ(decode_queue_changes(encode(QueueChanges{{{"", "x"}}, {}})).code(),
            StatusCode::kCorrupt);
}

// A record of the stream that does not fit the others is damage, with its place.
TEST(QueueRecords, ThatDoNotFitTheOthersAreCorrupt) {
  const auto promise = [](const QueueChanges& changes) {
    std::vector<std::byte> bytes(kPromiseHeaderSize);
    const auto more = encode(changes);
    bytes.insert(bytes.end(), more.begin(), more.end());
    return bytes;
  };
  const std::vector<std::pair<int, std::vector<std::byte>>> wrong{
      {1, promise({{}, {99}})},                             // takes what is not there
      {1, std::vector<std::byte>(kPromiseHeaderSize - 1)},  // too short
      {3, promise({})},                                     // ends what was not promised
      {5, promise({})},                                     // of no known type
      {static_cast<int>(QueueRecordType::kDelivered), encode_number(99)},
      {static_cast<int>(QueueRecordType::kDelivered) + 1, encode_number(1)},
  };
  for (const auto& [type, bytes] : wrong) {
    QueueMachine machine;
    ASSERT_TRUE(machine.start());
    machine.close_queues();
    log::AppendOptions options;
    options.type = static_cast<std::uint16_t>(type);
    const Lsn lsn = machine.log().open_stream("queue")->append(bytes, options).value();
    const Status opened = machine.open_queues();
    EXPECT_EQ(opened.code(), StatusCode::kCorrupt) << type << ": " << opened.to_string();
    EXPECT_THAT(opened.to_string(), HasSubstr("LSN " + lsn.to_string()));
  }
}

}  // namespace
}  // namespace cairn::rm
