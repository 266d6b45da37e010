// FakeXa: an XA resource manager in memory that answers by a script, and watches how it is called.
//
// It lives on without its callers, as a server would, so a resource manager object can come and go.
#ifndef CAIRN_TESTS_RM_FAKE_XA_H_
#define CAIRN_TESTS_RM_FAKE_XA_H_

#include <cstddef>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <cairn/xa.h>

namespace cairn::rm {

// Thread-safe. The switch finds it by its rmid.
class FakeXa {
 public:
  explicit FakeXa(long flags = TMNOFLAGS);
  ~FakeXa();
  FakeXa(const FakeXa&) = delete;
  FakeXa& operator=(const FakeXa&) = delete;

  [[nodiscard]] const xa_switch_t* rm() const { return &switch_; }
  [[nodiscard]] int rmid() const { return rmid_; }

  // The next call of `name` ("start", "end", "prepare", "commit", "rollback", "forget", "recover",
  // "open", "complete") returns `code`; `done`: and does what it should nevertheless. Each call
  // takes one, in order; without one it does what it should.
  void script(const std::string& name, int code, bool done = false);
  // A promise of whoever, as if made before.
  void put_prepared(const XID& xid);
  void remove(const XID& xid);
  // All that are there: prepared or not, or ended by itself.
  [[nodiscard]] std::vector<XID> known() const;
  [[nodiscard]] std::size_t committed() const;
  // Names of the calls so far: "prepare", "prepare async", "commit one", "recover start" ...
  [[nodiscard]] std::vector<std::string> calls() const;
  [[nodiscard]] bool was_called(const std::string& name) const;
  // What the specification forbids and was done nevertheless; "" if nothing was.
  [[nodiscard]] std::string violations() const;
  [[nodiscard]] std::size_t threads() const;  // that have it open
  [[nodiscard]] std::size_t at_once() const;  // most asynchronous calls

 private:
  friend struct FakeXaEntries;
  enum class State { kActive, kPrepared, kHeuristic };
  struct Branch {
    XID xid;
    State state;
  };
  struct Scripted {
    int code;
    bool done;
  };

  int enter(const std::string& name, const XID* xid, long flags);
  int act(const std::string& name, const XID& xid, long flags);
  int recover(XID* xids, long count, long flags);

  xa_switch_t switch_{};
  int rmid_ = 0;
  mutable std::mutex mutex_;
  std::map<std::string, std::deque<Scripted>> scripts_;
  std::map<std::string, Branch> branches_;
  std::size_t committed_ = 0;
  std::vector<std::string> calls_;
  std::string violations_;
  std::set<std::thread::id> open_;
  std::map<std::thread::id, std::string> associated_;
  std::map<std::thread::id, std::deque<XID>> scans_;
  std::map<int, int> running_;  // handle, code
  std::size_t at_once_ = 0;
  int next_handle_ = 1;
};

}  // namespace cairn::rm

#endif  // CAIRN_TESTS_RM_FAKE_XA_H_
