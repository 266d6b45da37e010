#include "bank/bank.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace cairn::examples::bank {
namespace {

constexpr std::uint64_t kContainerSize = std::uint64_t{16} << 20;
constexpr std::uint64_t kCheckpointBytes = std::uint64_t{512} << 10;
constexpr std::chrono::seconds kMaxCommit{30};
constexpr AccountId kAccountsPerTransaction = 500;

// Each transaction counts once. One that had reached a store's disk but not the other's is in doubt
// all the same.
Recovery add_up(const std::vector<std::unique_ptr<Store>>& stores) {
  std::set<Uuid> committed;
  std::set<Uuid> aborted;
  std::set<Uuid> redelivered;
  for (const auto& store : stores) {
    const InDoubt found = store->in_doubt();
    committed.insert(found.committed.begin(), found.committed.end());
    aborted.insert(found.aborted.begin(), found.aborted.end());
    redelivered.insert(found.redelivered.begin(), found.redelivered.end());
  }
  Recovery recovery;
  recovery.finished = true;
  recovery.committed = committed.size();
  recovery.aborted = aborted.size();
  for (const Uuid& id : redelivered) recovery.redelivered += committed.contains(id) ? 0 : 1;
  return recovery;
}

// A store whose session has ended never completes a commit: that must not hang the bank.
Status commit(tm::Transaction& transaction) {
  return transaction.commit(tm::WaitFor::kCompleted, kMaxCommit);
}

}  // namespace

std::string Bank::log_directory(const std::string& directory) { return directory + "/log"; }

Result<std::unique_ptr<Bank>> Bank::open(const std::string& directory,
                                         const std::vector<StorePlace>& places) {
  const auto begin = std::chrono::steady_clock::now();
  std::unique_ptr<Bank> bank(new Bank);
  log::CreateOptions create;
  create.container_size = kContainerSize;
  CAIRN_ASSIGN_OR_RETURN(bank->log_, log::Log::open_or_create(log_directory(directory), create));

  tm::TmOptions options;
  options.log = bank->log_;
  options.checkpoint_bytes = kCheckpointBytes;
  CAIRN_ASSIGN_OR_RETURN(bank->tm_, tm::TransactionManager::open_or_create(options));
  CAIRN_RETURN_IF_ERROR(bank->tm_.recover().status());

  for (const StorePlace& place : places) {
    CAIRN_ASSIGN_OR_RETURN(const StoreKind kind, find_store_kind(place.kind));
    CAIRN_ASSIGN_OR_RETURN(auto store,
                           kind.open({directory, bank->log_, bank->tm_, place.address}));
    bank->stores_.push_back(std::move(store));
  }
  bank->recovery_ = add_up(bank->stores_);
  const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - begin;
  bank->recovery_.milliseconds = taken.count();
  return bank;
}

StorageFacts Bank::storage() const {
  const log::StorageInfo info = log_->info().storage;
  return {.kind = info.kind,
          .reason = info.reason,
          .file_system = info.file_system,
          .direct = info.direct,
          .weaknesses = info.weaknesses};
}

// ---- Accounts

Status Bank::open_accounts(AccountId accounts) {
  for (AccountId first = 0; first < accounts; first += kAccountsPerTransaction) {
    const AccountId end = std::min(accounts, first + kAccountsPerTransaction);
    CAIRN_ASSIGN_OR_RETURN(tm::Transaction transaction, tm_.create_transaction());
    for (AccountId account = first; account < end; ++account) {
      CAIRN_RETURN_IF_ERROR(open_account(transaction, account));
    }
    CAIRN_RETURN_IF_ERROR(commit(transaction));
  }
  return Status::ok();
}

Status Bank::open_account(const tm::Transaction& transaction, AccountId account) {
  CAIRN_ASSIGN_OR_RETURN(const auto present,
                         store_of(account).get(transaction, account_key(account)));
  return present ? Status::ok() : set_balance(transaction, account, kOpeningBalance);
}

Result<Amount> Bank::balance(const tm::Transaction& transaction, AccountId account) {
  CAIRN_ASSIGN_OR_RETURN(const auto text, store_of(account).get(transaction, account_key(account)));
  const auto balance = text ? parse_balance(*text) : std::nullopt;
  if (balance) return *balance;
  return Status(StatusCode::kCorrupt,
                fmt::format("account {} in store {}: expected a balance, found {}", account,
                            part_of_account(account), text ? *text : "nothing"));
}

Status Bank::set_balance(const tm::Transaction& transaction, AccountId account, Amount balance) {
  return store_of(account).put(transaction, account_key(account), format_balance(balance));
}

// ---- Transfers

Result<Verdict> Bank::transfer(const Transfer& transfer) {
  tm::TransactionOptions options;
  options.description = marker_key(transfer.id);
  CAIRN_ASSIGN_OR_RETURN(tm::Transaction transaction, tm_.create_transaction(options));
  const Result<Verdict> verdict = work(transaction, transfer);
  if (verdict.is_ok() && *verdict == Verdict::kCommitted) {
    CAIRN_RETURN_IF_ERROR(commit(transaction));
    return verdict;
  }
  CAIRN_RETURN_IF_ERROR(transaction.rollback());
  return verdict;
}

// All that is to be done before the commit; kCommitted asks for it.
Result<Verdict> Bank::work(const tm::Transaction& transaction, const Transfer& transfer) {
  CAIRN_ASSIGN_OR_RETURN(const bool there, is_there(transaction, transfer));
  if (there) return Verdict::kAlreadyThere;
  CAIRN_ASSIGN_OR_RETURN(const Amount from, balance(transaction, transfer.from));
  CAIRN_ASSIGN_OR_RETURN(const Amount to, balance(transaction, transfer.to));
  if (from < transfer.amount) return Verdict::kAborted;
  CAIRN_RETURN_IF_ERROR(set_balance(transaction, transfer.from, from - transfer.amount));
  CAIRN_RETURN_IF_ERROR(set_balance(transaction, transfer.to, to + transfer.amount));
  for (Part part = 0; part < stores_.size(); ++part) {
    if (!touches(transfer, part, stores_.size())) continue;
    CAIRN_RETURN_IF_ERROR(
        stores_[part]->put(transaction, marker_key(transfer.id), format_balance(transfer.amount)));
  }
  return Verdict::kCommitted;
}

// Whether an earlier try was committed: its marker is in every part it touches. In one of two only:
// never.
Result<bool> Bank::is_there(const tm::Transaction& transaction, const Transfer& transfer) {
  int expected = 0;
  int found = 0;
  for (Part part = 0; part < stores_.size(); ++part) {
    if (!touches(transfer, part, stores_.size())) continue;
    CAIRN_ASSIGN_OR_RETURN(const auto marker,
                           stores_[part]->get(transaction, marker_key(transfer.id)));
    ++expected;
    found += marker ? 1 : 0;
  }
  if (found == 0 || found == expected) return found == expected;
  return Status(
      StatusCode::kCorrupt,
      fmt::format("transfer {}: expected its marker in both its stores or in none, found it "
                  "in one",
                  transfer.id));
}

// ---- The end

Result<Contents> Bank::contents() const {
  Contents contents;
  for (const auto& store : stores_) {
    CAIRN_ASSIGN_OR_RETURN(PartContents part, store->contents());
    contents.push_back(std::move(part));
  }
  return contents;
}

Result<std::uint64_t> Bank::prepared() const {
  std::uint64_t sum = 0;
  for (const auto& store : stores_) {
    CAIRN_ASSIGN_OR_RETURN(const std::uint64_t found, store->prepared());
    sum += found;
  }
  return sum;
}

Status Bank::close() {
  for (auto& store : stores_) store.reset();
  const Status manager = tm_.close();
  const Status log = log_->close();
  return manager ? log : manager;
}

}  // namespace cairn::examples::bank
