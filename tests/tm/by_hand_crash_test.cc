// The power goes at every I/O of what an administrator does: the act is done or not, never half,
// and done if it was acknowledged; whoever is back hears one outcome, and all of it ends.
#include <cairn/sim/crash_states.h>

#include "sim/test_budget.h"
#include "sim/test_counters.h"
#include "tm/durable_harness.h"

namespace cairn::tm {
namespace {

const Administrator kOperatorAtACrash{"me", "crash"};

class ByHandCrash : public DurableTm {
 protected:
  enum class Act { kCommit, kRollBack, kGiveUp, kRename };
  struct Point {
    std::string place;
    std::shared_ptr<sim::SimStorage> frozen;
    bool acknowledged = false;
  };

  // Transaction 1 is promised by resource manager 1 to its superior, 9; transaction 2 is committed,
  // and resource manager 2 is away.
  void prepare() {
    start_and_recover();
    manager_ = tm_.id();
    Rm one = make_rm(1);
    Rm two = make_rm(2);
    Rm above = make_rm(9);
    Transaction promised = begin({.unit_of_work = numbered_id(101)});
    Enlistment superior = *above.session().enlist(promised, kSuperior, 90, {.superior = true});
    Enlistment below = one.enlist(promised);
    EXPECT_OK(superior.superior_prepare());
    EXPECT_OK(below.prepare_complete());
    EXPECT_OK(log_->flush());
    Transaction decided = begin({.unit_of_work = numbered_id(102)});
    Enlistment lost = two.enlist(decided);
    EXPECT_OK(decided.commit_async());
    EXPECT_OK(lost.prepare_complete());
    EXPECT_OK(decided.wait(WaitFor::kDecided, kSoon));
  }
  Status act_on(Act act) {
    switch (act) {
      case Act::kCommit:
        return tm_.resolve(numbered_id(101), Outcome::kCommitted, kOperatorAtACrash);
      case Act::kRollBack:
        return tm_.resolve(numbered_id(101), Outcome::kAborted, kOperatorAtACrash);
      case Act::kGiveUp:
        return tm_.give_up(numbered_id(102), numbered_id(2), kOperatorAtACrash);
      case Act::kRename:
        break;
    }
    stop();  // the name is changed while the manager is not open
    open_log();
    TmOptions options = tm_options_;
    options.log = log_;
    return TransactionManager::rename(options, manager_).status();
  }
  // Every moment of the act, and the one after it.
  std::vector<Point> points_of(Act act) {
    std::vector<Point> points;
    bool acknowledged = false;
    const auto running = storage_;
    running->set_observer([&](const sim::IoEvent& event, const auto& frozen) {
      points.push_back(
          {std::string(io_kind_name(event.kind)) + " " + event.what, frozen, acknowledged});
    });
    EXPECT_OK(act_on(act));
    acknowledged = true;
    running->set_observer(nullptr);
    const auto after = running->clone();
    after->crash();
    points.push_back({"the end", after, true});
    stop();
    return points;
  }

  bool is_done(Act act) {
    if (act == Act::kRename) return tm_.id() != manager_;
    const auto transaction = tm_.open_transaction(numbered_id(act == Act::kGiveUp ? 102 : 101));
    EXPECT_OK(transaction);
    const TransactionInformation information = *transaction->information();
    const bool done = !information.acts.empty();
    if (act == Act::kGiveUp) {
      EXPECT_EQ(information.outcome, Outcome::kCommitted);
      EXPECT_EQ(information.completed, done);
    } else {
      EXPECT_EQ(information.outcome, !done                 ? Outcome::kUndetermined
                                     : act == Act::kCommit ? Outcome::kCommitted
                                                           : Outcome::kAborted);
    }
    return done;
  }
  // Boots what is left, looks, does the act if it was not done, and lets everyone come back.
  void check(Act act, bool acknowledged) {
    start_and_recover();
    const bool done = is_done(act);
    EXPECT_TRUE(done || !acknowledged) << "an acknowledged act is lost";
    if (!done) {
      EXPECT_OK(act_on(act));
      if (act == Act::kRename) {
        log_ = nullptr;
        start_and_recover();
      }
      EXPECT_TRUE(is_done(act));
    }
    Rm one = open_rm(1);
    EXPECT_OK(one.session().recover());
    Enlistment below = take_over(one, 1);
    const bool rolled_back = act == Act::kRollBack;
    const bool decided = act == Act::kCommit || rolled_back;
    EXPECT_EQ(one.hear(), std::string("LAST_RECOVER ") + (!decided      ? "INDOUBT"
                                                          : rolled_back ? "ROLLBACK"
                                                                        : "COMMIT"));
    Rm above = open_rm(9);
    EXPECT_OK(above.session().recover());
    EXPECT_EQ(above.hear(), "RECOVER_QUERY LAST_RECOVER");
    Enlistment superior = *above.session().open_enlistment(above.session().enlistments()->front());
    EXPECT_OK(superior.recover(90));
    if (act == Act::kCommit) {
      EXPECT_CODE(superior.superior_rollback(), kAlreadyCommitted);
    } else if (rolled_back) {
      EXPECT_CODE(superior.superior_commit(), kAlreadyAborted);
    }
    EXPECT_OK(rolled_back ? superior.superior_rollback() : superior.superior_commit());
    EXPECT_OK(log_->flush());
    EXPECT_OK(rolled_back ? below.rollback_complete() : below.commit_complete());
    EXPECT_EQ(above.hear(), rolled_back ? "ROLLBACK_COMPLETE" : "COMMIT_COMPLETE");
    Rm two = open_rm(2);
    EXPECT_OK(two.session().recover());
    Enlistment lost = take_over(two, 2);
    EXPECT_EQ(two.hear(), "LAST_RECOVER COMMIT");
    EXPECT_OK(lost.commit_complete());
    EXPECT_EQ(tm_.information()->transactions, 0u);
    stop();
  }
  void explore(Act act) {
    prepare();
    const std::vector<Point> points = points_of(act);
    EXPECT_GT(points.size(), 1u) << "it is forced";
    std::uint64_t images = 0;
    for (const Point& point : points) {
      const std::size_t pending = point.frozen->pending().size();
      for (const sim::CrashState& state : sim::crash_states(pending, {.at_most = 12}, images)) {
        SCOPED_TRACE(point.place + ", " + state.name);
        storage_ = point.frozen->after_crash(state.choice, state.seed);
        check(act, point.acknowledged);
        if (++images % 4 == 1) crash_in_recovery(act, point, state);
        if (HasFailure()) return;
      }
    }
    sim::TestCounters::get().add("crash states visited (acts by hand)", images);
  }
  // And again at every I/O of the recovery.
  void crash_in_recovery(Act act, const Point& point, const sim::CrashState& state) {
    std::vector<Point> points;
    storage_ = point.frozen->after_crash(state.choice, state.seed);
    const auto running = storage_;
    running->set_observer([&](const sim::IoEvent& event, const auto& frozen) {
      points.push_back({event.what, frozen, point.acknowledged});
    });
    start_and_recover();
    running->set_observer(nullptr);
    const bool done = is_done(act);
    stop();
    for (std::size_t i = 0; i < points.size() && !HasFailure(); ++i) {
      SCOPED_TRACE("in recovery, " + points[i].place);
      storage_ = points[i].frozen->after_crash(sim::survive_random(i), i);
      check(act, done);
    }
  }

  Uuid manager_;
};

TEST_F(ByHandCrash, CommitInTheSuperiorsPlace) { explore(Act::kCommit); }
TEST_F(ByHandCrash, RollbackInTheSuperiorsPlace) { explore(Act::kRollBack); }
TEST_F(ByHandCrash, GivingUpALostResourceManager) { explore(Act::kGiveUp); }
TEST_F(ByHandCrash, ChangingTheName) { explore(Act::kRename); }

}  // namespace
}  // namespace cairn::tm
