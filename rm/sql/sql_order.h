// SqlOrder: one notification of the manager on its way through a database server, step by step; it
// never waits.
//
// What the steps are is the database's: a table (SqlOrderRow) from each step and reply to the next
// step, with the ends below behind them. `Db` names it:
//
//   Connection, Reply (of a connection), Pool, Branch
//   Step, Answer                       the words of the table; Answer::kOk and kLoss are among them
//   row(step, answer)                  the row, or null
//   is_own(step)                       asked on the branch's own connection, else on any
//   end(step)                          the end that it is, or nothing
//   turned(step)                       what a rollback turns it into while nothing was asked yet
//   known(step, branch)                an answer that needs no asking
//   command(step, branch, pool), read(step, reply, branch)
//   took(step, answer, next, branch, reply)   what the branch learns by it
//   lost(step, branch, id)             that connection of the pool is, in this step
//   contradiction(step, answer, branch, pool) why the end is kBroken
#ifndef CAIRN_RM_SQL_SQL_ORDER_H_
#define CAIRN_RM_SQL_SQL_ORDER_H_

#include <poll.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <cairn/status.h>

namespace cairn::rm {

template <class Step, class Answer>
struct SqlOrderRow {
  Step step;
  Answer answer;
  Step next;
  bool pause = false;  // longer with each time
};

enum class OrderEnd : std::uint8_t {
  kPromised,
  kReadOnly,
  kCommitted,
  kCommittedBefore,  // by an earlier try, as the database has proven
  kRolledBack,
  kRefused,  // rolls the transaction back, and says why
  kUntold,   // lets the enlistment go: nobody can say what became of a commit alone
  kBroken,   // ends the session, and says why
  kDone,     // of an order of the adapter's own
};

// For one thread, the server's.
template <class Db>
class SqlOrder {
 public:
  using Step = typename Db::Step;
  using Answer = typename Db::Answer;
  using Branch = typename Db::Branch;
  using Pool = typename Db::Pool;
  using Clock = std::chrono::steady_clock;

  SqlOrder(std::shared_ptr<Branch> branch, Step first) : branch_(std::move(branch)), step_(first) {}

  // Goes as far as it can now. True: it has come to its end. `may_borrow`: it may take a connection
  // from the pool.
  [[nodiscard]] bool advance(Pool& pool, bool may_borrow);
  [[nodiscard]] bool has_borrowed() const { return borrowed_ != nullptr; }

  // REQUIRES: it has come to its end.
  [[nodiscard]] OrderEnd end() const { return *Db::end(step_); }
  [[nodiscard]] Branch& branch() const { return *branch_; }
  [[nodiscard]] const std::shared_ptr<Branch>& shared_branch() const { return branch_; }
  // Of kRefused and kBroken: the server's words.
  [[nodiscard]] const Status& why() const { return why_; }
  // What it waits for: a socket; a time; or, with neither, that a client leaves the branch or
  // another order gives its connection back.
  [[nodiscard]] std::optional<pollfd> waits_for() const;
  [[nodiscard]] std::optional<Clock::time_point> waits_until() const { return pause_end_; }
  // ROLLBACK has come: true if nothing has been asked of the server yet, and this order turns into
  // that of the rollback.
  [[nodiscard]] bool turn_back();
  // Gives back the connection that it has borrowed.
  void release(Pool& pool) { pool.give_back(std::move(borrowed_)); }

 private:
  static constexpr std::chrono::milliseconds kFirstPause{1};
  static constexpr std::chrono::milliseconds kLongestPause{500};

  [[nodiscard]] bool begin_step(Pool& pool, bool may_borrow);
  [[nodiscard]] bool is_connected(Pool& pool, bool may_borrow);
  void follow(Answer answer, const typename Db::Reply& reply, Pool& pool);
  void lose_connection(Pool& pool);
  [[nodiscard]] typename Db::Connection* connection() const {
    return Db::is_own(step_) ? branch_->own.get() : borrowed_.get();
  }

  std::shared_ptr<Branch> branch_;
  Step step_;
  std::unique_ptr<typename Db::Connection> borrowed_;
  bool is_new_ = false;  // `borrowed_` still connects
  bool is_sent_ = false;
  std::optional<Clock::time_point> pause_end_{};
  std::chrono::milliseconds pause_{0};
  Status why_;
};

template <class Db>
bool SqlOrder<Db>::advance(Pool& pool, bool may_borrow) {
  while (!Db::end(step_)) {
    if (pause_end_ && Clock::now() < *pause_end_) return false;
    pause_end_.reset();
    if (!is_sent_) {
      if (!begin_step(pool, may_borrow)) return false;
      continue;
    }
    const auto reply = connection()->advance();
    if (!reply) return false;
    is_sent_ = false;
    follow(Db::read(step_, *reply, *branch_), *reply, pool);
  }
  return true;
}

// False: it has to wait.
template <class Db>
bool SqlOrder<Db>::begin_step(Pool& pool, bool may_borrow) {
  if (Db::is_own(step_)) {
    if (branch_->in_use) return false;
    if (!branch_->own) {
      typename Db::Reply lost;
      lost.status = Status(StatusCode::kIoError, std::string(Db::kName) + ": connection lost");
      follow(Answer::kLoss, lost, pool);
      return true;
    }
  }
  if (const std::optional<std::pair<Answer, Status>> known = Db::known(step_, *branch_)) {
    typename Db::Reply reply;
    reply.status = known->second;
    follow(known->first, reply, pool);
    return true;
  }
  if (!Db::is_own(step_) && !is_connected(pool, may_borrow)) return false;
  if (pause_end_) return true;  // no connection: it will be tried again
  connection()->send(Db::command(step_, *branch_, pool));
  is_sent_ = true;
  return true;
}

// False: it still connects, or may not begin to.
template <class Db>
bool SqlOrder<Db>::is_connected(Pool& pool, bool may_borrow) {
  if (!borrowed_) {
    if (!may_borrow) return false;
    borrowed_ = pool.take();
    is_new_ = borrowed_->owes_reply();
  }
  if (!is_new_) return true;
  const auto greeting = borrowed_->advance();
  if (!greeting) return false;
  is_new_ = false;
  typename Db::Reply welcome;
  welcome.status = pool.welcome(*borrowed_, *greeting);
  if (!welcome.status) follow(Answer::kLoss, welcome, pool);
  return true;
}

template <class Db>
void SqlOrder<Db>::follow(Answer answer, const typename Db::Reply& reply, Pool& pool) {
  const auto* const row = Db::row(step_, answer);
  assert(row != nullptr);
  if (answer == Answer::kLoss) lose_connection(pool);
  if (row->pause) {
    pause_ = std::clamp(2 * pause_, kFirstPause, kLongestPause);
    pause_end_ = Clock::now() + pause_;
    if (!reply.status) pool.note(reply.status);
  } else if (!Db::is_own(step_)) {
    pool.note({});
  }
  const Status words = Db::took(step_, answer, row->next, *branch_, reply);
  if (why_) why_ = words;  // the first ones are the reason
  const std::optional<OrderEnd> end = Db::end(row->next);
  if (end == OrderEnd::kBroken) why_ = Db::contradiction(step_, answer, *branch_, pool);
  step_ = row->next;
}

template <class Db>
bool SqlOrder<Db>::turn_back() {
  const std::optional<Step> turned = is_sent_ ? std::nullopt : Db::turned(step_);
  if (turned) step_ = *turned;
  return turned.has_value();
}

// Those that lie idle are lost too, as a rule.
template <class Db>
void SqlOrder<Db>::lose_connection(Pool& pool) {
  if (!is_new_) pool.close_idle();
  is_new_ = false;
  if (!Db::is_own(step_)) {
    if (borrowed_) Db::lost(step_, *branch_, borrowed_->id());
    borrowed_.reset();
    return;
  }
  if (!branch_->own) return;
  branch_->lost_id = branch_->own->id();
  branch_->own.reset();
}

template <class Db>
std::optional<pollfd> SqlOrder<Db>::waits_for() const {
  const typename Db::Connection* const on = connection();
  if (pause_end_ || on == nullptr || !on->owes_reply()) return std::nullopt;
  return on->waits_for();
}

}  // namespace cairn::rm

#endif  // CAIRN_RM_SQL_SQL_ORDER_H_
