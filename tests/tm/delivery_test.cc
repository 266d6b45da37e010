// Notifications that come to a handler, on an executor.
#include <atomic>
#include <deque>
#include <future>
#include <mutex>
#include <thread>

#include <cairn/delivery.h>

#include "tm/durable_harness.h"

namespace cairn::tm {
namespace {

class DeliveryTo : public VolatileTm {
 protected:
  // Hears what came, in order; a wait that ends.
  struct Heard {
    void add(const Result<Notification>& next) {
      const std::lock_guard lock(mutex);
      text += (text.empty() ? "" : " ") +
              (next ? std::string(notification_kind_name(next->kind))
                    : "<" + std::string(status_code_name(next.code())) + ">");
      changed.notify_all();
    }
    bool becomes(const std::string& expected) {
      std::unique_lock lock(mutex);
      return changed.wait_for(lock, kSoon, [&] { return text == expected; });
    }
    std::mutex mutex;
    std::condition_variable changed;
    std::string text;
  };

  Rm rm_ = make_rm(1);
  Heard heard_;
};

TEST_F(DeliveryTo, AHandlerRunsAWholeTransaction) {
  std::map<Uuid, Enlistment> enlistments;
  std::mutex mutex;
  auto delivery = Delivery::start(rm_.session(), {}, [&](const Result<Notification>& next) {
    heard_.add(next);
    if (!next) return;
    const std::lock_guard lock(mutex);
    Enlistment& enlistment = enlistments.at(next->enlistment);
    EXPECT_OK(next->kind == NotificationKind::kPrepare ? enlistment.prepare_complete()
                                                       : enlistment.commit_complete());
  });
  ASSERT_OK(delivery);
  Transaction transaction = begin();
  {
    const std::lock_guard lock(mutex);
    Enlistment enlistment = rm_.enlist(transaction);
    enlistments.emplace(enlistment.id(), enlistment);
  }
  EXPECT_OK(transaction.commit(WaitFor::kCompleted, kSoon));
  EXPECT_TRUE(heard_.becomes("PREPARE COMMIT"));
}

TEST_F(DeliveryTo, AnExecutorGetsOneTaskAtATimeInOrder) {
  std::deque<std::function<void()>> tasks;
  std::mutex mutex;
  std::condition_variable changed;
  auto delivery = Delivery::start(
      rm_.session(),
      [&](std::function<void()> task) {
        const std::lock_guard lock(mutex);
        tasks.push_back(std::move(task));
        changed.notify_all();
      },
      [&](const Result<Notification>& next) { heard_.add(next); });
  ASSERT_OK(delivery);
  std::vector<Transaction> transactions;
  std::vector<Enlistment> enlistments;
  for (int i = 0; i < 3; ++i) {
    transactions.push_back(begin());
    enlistments.push_back(rm_.enlist(transactions.back()));
    EXPECT_OK(transactions.back().rollback());
  }
  for (const char* after : {"ROLLBACK", "ROLLBACK ROLLBACK", "ROLLBACK ROLLBACK ROLLBACK"}) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex);
      ASSERT_TRUE(changed.wait_for(lock, kSoon, [&] { return !tasks.empty(); }));
      EXPECT_EQ(tasks.size(), 1u) << "the next comes when this one was run";
      task = std::move(tasks.front());
      tasks.pop_front();
    }
    task();
    task = nullptr;
    EXPECT_TRUE(heard_.becomes(after));
  }
}

TEST_F(DeliveryTo, TaskThatIsNeverRunDoesNotHoldTheNextOneUp) {
  std::atomic<int> thrown_away{0};
  auto delivery = Delivery::start(
      rm_.session(), [&](std::function<void()> task) { task = nullptr, ++thrown_away; },
      [&](const Result<Notification>& next) { heard_.add(next); });
  ASSERT_OK(delivery);
  std::vector<Enlistment> enlistments;
  for (int i = 0; i < 2; ++i) {
    Transaction transaction = begin();
    enlistments.push_back(rm_.enlist(transaction));
    EXPECT_OK(transaction.rollback());
  }
  rm_ = Rm();  // ends the session, which is told last
  while (thrown_away < 1) std::this_thread::yield();
  delivery->stop();
  EXPECT_EQ(heard_.text, "");
}

TEST_F(DeliveryTo, EndOfTheSessionIsTheLastThatComes) {
  auto delivery = Delivery::start(rm_.session(), {},
                                  [&](const Result<Notification>& next) { heard_.add(next); });
  ASSERT_OK(delivery);
  auto newer = tm_.open_resource_manager(numbered_id(1));
  EXPECT_OK(newer);
  EXPECT_TRUE(heard_.becomes("<Fenced>"));
}

TEST_F(DeliveryTo, NothingComesAfterStopAndWhatIsQueuedStays) {
  auto delivery = Delivery::start(rm_.session(), {},
                                  [&](const Result<Notification>& next) { heard_.add(next); });
  ASSERT_OK(delivery);
  delivery->stop();
  delivery->stop();
  Transaction transaction = begin();
  const Enlistment enlistment = rm_.enlist(transaction);
  EXPECT_OK(transaction.rollback());
  EXPECT_EQ(rm_.hear(), "ROLLBACK");
  EXPECT_EQ(heard_.text, "");
}

TEST_F(DeliveryTo, HandlerMayStopItFromWithin) {
  Delivery delivery;
  std::promise<void> stopped;
  std::promise<void> ready;
  auto wait = ready.get_future().share();
  auto started = Delivery::start(rm_.session(), {}, [&, wait](const Result<Notification>&) {
    wait.wait();
    delivery.stop();
    stopped.set_value();
  });
  ASSERT_OK(started);
  delivery = std::move(*started);
  ready.set_value();
  Transaction transaction = begin();
  const Enlistment enlistment = rm_.enlist(transaction);
  EXPECT_OK(transaction.rollback());
  EXPECT_EQ(stopped.get_future().wait_for(kSoon), std::future_status::ready);
}

TEST_F(DeliveryTo, NobodyIsRefused) {
  EXPECT_CODE(Delivery::start(ResourceManager(), {}, [](const Result<Notification>&) {}),
              kInvalidState);
  EXPECT_CODE(Delivery::start(rm_.session(), {}, {}), kInvalidArgument);
}

// Votes yes, and does what it is told.
void answer_as_asked(Rm& rm, const Notification& next) {
  auto enlistment = rm.session().open_enlistment(next.enlistment);
  ASSERT_OK(enlistment);
  switch (next.kind) {
    case NotificationKind::kPrepare:
      EXPECT_OK(enlistment->prepare_complete());
      break;
    case NotificationKind::kCommit:
      EXPECT_OK(enlistment->commit_complete());
      break;
    default:
      EXPECT_OK(enlistment->rollback_complete());
  }
}

// Resource managers whose handlers are called inline, and answer.
class DeliveryInline : public DeliveryTo {
 protected:
  // `also` runs first, within the handler.
  Delivery answer(Rm& rm, std::function<void(const Notification&)> also = {}) {
    auto delivery =
        Delivery::start_inline(rm.session(), [this, &rm, also](const Result<Notification>& next) {
          heard_.add(next);
          if (!next) return;
          EXPECT_EQ(++inside_, 1) << "within another handler";
          if (also) also(*next);
          answer_as_asked(rm, *next);
          --inside_;
        });
    EXPECT_OK(delivery);
    return delivery ? std::move(*delivery) : Delivery();
  }
  int inside_ = 0;  // handlers
};

TEST_F(DeliveryInline, CommitRunsAllOfItOnItsOwnThread) {
  Rm other = make_rm(2);
  const auto here = std::this_thread::get_id();
  const auto check = [here](const Notification&) { EXPECT_EQ(std::this_thread::get_id(), here); };
  const Delivery first = answer(rm_, check);
  const Delivery second = answer(other, check);
  Transaction transaction = begin();
  const Enlistment one = rm_.enlist(transaction);
  const Enlistment two = other.enlist(transaction);
  EXPECT_OK(transaction.commit());
  EXPECT_EQ(heard_.text, "PREPARE PREPARE COMMIT COMMIT");
  EXPECT_EQ(state_of(transaction), TransactionState::kForgotten);
}

// What it waits for may have to be brought by this thread.
TEST_F(DeliveryInline, AHandlerMayCommitAnotherTransaction) {
  Rm other = make_rm(2);
  const Delivery inner = answer(other);
  const Delivery outer = answer(rm_, [&](const Notification& next) {
    if (next.kind != NotificationKind::kPrepare) return;
    --inside_;
    Transaction another = begin();
    const Enlistment enlistment = other.enlist(another);
    EXPECT_OK(another.commit());
    ++inside_;
  });
  Transaction transaction = begin();
  const Enlistment enlistment = rm_.enlist(transaction);
  EXPECT_OK(transaction.commit());
  EXPECT_EQ(heard_.text, "PREPARE PREPARE COMMIT COMMIT");
}

TEST_F(DeliveryInline, WhatIsQueuedAlreadyIsBroughtAtOnceAndInOrder) {
  Transaction transaction = begin();
  const Enlistment enlistment = rm_.enlist(transaction);
  EXPECT_OK(transaction.commit_async());
  {
    const Delivery delivery = answer(rm_);
    EXPECT_EQ(heard_.text, "PREPARE COMMIT");
  }
  EXPECT_OK(transaction.wait(WaitFor::kCompleted, std::chrono::nanoseconds(0)));
}

TEST_F(DeliveryInline, WhatComesAfterStopStaysQueued) {
  Delivery delivery = answer(rm_);
  delivery.stop();
  Transaction transaction = begin();
  const Enlistment enlistment = rm_.enlist(transaction);
  EXPECT_OK(transaction.rollback());
  EXPECT_EQ(heard_.text, "");
  EXPECT_EQ(rm_.hear(), "ROLLBACK");
  delivery = answer(rm_);  // and another one may follow
}

TEST_F(DeliveryInline, AHandlerMayStopItAndLeavesTheRestQueued) {
  Delivery delivery;
  delivery = answer(rm_, [&](const Notification&) { delivery.stop(); });
  Transaction transaction = begin();
  const Enlistment enlistment = rm_.enlist(transaction);
  EXPECT_OK(transaction.commit_async());
  EXPECT_EQ(heard_.text, "PREPARE");
  EXPECT_EQ(rm_.hear(), "COMMIT");
}

TEST_F(DeliveryInline, TheEndOfTheSessionIsBroughtOnce) {
  const Delivery delivery = answer(rm_);
  const Rm next = Rm(*tm_.open_resource_manager(numbered_id(1)));
  EXPECT_EQ(heard_.text, "<Fenced>");
  EXPECT_OK(tm_.close());
  EXPECT_EQ(heard_.text, "<Fenced>");
}

TEST_F(DeliveryInline, CloseIsBroughtWithoutLocks) {
  const auto delivery =
      Delivery::start_inline(rm_.session(), [&](const Result<Notification>& next) {
        heard_.add(next);
        EXPECT_OK(tm_.information());
        EXPECT_OK(tm_.close());
      });
  ASSERT_OK(delivery);
  EXPECT_OK(tm_.close());
  EXPECT_EQ(heard_.text, "<ObjectExpired>");
}

TEST_F(DeliveryInline, NobodyIsRefused) {
  const auto handler = [](const Result<Notification>&) {};
  EXPECT_CODE(Delivery::start_inline(ResourceManager(), handler), kInvalidState);
  EXPECT_CODE(Delivery::start_inline(rm_.session(), {}), kInvalidArgument);
  const auto delivery = Delivery::start_inline(rm_.session(), handler);
  ASSERT_OK(delivery);
  EXPECT_CODE(Delivery::start_inline(rm_.session(), handler), kRequestNotValid);
}

// One decision, forced once, by the thread that is in commit().
class DurableInline : public DurableTm {};

TEST_F(DurableInline, CommitForcesItsDecisionBeforeItReturnsAndOnce) {
  start_and_recover();
  Rm rm = make_rm(1);
  const auto delivery = Delivery::start_inline(rm.session(), [&](const Result<Notification>& next) {
    if (next) answer_as_asked(rm, *next);
  });
  ASSERT_OK(delivery);
  Transaction transaction = begin();
  const Enlistment enlistment = rm.enlist(transaction);
  const std::uint64_t before = forced_writes();
  EXPECT_OK(transaction.commit());
  EXPECT_EQ(forced_writes(), before + 1);
  EXPECT_LT(transaction.information()->decision_lsn, log_->durable_lsn());
  EXPECT_EQ(log_->statistics().callbacks, 0U) << "nobody else was asked to force it";
}

TEST_F(DurableInline, WhoVotesLastDecidesWithinTheCommitAndNothingIsForced) {
  start_and_recover();
  Rm reader = make_rm(1), last = make_rm(2);
  std::string heard;
  const auto answer = [&](Rm& rm) {
    return Delivery::start_inline(rm.session(), [&](const Result<Notification>& next) {
      if (!next) return;
      heard += std::string(notification_kind_name(next->kind)) + " ";
      auto enlistment = rm.session().open_enlistment(next->enlistment);
      ASSERT_OK(enlistment);
      EXPECT_OK(next->kind == NotificationKind::kPrepare ? enlistment->read_only()
                                                         : enlistment->commit_complete());
    });
  };
  const auto first = answer(reader), second = answer(last);
  Transaction transaction = begin();
  const Enlistment owner =
      *last.session().enlist(transaction, kTwoOrSinglePhase, 1, {.votes_last = true});
  const Enlistment reads = reader.enlist(transaction);
  const std::uint64_t before = forced_writes();
  EXPECT_OK(transaction.commit());
  EXPECT_EQ(heard, "PREPARE SINGLE_PHASE_COMMIT ");
  EXPECT_EQ(forced_writes(), before);
}

// The thread that commits has appended the decision, and nobody but it forces that: whatever waits
// for the decision within a handler on it must do so.
class WithinTheVote : public DurableInline {
 protected:
  // Commits, and calls `then` right behind the last vote.
  Status commit_and(const std::function<void(Transaction&)>& then) {
    start_and_recover();
    Rm rm = make_rm(1);
    const auto delivery =
        Delivery::start_inline(rm.session(), [&](const Result<Notification>& next) {
          if (!next) return when_ended_();
          auto enlistment = rm.session().open_enlistment(next->enlistment);
          if (!enlistment) return;  // the manager was closed
          if (next->kind == NotificationKind::kPrepare) {
            EXPECT_OK(enlistment->prepare_complete());
            then(transaction_);
          } else {
            EXPECT_OK(enlistment->commit_complete());
          }
        });
    EXPECT_OK(delivery);
    transaction_ = begin();
    const Enlistment enlistment = rm.enlist(transaction_);
    const Status committed = transaction_.commit();
    transaction_ = Transaction();
    return committed;
  }
  Transaction transaction_;
  std::function<void()> when_ended_ = [] {};
};

TEST_F(WithinTheVote, AHandlerMayWaitForTheDecision) {
  EXPECT_OK(commit_and([](Transaction& transaction) {
    EXPECT_OK(transaction.wait(WaitFor::kDecided, std::nullopt));
    EXPECT_EQ(transaction.outcome(), Outcome::kCommitted);
  }));
}

TEST_F(WithinTheVote, AHandlerMayWaitForTheDecisionWithALimit) {
  EXPECT_OK(commit_and([](Transaction& transaction) {
    EXPECT_OK(transaction.wait(WaitFor::kDecided, std::chrono::seconds(60)));
  }));
}

TEST_F(WithinTheVote, AHandlerMayCloseTheManager) {
  const Status committed = commit_and([this](Transaction&) { EXPECT_OK(tm_.close()); });
  EXPECT_EQ(committed.code(), StatusCode::kObjectExpired) << committed.to_string();
  EXPECT_NE(committed.message().find("is committed"), std::string::npos) << committed.to_string();
  stop();
  const RecoveryReport report = start_and_recover();
  EXPECT_EQ(report.committed.size(), 1U);
}

TEST_F(WithinTheVote, AHandlerMayFreezeDecisions) {
  EXPECT_OK(commit_and([this](Transaction&) {
    EXPECT_OK(tm_.freeze(std::chrono::seconds(60), std::chrono::seconds(60)));
    EXPECT_OK(tm_.thaw());
  }));
}

TEST_F(WithinTheVote, AHandlerMayCloseWhatIsBeingClosed) {
  std::thread closer;
  const Status committed = commit_and([&](Transaction&) {
    closer = std::thread([this] { EXPECT_OK(tm_.close()); });
    while (tm_.information()->state == TmState::kOnline) std::this_thread::yield();
    EXPECT_OK(tm_.close());
  });
  closer.join();
  EXPECT_EQ(committed.code(), StatusCode::kObjectExpired) << committed.to_string();
}

TEST_F(WithinTheVote, CloseBringsTheEndWithoutLocks) {
  when_ended_ = [this] { EXPECT_OK(tm_.close()); };
  const Status committed = commit_and([this](Transaction&) { EXPECT_OK(tm_.close()); });
  EXPECT_EQ(committed.code(), StatusCode::kObjectExpired) << committed.to_string();
}

// It can end only after the one that is committed here.
TEST_F(WithinTheVote, AHandlerMayWaitForAnotherTransaction) {
  std::thread voter;
  EXPECT_OK(commit_and([&](Transaction& transaction) {
    auto above = tm_.create_resource_manager(numbered_id(2), RmKind::kVolatile);
    ASSERT_OK(above);
    Transaction other = begin();
    auto enlistment = above->enlist(other, kTwoPhase, 1);
    ASSERT_OK(enlistment);
    EXPECT_OK(other.commit_async());
    voter = std::thread([&transaction, vote = *enlistment]() mutable {
      EXPECT_OK(transaction.wait(WaitFor::kDecided, std::nullopt));
      EXPECT_OK(vote.prepare_complete());
    });
    EXPECT_OK(other.wait(WaitFor::kDecided, std::nullopt));
    voter.join();
  }));
}

// Two records, one after the other, are written on the thread that is in commit().
class InlineSuperior : public DurableInline {
 protected:
  Status commit_below(const std::function<Status(Enlistment&)>& decide) {
    start_and_recover();
    Rm rm = make_rm(1);
    Rm above = make_rm(9);
    const auto below = Delivery::start_inline(rm.session(), [&](const Result<Notification>& next) {
      if (next) answer_as_asked(rm, *next);
    });
    EXPECT_OK(below);
    Enlistment superior;
    const auto over =
        Delivery::start_inline(above.session(), [&](const Result<Notification>& next) {
          if (!next) return;
          if (next->kind == NotificationKind::kCommitRequest) {
            EXPECT_OK(superior.superior_prepare());
          } else if (next->kind == NotificationKind::kPrepareComplete) {
            EXPECT_OK(decide(superior));
          }
        });
    EXPECT_OK(over);
    Transaction transaction = begin();
    auto enlisted = above.session().enlist(
        transaction, kSuperior | bit(NotificationKind::kCommitRequest), 90, {.superior = true});
    EXPECT_OK(enlisted);
    superior = std::move(*enlisted);
    const Enlistment enlistment = rm.enlist(transaction);
    return transaction.commit();
  }
};

TEST_F(InlineSuperior, ThatCommitsBringsTheCommitToItsEnd) {
  EXPECT_OK(commit_below([](Enlistment& superior) { return superior.superior_commit(); }));
  EXPECT_EQ(records(), "restart prepare decision forget");
}

TEST_F(InlineSuperior, ThatRollsBackBringsTheCommitToItsEnd) {
  EXPECT_CODE(commit_below([](Enlistment& superior) { return superior.superior_rollback(); }),
              kAlreadyAborted);
}

// A session that begins within a handler hears of everything before it is told that this is all.
TEST_F(DurableInline, WhatIsLeftWhenItStopsKeepsLastRecoverLast) {
  start_and_recover();
  Rm rm = make_rm(1);
  const Work work = decide({&rm});
  Rm again = open_rm(1);
  auto other = tm_.create_resource_manager(numbered_id(2), RmKind::kVolatile);
  ASSERT_OK(other);
  const auto outer = Delivery::start_inline(*other, [&](const Result<Notification>& next) {
    if (!next) return;
    auto inner = Delivery::start_inline(again.session(), [](const Result<Notification>&) {});
    ASSERT_OK(inner);
    EXPECT_OK(again.session().recover());
    inner->stop();
  });
  ASSERT_OK(outer);
  Transaction transaction = begin();
  const auto enlistment = other->enlist(transaction, kTwoPhase, 1);
  ASSERT_OK(enlistment);
  EXPECT_OK(transaction.rollback());
  EXPECT_EQ(again.hear(), "RECOVER LAST_RECOVER");
}

}  // namespace
}  // namespace cairn::tm
