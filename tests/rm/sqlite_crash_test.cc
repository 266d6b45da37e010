// SQLite as the last resource, after crashes and failures: its marker tells what became of a
// commit; no moment loses the outcome.
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rm/sqlite_node.h"

namespace cairn::rm {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using tm::NotificationKind;

// ---- Markers

TEST_F(SqliteRmTest, MarkersDoNotGrow) {
  for (int i = 0; i < 5; ++i) {
    tm::Transaction transaction = node.begin();
    ASSERT_TRUE(node.put(transaction, std::to_string(i)));
    ASSERT_TRUE(transaction.commit());
    EXPECT_EQ(markers(), "1");
  }
  node.rm.reset();
  EXPECT_EQ(markers(), "0");
}

TEST_F(SqliteRmTest, MarkersOfACrashAreClearedOnceTheyAreForgotten) {
  tm::Transaction transaction = node.begin();
  ASSERT_TRUE(node.put(transaction, "a"));
  ASSERT_TRUE(transaction.commit());
  sql("INSERT INTO cairn_commits VALUES ('of another')");
  node.crash();
  puppet.stop();
  EXPECT_EQ(markers(), "2");
  ASSERT_TRUE(node.start_manager());
  ASSERT_TRUE(node.start_adapter());
  node.rm.reset();
  EXPECT_EQ(markers(), "1");
  EXPECT_EQ(sql("SELECT branch FROM cairn_commits"), "of another");
}

// A unit of work that is used again is not decided by what it was.
TEST_F(SqliteRmTest, AMarkerOfAnEarlierUseDecidesNothing) {
  const tm::TransactionOptions same{.unit_of_work = Uuid::generate()};
  {
    tm::Transaction first = node.tm.create_transaction(same).value();
    ASSERT_TRUE(node.put(first, "a"));
    ASSERT_TRUE(first.commit());
  }
  EXPECT_EQ(markers(), "1");
  tm::Transaction second = node.tm.create_transaction(same).value();
  ASSERT_TRUE(node.put(second, "b"));
  puppet.join(second);
  node.gate->arm(Gate::At::kBeforeCommit);
  ASSERT_TRUE(second.commit_async());
  ASSERT_EQ(puppet.next(), NotificationKind::kPrepare);
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  node.gate->wait_held();
  node.crash();
  puppet.stop();
  ASSERT_TRUE(node.start_manager());
  ASSERT_TRUE(node.start_adapter());
  EXPECT_THAT(node.rm->recovery().aborted, ElementsAre(same.unit_of_work));
  EXPECT_EQ(count("b"), "0");
}

// ---- Every step, and who is gone then

TEST_F(SqliteRmTest, OthersWaitInDoubtUntilTheMarkerWasLookedFor) {
  tm::Transaction transaction = begin_both("a");
  node.gate->arm(Gate::At::kAfterCommit);
  ASSERT_TRUE(transaction.commit_async());
  ASSERT_EQ(puppet.next(), NotificationKind::kPrepare);
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  node.gate->wait_held();
  node.crash();
  puppet.stop();
  ASSERT_TRUE(node.start_manager());
  puppet.start(node.tm);
  EXPECT_EQ(puppet.next(), NotificationKind::kInDoubt);
  ASSERT_TRUE(node.start_adapter());
  EXPECT_THAT(node.rm->recovery().committed, ElementsAre(transaction.id()));
  EXPECT_EQ(puppet.next(), NotificationKind::kCommit);
  ASSERT_TRUE(puppet.enlistment.commit_complete());
  EXPECT_TRUE(ends());
}

// An earlier life that was only slow, and commits after the manager has a new session.
TEST_F(SqliteRmTest, TheMarkerIsLookedForBehindAllThatBeganBefore) {
  tm::Transaction transaction = begin_both("a");
  node.gate->arm(Gate::At::kBeforeCommit);
  ASSERT_TRUE(transaction.commit_async());
  ASSERT_EQ(puppet.next(), NotificationKind::kPrepare);
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  node.gate->wait_held();
  const auto slow = std::move(node.rm);
  const auto slow_gate = node.gate;
  Status opened;
  std::thread next([&] { opened = node.start_adapter(); });
  // Its session is over once the new one has begun.
  EXPECT_TRUE(eventually(
      [&] { return transaction.information()->state == tm::TransactionState::kInDoubt; }));
  slow_gate->let_go();
  next.join();
  ASSERT_TRUE(opened) << opened.to_string();
  EXPECT_THAT(node.rm->recovery().committed, ElementsAre(transaction.id()));
  EXPECT_TRUE(ends());
  EXPECT_TRUE(puppet.has_committed);
  EXPECT_EQ(count("a"), "1");
}

// ---- A commit whose end SQLite cannot tell

// SQLite's own files, of which what belongs to a commit can fail: as copies of the real ones, the
// default for all connections while it lives.
class FaultyFiles {
 public:
  FaultyFiles() : real_(sqlite3_vfs_find(nullptr)), faulty_(*real_) {
    self_ = this;
    faulty_.zName = "cairn-faulty";
    // The journal goes, and nobody knows whether its name does.
    faulty_.xDelete = [](sqlite3_vfs*, const char* path, int sync) {
      const int done = self_->real_->xDelete(self_->real_, path, sync);
      return self_->takes(self_->deletes_fail_) ? SQLITE_IOERR_DIR_FSYNC : done;
    };
    faulty_.xOpen = [](sqlite3_vfs*, const char* path, sqlite3_file* file, int flags, int* out) {
      const int done = self_->real_->xOpen(self_->real_, path, file, flags, out);
      if (done != SQLITE_OK || (flags & SQLITE_OPEN_WAL) == 0) return done;
      self_->log_methods_ = *file->pMethods;
      self_->real_sync_ = file->pMethods->xSync;
      self_->log_methods_.xSync = [](sqlite3_file* log, int how) {
        return self_->takes(self_->log_syncs_fail_) ? SQLITE_IOERR_FSYNC
                                                    : self_->real_sync_(log, how);
      };
      file->pMethods = &self_->log_methods_;
      return done;
    };
    sqlite3_vfs_register(&faulty_, 1);
  }
  ~FaultyFiles() {
    sqlite3_vfs_unregister(&faulty_);
    sqlite3_vfs_register(real_, 1);
  }
  FaultyFiles(const FaultyFiles&) = delete;
  FaultyFiles& operator=(const FaultyFiles&) = delete;

  // The next one.
  void fail_delete() { deletes_fail_ = true; }
  void fail_log_sync() { log_syncs_fail_ = true; }

 private:
  bool takes(std::atomic<bool>& fault) const { return fault.exchange(false); }

  static inline FaultyFiles* self_ = nullptr;
  sqlite3_vfs* const real_;
  sqlite3_vfs faulty_;
  sqlite3_io_methods log_methods_{};
  int (*real_sync_)(sqlite3_file*, int) = nullptr;
  std::atomic<bool> deletes_fail_ = false;
  std::atomic<bool> log_syncs_fail_ = false;
};

class SqliteFaultTest : public SqliteRmTest {
 protected:
  FaultyFiles files;
  // What the transaction came to in SQLite and elsewhere.
  void expect_consistent(const std::string& item) {
    EXPECT_TRUE(ends());
    EXPECT_EQ(count(item), puppet.has_committed ? "1" : "0");
  }
  // What a power cut now leaves of the database, at the worst: all that was written, and nothing
  // of what is in memory alone.
  std::string count_after_power_cut(const std::string& item) {
    const TemporaryDirectory copy;
    for (const char* const file : {"", "-wal"}) {
      std::filesystem::copy_file(node.options.path + file, (copy / "data.db") + file);
    }
    const std::string path = std::exchange(node.options.path, copy / "data.db");
    std::string found = count(item);
    node.options.path = path;
    return found;
  }
};

// The journal is gone, so that it is committed; SQLite says that it has rolled back.
TEST_F(SqliteFaultTest, ACommitThatFailedBehindItsPointOfNoReturnIsACommit) {
  tm::Transaction transaction = begin_both("a");
  ASSERT_TRUE(transaction.commit_async());
  ASSERT_EQ(puppet.next(), NotificationKind::kPrepare);
  files.fail_delete();
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  expect_consistent("a");
  EXPECT_TRUE(puppet.has_committed);
}

// Its record is in the write-ahead log, and nobody knows whether that is durable. Whatever is
// decided must be what a recovery of SQLite comes to, whenever that is.
TEST_F(SqliteFaultTest, ACommitThatMayTurnUpAfterAPowerCutIsSettledBeforeItIsAnswered) {
  ASSERT_EQ(sql("PRAGMA journal_mode = wal"), "wal");
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open(node.options.path.c_str(), &raw), SQLITE_OK);
  const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> reader(raw, &sqlite3_close);
  ASSERT_TRUE(execute(raw, "SELECT * FROM items"));  // keeps the write-ahead log
  sql("INSERT INTO items VALUES ('before')");        // its header is there
  tm::Transaction transaction = begin_both("a");
  ASSERT_TRUE(transaction.commit_async());
  ASSERT_EQ(puppet.next(), NotificationKind::kPrepare);
  files.fail_log_sync();
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  expect_consistent("a");
  EXPECT_EQ(count_after_power_cut("a"), puppet.has_committed ? "1" : "0");
}

// ---- A manager with a new identity

// In a copy of all stores, the marker still says what became of the commit.
TEST_F(SqliteRmTest, ARenamedManagerFindsTheMarkerOfItsFormerIdentity) {
  tm::Transaction transaction = begin_both("a");
  node.gate->arm(Gate::At::kAfterCommit);
  ASSERT_TRUE(transaction.commit_async());
  ASSERT_EQ(puppet.next(), NotificationKind::kPrepare);
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  node.gate->wait_held();
  node.crash();
  puppet.stop();
  ASSERT_TRUE(node.rename_manager());
  ASSERT_TRUE(node.start_manager());
  puppet.start(node.tm);
  ASSERT_TRUE(node.start_adapter());
  EXPECT_TRUE(ends());
  EXPECT_TRUE(puppet.has_committed);
  EXPECT_EQ(count("a"), "1");
}

enum class Victim { kAdapter, kManager };

struct Moment {
  const char* what;
  Gate::At gate;
  bool votes;    // the puppet has voted
  bool commits;  // its process reaches the commit
  const char* outcome;
};
constexpr Moment kMoments[] = {
    {"work done", Gate::At::kNowhere, false, false, "rolled back"},
    {"others asked", Gate::At::kNowhere, false, true, "rolled back"},
    {"others promised", Gate::At::kBeforeCommit, true, true, "rolled back"},
    {"committed here", Gate::At::kAfterCommit, true, true, "committed"},
    {"others told", Gate::At::kNowhere, true, true, "committed"},
};

class LastResourceCrashTest : public SqliteRmTest {
 protected:
  void reach(const Moment& moment, const std::string& item) {
    tm::Transaction transaction = begin_both(item);
    if (!moment.commits) {
      held_ = transaction;
      return;
    }
    node.gate->arm(moment.gate);
    EXPECT_TRUE(transaction.commit_async());
    EXPECT_EQ(puppet.next(), NotificationKind::kPrepare);
    if (!moment.votes) return;
    EXPECT_TRUE(puppet.enlistment.prepare_complete());
    if (moment.gate == Gate::At::kNowhere) {
      EXPECT_EQ(puppet.next(), NotificationKind::kCommit);
    } else {
      node.gate->wait_held();
    }
  }
  void strike(Victim victim) {
    if (victim == Victim::kAdapter) {
      node.end_adapter();
    } else {
      node.crash();
      puppet.stop();
      held_ = {};
      ASSERT_TRUE(node.start_manager());
      puppet.start(node.tm);
    }
    const Status opened = node.start_adapter();
    ASSERT_TRUE(opened) << opened.to_string();
  }
  tm::Transaction held_;
};

TEST_F(LastResourceCrashTest, EveryStepAndEveryVictimEndConsistently) {
  std::string table = "[ crashes  ] behind            victim    outcome       consistent\n";
  for (const Moment& moment : kMoments) {
    for (const Victim victim : {Victim::kAdapter, Victim::kManager}) {
      const char* const name = victim == Victim::kAdapter ? "adapter" : "manager";
      SCOPED_TRACE(std::string(moment.what) + ", " + name);
      const std::string item = std::string(moment.what) + name;
      puppet.has_committed = false;
      reach(moment, item);
      strike(victim);
      held_ = {};
      // COMMIT was told already where only the adapter died.
      const bool was_told = std::string(moment.what) == "others told";
      if (was_told && victim == Victim::kAdapter) {
        EXPECT_TRUE(puppet.enlistment.commit_complete());
        puppet.has_committed = true;
      }
      EXPECT_TRUE(ends());
      const std::string outcome = puppet.has_committed ? "committed" : "rolled back";
      EXPECT_EQ(outcome, moment.outcome);
      EXPECT_EQ(count(item), puppet.has_committed ? "1" : "0");
      char row[200];
      std::snprintf(row, sizeof row, "[ crashes  ] %-17s %-9s %-13s %s\n", moment.what, name,
                    outcome.c_str(), HasFailure() ? "NO" : "yes");
      table += row;
    }
  }
  std::printf("%s", table.c_str());
  node.end_adapter();
  ASSERT_TRUE(node.start_adapter());
  node.rm.reset();
  EXPECT_EQ(markers(), "0");
}

}  // namespace
}  // namespace cairn::rm
