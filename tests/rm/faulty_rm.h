// FaultyRm: a small resource manager that keeps its promises, but for one defect that is asked for.
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
};

// Has no thread: serve() handles one notification.
class FaultyRm : public Subject {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Subject>> open(const Surroundings& at, Defect defect);

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

  explicit FaultyRm(Defect defect) : defect_(defect) {}
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
  [[nodiscard]] Status write(Type type, const Work& work, bool force);
  [[nodiscard]] Work* find(const Uuid& transaction);
  void forget(const Work& work);

  const Defect defect_;
  tm::TransactionManager manager_;
  std::shared_ptr<log::Log> log_;
  log::Stream stream_;
  tm::ResourceManager session_;
  std::recursive_mutex mutex_;  // guards what follows
  std::map<std::string, std::uint64_t> counts_;
  std::map<std::string, Uuid> locks_;
  std::map<std::uint64_t, Work> works_;
  std::map<Uuid, std::string> committed_;
  std::uint64_t next_key_ = 1;
};

}  // namespace cairn::rm_kit

#endif  // CAIRN_TESTS_RM_FAULTY_RM_H_
