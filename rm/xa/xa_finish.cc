// What follows from the answers of a resource manager.
#include <algorithm>
#include <cstring>
#include <utility>

#include "xa_impl.h"

namespace cairn::rm {
namespace {

using tm::Outcome;

std::span<const std::byte> text_bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

Result<bool> XaResourceManager::Impl::finish(Order& order, int code) {
  const XaVerdict verdict = xa_verdict(order.call, code);
  if (code == XA_OK) {
    set_trouble(Status::ok());
  } else {
    set_trouble(thread_.error(std::string(xa_call_name(order.call)), code));
  }
  if (verdict == XaVerdict::kReopen) thread_.close();
  switch (order.call) {
    case XaCall::kPrepare:
      return finish_prepare(order, verdict, code);
    case XaCall::kCommitAlone:
    case XaCall::kAskAlone:
      return finish_alone(order, verdict, code);
    case XaCall::kCommit:
      return finish_commit(order, verdict, code);
    case XaCall::kRollback:
      return finish_rollback(order, verdict, code);
    case XaCall::kForget:
      return finish_forget(order, verdict, code);
    case XaCall::kStart:
    case XaCall::kEnd:
      break;
  }
  return Status(StatusCode::kInvalidState, "XA adapter: an order to start or to end work");
}

Result<bool> XaResourceManager::Impl::finish_prepare(Order& order, XaVerdict verdict, int code) {
  XaBranch& branch = *order.branch;
  if (verdict == XaVerdict::kDone) {
    promise(branch);
    return true;
  }
  if (verdict == XaVerdict::kReadOnly) {
    forget(branch);
    static_cast<void>(branch.enlistment.read_only());
    return true;
  }
  // Of what is not said to be rolled back nobody knows whether it is prepared: ROLLBACK follows.
  branch.is_gone = verdict == XaVerdict::kRolledBack;
  static_cast<void>(branch.enlistment.rollback(thread_.error("xa_prepare", code)));
  return true;
}

// A decision alone whose end is not known is asked for by a rollback: if it finds the branch, it
// had not been committed. Else it was, or it was lost: nobody can say.
Result<bool> XaResourceManager::Impl::finish_alone(Order& order, XaVerdict verdict, int code) {
  XaBranch& branch = *order.branch;
  switch (verdict) {
    case XaVerdict::kDone:
      committed(branch);
      return true;
    case XaVerdict::kRolledBack:
      branch.is_gone = true;
      static_cast<void>(branch.enlistment.rollback(thread_.error("xa_commit(TMONEPHASE)", code)));
      return true;  // ROLLBACK follows
    case XaVerdict::kUnknown:
      forget(branch);  // and with it the enlistment, whose outcome is then unknown
      return true;
    case XaVerdict::kHeuristic:
      on_heuristic(order, code, true);
      return false;
    case XaVerdict::kRefused:
    case XaVerdict::kReopen:
      order.call = XaCall::kAskAlone;
      try_again(order);
      return false;
    case XaVerdict::kAgain:
      try_again(order);
      return false;
    case XaVerdict::kReadOnly:
    case XaVerdict::kBroken:
      break;
  }
  return thread_.error(std::string(xa_call_name(order.call)), code);
}

Result<bool> XaResourceManager::Impl::finish_commit(Order& order, XaVerdict verdict, int code) {
  XaBranch& branch = *order.branch;
  switch (verdict) {
    case XaVerdict::kDone:
      note(recovery_.committed, branch);
      committed(branch);
      return true;
    case XaVerdict::kUnknown:
      // The order before this one was carried out, and its answer was lost.
      if (branch.was_ordered) {
        note(recovery_.committed, branch);
        committed(branch);
        return true;
      }
      on_heuristic(order, code, false);
      return false;
    case XaVerdict::kRolledBack:
      on_heuristic(order, code, false);
      return false;
    case XaVerdict::kHeuristic:
      on_heuristic(order, code, true);
      return false;
    case XaVerdict::kReopen:
      branch.was_ordered = true;
      try_again(order);
      return false;
    case XaVerdict::kAgain:
      try_again(order);
      return false;
    case XaVerdict::kRefused:
    case XaVerdict::kReadOnly:
    case XaVerdict::kBroken:
      break;
  }
  return thread_.error("xa_commit", code);
}

Result<bool> XaResourceManager::Impl::finish_rollback(Order& order, XaVerdict verdict, int code) {
  XaBranch& branch = *order.branch;
  switch (verdict) {
    case XaVerdict::kDone:
      rolled_back(branch);
      return true;
    case XaVerdict::kHeuristic:
      on_heuristic(order, code, true);
      return false;
    case XaVerdict::kReopen:
    case XaVerdict::kAgain:
      try_again(order);
      return false;
    case XaVerdict::kUnknown:
    case XaVerdict::kRolledBack:
    case XaVerdict::kRefused:
    case XaVerdict::kReadOnly:
    case XaVerdict::kBroken:
      break;
  }
  return thread_.error("xa_rollback", code);
}

// It is written down, so a resource manager that will not forget does not hold the answer back.
Result<bool> XaResourceManager::Impl::finish_forget(Order& order, XaVerdict verdict, int /*code*/) {
  if (verdict == XaVerdict::kAgain || verdict == XaVerdict::kReopen) {
    try_again(order);
    return false;
  }
  answer_heuristic(order);
  return true;
}

void XaResourceManager::Impl::try_again(Order& order) {
  order.next = Clock::now() + order.pause;
  order.pause = std::min(order.pause * 2, std::chrono::milliseconds{500});
}

// ---- Heuristic outcomes: written down, told, forgotten by the resource manager, answered.

void XaResourceManager::Impl::on_heuristic(Order& order, int code, bool is_to_forget) {
  const Outcome decided = order.call == XaCall::kCommit     ? Outcome::kCommitted
                          : order.call == XaCall::kRollback ? Outcome::kAborted
                                                            : Outcome::kUndetermined;
  order.heuristic = {order.branch->transaction, decided, code, agrees(decided, code)};
  order.is_to_forget = is_to_forget;
  order.after_forget = order.call;
  order.call = XaCall::kForget;
  order.next = {};
  order.pause = std::chrono::milliseconds{1};
}

void XaResourceManager::Impl::write_heuristic(Order& order) {
  const Result<bool> added = heuristics_.add(order.heuristic);
  if (!added) {
    set_trouble(added.status());
    return try_again(order);
  }
  order.is_written = true;
  if (*added && options_.on_heuristic) options_.on_heuristic(order.heuristic);
}

void XaResourceManager::Impl::answer_heuristic(Order& order) {
  XaBranch& branch = *order.branch;
  branch.is_gone = true;
  if (order.after_forget == XaCall::kCommit) {
    note(recovery_.committed, branch);
    return committed(branch);
  }
  if (order.after_forget == XaCall::kRollback) return rolled_back(branch);
  // It was to decide alone, and has.
  if (order.heuristic.code == XA_HEURCOM) return committed(branch);
  if (order.heuristic.code == XA_HEURRB) {
    static_cast<void>(branch.enlistment.rollback(
        thread_.error("xa_commit(TMONEPHASE)", order.heuristic.code)));  // ROLLBACK follows
    return;
  }
  forget(branch);  // nobody can say
}

// ---- Answers to the manager. One that nobody wants any more is no error: the transaction was
// rolled back meanwhile, and ROLLBACK is on its way; or the session ended, which is heard next.

void XaResourceManager::Impl::promise(XaBranch& branch) {
  branch.is_promised = true;
  const std::string text = promise_text();
  const Status told = branch.enlistment.prepare_complete(text_bytes(text));
  if (told) return;
  branch.is_promised = false;
  static_cast<void>(branch.enlistment.rollback(told));
}

// Given up first: with the last answer the unit of work may be used again.
void XaResourceManager::Impl::committed(XaBranch& branch) {
  forget(branch);
  static_cast<void>(branch.enlistment.commit_complete());
}

void XaResourceManager::Impl::rolled_back(XaBranch& branch) {
  if (branch.is_offered) {
    note(recovery_.aborted, branch);
  } else if (is_recovering_) {
    recovery_.aborted.push_back(branch.transaction);
  }
  forget(branch);
  // Of what was not offered there is no enlistment.
  if (!branch.enlistment.id().is_null()) static_cast<void>(branch.enlistment.rollback_complete());
}

// open() returns when each offered branch but those in doubt has ended: what is noted is complete.
void XaResourceManager::Impl::note(std::vector<Uuid>& list, const XaBranch& branch) {
  if (is_recovering_ && branch.is_offered && !branch.is_in_doubt) {
    list.push_back(branch.transaction);
  }
}

std::string XaResourceManager::Impl::promise_text() const {
  const std::string name(options_.rm->name, ::strnlen(options_.rm->name, RMNAMESZ));
  return "xa:1:" + name + ":" + options_.store;
}

// That a decided branch is not there means "committed before" only in the store it was prepared
// in. Names of stores are compared where both are given.
Status XaResourceManager::Impl::check_store(const XaBranch& branch) const {
  CAIRN_ASSIGN_OR_RETURN(const auto information, branch.enlistment.recovery_information());
  const std::string found(reinterpret_cast<const char*>(information.data()), information.size());
  const std::string expected = promise_text();
  const std::string any_store = expected.substr(0, expected.size() - options_.store.size());
  const bool is_this = found == expected || found == any_store ||
                       (options_.store.empty() && found.rfind(any_store, 0) == 0);
  if (is_this) {
    return check_ended_before({manager_.id(), options_.id, branch.transaction}, others_)
        .with_context("XA adapter");
  }
  return Status(StatusCode::kIdentityMismatch,
                "unit of work " + branch.transaction.to_string() +
                    " is decided and not known to the XA resource manager: it was promised by '" +
                    found + "', found '" + expected + "'");
}

}  // namespace cairn::rm
