// SimRm: a resource manager of the simulation. It keeps its promises, and is as awkward as it may
// be: late, forgetful of answers, away for long.
//
// What it has on its disk is a value here (`durable_`): work that is prepared or committed. Beside
// it lies what a crash of it takes away: its session, what it was asked, commits not hardened yet.
// Some keep their prepared work in a stream of the manager's log instead.
#ifndef CAIRN_TESTS_SYSTEM_SIM_RM_H_
#define CAIRN_TESTS_SYSTEM_SIM_RM_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <cairn/transaction_manager.h>

#include "system/node.h"
#include "system/stage.h"

namespace cairn::system_test {

class SimRm {
 public:
  enum class Habit {
    kOwnDisk,     // forces its prepared work itself
    kManagerLog,  // keeps it in the manager's log
    kVolatile,    // keeps nothing
  };

  SimRm(Stage& stage, std::size_t number, Habit habit);

  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] const Uuid& id() const { return id_; }
  [[nodiscard]] std::size_t waiting() const { return inbox_.size(); }

  // Each returns whether there was anything to do.
  bool connect(Node& node);
  bool disconnect();  // the session ends, nothing else
  bool crash();       // its own process goes
  // A newer session takes over from this one, which is tried once more and must be fenced.
  bool fence(Node& node);
  bool enlist(const tm::Transaction& transaction);
  bool fetch();
  bool answer();        // something that was fetched, not always the first
  bool answer_again();  // what was accepted before
  bool refuse();        // rolls back, unasked
  bool leave();         // has nothing to commit after all
  bool request_outcome();
  bool set_information();
  bool drop_one();  // forgets a reference
  bool harden();

  // The manager's process is gone: sessions with it are. With it `together`, this one's too.
  void manager_gone(bool together);
  // The manager has a new identity; its administrator said so.
  void adopt(const Uuid& former, const Uuid& now);
  // From now on it votes, commits, and answers at once.
  void behave() { behaves_ = true; }

  // At the end of all: T1 to T4 as its disk shows them.
  [[nodiscard]] std::string left_over();
  // Nothing prepared is left in the manager's log.
  void let_go_of(Node& node);

 private:
  enum class Answer {
    kNone,
    kPrePrepared,
    kPrepared,
    kCommitted,
    kUnhardened,
    kRolledBack,
    kReject,
    kReadOnly
  };
  enum class Kept { kPrepared, kCommitted };
  struct Work {
    Kept kept = Kept::kPrepared;
    Uuid manager{};
  };
  // An enlistment, as this session knows it.
  struct Part {
    Uuid transaction{};
    tm::Enlistment handle;
    tm::NotificationMask mask = 0;
    std::uint64_t key = 0;
    bool recovered = false;
    bool votes_last = false;
    bool voted = false;
    bool over = false;  // read-only, or nothing more is to come
    std::set<tm::NotificationKind> heard;
    Answer last = Answer::kNone;
  };

  void say(const std::string& line) { stage_.say(name_ + " " + line); }
  bool allowed(const char* what, const Status& status, std::initializer_list<StatusCode> codes);
  void violate(const std::string& what) { stage_.model.violate(name_ + ": " + what); }
  void check_order(const tm::Notification& next, Part& part);
  void check_fenced(tm::ResourceManager& old, std::map<Uuid, Part>& parts);
  [[nodiscard]] Part* pick(const std::vector<tm::EnlistmentState>& states);
  [[nodiscard]] bool manager_is_gone(const Status& status);

  bool answer(const tm::Notification& asked);
  bool take_over(const tm::Notification& offer, Part& part);
  bool presume_aborts();
  bool pre_prepare(Part& part);
  bool prepare(Part& part);
  Status vote(Part& part);
  bool commit(Part& part);
  bool roll_back(Part& part);
  bool decide_alone(Part& part);
  Status give(Part& part, Answer answer);

  [[nodiscard]] bool is_volatile() const { return habit_ == Habit::kVolatile; }
  bool force_work(Part& part);
  void note_committed(const Uuid& transaction);
  void note_aborted(const Uuid& transaction);

  Stage& stage_;
  const std::size_t number_;
  const Habit habit_;
  const std::string name_;
  Uuid id_{};
  Uuid manager_{};
  bool behaves_ = false;
  std::uint64_t next_key_ = 1;

  // On its disk.
  std::map<Uuid, Work> durable_;                        // by transaction
  std::map<Uuid, std::vector<std::byte>> information_;  // given with an accepted call
  // In the manager's log, and durable with it; as of the manager's last crash to be looked up.
  std::map<Uuid, Lsn> covered_;
  bool look_up_ = false;

  // In its memory.
  std::set<Uuid> soft_;  // committed, not hardened: a crash undoes it

  // Of the session.
  bool connected_ = false;
  bool last_recover_ = false;
  std::uint64_t clock_ = 0;
  Node* node_ = nullptr;
  tm::ResourceManager session_;
  std::map<Uuid, Part> parts_;  // by enlistment
  std::set<Uuid> offered_;      // transactions
  std::deque<tm::Notification> inbox_;
};

}  // namespace cairn::system_test

#endif  // CAIRN_TESTS_SYSTEM_SIM_RM_H_
