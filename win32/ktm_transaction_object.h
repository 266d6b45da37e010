// TransactionObject: a transaction, before and after it has found its manager.
#ifndef CAIRN_WIN32_KTM_TRANSACTION_OBJECT_H_
#define CAIRN_WIN32_KTM_TRANSACTION_OBJECT_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <cairn/result.h>
#include <cairn/transaction.h>
#include <cairn/uuid.h>

#include "handle_table.h"
#include "ktm_objects.h"

namespace cairn::win32 {

// In KTM a transaction belongs to no manager until someone enlists in it; in Cairn it is made in
// one. So this begins unbound: nobody takes part, and it is ended by a word. The first enlistment
// binds it: the manager then makes a transaction of the same unit of work, with what is left of the
// timeout, and decides from there on. All handles of one transaction refer to one of these, which
// holds one counted reference to the manager's.
class TransactionObject : public Object {
 public:
  static constexpr HandleType kType = HandleType::kTransaction;

  struct Properties {
    std::uint32_t timeout_ms = 0;  // 0: none
    std::string description{};
  };

  // A new one, unbound, known by its name.
  [[nodiscard]] static std::shared_ptr<TransactionObject> create(Properties properties);
  // Of one that a manager has, for example from its log.
  [[nodiscard]] static std::shared_ptr<TransactionObject> of(std::shared_ptr<TmObject> manager,
                                                             cairn::tm::Transaction transaction);
  ~TransactionObject() override;

  // A new handle of `transaction`; CloseHandle() ends it. With the last one it is rolled back
  // unless its commit was asked for, also while calls still use it and wait in it.
  [[nodiscard]] static HANDLE new_handle(const std::shared_ptr<TransactionObject>& transaction);
  void closed() override;

  [[nodiscard]] const Uuid& id() const { return id_; }

  // The manager's transaction, made now if there is none yet. Errors: kNotActive (it has ended),
  // kInvalidArgument (it is bound to another manager), those of create_transaction().
  [[nodiscard]] Result<cairn::tm::Transaction> bind(const std::shared_ptr<TmObject>& manager);

  // As those of cairn::tm::Transaction.
  [[nodiscard]] Status commit();
  [[nodiscard]] Status commit_async();
  [[nodiscard]] Status rollback();
  // Whether the outcome is known and, if that is commit, all have answered. Also where nobody can
  // say any more what becomes of it.
  [[nodiscard]] std::optional<bool> wait(std::optional<std::chrono::nanoseconds> limit) override;

  struct Information {
    cairn::tm::Outcome outcome = cairn::tm::Outcome::kUndetermined;
    std::uint32_t timeout_ms = 0;
    std::string description{};
  };
  [[nodiscard]] Result<Information> information();
  // Timeout from now on; an absent description stays.
  [[nodiscard]] Status set_properties(std::uint32_t timeout_ms,
                                      std::optional<std::string> description);
  // Whether it is unbound and has not ended.
  [[nodiscard]] bool is_unbound();

 private:
  using Clock = std::chrono::steady_clock;

  TransactionObject(const Uuid& id, Properties properties);
  [[nodiscard]] std::optional<cairn::tm::Transaction> bound();
  [[nodiscard]] Status end_unbound_locked(cairn::tm::Outcome outcome);
  [[nodiscard]] std::optional<Clock::time_point> deadline_after_ms(std::uint32_t timeout_ms) const;
  void expire_locked();

  const Uuid id_;
  std::mutex mutex_;
  std::condition_variable changed_;  // bound, or ended
  Properties properties_;
  std::size_t handles_ = 0;
  bool commit_asked_ = false;
  std::optional<Clock::time_point> deadline_;  // of an unbound one
  // Of an unbound one; a bound one asks the manager.
  cairn::tm::Outcome outcome_ = cairn::tm::Outcome::kUndetermined;
  // Declared before the transaction: let go of after it.
  std::shared_ptr<TmObject> manager_;
  std::optional<cairn::tm::Transaction> transaction_;
};

}  // namespace cairn::win32

#endif  // CAIRN_WIN32_KTM_TRANSACTION_OBJECT_H_
