// SimClient: begins transactions and ends them, or does not.
#ifndef CAIRN_TESTS_SYSTEM_SIM_CLIENT_H_
#define CAIRN_TESTS_SYSTEM_SIM_CLIENT_H_

#include <cairn/transaction_manager.h>

#include "system/node.h"
#include "system/stage.h"

namespace cairn::system_test {

// One transaction at a time.
class SimClient {
 public:
  explicit SimClient(Stage& stage) : stage_(stage) {}

  [[nodiscard]] bool busy() const { return busy_; }
  [[nodiscard]] const tm::Transaction& transaction() const { return transaction_; }
  // Below the transaction, in the lower manager; refers to nothing if there is none.
  [[nodiscard]] const tm::Transaction& branch() const { return branch_; }
  void set_branch(tm::Transaction branch) { branch_ = std::move(branch); }
  [[nodiscard]] bool asked() const { return asked_; }

  // Each returns whether there was anything to do.
  bool begin(Node& node);
  bool commit();
  bool roll_back();
  bool look();  // waits for nothing: what became of it?
  bool change_timeout();
  bool drop();
  // Its process is gone, or it wants to know no more.
  void forget();

 private:
  void hear(const Status& verdict, const char* what);

  Stage& stage_;
  bool busy_ = false;
  bool asked_ = false;
  bool completed_ = false;
  Node* node_ = nullptr;
  tm::Transaction transaction_;
  tm::Transaction branch_;
};

}  // namespace cairn::system_test

#endif  // CAIRN_TESTS_SYSTEM_SIM_CLIENT_H_
