// Bank: a log, a transaction manager in it, and stores; a transfer is one transaction over all that
// it touches.
#ifndef CAIRN_EXAMPLES_BANK_BANK_H_
#define CAIRN_EXAMPLES_BANK_BANK_H_

#include <memory>
#include <string>
#include <vector>

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
  // the log, the manager, then each store. The same places in the same order each time. Errors:
  // kInvalidArgument (a kind of store that is none), those of log, manager and stores.
  [[nodiscard]] static Result<std::unique_ptr<Bank>> open(
      const std::string& directory, const std::vector<StorePlace>& places = default_places());
  // The log's directory below `directory`.
  [[nodiscard]] static std::string log_directory(const std::string& directory);

  // What open() found unfinished, and how long it took.
  [[nodiscard]] const Recovery& recovery() const { return recovery_; }
  [[nodiscard]] StorageFacts storage() const;

  // Gives the accounts that are not there yet their opening balance.
  [[nodiscard]] Status open_accounts(AccountId accounts);

  // Tries a transfer once. It is committed, with its marker in each part it touches, when the
  // verdict says so. Errors: kLocked and kAlreadyAborted (nothing was done: try again), kCorrupt
  // (an account is missing, or an earlier try is there by a part), and whatever keeps the manager
  // from going on.
  [[nodiscard]] Result<Verdict> transfer(const Transfer& transfer);

  // What all parts hold. REQUIRES: no transfers are under way.
  [[nodiscard]] Result<Contents> contents() const;
  // Store::prepared() of all.
  [[nodiscard]] Result<std::uint64_t> prepared() const;

  // Ends the sessions, closes manager and log. Nothing else may be called afterwards.
  [[nodiscard]] Status close();

 private:
  Bank() = default;
  [[nodiscard]] Part part_of_account(AccountId account) const {
    return part_of(account, stores_.size());
  }
  [[nodiscard]] Store& store_of(AccountId account) { return *stores_[part_of_account(account)]; }
  [[nodiscard]] Status open_account(const tm::Transaction& transaction, AccountId account);
  [[nodiscard]] Result<Verdict> work(const tm::Transaction& transaction, const Transfer& transfer);
  [[nodiscard]] Result<bool> is_there(const tm::Transaction& transaction, const Transfer& transfer);
  [[nodiscard]] Result<Amount> balance(const tm::Transaction& transaction, AccountId account);
  [[nodiscard]] Status set_balance(const tm::Transaction& transaction, AccountId account,
                                   Amount balance);

  std::shared_ptr<log::Log> log_;
  tm::TransactionManager tm_;
  std::vector<std::unique_ptr<Store>> stores_;  // by Part
  Recovery recovery_;
};

}  // namespace cairn::examples::bank

#endif  // CAIRN_EXAMPLES_BANK_BANK_H_
