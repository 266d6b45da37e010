// FaultyRm: a small resource manager that keeps its promises, but for one defect that is asked for.
// What is right can be done in several ways, and it does so in each.
#ifndef CAIRN_TESTS_RM_FAULTY_RM_H_
#define CAIRN_TESTS_RM_FAULTY_RM_H_

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <cairn/log.h>
#include <cairn/rm_kit.h>

namespace cairn::rm_kit {

enum class Defect {
  kNone,
  kForgetsPromisesAtRestart,
  kPromisesWithoutForce,
  kAnswersCommitBeforeItIsDurable,
  kAddsAgainWhenToldAgain,
  kIgnoresRollbackOfTheUnknown,
  kRollsBackOnRecover,
  kShowsWhatItPromised,
  kRollsBackTheUnofferedTooEarly,
  kKeepsTheUnoffered,
  kDecidesForAnotherManager,
  kKnowsTheKeyAfterEnlist,
  kDecidesAloneWithoutForce,
  kDoesNotAnswerPrepare,
  kKeepsLocksAfterRollback,
  kDoesNotAnswerPrePrepare,
  kPromisesDespiteAnError,
  kAnswersCommitDespiteAnError,
  kWritesThePromiseAfterTheAnswer,  // for Way::kCovered
  kHardensWithoutForce,             // for Way::kHardensLater
};

enum class Way {
  kForces,        // each promise, each commit
  kPrePrepares,   // the same, and asks for PREPREPARE
  kCovered,       // the manager's record makes its promise durable; in the manager's log
  kHardensLater,  // commits without a force, and makes them durable when it has nothing to do
};

// Has no thread: serve() handles one notification.
class FaultyRm : public Subject {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Subject>> open(const Surroundings& at, Defect defect,
                                                             Way way = Way::kForces);

  Status add(const tm::Transaction& transaction, const std::string& item) override;
  Result<std::uint64_t> count(const std::string& item) override;
  Status look(const tm::Transaction& transaction, const std::string& item) override;
  Result<bool> serve() override;

 private:
  enum Type : std::uint16_t { kPromise = 1, kCommit, kRollback, kAtOnce };
  struct Work {
    Uuid manager;
    Uuid transaction;
    tm::Enlistment enlistment;
    std::string item;  // "": looks only
    bool is_promised = false;
    bool is_offered = false;
  };

  FaultyRm(Defect defect, Way way) : defect_(defect), way_(way) {}
  [[nodiscard]] bool has(Defect defect) const { return defect_ == defect; }
  [[nodiscard]] Status replay();
  [[nodiscard]] Result<std::uint64_t> enlist(const tm::Transaction& transaction,
                                             const std::string& item);
  [[nodiscard]] Status handle(const tm::Notification& told);
  [[nodiscard]] Status on_recover(const tm::Notification& told);
  [[nodiscard]] Status roll_back_unoffered(bool all);
  [[nodiscard]] Status promise(Work& work);
  [[nodiscard]] Status commit(Work& work, bool alone);
  [[nodiscard]] Status roll_back(Work& work);
  [[nodiscard]] Result<Lsn> write(Type type, const Work& work, bool force);
  [[nodiscard]] Status answer_commit(const tm::Enlistment& enlistment, bool alone);
  [[nodiscard]] Result<bool> harden();
  [[nodiscard]] Work* find(const Uuid& transaction);
  void forget(const Work& work);

  const Defect defect_;
  const Way way_;
  tm::TransactionManager manager_;
  std::shared_ptr<log::Log> log_;
  log::Stream stream_;
  tm::ResourceManager session_;
  std::recursive_mutex mutex_;  // guards what follows
  std::map<std::string, std::uint64_t> counts_;
  std::map<std::string, Uuid> locks_;
  std::map<std::uint64_t, Work> works_;
  std::map<Uuid, std::string> committed_;
  std::vector<tm::Enlistment> unhardened_;
  std::uint64_t next_key_ = 1;
};

}  // namespace cairn::rm_kit

#endif  // CAIRN_TESTS_RM_FAULTY_RM_H_
