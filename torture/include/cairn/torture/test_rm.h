// TestRm: the smallest resource manager that keeps its promises. Its data is the set of
// transactions it committed.
//
// It has a log of its own with three kinds of records: prepared (forced before it votes), committed
// (forced before it answers COMMIT), aborted. What is prepared and not offered by LAST_RECOVER is
// rolled back: presumed abort.
#ifndef CAIRN_TORTURE_TEST_RM_H_
#define CAIRN_TORTURE_TEST_RM_H_

#include <map>
#include <memory>
#include <set>
#include <string>

#include <cairn/delivery.h>
#include <cairn/torture/modelled_log.h>
#include <cairn/transaction_manager.h>

namespace cairn::torture {

// For one thread.
class TestRm {
 public:
  // Opens its log in `directory`, or makes it, and replays it. `known` is what its log must hold; a
  // violation is kept for violation(), not an error.
  [[nodiscard]] static Result<std::unique_ptr<TestRm>> open(std::shared_ptr<log::Storage> storage,
                                                            const std::string& directory,
                                                            const LogModel& known);

  // Begins a session and recovers; what is queued is left to answer_all().
  [[nodiscard]] Status connect(tm::TransactionManager& tm);
  // From now on whoever causes a notification answers it, at the end of the call that did. What
  // failed in there is in failure().
  [[nodiscard]] Status answer_inline();
  [[nodiscard]] const Status& failure() const { return failure_; }
  void disconnect();

  [[nodiscard]] Status enlist(const tm::Transaction& transaction);
  // Will answer PREPARE of this one with a rollback.
  void refuse(const Uuid& transaction) { refused_.insert(transaction); }
  // Answers everything that is queued; true if anything was.
  [[nodiscard]] Result<bool> answer_all();

  [[nodiscard]] bool committed(const Uuid& transaction) const {
    return committed_.contains(transaction);
  }
  [[nodiscard]] const std::set<Uuid>& all_committed() const { return committed_; }
  [[nodiscard]] std::size_t prepared_count() const { return prepared_.size(); }
  [[nodiscard]] const LogModel& model() const { return log_->model(); }
  [[nodiscard]] Status run_background() { return log_->log().run_background(); }
  // Of I1 to I4 by its log, as found by open(); or empty.
  [[nodiscard]] const std::string& violation() const { return violation_; }

 private:
  enum RecordType : std::uint16_t { kPrepared = 1, kCommitted = 2, kAborted = 3 };

  TestRm(std::unique_ptr<ModelledLog> log, Uuid id) : id_(id), log_(std::move(log)) {}

  void replay(const LogContents& contents);
  [[nodiscard]] Status write(RecordType type, const Uuid& transaction, log::Durability durability);
  [[nodiscard]] Status answer(const tm::Notification& notification);
  [[nodiscard]] Status prepare(const Uuid& transaction, tm::Enlistment& enlistment);
  [[nodiscard]] Status commit(const Uuid& transaction);
  [[nodiscard]] Status roll_back(const Uuid& transaction);
  [[nodiscard]] Status roll_back_what_was_not_offered();

  Uuid id_;
  Uuid tm_id_;
  std::unique_ptr<ModelledLog> log_;
  std::string violation_;
  std::map<Uuid, Uuid> prepared_;  // transaction -> the manager that asked
  std::set<Uuid> committed_;

  // Of this session.
  tm::ResourceManager session_;
  std::map<Uuid, tm::Enlistment> enlistments_;  // by transaction
  std::set<Uuid> offered_;
  std::set<Uuid> refused_;
  Status failure_;
  tm::Delivery delivery_;  // the last member: its handler uses the others
};

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_TEST_RM_H_
