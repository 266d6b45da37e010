// Bank: a log, a transaction manager in it, and two stores; a transfer is one transaction over
// both.
#ifndef CAIRN_EXAMPLES_BANK_BANK_H_
#define CAIRN_EXAMPLES_BANK_BANK_H_

#include <array>
#include <memory>
#include <string>

#include <cairn/log.h>
#include <cairn/transaction_manager.h>

#include "bank/ledger.h"
#include "bank/message.h"
#include "bank/report.h"
#include "bank/store.h"

namespace cairn::examples::bank {

// Thread-safe but for close().
class Bank {
 public:
  // Opens or makes everything below `directory` and recovers it in the order the protocol asks for:
  // the log, the manager, then each store. Errors: those of the parts.
  [[nodiscard]] static Result<std::unique_ptr<Bank>> open(const std::string& directory);
  // The log's directory below `directory`.
  [[nodiscard]] static std::string log_directory(const std::string& directory);

  // What open() found unfinished, and how long it took.
  [[nodiscard]] const Recovery& recovery() const { return recovery_; }
  [[nodiscard]] StorageFacts storage() const;

  // Gives the accounts that are not there yet their opening balance.
  [[nodiscard]] Status open_accounts(AccountId accounts);

  // Tries a transfer once. It is committed, with its marker in each half it touches, when the
  // verdict says so. Errors: kLocked and kAlreadyAborted (nothing was done: try again), kCorrupt
  // (an account is missing, or an earlier try is there by half), and whatever keeps the manager
  // from going on.
  [[nodiscard]] Result<Verdict> transfer(const Transfer& transfer);

  // What both halves hold. REQUIRES: no transfers are under way.
  [[nodiscard]] Result<Contents> contents() const;

  // Ends the sessions, closes manager and log. Nothing else may be called afterwards.
  [[nodiscard]] Status close();

 private:
  Bank() = default;
  [[nodiscard]] Store& store(Half half) { return *stores_[static_cast<std::size_t>(half)]; }
  [[nodiscard]] Status open_account(const tm::Transaction& transaction, AccountId account);
  [[nodiscard]] Result<Verdict> work(const tm::Transaction& transaction, const Transfer& transfer);
  [[nodiscard]] Result<bool> is_there(const tm::Transaction& transaction, const Transfer& transfer);
  [[nodiscard]] Result<Amount> balance(const tm::Transaction& transaction, AccountId account);
  [[nodiscard]] Status set_balance(const tm::Transaction& transaction, AccountId account,
                                   Amount balance);

  std::shared_ptr<log::Log> log_;
  tm::TransactionManager tm_;
  std::array<std::unique_ptr<Store>, 2> stores_;  // by Half
  Recovery recovery_;
};

}  // namespace cairn::examples::bank

#endif  // CAIRN_EXAMPLES_BANK_BANK_H_
