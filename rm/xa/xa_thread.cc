#include "xa_thread.h"

#include <cstring>
#include <set>
#include <string_view>

#include "xa_name.h"

namespace cairn::rm {
namespace {

constexpr std::size_t kScanChunk = 32;

// The specification's strings are not constant, and may be scribbled on.
struct XaInfo {
  explicit XaInfo(const std::string& text) { std::memcpy(data, text.data(), text.size()); }
  char data[MAXINFOSIZE] = {};
};

}  // namespace

Status XaThread::open() {
  if (is_open_) return Status::ok();
  XaInfo info(options_.open);
  const int code = options_.rm->xa_open_entry(info.data, options_.rmid, TMNOFLAGS);
  if (code == XAER_INVAL) {
    return Status(StatusCode::kInvalidArgument, error("xa_open", code).message());
  }
  if (code != XA_OK) return error("xa_open", code);
  is_open_ = true;
  return Status::ok();
}

void XaThread::close() {
  if (!is_open_) return;
  is_open_ = false;
  XaInfo info(options_.close);
  static_cast<void>(options_.rm->xa_close_entry(info.data, options_.rmid, TMNOFLAGS));
}

int XaThread::call(XaCall call, XID xid, long extra) {
  const int rmid = options_.rmid;
  switch (call) {
    case XaCall::kStart:
      return options_.rm->xa_start_entry(&xid, rmid, extra);
    case XaCall::kEnd:
      return options_.rm->xa_end_entry(&xid, rmid, extra);
    case XaCall::kPrepare:
      return options_.rm->xa_prepare_entry(&xid, rmid, extra);
    case XaCall::kCommitAlone:
      return options_.rm->xa_commit_entry(&xid, rmid, TMONEPHASE | extra);
    case XaCall::kCommit:
      return options_.rm->xa_commit_entry(&xid, rmid, extra);
    case XaCall::kAskAlone:
    case XaCall::kRollback:
      return options_.rm->xa_rollback_entry(&xid, rmid, extra);
    case XaCall::kForget:
      return options_.rm->xa_forget_entry(&xid, rmid, extra);
  }
  return XAER_INVAL;
}

int XaThread::complete(int handle) {
  int code = XAER_RMFAIL;
  const int done = options_.rm->xa_complete_entry(&handle, &code, options_.rmid, TMNOFLAGS);
  return done == XA_OK ? code : XAER_RMFAIL;
}

Result<std::vector<XID>> XaThread::scan() {
  std::vector<XID> all;
  std::set<std::string> known;
  XID chunk[kScanChunk];
  for (long flags = TMSTARTRSCAN;; flags = TMNOFLAGS) {
    const int count = options_.rm->xa_recover_entry(chunk, long{kScanChunk}, options_.rmid, flags);
    if (count < 0) return error("xa_recover", count);
    if (count > int{kScanChunk}) {
      return Status(StatusCode::kInvalidState,
                    "XA resource manager " + std::string(options_.rm->name) +
                        ": xa_recover: asked for " + std::to_string(kScanChunk) + ", was given " +
                        std::to_string(count));
    }
    bool is_new = false;
    for (int i = 0; i < count; ++i) {
      // What no XID can be is nobody's, and not ours.
      if (!is_valid(chunk[i]) || !known.insert(xid_key(chunk[i])).second) continue;
      all.push_back(chunk[i]);
      is_new = true;
    }
    if (count < int{kScanChunk}) break;
    if (!is_new) {
      return Status(
          StatusCode::kInvalidState,
          "XA resource manager " + std::string(options_.rm->name) + ": xa_recover does not get on");
    }
  }
  // The scan has reached its end; one that closes there already may answer what it likes.
  static_cast<void>(options_.rm->xa_recover_entry(chunk, 0, options_.rmid, TMENDRSCAN));
  return all;
}

Status XaThread::error(const std::string& call, int code) const {
  return Status(StatusCode::kIoError, "XA resource manager " + std::string(options_.rm->name) +
                                          ": " + call + ": " + xa_code_name(code));
}

}  // namespace cairn::rm
