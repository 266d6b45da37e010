// Forced writes per transaction, counted, for each way in which they are saved. docs/forces.md is
// made from what is found here, and compared with it; written anew when CAIRN_REGENERATE is set.
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tm/durable_harness.h"

namespace cairn::tm {
namespace {

// Where resource managers keep what they promised and committed.
enum class Keeping {
  kNothing,      // they only answer
  kForced,       // logs of their own; promise and commit are forced
  kHardened,     // the same; the commit is not forced, and hardened later
  kManagersLog,  // streams of the manager's log; nothing is forced for them
};

class Forces : public DurableTm {
 protected:
  void SetUp() override {
    start_and_recover();
    for (std::uint8_t i = 0; i < kMost; ++i) {
      rms_.push_back(make_rm(static_cast<std::uint8_t>(i + 1)));
      log::OpenOptions options;
      options.storage = storage_;
      options.background = log::Background::kManual;
      auto opened = log::Log::open_or_create("/rm" + std::to_string(i), create_options_, options);
      ASSERT_OK(opened);
      logs_.push_back(std::move(*opened));
      own_.push_back(*logs_.back()->create_stream("rm"));
      covered_.push_back(*log_->create_stream("rm" + std::to_string(i)));
    }
  }

  // At the manager, and at the resource managers.
  struct Count {
    std::uint64_t manager = 0;
    std::uint64_t resource_managers = 0;
  };
  template <typename Work>
  Count count(Work work) {
    const Count before = all();
    work();
    const Count after = all();
    return {after.manager - before.manager, after.resource_managers - before.resource_managers};
  }

  void promise(std::size_t i, Enlistment& enlistment, Keeping keeping) {
    switch (keeping) {
      case Keeping::kNothing:
        EXPECT_OK(enlistment.prepare_complete());
        break;
      case Keeping::kForced:
      case Keeping::kHardened:
        force(own_[i]);
        EXPECT_OK(enlistment.prepare_complete());
        break;
      case Keeping::kManagersLog:
        EXPECT_OK(enlistment.prepare_complete_covered(*covered_[i].append(bytes_of("p"))));
        break;
    }
  }
  void commit(std::size_t i, Enlistment& enlistment, Keeping keeping) {
    switch (keeping) {
      case Keeping::kNothing:
        EXPECT_OK(enlistment.commit_complete());
        break;
      case Keeping::kForced:
        force(own_[i]);
        EXPECT_OK(enlistment.commit_complete());
        break;
      case Keeping::kHardened:
        EXPECT_OK(own_[i].append(bytes_of("c")));
        EXPECT_OK(enlistment.commit_complete(Hardened::kNo));
        break;
      case Keeping::kManagersLog:
        EXPECT_OK(covered_[i].append(bytes_of("c")));
        EXPECT_OK(enlistment.commit_complete(Hardened::kNo));
        break;
    }
  }
  // Two phases over so many resource managers.
  void two_phases(std::size_t n, Keeping keeping) {
    Transaction transaction = begin();
    std::vector<Enlistment> enlistments;
    for (std::size_t i = 0; i < n; ++i) enlistments.push_back(rms_[i].enlist(transaction));
    EXPECT_OK(transaction.commit_async());
    for (std::size_t i = 0; i < n; ++i) promise(i, enlistments[i], keeping);
    EXPECT_OK(transaction.wait(WaitFor::kDecided, kSoon));
    for (std::size_t i = 0; i < n; ++i) commit(i, enlistments[i], keeping);
    EXPECT_OK(transaction.wait(WaitFor::kCompleted, kSoon));
  }
  void read_only(std::size_t n) {
    Transaction transaction = begin();
    std::vector<Enlistment> enlistments;
    for (std::size_t i = 0; i < n; ++i) enlistments.push_back(rms_[i].enlist(transaction));
    EXPECT_OK(transaction.commit_async());
    for (Enlistment& enlistment : enlistments) EXPECT_OK(enlistment.read_only());
    EXPECT_OK(transaction.wait(WaitFor::kCompleted, kSoon));
  }
  void rolled_back(std::size_t n) {
    Transaction transaction = begin();
    std::vector<Enlistment> enlistments;
    for (std::size_t i = 0; i < n; ++i) enlistments.push_back(rms_[i].enlist(transaction));
    EXPECT_OK(transaction.commit_async());
    for (std::size_t i = 1; i < n; ++i) EXPECT_OK(enlistments[i].prepare_complete());
    EXPECT_OK(enlistments[0].rollback());
    EXPECT_CODE(transaction.wait(WaitFor::kDecided, kSoon), kAlreadyAborted);
    for (Enlistment& enlistment : enlistments) EXPECT_OK(enlistment.rollback_complete());
  }
  // One updates; the others leave while it works, or when they are asked to flush.
  void one_left(std::size_t n) {
    rms_[0].hear();  // what it was told before
    Transaction transaction = begin();
    Enlistment updates = rms_[0].enlist(transaction, kTwoOrSinglePhase);
    std::vector<Enlistment> readers;
    for (std::size_t i = 1; i < n; ++i) {
      readers.push_back(rms_[i].enlist(transaction, i % 2 == 0 ? kTwoOrSinglePhase : kAllPhases));
      if (i % 2 == 0) {
        EXPECT_OK(readers.back().read_only());
      }
    }
    EXPECT_OK(transaction.commit_async());
    for (std::size_t i = 1; i < n; i += 2) EXPECT_OK(readers[i - 1].read_only());
    EXPECT_EQ(rms_[0].hear(), "SINGLE_PHASE_COMMIT");
    force(own_[0]);
    EXPECT_OK(updates.commit_complete());
    EXPECT_OK(transaction.wait(WaitFor::kCompleted, kSoon));
  }
  // One votes last, and updates; of the others, so many update too, and the rest only read.
  void one_votes_last(std::size_t n, std::size_t others_that_update) {
    rms_[0].hear();
    Transaction transaction = begin();
    Enlistment last =
        *rms_[0].session().enlist(transaction, kTwoOrSinglePhase, 1, {.votes_last = true});
    std::vector<Enlistment> others;
    for (std::size_t i = 1; i < n; ++i) others.push_back(rms_[i].enlist(transaction));
    EXPECT_OK(transaction.commit_async());
    for (std::size_t i = 1; i < n; ++i) {
      if (i <= others_that_update) {
        promise(i, others[i - 1], Keeping::kForced);
      } else {
        EXPECT_OK(others[i - 1].read_only());
      }
    }
    EXPECT_EQ(rms_[0].hear(), others_that_update > 0 ? "PREPARE" : "SINGLE_PHASE_COMMIT");
    if (others_that_update > 0) {
      promise(0, last, Keeping::kForced);
      EXPECT_OK(transaction.wait(WaitFor::kDecided, kSoon));
      for (std::size_t i = 1; i <= others_that_update; ++i) {
        commit(i, others[i - 1], Keeping::kForced);
      }
    }
    commit(0, last, Keeping::kForced);
    EXPECT_OK(transaction.wait(WaitFor::kCompleted, kSoon));
  }
  // The superior's own log is not counted: it is another manager's.
  void below_a_superior(std::size_t n) {
    rms_[0].hear();
    Transaction transaction = begin();
    Enlistment superior = *rms_[0].session().enlist(transaction, kSuperior, 1, {.superior = true});
    std::vector<Enlistment> enlistments;
    for (std::size_t i = 1; i <= n; ++i) enlistments.push_back(rms_[i].enlist(transaction));
    EXPECT_OK(superior.superior_prepare());
    for (std::size_t i = 0; i < n; ++i) promise(i, enlistments[i], Keeping::kForced);
    EXPECT_OK(log_->flush());
    EXPECT_OK(tm_.run_background());
    EXPECT_OK(superior.superior_commit());
    EXPECT_OK(transaction.wait(WaitFor::kDecided, kSoon));
    for (std::size_t i = 0; i < n; ++i) commit(i, enlistments[i], Keeping::kForced);
    EXPECT_EQ(rms_[0].hear(), "PREPARE_COMPLETE COMMIT_COMPLETE");
  }

  static constexpr std::size_t kMost = 5;
  std::vector<Rm> rms_;

 private:
  static void force(log::Stream& stream) {
    EXPECT_OK(stream.append(bytes_of("f"), {.durability = log::Durability::kDurable}));
  }
  Count all() const {
    Count found{forced_writes(), 0};
    for (const auto& log : logs_) {
      const log::LogStatistics statistics = log->statistics();
      found.resource_managers += statistics.durable_writes + statistics.syncs;
    }
    return found;
  }

  std::vector<std::unique_ptr<log::Log>> logs_;
  std::vector<log::Stream> own_, covered_;
};

TEST_F(Forces, AreAsFewAsTheTableSays) {
  std::string table =
      "# Forced writes per transaction\n\n"
      "Counted by `tests/tm/forces_test.cc`, which makes this file; do not edit. To make it anew:\n"
      "`CAIRN_REGENERATE=1 cairn_test_tm --gtest_filter='Forces.*'`.\n\n"
      "One transaction at a time; those of several transactions at once share forced writes. N is "
      "the number of resource managers.\n\n"
      "| what | N | at the manager | at the resource managers | together |\n"
      "|---|---|---|---|---|\n";
  const auto row = [&](const std::string& what, std::size_t n, const Count& found) {
    table += "| " + what + " | " + std::to_string(n) + " | " + std::to_string(found.manager) +
             " | " + std::to_string(found.resource_managers) + " | " +
             std::to_string(found.manager + found.resource_managers) + " |\n";
  };
  const auto expect = [&](const std::string& what, std::size_t n, const Count& found,
                          std::uint64_t manager, std::uint64_t resource_managers) {
    EXPECT_EQ(found.manager, manager) << what << ", " << n;
    EXPECT_EQ(found.resource_managers, resource_managers) << what << ", " << n;
    row(what, n, found);
  };
  for (const std::size_t n : {1u, 2u, 4u}) {
    expect("all answer ReadOnly", n, count([&] { read_only(n); }), 0, 0);
    expect("rolled back", n, count([&] { rolled_back(n); }), 0, 0);
    expect("one updates and decides alone, the others answered ReadOnly before the votes", n,
           count([&] { one_left(n); }), 0, 1);
    expect("one updates and votes last, the others answer ReadOnly to PREPARE", n,
           count([&] { one_votes_last(n, 0); }), 0, 1);
    if (n > 1) {
      expect("one votes last, and another one updates too", n, count([&] { one_votes_last(n, 1); }),
             1, 4);
    }
    expect("nobody logs anything", n, count([&] { two_phases(n, Keeping::kNothing); }), 1, 0);
    expect("logs of their own, promise and commit forced", n,
           count([&] { two_phases(n, Keeping::kForced); }), 1, 2 * n);
    expect("logs of their own, commit hardened later", n,
           count([&] { two_phases(n, Keeping::kHardened); }), 1, n);
    expect("records in the manager's log, commit hardened later", n,
           count([&] { two_phases(n, Keeping::kManagersLog); }), 1, 0);
    expect("below a superior (a prepare record too)", n, count([&] { below_a_superior(n); }), 2,
           2 * n);
  }
  if (std::getenv("CAIRN_REGENERATE") != nullptr) std::ofstream(CAIRN_FORCES_DOCUMENT) << table;
  std::ifstream file(CAIRN_FORCES_DOCUMENT);
  ASSERT_TRUE(file.is_open()) << CAIRN_FORCES_DOCUMENT;
  std::stringstream found;
  found << file.rdbuf();
  EXPECT_EQ(found.str(), table) << "run this test with CAIRN_REGENERATE=1 and look at what changed";
}

// While the first one's block is on its way, the decisions behind it gather in the next.
TEST_F(Forces, OfDecisionsThatComeTogetherAreFew) {
  const Count found = count([&] {
    std::vector<Work> all;
    for (int i = 0; i < 16; ++i) all.push_back(submit({&rms_[0], &rms_[1]}));
    for (Work& work : all) EXPECT_OK(work.transaction.wait(WaitFor::kDecided, kSoon));
  });
  EXPECT_LE(found.manager, 4u) << "sixteen decisions";
}

}  // namespace
}  // namespace cairn::tm
