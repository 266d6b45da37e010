// AnsweringManagers: a transaction manager with resource managers that do nothing but answer, for
// the rows T, R, M and G.
#ifndef CAIRN_BENCH_ANSWERING_MANAGERS_H_
#define CAIRN_BENCH_ANSWERING_MANAGERS_H_

#include <functional>
#include <memory>
#include <vector>

#include <cairn/delivery.h>
#include <cairn/transaction_manager.h>

namespace cairn::bench {

// Where the enlistments of one transaction live until it is completed: notifications name them by
// their address.
using Members = std::vector<tm::Enlistment>;

class AnsweringManagers {
 public:
  // What resource manager `number` does about a notification; it answers it, now or later. `member`
  // is a copy of its own.
  using Answer = std::function<Status(unsigned number, tm::NotificationKind kind,
                                      const tm::Enlistment& member)>;

  // Over `options.log`, or in memory. The identity of a resource manager is made of its number.
  [[nodiscard]] static Result<std::unique_ptr<AnsweringManagers>> start(
      const tm::TmOptions& options, unsigned managers, Answer answer = answer_at_once);

  [[nodiscard]] tm::TransactionManager& manager() { return manager_; }
  [[nodiscard]] tm::ResourceManager& operator[](unsigned number) { return sessions_[number]; }

  // A transaction in which resource managers `first` to `first + members.size() - 1` take part, in
  // two phases. REQUIRES: `members` stays where it is until the transaction is completed.
  [[nodiscard]] Result<tm::Transaction> begin(Members& members, unsigned first = 0);
  // Answers what is queued for managers `first` to `first + count - 1`, whosever transaction it is
  // of. From many threads at once.
  [[nodiscard]] Status answer(unsigned first = 0) { return answer(first, count()); }
  [[nodiscard]] Status answer(unsigned first, unsigned count);
  // From now on each is answered by the thread that caused it, within the call that did; answer()
  // finds nothing any more.
  [[nodiscard]] Status answer_inline();
  // Begins a transaction, commits it and waits until it is completed, answering meanwhile.
  [[nodiscard]] Status run_one(Members& members, unsigned first = 0);

  [[nodiscard]] unsigned count() const { return static_cast<unsigned>(sessions_.size()); }

  [[nodiscard]] static Status answer_at_once(unsigned number, tm::NotificationKind kind,
                                             const tm::Enlistment& member);

 private:
  AnsweringManagers() = default;
  // An error where it does not end: then something is lost.
  [[nodiscard]] static Status wait(const tm::Transaction& transaction, tm::WaitFor wait);

  void bring(unsigned number, const Result<tm::Notification>& next);

  tm::TransactionManager manager_;
  std::vector<tm::ResourceManager> sessions_;
  Answer answer_;
  std::vector<tm::Delivery> deliveries_;  // of answer_inline()
};

[[nodiscard]] Uuid numbered_id(unsigned number);

}  // namespace cairn::bench

#endif  // CAIRN_BENCH_ANSWERING_MANAGERS_H_
