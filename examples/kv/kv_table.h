// KvTable: the key-value store in memory: what is committed, what transactions are doing, and their
// locks.
//
// Knows neither log nor manager. Not thread-safe.
#ifndef CAIRN_EXAMPLES_KV_KV_TABLE_H_
#define CAIRN_EXAMPLES_KV_KV_TABLE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <cairn/enlistment.h>
#include <cairn/lsn.h>
#include <cairn/reservation.h>
#include <cairn/status.h>
#include <cairn/uuid.h>

#include "kv/kv_record.h"

namespace cairn::examples {

// One transaction's part in the store.
struct KvWork {
  std::uint64_t key = 0;  // by which the manager names it
  Uuid transaction;
  Uuid transaction_manager;
  tm::Enlistment enlistment;
  Uuid enlistment_id;
  KvWrites writes;
  bool is_open = false;      // takes more work
  bool is_offered = false;   // the manager offered it at recovery
  bool is_in_doubt = false;  // offered, and the manager itself waits for the outcome
  Lsn prepared;              // its prepare record; null: nothing is promised
  log::Reservation outcome;  // room for its commit or rollback record
};

class KvTable {
 public:
  using Entries = std::map<std::string, std::string, std::less<>>;
  using Works = std::map<std::uint64_t, KvWork>;  // by KvWork::key

  [[nodiscard]] const Entries& entries() const { return entries_; }
  [[nodiscard]] std::optional<std::string> read(std::string_view key) const;
  void apply(const KvWrites& writes);

  // Works are few at a time, the transactions in progress; references are good until forget().
  [[nodiscard]] Works& works() { return works_; }
  [[nodiscard]] const Works& works() const { return works_; }
  KvWork& add(const Uuid& transaction);
  // Null if there is none.
  [[nodiscard]] KvWork* find(std::uint64_t key);
  [[nodiscard]] KvWork* find(const Uuid& transaction);
  // Ends a work and releases its locks.
  void forget(const KvWork& work);

  // Held until forget(); a work may lock a key again. Error: kLocked (another work has it).
  [[nodiscard]] Status lock(std::string_view key, const KvWork& work);

 private:
  Entries entries_;  // committed
  Works works_;
  std::map<std::string, std::uint64_t, std::less<>> locks_;  // to the KvWork::key that holds it
  std::uint64_t next_key_ = 1;
};

}  // namespace cairn::examples

#endif  // CAIRN_EXAMPLES_KV_KV_TABLE_H_
