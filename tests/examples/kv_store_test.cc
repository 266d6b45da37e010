// The reference resource manager: what is committed stays, what is not leaves no trace, whatever
// crashes when.
#include "kv/kv_store.h"

#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "examples/machine.h"

namespace cairn::examples {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;
using tm::NotificationKind;

class KvStoreTest : public testing::Test {
 protected:
  void SetUp() override { start(); }
  void TearDown() override { store.reset(); }

  Result<std::unique_ptr<KvStore>> open() {
    return KvStore::open(machine.log(), machine.tm(), options);
  }
  void start(const std::string& tm_stream = "tm") {
    const Status started = machine.start(tm_stream);
    ASSERT_TRUE(started) << started.to_string();
    auto opened = open();
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    store = std::move(*opened);
  }
  void stop() {
    store.reset();
    machine.stop();
  }
  void restart() {
    stop();
    start();
  }
  // Power off and on; of what was not durable nothing survives.
  void crash(const std::string& tm_stream = "tm") {
    machine.cut_power();
    stop();
    machine.boot();
    start(tm_stream);
  }

  void commit(const std::string& key, const std::string& value) {
    tm::Transaction transaction = machine.begin();
    ASSERT_TRUE(store->put(transaction, key, value));
    const Status committed = transaction.commit();
    ASSERT_TRUE(committed) << committed.to_string();
  }
  // Both the store and a silent second resource manager have part in it, and the store has
  // promised.
  tm::Transaction prepare(Puppet& puppet, const std::string& key, const std::string& value) {
    tm::Transaction transaction = machine.begin();
    EXPECT_TRUE(store->put(transaction, key, value));
    puppet.join(transaction);
    EXPECT_TRUE(transaction.commit_async());
    EXPECT_EQ(puppet.next().kind, NotificationKind::kPrepare);
    EXPECT_TRUE(eventually([&] { return is_promised(transaction.id()); }));
    return transaction;
  }
  // The stream has its prepare record, durable.
  bool is_promised(const Uuid& transaction) {
    auto cursor = machine.log()->open_stream(options.stream)->read();
    while (auto record = cursor->next().value()) {
      if (record->type != static_cast<std::uint16_t>(KvRecordType::kPrepare)) continue;
      if (decode(record->payload)->transaction == transaction) return true;
    }
    return false;
  }
  template <typename Condition>
  static bool eventually(const Condition& condition) {
    for (int i = 0; i < 2000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(milliseconds(5));
    }
    return false;
  }
  log::StreamInfo stream_info() const {
    for (const log::StreamInfo& info : machine.log()->list_streams()) {
      if (info.name == options.stream) return info;
    }
    return {};
  }

  Machine machine;
  KvOptions options{.id = Uuid::generate()};
  std::unique_ptr<KvStore> store;
};

// What clients see.

TEST_F(KvStoreTest, NothingIsVisibleBeforeTheCommit) {
  tm::Transaction transaction = machine.begin();
  ASSERT_TRUE(store->put(transaction, "a", "1"));
  EXPECT_EQ(store->read("a"), std::nullopt);
  EXPECT_EQ(store->get(transaction, "a").value(), "1");
  ASSERT_TRUE(transaction.commit());
  EXPECT_EQ(store->read("a"), "1");
}

TEST_F(KvStoreTest, ARollbackLeavesNothing) {
  commit("a", "1");
  tm::Transaction transaction = machine.begin();
  ASSERT_TRUE(store->put(transaction, "a", "2"));
  ASSERT_TRUE(store->put(transaction, "b", "2"));
  ASSERT_TRUE(transaction.rollback());
  EXPECT_THAT(store->entries(), ElementsAre(Pair("a", "1")));
  EXPECT_TRUE(eventually([&] { return store->put(machine.begin(), "a", "3").is_ok(); }));
}

TEST_F(KvStoreTest, AnErasedKeyIsGone) {
  commit("a", "1");
  tm::Transaction transaction = machine.begin();
  ASSERT_TRUE(store->erase(transaction, "a"));
  EXPECT_EQ(store->get(transaction, "a").value(), std::nullopt);
  ASSERT_TRUE(transaction.commit());
  crash();
  EXPECT_THAT(store->entries(), IsEmpty());
}

TEST_F(KvStoreTest, AKeyInUseIsRefusedAtOnceAndNamed) {
  tm::Transaction holder = machine.begin();
  tm::Transaction other = machine.begin();
  ASSERT_TRUE(store->get(holder, "a").is_ok());
  const Status refused = store->put(other, "a", "1");
  EXPECT_EQ(refused.code(), StatusCode::kLocked);
  EXPECT_THAT(refused.message(), HasSubstr(holder.id().to_string()));
  EXPECT_TRUE(store->put(other, "b", "1"));
}

TEST_F(KvStoreTest, ATransactionThatTimesOutReleasesItsKeys) {
  tm::TransactionOptions soon;
  soon.timeout = milliseconds(10);
  tm::Transaction transaction = machine.tm().create_transaction(soon).value();
  ASSERT_TRUE(store->put(transaction, "a", "1"));
  EXPECT_TRUE(eventually([&] { return store->put(machine.begin(), "a", "2").is_ok(); }));
  EXPECT_EQ(transaction.outcome(), tm::Outcome::kAborted);
}

TEST_F(KvStoreTest, WorkAfterTheCommitWasAskedForIsRefused) {
  Puppet puppet(machine.tm());
  tm::Transaction transaction = prepare(puppet, "a", "1");
  EXPECT_EQ(store->put(transaction, "b", "1").code(), StatusCode::kNotActive);
  ASSERT_TRUE(puppet.enlistment().rollback());
}

TEST_F(KvStoreTest, ConcurrentIncrementsAllCount) {
  constexpr int kThreads = 4;
  constexpr int kEach = 25;
  commit("n", "0");
  const auto increment = [&] {
    while (true) {
      tm::Transaction transaction = machine.begin();
      const auto value = store->get(transaction, "n");
      if (!value || !store->put(transaction, "n", std::to_string(std::stoi(**value) + 1))) {
        std::this_thread::yield();
        continue;
      }
      if (transaction.commit()) return;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kEach; ++n) increment();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store->read("n"), std::to_string(kThreads * kEach));
}

// Durability.

TEST_F(KvStoreTest, ACommitSurvivesAPowerCut) {
  commit("a", "1");
  commit("b", "2");
  crash();
  EXPECT_THAT(store->entries(), ElementsAre(Pair("a", "1"), Pair("b", "2")));
}

TEST_F(KvStoreTest, ACleanRestartFindsNothingInDoubt) {
  commit("a", "1");
  restart();
  EXPECT_EQ(store->read("a"), "1");
  EXPECT_THAT(store->recovery().committed, IsEmpty());
  EXPECT_THAT(store->recovery().aborted, IsEmpty());
}

TEST_F(KvStoreTest, ReadingWritesNoRecord) {
  commit("a", "1");
  const Lsn last = stream_info().last;
  tm::Transaction transaction = machine.begin();
  ASSERT_TRUE(store->get(transaction, "a").is_ok());
  ASSERT_TRUE(transaction.commit());
  EXPECT_EQ(stream_info().last, last);
}

TEST_F(KvStoreTest, ALoneWriterCommitsWithOneRecordOfItsOwn) {
  commit("a", "1");
  auto cursor = machine.log()->open_stream(options.stream)->read();
  std::vector<std::uint16_t> types;
  while (auto record = cursor->next().value()) {
    if (record->kind == log::RecordKind::kData) types.push_back(record->type);
  }
  EXPECT_THAT(types, ElementsAre(static_cast<std::uint16_t>(KvRecordType::kSinglePhase)));
}

TEST_F(KvStoreTest, SnapshotsMoveTheBaseAndKeepTheContent) {
  options.snapshot_bytes = 1000;
  restart();
  const Lsn base = stream_info().base;
  for (int i = 0; i < 200; ++i) commit("k" + std::to_string(i % 10), std::to_string(i));
  EXPECT_GT(stream_info().base, base + 10'000);
  crash();
  EXPECT_THAT(store->entries(), SizeIs(10));
  EXPECT_EQ(store->read("k9"), "199");
}

TEST_F(KvStoreTest, AnEntryLargerThanASnapshotRecordIsKept) {
  options.snapshot_bytes = 1000;
  restart();
  const std::string large(50'000, 'x');
  commit("large", large);
  commit("small", "1");
  crash();
  EXPECT_EQ(store->read("large"), large);
  EXPECT_EQ(store->read("small"), "1");
}

TEST_F(KvStoreTest, ARecordTooLongIsRefusedAndRollsBack) {
  tm::Transaction transaction = machine.begin();
  ASSERT_TRUE(store->put(transaction, "a", std::string(2'000'000, 'x')));
  EXPECT_EQ(transaction.commit().code(), StatusCode::kAlreadyAborted);
  commit("a", "1");
}

// The protocol.

TEST_F(KvStoreTest, APromiseWithoutDecisionIsRolledBackAfterACrash) {
  Puppet puppet(machine.tm());
  const Uuid id = prepare(puppet, "a", "1").id();
  crash();
  EXPECT_THAT(store->recovery().aborted, ElementsAre(id));
  EXPECT_EQ(store->read("a"), std::nullopt);
  commit("a", "2");
}

TEST_F(KvStoreTest, APromiseIsKeptLockedUntilTheOutcome) {
  Puppet puppet(machine.tm());
  tm::Transaction transaction = prepare(puppet, "a", "1");
  EXPECT_EQ(store->put(machine.begin(), "a", "2").code(), StatusCode::kLocked);
  EXPECT_EQ(store->read("a"), std::nullopt);
  ASSERT_TRUE(puppet.enlistment().prepare_complete());
  ASSERT_TRUE(transaction.wait(tm::WaitFor::kDecided, std::chrono::seconds(20)));
  EXPECT_TRUE(eventually([&] { return store->read("a") == "1"; }));
}

TEST_F(KvStoreTest, ARefusalElsewhereUndoesThePromise) {
  Puppet puppet(machine.tm());
  tm::Transaction transaction = prepare(puppet, "a", "1");
  ASSERT_TRUE(puppet.enlistment().rollback());
  EXPECT_EQ(transaction.wait(tm::WaitFor::kDecided, std::chrono::seconds(20)).code(),
            StatusCode::kAlreadyAborted);
  EXPECT_TRUE(eventually([&] { return store->put(machine.begin(), "a", "2").is_ok(); }));
  EXPECT_EQ(store->read("a"), std::nullopt);
}

TEST_F(KvStoreTest, APromiseSurvivesTheStoreWhileTheManagerLives) {
  Puppet puppet(machine.tm());
  tm::Transaction transaction = prepare(puppet, "a", "1");
  store.reset();
  ASSERT_TRUE(puppet.enlistment().prepare_complete());
  ASSERT_TRUE(transaction.wait(tm::WaitFor::kDecided, std::chrono::seconds(20)));
  store = open().value();
  EXPECT_THAT(store->recovery().committed, ElementsAre(transaction.id()));
  EXPECT_EQ(store->read("a"), "1");
}

TEST_F(KvStoreTest, ACommitThatIsToldAgainIsAnsweredAgain) {
  Puppet puppet(machine.tm());
  tm::Transaction transaction = prepare(puppet, "a", "1");
  ASSERT_TRUE(puppet.enlistment().prepare_complete());
  ASSERT_TRUE(eventually([&] { return store->read("a") == "1"; }));
  commit("b", "1");  // forces the commit record of the first, too
  const Uuid id = transaction.id();
  crash();
  EXPECT_THAT(store->recovery().redelivered, ElementsAre(id));
  EXPECT_EQ(store->read("a"), "1");
}

TEST_F(KvStoreTest, ACommitThatASnapshotCoversIsAnsweredAgain) {
  options.snapshot_bytes = 200;
  restart();
  Puppet puppet(machine.tm());
  tm::Transaction transaction = prepare(puppet, "a", "1");
  ASSERT_TRUE(puppet.enlistment().prepare_complete());
  ASSERT_TRUE(eventually([&] { return store->read("a") == "1"; }));
  for (int i = 0; i < 10; ++i) commit("b", std::to_string(i));
  const Uuid id = transaction.id();
  crash();
  EXPECT_THAT(store->recovery().redelivered, ElementsAre(id));
  EXPECT_EQ(store->read("a"), "1");
}

TEST_F(KvStoreTest, ADecidedCommitOfWhichTheStreamKnowsNothingIsReported) {
  Puppet puppet(machine.tm());
  tm::Transaction transaction = prepare(puppet, "a", "1");
  store.reset();  // before it can commit
  ASSERT_TRUE(puppet.enlistment().prepare_complete());
  ASSERT_TRUE(transaction.wait(tm::WaitFor::kDecided, std::chrono::seconds(20)));
  ASSERT_TRUE(machine.log()->delete_stream(options.stream));
  const auto opened = open();
  EXPECT_EQ(opened.code(), StatusCode::kCorrupt);
  EXPECT_THAT(opened.status().message(), HasSubstr(transaction.id().to_string()));
}

TEST_F(KvStoreTest, ASnapshotCarriesWhatIsPrepared) {
  options.snapshot_bytes = 1000;
  restart();
  Puppet puppet(machine.tm());
  const Uuid id = prepare(puppet, "a", "1").id();
  const Lsn base = stream_info().base;
  for (int i = 0; i < 50; ++i) commit("b", std::to_string(i));
  ASSERT_GT(stream_info().base, base);
  crash();
  EXPECT_THAT(store->recovery().aborted, ElementsAre(id));
  EXPECT_EQ(store->read("b"), "49");
}

TEST_F(KvStoreTest, APromiseToAnotherManagerIsLeftAlone) {
  Puppet puppet(machine.tm());
  const Uuid id = prepare(puppet, "a", "1").id();
  crash("another");
  EXPECT_THAT(store->recovery().foreign, ElementsAre(id));
  EXPECT_THAT(store->recovery().aborted, IsEmpty());
  EXPECT_EQ(store->put(machine.begin(), "a", "2").code(), StatusCode::kLocked);
  crash("tm");
  EXPECT_THAT(store->recovery().aborted, ElementsAre(id));
}

TEST_F(KvStoreTest, AStreamOfAnotherStoreIsRefused) {
  stop();
  options.id = Uuid::generate();
  ASSERT_TRUE(machine.start());
  EXPECT_EQ(open().code(), StatusCode::kIdentityMismatch);
}

TEST_F(KvStoreTest, AStoreWithoutIdentityIsRefused) {
  store.reset();
  options.id = {};
  EXPECT_EQ(open().code(), StatusCode::kInvalidArgument);
}

TEST_F(KvStoreTest, AFailingLogEndsTheSessionAndLosesNothingThatWasTold) {
  commit("a", "1");
  machine.storage().inject({.kind = sim::FaultKind::kIoError, .on = sim::IoKind::kCompleteWrite});
  tm::Transaction transaction = machine.begin();
  ASSERT_TRUE(store->put(transaction, "a", "2"));
  EXPECT_FALSE(transaction.commit());
  EXPECT_TRUE(eventually([&] { return !store->health(); }));
  EXPECT_EQ(store->put(transaction, "a", "3").code(), store->health().code());
  restart();
  EXPECT_THAT(store->read("a"), testing::AnyOf("1", "2"));
}

// The store has a log of its own beside the manager's. Nothing flushes it but the store.
class KvOwnLogTest : public KvStoreTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(machine.start());
    open_own();
  }
  void TearDown() override {
    store.reset();
    own.reset();
  }
  void open_own() {
    log::CreateOptions create;
    create.container_size = log::kMinContainerSize;
    create.max_size = 4 * log::kMinContainerSize;
    log::OpenOptions quiet;
    quiet.storage = machine.shared_storage();
    quiet.idle_mark = milliseconds(0);
    own = log::Log::open_or_create("own", create, quiet).value();
    store = KvStore::open(own, machine.tm(), options).value();
  }
  // The store has promised once this returns.
  tm::Transaction promise(Puppet& puppet) {
    tm::Transaction transaction = machine.begin();
    EXPECT_TRUE(store->put(transaction, "a", "1"));
    puppet.join(transaction);
    EXPECT_TRUE(transaction.commit_async());
    EXPECT_EQ(puppet.next().kind, NotificationKind::kPrepare);
    EXPECT_TRUE(
        eventually([&] { return own->durable_lsn() > own->open_stream("kv")->last_lsn(); }));
    return transaction;
  }
  void complete(Puppet& puppet, const tm::Transaction& transaction) {
    ASSERT_TRUE(puppet.enlistment().prepare_complete());
    ASSERT_EQ(puppet.next().kind, NotificationKind::kCommit);
    ASSERT_TRUE(puppet.enlistment().commit_complete());
    ASSERT_TRUE(transaction.wait(tm::WaitFor::kCompleted, std::chrono::seconds(20)));
  }
  void fill_log() {
    log::Stream filler = own->open_or_create_stream("filler").value();
    for (const std::size_t size : {50'000, 64}) {
      const std::vector<std::byte> bytes(size);
      while (filler.append(bytes, {}).is_ok()) continue;
    }
  }

  std::shared_ptr<log::Log> own;
};

TEST_F(KvOwnLogTest, ACommitIsDurableBeforeItIsAnswered) {
  Puppet puppet(machine.tm());
  complete(puppet, promise(puppet));
  ASSERT_TRUE(eventually([&] { return machine.tm().transactions()->empty(); }));
  ASSERT_TRUE(machine.log()->flush());  // with the record that forgets the transaction
  machine.cut_power();
  stop();
  own.reset();
  machine.boot();
  ASSERT_TRUE(machine.start());
  open_own();
  EXPECT_EQ(store->read("a"), "1");
}

TEST_F(KvOwnLogTest, AFullLogKeepsWhatWasPromisedAndRefusesTheRest) {
  Puppet puppet(machine.tm());
  tm::Transaction promised = promise(puppet);
  fill_log();
  tm::Transaction late = machine.begin();
  ASSERT_TRUE(store->put(late, "b", "1"));
  EXPECT_EQ(late.commit().code(), StatusCode::kAlreadyAborted);
  complete(puppet, promised);
  EXPECT_EQ(store->read("a"), "1");
  EXPECT_TRUE(store->health());
}

}  // namespace
}  // namespace cairn::examples
