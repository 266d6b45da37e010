// Whatever is done in whatever order: once everyone is back and has answered, nothing is left. No
// transaction, enlistment or pin, and of the log's space nothing is held (T4, T5). And all that
// heard of one transaction heard the same (T1). Identities are made anew in each run, so a seed
// repeats the steps, and not the order in which maps name the objects.
#include <algorithm>
#include <map>

#include <cairn/sim/random.h>

#include "sim/test_budget.h"
#include "tm/durable_harness.h"

namespace cairn::tm {
namespace {

constexpr std::uint8_t kMembers = 3;   // resource managers 1 to 3
constexpr std::uint8_t kFleeting = 4;  // a volatile one
constexpr std::uint8_t kAbove = 5;     // the superior's
const Administrator kOperator{"me", "random"};

class RandomWork : public DurableTm {
 protected:
  struct Session {
    ResourceManager rm;
    std::map<Uuid, Enlistment> enlistments;
  };

  bool chance(std::uint64_t percent) { return random_.below(100) < percent; }

  void boot() {
    start_and_recover();
    for (std::uint8_t number = 1; number <= kAbove; ++number) {
      if (chance(80)) begin_session(number);
    }
  }
  void begin_session(std::uint8_t number) {
    sessions_.erase(number);
    const RmKind kind = number == kFleeting ? RmKind::kVolatile : RmKind::kDurable;
    auto rm = tm_.create_resource_manager(numbered_id(number), kind);
    if (rm.code() == StatusCode::kNameCollision) {
      rm = tm_.open_resource_manager(numbered_id(number));
    }
    ASSERT_OK(rm);
    if (kind == RmKind::kDurable) {
      EXPECT_OK(rm->recover());
    }
    sessions_[number] = {std::move(*rm), {}};
  }
  void power_cut() {
    forget_handles();
    sessions_.clear();
    crash(sim::survive_random(random_.next()));
    boot();
  }
  void forget_handles() { transactions_.clear(); }

  void run(std::uint64_t seeds) {
    for (std::uint64_t seed = 1; seed <= sim::budgeted(seeds) && !HasFailure(); ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      random_ = sim::Random(seed);
      outcomes_.clear();
      tm_options_.checkpoint_bytes = 4096;
      tm_options_.carry_forward_bytes = 4096 + random_.below(8192);
      boot();
      for (int i = 0; i < 150 && !HasFailure(); ++i) step();
      if (fills_up_) make_room();
      settle();
      EXPECT_EQ(left(), "");
      EXPECT_OK(tm_.checkpoint());
      sessions_.clear();
      EXPECT_EQ(tm_.information()->resource_managers, 0u);
      EXPECT_OK(tm_.close());
      stop();
      storage_ = std::make_shared<sim::SimStorage>();
    }
  }

  // --- steps ---
  void begin_one() {
    TransactionOptions options;
    if (chance(30)) options.timeout = std::chrono::seconds(random_.below(20));
    Transaction transaction = begin(options);
    const bool owned = chance(50) && sessions_.contains(kAbove);
    for (auto& [number, session] : sessions_) {
      if (number == kAbove || !chance(60)) continue;
      for (std::uint64_t i = 0; i < 1 + random_.below(2); ++i) join(transaction, number, false);
    }
    if (owned) join(transaction, kAbove, true);
    transactions_.push_back(std::move(transaction));
  }
  void join(const Transaction& transaction, std::uint8_t number, bool superior) {
    static const NotificationMask kMasks[] = {
        kTwoPhase,
        kAllPhases,
        kTwoOrSinglePhase,
        kFlushOnly,
        kListen,
        kTwoOrSinglePhase | NotificationKind::kPrePrepare | NotificationKind::kCommitFinalize};
    Session& session = sessions_[number];
    const NotificationMask mask = superior ? kSuperior : kMasks[random_.below(6)];
    const bool can_decide = (mask & bit(NotificationKind::kSinglePhaseCommit)) != 0;
    auto made = session.rm.enlist(transaction, mask, 1,
                                  {.superior = superior, .votes_last = can_decide && chance(50)});
    ASSERT_OK(made);
    if (number != kFleeting && chance(50)) {
      ASSERT_OK(made->set_recovery_information(std::vector<std::byte>(random_.below(500))));
    }
    session.enlistments.emplace(made->id(), *made);
  }
  Transaction* any_transaction() {
    return transactions_.empty() ? nullptr : &transactions_[random_.below(transactions_.size())];
  }

  // Hears one notification and does as it says, or something else that is allowed then.
  bool hear_one(std::uint8_t number, bool faithful) {
    Session& session = sessions_.at(number);
    auto next = session.rm.try_get_notification();
    if (!next || !*next) return false;
    const Notification told = **next;
    note(told);
    if (told.kind == NotificationKind::kRecover || told.kind == NotificationKind::kRecoverQuery) {
      auto opened = session.rm.open_enlistment(told.enlistment);
      if (!opened) return true;  // it ended meanwhile
      if (!faithful && chance(10)) return true;
      EXPECT_OK(opened->recover(1));
      session.enlistments.insert_or_assign(told.enlistment, *opened);
      if (faithful && told.kind == NotificationKind::kRecoverQuery) end_as_superior(*opened);
      return true;
    }
    const auto found = session.enlistments.find(told.enlistment);
    if (found == session.enlistments.end()) return true;
    if (!faithful && chance(15)) return true;  // not answered in this session
    answer(told, found->second, faithful);
    return true;
  }
  void answer(const Notification& told, Enlistment& enlistment, bool faithful) {
    switch (told.kind) {
      case NotificationKind::kPrePrepare:
        if (chance(10)) return void(enlistment.read_only());
        return void(enlistment.pre_prepare_complete());
      case NotificationKind::kPrepare:
        if (chance(10)) return void(enlistment.read_only());
        if (chance(10)) return void(enlistment.rollback());
        if (enlistment.information()->durable && chance(50)) {
          return void(enlistment.prepare_complete(std::vector<std::byte>(random_.below(900))));
        }
        return void(enlistment.prepare_complete());
      case NotificationKind::kSinglePhaseCommit:
        if (chance(40)) return void(enlistment.single_phase_reject());
        if (chance(20)) return void(enlistment.rollback_complete());
        if (chance(20)) return void(enlistment.rollback());
        return void(enlistment.commit_complete());
      case NotificationKind::kCommit:
        if (!faithful && chance(40)) return void(enlistment.commit_complete(Hardened::kNo));
        return void(enlistment.commit_complete());
      case NotificationKind::kRollback:
        return void(enlistment.rollback_complete());
      case NotificationKind::kPrePrepareComplete:
        return void(enlistment.superior_prepare());
      case NotificationKind::kPrepareComplete:
      case NotificationKind::kRequestOutcome:
      case NotificationKind::kCommitRequest:
        return void(chance(60) ? enlistment.superior_commit() : enlistment.superior_rollback());
      default:
        return;
    }
  }
  void end_as_superior(Enlistment& superior) {
    const bool commits = chance(50);
    const Status ended = commits ? superior.superior_commit() : superior.superior_rollback();
    if (ended.code() == StatusCode::kAlreadyAborted || ended.code() == StatusCode::kLogFull) {
      EXPECT_OK(superior.superior_rollback());
    } else if (ended.code() == StatusCode::kAlreadyCommitted) {
      EXPECT_OK(superior.superior_commit());
    } else {
      EXPECT_OK(ended);
    }
  }
  void any_verb() {
    if (sessions_.empty()) return;
    auto& session =
        std::next(sessions_.begin(), static_cast<long>(random_.below(sessions_.size())))->second;
    if (session.enlistments.empty()) return;
    auto& enlistment = std::next(session.enlistments.begin(),
                                 static_cast<long>(random_.below(session.enlistments.size())))
                           ->second;
    switch (random_.below(11)) {
      case 0:
        return void(enlistment.superior_pre_prepare());
      case 1:
        return void(enlistment.superior_prepare());
      case 2:
        return void(enlistment.superior_commit());
      case 3:
        return void(enlistment.superior_rollback());
      case 4:
        return void(enlistment.request_outcome());
      case 5:
        return void(enlistment.rollback());
      case 6:
        return void(enlistment.read_only());
      case 7:
        return void(enlistment.hardened());
      case 8:
        return void(session.rm.hardened());
      default:
        session.enlistments.erase(enlistment.id());  // drops a reference
    }
  }
  void step() {
    Transaction* const transaction = any_transaction();
    const auto number = static_cast<std::uint8_t>(1 + random_.below(kAbove));
    if (fills_up_ && chance(4)) return fill();
    if (fills_up_ && chance(4)) return make_room();
    switch (random_.below(22)) {
      case 0:
      case 1:
      case 2:
        return begin_one();
      case 3:
      case 4:
        if (transaction) (void)transaction->commit_async();
        return;
      case 5:
        if (transaction && chance(40)) (void)transaction->rollback();
        return;
      case 6:
        if (transaction && chance(50)) {
          transactions_.erase(transactions_.begin() + (transaction - transactions_.data()));
        }
        return;
      case 7:
        if (chance(40)) begin_session(number);
        return;
      case 8:
        if (chance(30)) sessions_.erase(number);
        return;
      case 9:
        return void(tm_.freeze(kSoon, std::chrono::seconds(5)));
      case 10:
        return void(tm_.thaw());
      case 11:
        if (chance(30)) {
          EXPECT_OK(tm_.checkpoint());
        }
        return;
      case 12:
        now_ += std::chrono::seconds(random_.below(8));
        return void(tm_.run_background());
      case 13:
        return void(log_->flush());
      case 14:
        return any_verb();
      case 15:
        return by_hand();
      case 16:
        if (chance(12)) power_cut();
        return;
      default:
        if (sessions_.contains(number)) hear_one(number, false);
    }
  }
  void by_hand() {
    if (tm_.information()->frozen) return;  // it would wait for the thaw
    const auto ids = *tm_.transactions();
    if (ids.empty()) return;
    const Uuid id = ids[random_.below(ids.size())];
    if (chance(60)) {
      const auto number = static_cast<std::uint8_t>(1 + random_.below(kMembers));
      return void(tm_.give_up(id, numbered_id(number), kOperator));
    }
    (void)tm_.resolve(id, chance(50) ? Outcome::kCommitted : Outcome::kAborted, kOperator);
  }

  // --- T1 ---
  void note(const Notification& told) {
    if (told.kind != NotificationKind::kCommit && told.kind != NotificationKind::kRollback) return;
    const bool commit = told.kind == NotificationKind::kCommit;
    const auto [heard, is_new] = outcomes_.emplace(told.transaction, commit);
    EXPECT_TRUE(is_new || heard->second == commit)
        << "T1: " << told.to_string() << ", others heard otherwise";
  }

  // Everyone is back, and answers until there is nothing more to say.
  void settle() {
    (void)tm_.thaw();
    forget_handles();
    for (std::uint8_t number = 1; number <= kAbove; ++number) begin_session(number);
    // A promise that becomes durable may have its decision written, which only the next flush ends.
    for (int quiet = 0; quiet < 3; ++quiet) {
      EXPECT_OK(log_->flush());
      for (std::uint8_t number = 1; number <= kAbove; ++number) {
        while (hear_one(number, true)) quiet = 0;
      }
    }
  }
  std::string left() {
    std::string text;
    const TmInformation information = *tm_.information();
    if (information.state != TmState::kOnline) {
      return "manager " + std::string(tm_state_name(information.state)) + ": " +
             information.cause.to_string();
    }
    const std::vector<Uuid> ids = *tm_.transactions();
    for (const Uuid& id : ids) {
      const auto transaction = tm_.open_transaction(id);
      text += "transaction " + id.to_string() + " " +
              (transaction ? std::string(transaction_state_name(state_of(*transaction)))
                           : transaction.status().to_string()) +
              "\n";
    }
    for (auto& [number, session] : sessions_) {
      const std::vector<Uuid> unfinished = *session.rm.enlistments();
      for (const Uuid& id : unfinished) {
        auto enlistment = session.rm.open_enlistment(id);
        text += "enlistment of " + std::to_string(number) + " ";
        if (!enlistment) {
          text += enlistment.status().to_string() + "\n";
          continue;
        }
        text += std::string(enlistment_state_name(state_of(*enlistment))) +
                (enlistment->information()->superior ? ", superior\n" : "\n");
      }
    }
    if (information.enlistments != 0)
      text += std::to_string(information.enlistments) + " enlistments\n";
    if (!information.oldest.is_null()) text += "a pin at " + information.oldest.to_string() + "\n";
    for (const auto& stream : log_->list_streams()) {
      if (stream.reserved.records == 0) continue;
      text += std::to_string(stream.reserved.records) + " reserved records\n";
    }
    // Recovered in a full log, a committed one may have had no room for it.
    if (information.forgets_unwritten != 0 && !fills_up_)
      text += "forget records that were not written\n";
    return text;
  }

  // Fills the log, all but what is reserved and held back, with records that stay.
  void fill() {
    auto filler = log_->open_or_create_stream("filler");
    if (!filler) return;
    const std::vector<std::byte> payload(30000);
    for (std::size_t size = payload.size(); size > 0; size /= 2) {
      while (filler->append(std::span(payload).first(size))) (void)log_->run_background();
    }
  }
  void make_room() {
    auto filler = log_->open_stream("filler");
    if (filler) (void)filler->advance_base(log_->end_lsn());
  }

  sim::Random random_{1};
  bool fills_up_ = false;
  std::map<std::uint8_t, Session> sessions_;
  std::vector<Transaction> transactions_;
  std::map<Uuid, bool> outcomes_;
};

TEST_F(RandomWork, LeavesNothingBehind) { run(600); }

TEST_F(RandomWork, LeavesNothingBehindInALogThatFillsUp) {
  fills_up_ = true;
  create_options_.max_size = 4 * log::kMinContainerSize;
  run(60);
}

}  // namespace
}  // namespace cairn::tm
