// XaFace: what a transaction manager shows of itself as an XA resource manager. One for each
// manager; all threads of the outside monitor share it.
//
// A branch in the manager is a transaction with a superior enlistment, whose recovery information
// is the XID (xa_name.h). So after a crash the branches in doubt are known again by RECOVER_QUERY.
#ifndef CAIRN_RM_XA_XA_FACE_H_
#define CAIRN_RM_XA_XA_FACE_H_

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <cairn/log.h>
#include <cairn/transaction_manager.h>
#include <cairn/xa.h>

namespace cairn::rm {

// The string of xa_open.
struct XaFaceOptions {
  Uuid manager{};     // null: by its log
  std::string log{};  // a path
  std::string stream = "tm";
  std::chrono::seconds timeout{0};
  // How long xa_commit and xa_rollback wait for those below to carry out what is decided.
  std::chrono::milliseconds patience{1000};
};
// Error: kInvalidArgument.
[[nodiscard]] Result<XaFaceOptions> parse_xa_info(const char* info);

struct FaceBranch {
  enum class State : std::uint8_t { kActive, kPreparing, kPrepared, kCommitting, kHeuristic };
  XID xid{};
  std::uint64_t key = 0;
  tm::Transaction transaction{};
  tm::Enlistment superior{};
  // Guarded by the face's mutex.
  State state = State::kActive;
  unsigned associations = 0;  // of threads, suspended ones included
  int heuristic = 0;          // of kHeuristic: what xa_commit and xa_rollback return
  bool is_prepared = false;   // heard
  bool is_rolled_back = false;
  bool is_finished = false;
};
using FaceBranchPtr = std::shared_ptr<FaceBranch>;

// Thread-safe. Its calls return codes of XA and know nothing of threads: which of them are
// associated with what, the switch keeps.
class XaFace {
 public:
  // The one of that manager, or a new one. Errors: kNotFound, those of log and manager.
  [[nodiscard]] static Result<std::shared_ptr<XaFace>> get(const XaFaceOptions& options);
  ~XaFace();
  XaFace(const XaFace&) = delete;
  XaFace& operator=(const XaFace&) = delete;

  [[nodiscard]] const tm::TransactionManager& manager() const { return manager_; }
  // Its session with the manager has ended.
  [[nodiscard]] bool is_lost() const;

  // Null: it is not known.
  [[nodiscard]] FaceBranchPtr find(const XID& xid) const;
  // A new one, with one association. XAER_DUPID, XAER_RMFAIL, XAER_RMERR.
  [[nodiscard]] int begin(const XID& xid, std::chrono::seconds timeout, FaceBranchPtr& branch);
  // One association more: XA_OK, XA_RB*, XAER_PROTO.
  [[nodiscard]] int join(FaceBranch& branch);
  // XA_OK, or XA_RB* if it is rolled back.
  [[nodiscard]] int look(const FaceBranch& branch) const;
  // One less. `fail`: rolls it back.
  [[nodiscard]] int leave(FaceBranch& branch, bool fail);

  [[nodiscard]] int prepare(const XID& xid);
  [[nodiscard]] int commit(const XID& xid, bool one_phase, std::chrono::milliseconds patience);
  [[nodiscard]] int rollback(const XID& xid, std::chrono::milliseconds patience);
  [[nodiscard]] int forget(const XID& xid);
  [[nodiscard]] std::vector<XID> in_doubt() const;

 private:
  XaFace(std::shared_ptr<log::Log> log, tm::TransactionManager manager);
  [[nodiscard]] Status begin_session();
  [[nodiscard]] Status hear_recover(const tm::Notification& heard);
  void listen();
  void hear(const tm::Notification& heard);
  template <typename Condition>
  [[nodiscard]] bool wait(const Condition& condition) const;
  [[nodiscard]] bool wait_finished(const FaceBranch& branch,
                                   std::chrono::milliseconds patience) const;
  void erase(const FaceBranch& branch);
  // REQUIRES: the mutex is held.
  [[nodiscard]] FaceBranchPtr add(const XID& xid);
  [[nodiscard]] FaceBranchPtr find_key(std::uint64_t key) const;
  [[nodiscard]] int commit_ordered(FaceBranch& branch, bool one_phase,
                                   std::chrono::milliseconds patience);
  void set_state(FaceBranch& branch, FaceBranch::State state, int heuristic = 0);

  std::shared_ptr<log::Log> log_;  // opened by this face, else null
  tm::TransactionManager manager_;
  tm::ResourceManager session_;
  mutable std::mutex mutex_;  // guards the rest; never held while the manager is called to act
  mutable std::condition_variable news_;
  bool is_lost_ = false;
  std::map<std::string, FaceBranchPtr> branches_;  // by xid_key()
  std::uint64_t next_key_ = 1;
  std::thread listener_;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_XA_XA_FACE_H_
