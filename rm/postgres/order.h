// Order: one notification of the manager on its way through the server, step by step; it never
// waits.
#ifndef CAIRN_RM_POSTGRES_ORDER_H_
#define CAIRN_RM_POSTGRES_ORDER_H_

#include <poll.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <cairn/status.h>

#include "branch.h"
#include "order_machine.h"
#include "pg_connection.h"
#include "pg_pool.h"

namespace cairn::rm {

// For one thread, the server's.
class Order {
 public:
  Order(std::shared_ptr<PgBranch> branch, Step first) : branch_(std::move(branch)), step_(first) {}

  // Goes as far as it can now. True: it has come to its end, step(). `may_borrow`: it may take a
  // connection from the pool.
  [[nodiscard]] bool advance(PgPool& pool, bool may_borrow);
  [[nodiscard]] bool has_borrowed() const { return borrowed_ != nullptr; }

  [[nodiscard]] Step step() const { return step_; }
  [[nodiscard]] PgBranch& branch() const { return *branch_; }
  [[nodiscard]] const std::shared_ptr<PgBranch>& shared_branch() const { return branch_; }
  // Of kRefused and kBroken: the server's words.
  [[nodiscard]] const Status& why() const { return why_; }
  // The commit was done by an earlier try.
  [[nodiscard]] bool was_done_before() const { return was_proven_; }
  // What it waits for: a socket; a time; or, with neither, that a client leaves the branch or
  // another order gives its connection back.
  [[nodiscard]] std::optional<pollfd> waits_for() const;
  [[nodiscard]] std::optional<PgConnection::Clock::time_point> waits_until() const;
  // ROLLBACK has come: true if nothing has been asked of the server yet, and this order turns into
  // that of the rollback.
  [[nodiscard]] bool turn_back();
  // Gives back the connection that it has borrowed.
  void release(PgPool& pool);

 private:
  [[nodiscard]] bool begin_step(PgPool& pool, bool may_borrow);
  [[nodiscard]] bool is_connected(PgPool& pool, bool may_borrow);
  [[nodiscard]] std::string command(const PgPool& pool) const;
  [[nodiscard]] Reply read(const PgReply& reply) const;
  [[nodiscard]] Reply read_answer(const PgReply& reply) const;
  void take(const PgReply& reply, PgPool& pool);
  void follow(Reply reply, const Status& words, PgPool& pool);
  void lose_connection(PgPool& pool);
  [[nodiscard]] PgConnection* connection() const {
    return is_own(step_) ? branch_->own.get() : borrowed_.get();
  }

  std::shared_ptr<PgBranch> branch_;
  Step step_;
  std::unique_ptr<PgConnection> borrowed_;
  bool is_new_ = false;  // `borrowed_` still connects
  bool is_sent_ = false;
  std::optional<PgConnection::Clock::time_point> pause_end_{};
  std::chrono::milliseconds pause_{0};
  Status why_;
  bool was_proven_ = false;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_POSTGRES_ORDER_H_
