// The entry points of the switch: checks of flags and of associations, which are of threads.
#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <cairn/xa_switch.h>

#include "xa_face.h"
#include "xa_name.h"

namespace cairn::rm {
namespace {

// One thread's part in one opened resource manager.
struct OpenedFace {
  std::shared_ptr<XaFace> face;
  XaFaceOptions options;
  FaceBranchPtr active;
  std::vector<FaceBranchPtr> suspended;
  std::vector<XID> scan;  // of xa_recover
  std::size_t scanned = 0;
  bool is_scanning = false;

  OpenedFace() = default;
  OpenedFace(OpenedFace&&) noexcept = default;
  OpenedFace& operator=(OpenedFace&&) noexcept = default;
  OpenedFace(const OpenedFace&) = delete;
  OpenedFace& operator=(const OpenedFace&) = delete;
  // A thread that ends in the middle of its work has failed.
  ~OpenedFace() {
    if (active) static_cast<void>(face->leave(*active, true));
    for (const FaceBranchPtr& branch : suspended) static_cast<void>(face->leave(*branch, true));
  }
};

std::map<int, OpenedFace>& opened_faces() {
  thread_local std::map<int, OpenedFace> all;
  return all;
}

OpenedFace* opened_face(int rmid) {
  const auto found = opened_faces().find(rmid);
  return found == opened_faces().end() ? nullptr : &found->second;
}

bool is_same(const XID& one, const XID& other) { return xid_key(one) == xid_key(other); }

// Errors that all calls with an XID have, or XA_OK.
int check(const OpenedFace* opened, const XID* xid, long flags, long allowed) {
  if ((flags & TMASYNC) != 0) return XAER_ASYNC;
  if (opened == nullptr) return XAER_PROTO;
  if (xid == nullptr || !is_valid(*xid) || (flags & ~allowed) != 0) return XAER_INVAL;
  return opened->face->is_lost() ? XAER_RMFAIL : XA_OK;
}

int face_open(char* info, int rmid, long flags) {
  if ((flags & TMASYNC) != 0) return XAER_ASYNC;
  if (flags != TMNOFLAGS) return XAER_INVAL;
  if (const OpenedFace* known = opened_face(rmid)) {
    if (!known->face->is_lost()) return XA_OK;
    if (known->active || !known->suspended.empty()) return XAER_PROTO;
    opened_faces().erase(rmid);
  }
  const Result<XaFaceOptions> options = parse_xa_info(info);
  if (!options) return XAER_INVAL;
  Result<std::shared_ptr<XaFace>> face = XaFace::get(*options);
  if (!face) return XAER_RMERR;
  OpenedFace& opened = opened_faces()[rmid];
  opened.face = *std::move(face);
  opened.options = *options;
  return XA_OK;
}

int face_close(char* /*info*/, int rmid, long flags) {
  if ((flags & TMASYNC) != 0) return XAER_ASYNC;
  if (flags != TMNOFLAGS) return XAER_INVAL;
  const OpenedFace* const opened = opened_face(rmid);
  if (opened == nullptr) return XA_OK;
  const bool is_associated = opened->active || !opened->suspended.empty();
  if (is_associated && !opened->face->is_lost()) return XAER_PROTO;
  opened_faces().erase(rmid);
  return XA_OK;
}

int resume(OpenedFace& opened, const XID& xid) {
  const auto found =
      std::find_if(opened.suspended.begin(), opened.suspended.end(),
                   [&](const FaceBranchPtr& branch) { return is_same(branch->xid, xid); });
  if (found == opened.suspended.end()) return opened.face->find(xid) ? XAER_PROTO : XAER_NOTA;
  if (const int code = opened.face->look(**found); code != XA_OK) return code;
  opened.active = *found;
  opened.suspended.erase(found);
  return XA_OK;
}

int face_start(XID* xid, int rmid, long flags) {
  OpenedFace* const opened = opened_face(rmid);
  const int checked = check(opened, xid, flags, TMJOIN | TMRESUME | TMNOWAIT);
  if (checked != XA_OK) return checked;
  if ((flags & TMJOIN) != 0 && (flags & TMRESUME) != 0) return XAER_INVAL;
  if (opened->active) return XAER_PROTO;
  if ((flags & TMRESUME) != 0) return resume(*opened, *xid);
  if ((flags & TMJOIN) == 0) {
    return opened->face->begin(*xid, opened->options.timeout, opened->active);
  }
  FaceBranchPtr branch = opened->face->find(*xid);
  if (!branch) return XAER_NOTA;
  const int joined = opened->face->join(*branch);
  if (joined == XA_OK) opened->active = std::move(branch);
  return joined;
}

int face_end(XID* xid, int rmid, long flags) {
  OpenedFace* const opened = opened_face(rmid);
  const int checked = check(opened, xid, flags, TMSUSPEND | TMMIGRATE | TMSUCCESS | TMFAIL);
  if (checked != XA_OK && checked != XAER_RMFAIL) return checked;
  const long how = flags & ~TMMIGRATE;
  const bool migrates = (flags & TMMIGRATE) != 0;
  if (how != TMSUSPEND && (migrates || (how != TMSUCCESS && how != TMFAIL))) return XAER_INVAL;
  const bool is_active = opened->active && is_same(opened->active->xid, *xid);
  const auto suspended =
      std::find_if(opened->suspended.begin(), opened->suspended.end(),
                   [&](const FaceBranchPtr& branch) { return is_same(branch->xid, *xid); });
  if (!is_active && (suspended == opened->suspended.end() || how == TMSUSPEND)) {
    return opened->face->find(*xid) ? XAER_PROTO : XAER_NOTA;
  }
  if (how == TMSUSPEND) {
    opened->suspended.push_back(std::exchange(opened->active, nullptr));
    const int code = opened->face->look(*opened->suspended.back());
    return code == XA_OK && migrates ? XA_NOMIGRATE : code;
  }
  FaceBranchPtr branch;
  if (is_active) {
    branch = std::exchange(opened->active, nullptr);
  } else {
    branch = *suspended;
    opened->suspended.erase(suspended);
  }
  return opened->face->leave(*branch, how == TMFAIL);
}

int face_prepare(XID* xid, int rmid, long flags) {
  OpenedFace* const opened = opened_face(rmid);
  const int checked = check(opened, xid, flags, TMNOFLAGS);
  return checked != XA_OK ? checked : opened->face->prepare(*xid);
}

int face_commit(XID* xid, int rmid, long flags) {
  OpenedFace* const opened = opened_face(rmid);
  const int checked = check(opened, xid, flags, TMONEPHASE | TMNOWAIT);
  if (checked != XA_OK) return checked;
  return opened->face->commit(*xid, (flags & TMONEPHASE) != 0, opened->options.patience);
}

int face_rollback(XID* xid, int rmid, long flags) {
  OpenedFace* const opened = opened_face(rmid);
  const int checked = check(opened, xid, flags, TMNOFLAGS);
  return checked != XA_OK ? checked : opened->face->rollback(*xid, opened->options.patience);
}

int face_forget(XID* xid, int rmid, long flags) {
  OpenedFace* const opened = opened_face(rmid);
  const int checked = check(opened, xid, flags, TMNOFLAGS);
  return checked != XA_OK ? checked : opened->face->forget(*xid);
}

int face_recover(XID* xids, long count, int rmid, long flags) {
  OpenedFace* const opened = opened_face(rmid);
  if (opened == nullptr) return XAER_PROTO;
  const bool starts = (flags & TMSTARTRSCAN) != 0;
  const bool is_valid_call = count >= 0 && (xids != nullptr || count == 0) &&
                             (flags & ~(TMSTARTRSCAN | TMENDRSCAN)) == 0 &&
                             (starts || opened->is_scanning);
  if (!is_valid_call) return XAER_INVAL;
  if (opened->face->is_lost()) return XAER_RMFAIL;
  if (starts) {
    opened->scan = opened->face->in_doubt();
    opened->scanned = 0;
    opened->is_scanning = true;
  }
  const std::size_t left = opened->scan.size() - opened->scanned;
  const std::size_t given = std::min(left, static_cast<std::size_t>(count));
  const auto first = opened->scan.begin() + static_cast<std::ptrdiff_t>(opened->scanned);
  std::copy_n(first, given, xids);
  opened->scanned += given;
  if ((flags & TMENDRSCAN) != 0) {
    opened->scan.clear();
    opened->scanned = 0;
    opened->is_scanning = false;
  }
  return static_cast<int>(given);
}

// Nothing is ever under way.
int face_complete(int* /*handle*/, int* /*code*/, int /*rmid*/, long /*flags*/) {
  return XAER_INVAL;
}

}  // namespace

Result<tm::Transaction> xa_current_transaction(int rmid) {
  const OpenedFace* const opened = opened_face(rmid);
  if (opened != nullptr && opened->active) return opened->active->transaction;
  return Status(
      StatusCode::kNotFound,
      "this thread is associated with no XA branch of Cairn, rmid " + std::to_string(rmid));
}

Result<tm::Transaction> xa_current_transaction() {
  const OpenedFace* only = nullptr;
  for (const auto& [rmid, opened] : opened_faces()) {
    if (!opened.active) continue;
    if (only != nullptr) {
      return Status(StatusCode::kInvalidArgument,
                    "this thread is associated with several XA branches of Cairn: name the rmid");
    }
    only = &opened;
  }
  if (only != nullptr) return only->active->transaction;
  return Status(StatusCode::kNotFound, "this thread is associated with no XA branch of Cairn");
}

Result<tm::TransactionManager> xa_transaction_manager(int rmid) {
  const OpenedFace* const opened = opened_face(rmid);
  if (opened != nullptr) return opened->face->manager();
  return Status(StatusCode::kNotFound,
                "this thread has not opened rmid " + std::to_string(rmid) + " of Cairn");
}

}  // namespace cairn::rm

extern "C" {
struct xa_switch_t cairn_xa_switch = {
    "Cairn",
    TMNOMIGRATE,
    0,
    cairn::rm::face_open,
    cairn::rm::face_close,
    cairn::rm::face_start,
    cairn::rm::face_end,
    cairn::rm::face_rollback,
    cairn::rm::face_prepare,
    cairn::rm::face_commit,
    cairn::rm::face_recover,
    cairn::rm::face_forget,
    cairn::rm::face_complete,
};
}
