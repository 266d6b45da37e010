// Berkeley DB as a resource manager: before the conformance kit, with its files copied at the
// moment of a crash; and promises and outcomes across restarts, and nobody else's touched.
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/rm_berkeley_db.h>
#include <cairn/rm_kit.h>
#include <cairn/sim/sim_storage.h>

#include "names/branch_name.h"
#include "rm/kit_options.h"
#include "servers/temporary_directory.h"

namespace cairn::rm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using tm::NotificationKind;

// Counts, each in a file of its own: Berkeley DB locks pages.
class BdbCounts {
 public:
  explicit BdbCounts(DB_ENV& environment) : environment_(environment) {}
  ~BdbCounts() {
    for (auto& [name, database] : open_) static_cast<void>(database->close(database, 0));
  }
  // 0 with no file for it: `*database` is null.
  int open(const std::string& name, bool create, DB** database) {
    const std::lock_guard lock(mutex_);
    *database = nullptr;
    if (const auto found = open_.find(name); found != open_.end()) {
      *database = found->second;
      return 0;
    }
    DB* made = nullptr;
    if (const int error = ::db_create(&made, &environment_, 0); error != 0) return error;
    const u_int32_t flags = DB_AUTO_COMMIT | DB_THREAD | (create ? DB_CREATE : 0U);
    const int error =
        made->open(made, nullptr, (name + ".db").c_str(), nullptr, DB_BTREE, flags, 0600);
    if (error != 0) {
      static_cast<void>(made->close(made, 0));
      return error == ENOENT && !create ? 0 : error;
    }
    open_[name] = *database = made;
    return 0;
  }
  int get(DB_TXN* txn, const std::string& name, std::uint64_t* count, u_int32_t flags = 0) {
    *count = 0;
    DB* database = nullptr;
    if (const int error = open(name, false, &database); error != 0 || database == nullptr) {
      return error;
    }
    DBT key = key_dbt();
    DBT value{};
    value.data = count;
    value.ulen = sizeof *count;
    value.flags = DB_DBT_USERMEM;
    const int error = database->get(database, txn, &key, &value, flags);
    return error == DB_NOTFOUND ? 0 : error;
  }
  int add(DB_TXN* txn, const std::string& name) {
    DB* database = nullptr;
    if (const int error = open(name, true, &database); error != 0) return error;
    std::uint64_t count = 0;
    if (const int error = get(txn, name, &count, DB_RMW); error != 0) return error;
    ++count;
    DBT key = key_dbt();
    DBT value{};
    value.data = &count;
    value.size = sizeof count;
    return database->put(database, txn, &key, &value, 0);
  }
  Result<std::uint64_t> committed(const std::string& name) {
    DB_TXN* txn = nullptr;
    CAIRN_RETURN_IF_ERROR(from_berkeley_db(
        environment_.txn_begin(&environment_, nullptr, &txn, DB_TXN_NOWAIT), "txn_begin"));
    std::uint64_t count = 0;
    const int error = get(txn, name, &count);
    static_cast<void>(txn->abort(txn));
    CAIRN_RETURN_IF_ERROR(from_berkeley_db(error, name));
    return count;
  }

 private:
  static DBT key_dbt() {
    static char name[] = "count";
    DBT key{};
    key.data = name;
    key.size = sizeof name;
    return key;
  }

  DB_ENV& environment_;
  std::mutex mutex_;
  std::map<std::string, DB*> open_;
};

class BdbSubject : public rm_kit::Subject {
 public:
  static Result<std::unique_ptr<Subject>> open(const rm_kit::Surroundings& at) {
    auto subject = std::make_unique<BdbSubject>();
    CAIRN_ASSIGN_OR_RETURN(subject->environment_,
                           BerkeleyDbEnvironment::open(at.directory + "/db", 1 << 20));
    CAIRN_ASSIGN_OR_RETURN(
        subject->adapter_,
        BerkeleyDbResourceManager::open(*subject->environment_->get(), at.manager, {.id = at.id}));
    subject->counts_ = std::make_unique<BdbCounts>(*subject->environment_->get());
    return std::unique_ptr<Subject>(std::move(subject));
  }
  ~BdbSubject() override {
    adapter_.reset();
    counts_.reset();
  }

  Status add(const tm::Transaction& transaction, const std::string& item) override {
    return adapter_->work(transaction, [&](DB_TXN* txn) { return counts_->add(txn, item); });
  }
  Result<std::uint64_t> count(const std::string& item) override { return counts_->committed(item); }
  Status look(const tm::Transaction& transaction, const std::string& item) override {
    std::uint64_t count = 0;
    return adapter_->work(transaction,
                          [&](DB_TXN* txn) { return counts_->get(txn, item, &count); });
  }

 private:
  std::unique_ptr<BerkeleyDbEnvironment> environment_;
  std::unique_ptr<BdbCounts> counts_;
  std::unique_ptr<BerkeleyDbResourceManager> adapter_;
};

// In memory where there is such a directory: the kit takes no power from files.
std::filesystem::path bdb_place() {
  const std::filesystem::path memory = "/dev/shm";
  return std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path();
}

TEST(KitOnBerkeleyDb, FindsNoRuleBroken) {
  const TemporaryDirectory directory(bdb_place());
  rm_kit::Options with = rm_kit::options();
  with.keeping = rm_kit::Keeping::kFiles;
  with.directory = directory.path();
  with.stride = sim::test_budget() > 1 ? 1 : 41;  // opening an environment takes its time
  const rm_kit::Report report = rm_kit::check(BdbSubject::open, with);
  EXPECT_TRUE(report.status.is_ok() && report.violations.empty()) << report.to_string();
  std::printf("[ kit      ] %s", report.to_string().c_str());
}

// A manager in memory, and an environment with its adapter.
class BdbNode {
 public:
  explicit BdbNode(std::string directory) : directory_(std::move(directory)) {
    log::OpenOptions open;
    open.storage = std::make_shared<sim::SimStorage>();
    log::CreateOptions create;
    create.container_size = log::kMinContainerSize;
    create.calibrate = false;
    log_ = std::shared_ptr(log::Log::open_or_create("log", create, open).value());
    tm::TmOptions options;
    options.log = log_;
    tm = tm::TransactionManager::open_or_create(options).value();
    EXPECT_TRUE(tm.recover());
  }
  ~BdbNode() {
    stop();
    static_cast<void>(tm.close());
  }
  BdbNode(const BdbNode&) = delete;
  BdbNode& operator=(const BdbNode&) = delete;

  Status start() {
    CAIRN_RETURN_IF_ERROR(start_environment());
    return start_adapter(*environment->get());
  }
  Status start_environment() {
    CAIRN_ASSIGN_OR_RETURN(environment, BerkeleyDbEnvironment::open(directory_, 1 << 20));
    counts = std::make_unique<BdbCounts>(*environment->get());
    return Status::ok();
  }
  Status start_adapter(DB_ENV& on) {
    rm.reset();
    CAIRN_ASSIGN_OR_RETURN(rm, BerkeleyDbResourceManager::open(on, tm, {.id = id}));
    return Status::ok();
  }
  void stop() {
    rm.reset();
    counts.reset();
    environment.reset();
  }
  Status add(const tm::Transaction& transaction, const std::string& item) {
    return rm->work(transaction, [&](DB_TXN* txn) { return counts->add(txn, item); });
  }

  tm::TransactionManager tm;
  const Uuid id = Uuid::generate();
  std::unique_ptr<BerkeleyDbEnvironment> environment;
  std::unique_ptr<BdbCounts> counts;
  std::unique_ptr<BerkeleyDbResourceManager> rm;

 private:
  std::string directory_;
  std::shared_ptr<log::Log> log_;
};

// A second resource manager that answers by hand: while it keeps silent, nothing is decided.
class BdbPuppet {
 public:
  explicit BdbPuppet(tm::TransactionManager& tm) {
    session_ = tm.create_resource_manager(Uuid::generate(), tm::RmKind::kDurable, "puppet").value();
    EXPECT_TRUE(session_.recover());
    EXPECT_EQ(next(), NotificationKind::kLastRecover);
  }
  void join(const tm::Transaction& transaction) {
    enlistment = session_.enlist(transaction, tm::kTwoPhase, 1).value();
  }
  NotificationKind next() { return session_.get_notification(std::chrono::seconds(20))->kind; }

  tm::Enlistment enlistment;

 private:
  tm::ResourceManager session_;
};

template <typename Condition>
bool bdb_eventually(const Condition& condition) {
  for (int i = 0; i < 4000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

class BerkeleyDbRmTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(node.start()); }
  void restart() {
    node.stop();
    const Status started = node.start();
    ASSERT_TRUE(started) << started.to_string();
  }
  tm::Transaction begin() { return node.tm.create_transaction().value(); }
  std::uint64_t read(const std::string& item) { return node.counts->committed(item).value(); }
  // The branch has promised, the puppet has not answered.
  tm::Transaction promise(const std::string& item) {
    tm::Transaction transaction = begin();
    EXPECT_TRUE(node.add(transaction, item));
    puppet.join(transaction);
    EXPECT_TRUE(transaction.commit_async());
    EXPECT_EQ(puppet.next(), NotificationKind::kPrepare);
    EXPECT_TRUE(bdb_eventually([&] { return is_anything_prepared(); }));
    return transaction;
  }
  bool is_anything_prepared() const {
    DB_ENV* const environment = node.environment->get();
    DB_TXN_STAT* all = nullptr;
    EXPECT_EQ(environment->txn_stat(environment, &all, 0), 0);
    bool found = false;
    for (u_int32_t i = 0; i < all->st_nactive; ++i) {
      found = found || all->st_txnarray[i].status == TXN_PREPARED;
    }
    std::free(all);
    return found;
  }
  void decide(const tm::Transaction& transaction) {
    ASSERT_TRUE(puppet.enlistment.prepare_complete());
    ASSERT_TRUE(transaction.wait(tm::WaitFor::kDecided, std::chrono::seconds(20)));
  }

  const TemporaryDirectory temporary{bdb_place()};
  BdbNode node{temporary.path() + "/db"};
  BdbPuppet puppet{node.tm};
};

TEST_F(BerkeleyDbRmTest, ACommitIsThereAfterARestart) {
  tm::Transaction transaction = begin();
  ASSERT_TRUE(node.add(transaction, "a"));
  EXPECT_EQ(node.counts->committed("a").code(), StatusCode::kLocked);
  ASSERT_TRUE(transaction.commit());
  restart();
  EXPECT_EQ(read("a"), 1U);
  EXPECT_THAT(node.rm->recovery().committed, IsEmpty());
}

TEST_F(BerkeleyDbRmTest, ReadingAloneLeavesBeforeTheDecision) {
  tm::Transaction transaction = begin();
  std::uint64_t count = 0;
  ASSERT_TRUE(
      node.rm->work(transaction, [&](DB_TXN* txn) { return node.counts->get(txn, "a", &count); }));
  puppet.join(transaction);
  ASSERT_TRUE(transaction.commit_async());
  EXPECT_EQ(puppet.next(), NotificationKind::kPrepare);
  EXPECT_TRUE(bdb_eventually([&] { return transaction.information()->enlistments.size() == 1; }));
  decide(transaction);
}

TEST_F(BerkeleyDbRmTest, APageInUseIsRefusedAtOnceAndTheBranchVotesNo) {
  tm::Transaction holder = begin();
  ASSERT_TRUE(node.add(holder, "a"));
  tm::Transaction other = begin();
  EXPECT_EQ(node.add(other, "a").code(), StatusCode::kLocked);
  EXPECT_EQ(node.add(other, "b").code(), StatusCode::kLocked) << "it can only be rolled back";
  EXPECT_EQ(other.commit().code(), StatusCode::kAlreadyAborted);
  EXPECT_TRUE(holder.commit());
  EXPECT_EQ(node.add(holder, "a").code(), StatusCode::kNotActive);
}

TEST_F(BerkeleyDbRmTest, APromiseWithoutDecisionIsRolledBackAfterARestart) {
  const Uuid unit = promise("a").id();
  node.rm.reset();
  ASSERT_TRUE(puppet.enlistment.rollback());
  restart();
  EXPECT_THAT(node.rm->recovery().aborted, ElementsAre(unit));
  EXPECT_EQ(read("a"), 0U);
}

TEST_F(BerkeleyDbRmTest, ADecisionIsKeptByTheNextAdapter) {
  tm::Transaction transaction = promise("a");
  node.rm.reset();
  decide(transaction);
  EXPECT_EQ(node.counts->committed("a").code(), StatusCode::kLocked) << "still promised";
  ASSERT_TRUE(node.start_adapter(*node.environment->get()));
  EXPECT_THAT(node.rm->recovery().committed, ElementsAre(transaction.id()));
  EXPECT_EQ(read("a"), 1U);
}

TEST_F(BerkeleyDbRmTest, ADecisionIsKeptByTheNextEnvironment) {
  tm::Transaction transaction = promise("a");
  node.stop();
  decide(transaction);
  ASSERT_TRUE(node.start_environment());
  EXPECT_EQ(node.counts->committed("a").code(), StatusCode::kLocked) << "locked by the recovery";
  ASSERT_TRUE(node.start_adapter(*node.environment->get()));
  EXPECT_THAT(node.rm->recovery().committed, ElementsAre(transaction.id()));
  EXPECT_EQ(read("a"), 1U);
}

// As if it had been committed, and the answer was lost.
TEST_F(BerkeleyDbRmTest, ACommitThatIsToldAgainIsAnsweredAgain) {
  tm::Transaction transaction = promise("a");
  node.rm.reset();
  decide(transaction);
  DB_PREPLIST found[2];
  long count = 0;
  DB_ENV* const environment = node.environment->get();
  ASSERT_EQ(environment->txn_recover(environment, found, 2, &count, DB_FIRST), 0);
  ASSERT_EQ(count, 1);
  ASSERT_EQ(found[0].txn->commit(found[0].txn, 0), 0);
  ASSERT_TRUE(node.start_adapter(*environment));
  EXPECT_THAT(node.rm->recovery().redelivered, ElementsAre(transaction.id()));
  EXPECT_EQ(read("a"), 1U);
}

TEST_F(BerkeleyDbRmTest, ADecidedBranchIsNotSoughtInAnotherEnvironment) {
  tm::Transaction transaction = promise("a");
  node.rm.reset();
  decide(transaction);
  const TemporaryDirectory elsewhere(bdb_place());
  const auto other = BerkeleyDbEnvironment::open(elsewhere.path() + "/db", 1 << 20);
  ASSERT_TRUE(other);
  const Status opened = node.start_adapter(*(*other)->get());
  EXPECT_EQ(opened.code(), StatusCode::kIdentityMismatch);
  EXPECT_THAT(opened.message(), HasSubstr(transaction.id().to_string()));
}

// A copy of the manager's log was renamed; what it promised before is not for it to touch.
TEST_F(BerkeleyDbRmTest, ADecidedBranchThatIsPreparedForAFormerIdentityIsNoCommit) {
  tm::Transaction transaction = promise("a");
  node.rm.reset();
  decide(transaction);
  DB_PREPLIST found[2];
  long count = 0;
  DB_ENV* const environment = node.environment->get();
  ASSERT_EQ(environment->txn_recover(environment, found, 2, &count, DB_FIRST), 0);
  ASSERT_EQ(count, 1);
  ASSERT_EQ(found[0].txn->abort(found[0].txn), 0);
  DB_TXN* txn = nullptr;
  ASSERT_EQ(environment->txn_begin(environment, nullptr, &txn, 0), 0);
  ASSERT_EQ(node.counts->add(txn, "a"), 0);
  const std::string former =
      BranchName{Uuid::generate(), node.id, transaction.id()}.to_string() + ":0123abcd";
  u_int8_t gid[DB_GID_SIZE] = {};
  std::memcpy(gid, former.data(), former.size());
  ASSERT_EQ(txn->prepare(txn, gid), 0);
  ASSERT_EQ(txn->discard(txn, 0), 0);
  const Status opened = node.start_adapter(*environment);
  EXPECT_EQ(opened.code(), StatusCode::kIdentityMismatch) << opened.to_string();
  EXPECT_THAT(opened.message(), HasSubstr(transaction.id().to_string()));
  EXPECT_TRUE(is_anything_prepared());
}

// The first use's end is told again, as a manager does that lost its record of it: what the next
// use has promised is not decided.
TEST_F(BerkeleyDbRmTest, ACommitThatIsToldAgainIsNotThatOfTheNextUseOfItsUnitOfWork) {
  tm::Transaction transaction = promise("a");
  node.rm.reset();
  decide(transaction);
  DB_PREPLIST found[2];
  long count = 0;
  DB_ENV* const environment = node.environment->get();
  ASSERT_EQ(environment->txn_recover(environment, found, 2, &count, DB_FIRST), 0);
  ASSERT_EQ(count, 1);
  ASSERT_EQ(found[0].txn->commit(found[0].txn, 0), 0);
  DB_TXN* txn = nullptr;
  ASSERT_EQ(environment->txn_begin(environment, nullptr, &txn, 0), 0);
  ASSERT_EQ(node.counts->add(txn, "b"), 0);
  const std::string next =
      BranchUse::of({node.tm.id(), node.id, transaction.id()}, Uuid::generate()).to_string();
  u_int8_t gid[DB_GID_SIZE] = {};
  std::memcpy(gid, next.data(), next.size());
  ASSERT_EQ(txn->prepare(txn, gid), 0);
  ASSERT_EQ(txn->discard(txn, 0), 0);
  ASSERT_TRUE(node.start_adapter(*environment));
  EXPECT_THAT(node.rm->recovery().redelivered, ElementsAre(transaction.id()));
  EXPECT_THAT(node.rm->recovery().aborted, ElementsAre(transaction.id()));
  EXPECT_EQ(read("a"), 1U);
  EXPECT_EQ(read("b"), 0U);
}

TEST_F(BerkeleyDbRmTest, AUnitOfWorkCanBeUsedAgainAtOnce) {
  const tm::TransactionOptions same{.unit_of_work = Uuid::generate()};
  for (std::uint64_t i = 0; i < 40; ++i) {
    tm::Transaction transaction = node.tm.create_transaction(same).value();
    const Status done = node.add(transaction, "a");
    ASSERT_TRUE(done) << i << ": " << done.to_string();
    ASSERT_TRUE(transaction.commit());
    EXPECT_EQ(read("a"), i + 1);
  }
  EXPECT_EQ(node.rm->work(begin(), {}).code(), StatusCode::kInvalidArgument);
}

// Of another manager, and of a program without one: let go of, locks and all, also across restarts.
TEST_F(BerkeleyDbRmTest, PromisesOfOthersAreLeftAlone) {
  const std::string theirs =
      BranchName{Uuid::generate(), node.id, Uuid::generate()}.to_string() + ":0123abcd";
  node.rm.reset();
  for (const std::string& name : {theirs, std::string("mine")}) {
    DB_TXN* txn = nullptr;
    DB_ENV* const environment = node.environment->get();
    ASSERT_EQ(environment->txn_begin(environment, nullptr, &txn, 0), 0);
    ASSERT_EQ(node.counts->add(txn, name.substr(0, 5)), 0);
    u_int8_t gid[DB_GID_SIZE] = {};
    std::memcpy(gid, name.data(), name.size());
    ASSERT_EQ(txn->prepare(txn, gid), 0);
    ASSERT_EQ(txn->discard(txn, 0), 0);
  }
  for (int round = 0; round < 3; ++round) {
    if (round == 1) {
      restart();
    } else {
      ASSERT_TRUE(node.start_adapter(*node.environment->get()));
    }
    EXPECT_THAT(node.rm->recovery().foreign, testing::UnorderedElementsAre(theirs, "mine"));
    EXPECT_THAT(node.rm->recovery().aborted, IsEmpty());
    EXPECT_EQ(node.counts->committed("mine").code(), StatusCode::kLocked) << round;
    EXPECT_EQ(node.counts->committed("cairn").code(), StatusCode::kLocked) << round;
    tm::Transaction transaction = begin();
    EXPECT_TRUE(node.add(transaction, "a"));
    EXPECT_TRUE(transaction.commit());
  }
}

TEST_F(BerkeleyDbRmTest, MorePromisesThanOneCallListsAreAllFound) {
  node.rm.reset();
  for (int i = 0; i < 40; ++i) {
    DB_TXN* txn = nullptr;
    DB_ENV* const environment = node.environment->get();
    ASSERT_EQ(environment->txn_begin(environment, nullptr, &txn, 0), 0);
    ASSERT_EQ(node.counts->add(txn, std::to_string(i)), 0);
    const std::string name =
        BranchName{node.tm.id(), node.id, Uuid::generate()}.to_string() + ":0123abcd";
    u_int8_t gid[DB_GID_SIZE] = {};
    std::memcpy(gid, name.data(), name.size());
    ASSERT_EQ(txn->prepare(txn, gid), 0);
    ASSERT_EQ(txn->discard(txn, 0), 0);
  }
  restart();
  EXPECT_THAT(node.rm->recovery().aborted, SizeIs(40));
  for (int i = 0; i < 40; ++i) EXPECT_EQ(read(std::to_string(i)), 0U);
}

// An environment that is not asked to flush at commits; what is promised and answered is flushed.
TEST_F(BerkeleyDbRmTest, PromisesAndCommitsAreFlushedWhateverTheEnvironmentIsSetTo) {
  DB_ENV* const environment = node.environment->get();
  ASSERT_EQ(environment->set_flags(environment, DB_TXN_NOSYNC, 1), 0);
  const auto is_flushed = [&] {
    DB_LOG_STAT* log = nullptr;
    EXPECT_EQ(environment->log_stat(environment, &log, 0), 0);
    const bool all =
        log->st_cur_file == log->st_disk_file && log->st_cur_offset == log->st_disk_offset;
    std::free(log);
    return all;
  };
  tm::Transaction alone = begin();
  ASSERT_TRUE(node.add(alone, "b"));
  EXPECT_FALSE(is_flushed()) << "work alone flushes nothing";
  EXPECT_TRUE(alone.commit());
  EXPECT_TRUE(is_flushed());
  tm::Transaction transaction = promise("a");
  EXPECT_TRUE(is_flushed());
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  ASSERT_EQ(puppet.next(), NotificationKind::kCommit);
  ASSERT_TRUE(puppet.enlistment.commit_complete());
  ASSERT_TRUE(transaction.wait(tm::WaitFor::kCompleted, std::chrono::seconds(20)));
  EXPECT_TRUE(is_flushed());
}

TEST_F(BerkeleyDbRmTest, AnEnvironmentHasOneOpenerAtATime) {
  EXPECT_EQ(BerkeleyDbEnvironment::open(temporary.path() + "/db").code(), StatusCode::kLocked);
  EXPECT_EQ(BerkeleyDbResourceManager::open(*node.environment->get(), node.tm, {}).code(),
            StatusCode::kInvalidArgument);
  EXPECT_FALSE(BerkeleyDbEnvironment::open(temporary.path() + "/no/such/place"));
}

}  // namespace
}  // namespace cairn::rm
