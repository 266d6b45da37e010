// SimSuperior: a coordinator outside, above the manager. Its decisions to commit are on its disk
// before it orders them; what it does not find there it rolls back.
#ifndef CAIRN_TESTS_SYSTEM_SIM_SUPERIOR_H_
#define CAIRN_TESTS_SYSTEM_SIM_SUPERIOR_H_

#include <map>
#include <set>
#include <string>

#include <cairn/transaction_manager.h>

#include "system/node.h"
#include "system/stage.h"

namespace cairn::system_test {

class SimSuperior {
 public:
  explicit SimSuperior(Stage& stage);

  [[nodiscard]] bool connected() const { return connected_; }
  bool connect(Node& node);
  bool disconnect();
  bool enlist(const tm::Transaction& transaction);
  bool fetch();
  bool order();  // the next step for one of its transactions, or a rollback
  void manager_gone();
  void behave() { behaves_ = true; }

 private:
  enum class Phase { kWorking, kPrePreparing, kPreparing, kPrepared, kOffered, kOrdered, kOver };
  struct Part {
    Uuid transaction{};
    tm::Enlistment handle;
    Phase phase = Phase::kWorking;
    bool promised = false;    // only it may decide
    bool rolls_back = false;  // it ordered that
    std::set<tm::NotificationKind> heard;
  };

  bool allowed(const std::string& what, const Status& status,
               std::initializer_list<StatusCode> codes);
  void hear(const tm::Notification& next, Part& part);
  bool take_over(const tm::Notification& offer, Part& part);
  bool drive(Part& part);
  bool decide(Part& part);
  bool carry_out(Part& part);
  bool commit_at_once(Part& part);
  bool roll_back(Part& part);

  Stage& stage_;
  Uuid id_{};
  bool behaves_ = false;
  std::set<Uuid> committed_;  // on its disk
  std::uint64_t next_key_ = 1;

  bool connected_ = false;
  bool last_recover_ = false;
  Node* node_ = nullptr;
  tm::ResourceManager session_;
  std::map<Uuid, Part> parts_;  // by enlistment
};

}  // namespace cairn::system_test

#endif  // CAIRN_TESTS_SYSTEM_SIM_SUPERIOR_H_
