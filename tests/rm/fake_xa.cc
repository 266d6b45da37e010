#include "rm/fake_xa.h"

#include <algorithm>
#include <cstring>

#include "xa_name.h"

namespace cairn::rm {
namespace {

struct FakeXaList {
  std::mutex mutex;
  std::map<int, FakeXa*> by_rmid;
  int next = 1;
};
FakeXaList& fake_list() {
  static FakeXaList list;
  return list;
}
FakeXa& fake_of(int rmid) {
  const std::lock_guard lock(fake_list().mutex);
  return *fake_list().by_rmid.at(rmid);
}

}  // namespace

struct FakeXaEntries {
  static int open(char* /*info*/, int rmid, long flags) {
    return fake_of(rmid).enter("open", nullptr, flags);
  }
  static int close(char* /*info*/, int rmid, long flags) {
    return fake_of(rmid).enter("close", nullptr, flags);
  }
  static int start(XID* xid, int rmid, long flags) {
    return fake_of(rmid).enter("start", xid, flags);
  }
  static int end(XID* xid, int rmid, long flags) { return fake_of(rmid).enter("end", xid, flags); }
  static int rollback(XID* xid, int rmid, long flags) {
    return fake_of(rmid).enter("rollback", xid, flags);
  }
  static int prepare(XID* xid, int rmid, long flags) {
    return fake_of(rmid).enter("prepare", xid, flags);
  }
  static int commit(XID* xid, int rmid, long flags) {
    return fake_of(rmid).enter("commit", xid, flags);
  }
  static int forget(XID* xid, int rmid, long flags) {
    return fake_of(rmid).enter("forget", xid, flags);
  }
  static int recover(XID* xids, long count, int rmid, long flags) {
    return fake_of(rmid).recover(xids, count, flags);
  }
  static int complete(int* handle, int* code, int rmid, long flags) {
    FakeXa& fake = fake_of(rmid);
    const int scripted = fake.enter("complete", nullptr, flags);
    const std::lock_guard lock(fake.mutex_);
    const auto found = fake.running_.find(*handle);
    if (found == fake.running_.end()) return XAER_INVAL;
    *code = found->second;
    fake.running_.erase(found);
    return scripted;
  }
};

FakeXa::FakeXa(long flags) {
  std::strcpy(switch_.name, "Fake");
  switch_.flags = flags;
  switch_.xa_open_entry = FakeXaEntries::open;
  switch_.xa_close_entry = FakeXaEntries::close;
  switch_.xa_start_entry = FakeXaEntries::start;
  switch_.xa_end_entry = FakeXaEntries::end;
  switch_.xa_rollback_entry = FakeXaEntries::rollback;
  switch_.xa_prepare_entry = FakeXaEntries::prepare;
  switch_.xa_commit_entry = FakeXaEntries::commit;
  switch_.xa_recover_entry = FakeXaEntries::recover;
  switch_.xa_forget_entry = FakeXaEntries::forget;
  switch_.xa_complete_entry = FakeXaEntries::complete;
  const std::lock_guard lock(fake_list().mutex);
  rmid_ = fake_list().next++;
  fake_list().by_rmid[rmid_] = this;
}

FakeXa::~FakeXa() {
  const std::lock_guard lock(fake_list().mutex);
  fake_list().by_rmid.erase(rmid_);
}

void FakeXa::script(const std::string& name, int code, bool done) {
  const std::lock_guard lock(mutex_);
  scripts_[name].push_back({code, done});
}

void FakeXa::put_prepared(const XID& xid) {
  const std::lock_guard lock(mutex_);
  branches_[xid_key(xid)] = {xid, State::kPrepared};
}

void FakeXa::remove(const XID& xid) {
  const std::lock_guard lock(mutex_);
  branches_.erase(xid_key(xid));
}

std::vector<XID> FakeXa::known() const {
  const std::lock_guard lock(mutex_);
  std::vector<XID> all;
  for (const auto& [key, branch] : branches_) all.push_back(branch.xid);
  return all;
}

std::size_t FakeXa::committed() const {
  const std::lock_guard lock(mutex_);
  return committed_;
}

std::vector<std::string> FakeXa::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

bool FakeXa::was_called(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return std::find(calls_.begin(), calls_.end(), name) != calls_.end();
}

std::string FakeXa::violations() const {
  const std::lock_guard lock(mutex_);
  return violations_;
}

std::size_t FakeXa::threads() const {
  const std::lock_guard lock(mutex_);
  return open_.size();
}

std::size_t FakeXa::at_once() const {
  const std::lock_guard lock(mutex_);
  return at_once_;
}

int FakeXa::enter(const std::string& name, const XID* xid, long flags) {
  const std::lock_guard lock(mutex_);
  const std::thread::id self = std::this_thread::get_id();
  const bool one = name == "commit" && (flags & TMONEPHASE) != 0;
  const bool async = (flags & TMASYNC) != 0;
  calls_.push_back(name + (one ? " one" : "") + (async ? " async" : ""));
  if (name != "open" && !open_.contains(self)) violations_ += name + " in a thread without open; ";
  if (name == "close" && associated_.contains(self)) violations_ += "close while associated; ";
  if (name == "start" && associated_.contains(self)) violations_ += "two associations; ";
  if (name == "end" && !associated_.contains(self)) violations_ += "end without association; ";
  Scripted scripted{XA_OK, true};
  if (auto& script = scripts_[name]; !script.empty()) {
    scripted = script.front();
    script.pop_front();
    if (async && scripted.code == XAER_ASYNC) return XAER_ASYNC;
  }
  const int natural = scripted.done ? act(name, xid == nullptr ? XID{} : *xid, flags) : XA_OK;
  int code = scripted.code != XA_OK ? scripted.code : natural;
  // Whoever ended a branch by itself knows of it until it is told to forget.
  if (code >= XA_HEURMIX && code <= XA_HEURHAZ && (name == "commit" || name == "rollback")) {
    branches_[xid_key(*xid)] = {*xid, State::kHeuristic};
  }
  if (name == "end") associated_.erase(self);
  if (name == "start" && code == XA_OK) associated_[self] = xid_key(*xid);
  if (name == "open" && code == XA_OK) open_.insert(self);
  if (name == "close") open_.erase(self);
  if (!async) return code;
  running_[next_handle_] = code;
  at_once_ = std::max(at_once_, running_.size());
  return next_handle_++;
}

int FakeXa::act(const std::string& name, const XID& xid, long flags) {
  if (name == "open" || name == "close" || name == "complete") return XA_OK;
  const std::string key = xid_key(xid);
  const auto found = branches_.find(key);
  if (name == "start" && (flags & TMJOIN) == 0) {
    if (found != branches_.end()) return XAER_DUPID;
    branches_[key] = {xid, State::kActive};
    return XA_OK;
  }
  if (found == branches_.end()) return XAER_NOTA;
  if (name == "prepare") found->second.state = State::kPrepared;
  if (name == "commit") {
    if ((flags & TMONEPHASE) == 0 && found->second.state == State::kActive) return XAER_PROTO;
    ++committed_;
  }
  if (name == "commit" || name == "rollback" || name == "forget") branches_.erase(found);
  return XA_OK;
}

int FakeXa::recover(XID* xids, long count, long flags) {
  const std::lock_guard lock(mutex_);
  const bool starts = (flags & TMSTARTRSCAN) != 0;
  const bool ends = (flags & TMENDRSCAN) != 0;
  calls_.push_back(std::string("recover") + (starts ? " start" : "") + (ends ? " end" : ""));
  const std::thread::id self = std::this_thread::get_id();
  if (!open_.contains(self)) violations_ += "recover in a thread without open; ";
  if (auto& script = scripts_["recover"]; !script.empty()) {
    const int code = script.front().code;
    script.pop_front();
    return code;
  }
  if (!starts && !scans_.contains(self)) return XAER_INVAL;
  std::deque<XID>& scan = scans_[self];
  if (starts) {
    scan.clear();
    for (const auto& [key, branch] : branches_) {
      if (branch.state != State::kActive) scan.push_back(branch.xid);
    }
  }
  int given = 0;
  for (; given < count && !scan.empty(); ++given) {
    xids[given] = scan.front();
    scan.pop_front();
  }
  if (ends) scans_.erase(self);
  return given;
}

}  // namespace cairn::rm
