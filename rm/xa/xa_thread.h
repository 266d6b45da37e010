// XaThread: one thread of control's connection to a resource manager. Used by that thread alone.
#ifndef CAIRN_RM_XA_XA_THREAD_H_
#define CAIRN_RM_XA_XA_THREAD_H_

#include <string>
#include <vector>

#include <cairn/result.h>
#include <cairn/rm_xa.h>
#include <cairn/status.h>
#include <cairn/xa.h>

#include "xa_codes.h"

namespace cairn::rm {

class XaThread {
 public:
  explicit XaThread(const XaOptions& options) : options_(options) {}

  // xa_open, if it is not open. Errors: kInvalidArgument (XAER_INVAL), kIoError.
  [[nodiscard]] Status open();
  // xa_close, if it is open; what that answers does not matter.
  void close();
  [[nodiscard]] bool is_open() const { return is_open_; }

  // REQUIRES, of all: open. `extra`: further flags. They return what the resource manager does.
  [[nodiscard]] int call(XaCall call, XID xid, long extra = TMNOFLAGS);
  // The end of a call that was begun with TMASYNC. An answer that is none is XAER_RMFAIL: nobody
  // knows.
  [[nodiscard]] int complete(int handle);
  [[nodiscard]] bool is_asynchronous() const { return (options_.rm->flags & TMUSEASYNC) != 0; }
  // All branches that the resource manager has prepared or ended by itself, whosever they are.
  // Errors: kIoError (its code), kInvalidState (its answers are none).
  [[nodiscard]] Result<std::vector<XID>> scan();

  // "XA resource manager NAME: CALL: CODE".
  [[nodiscard]] Status error(const std::string& call, int code) const;

 private:
  const XaOptions& options_;
  bool is_open_ = false;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_XA_XA_THREAD_H_
