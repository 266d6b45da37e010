// Store: one half of the bank, whichever resource manager keeps it.
#ifndef CAIRN_EXAMPLES_BANK_STORE_H_
#define CAIRN_EXAMPLES_BANK_STORE_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <cairn/log.h>
#include <cairn/transaction_manager.h>
#include <cairn/uuid.h>

#include "bank/ledger.h"

namespace cairn::examples::bank {

// What a store found at its start, by unit of work.
struct InDoubt {
  std::vector<Uuid> committed;
  std::vector<Uuid> aborted;
  std::vector<Uuid> redelivered;
};

// Thread-safe. Opening one recovers it. Destruction ends its session; the manager and the log
// outlive it.
class Store {
 public:
  virtual ~Store() = default;

  // Reads and locks a key for the transaction. Error: kLocked when another one has it.
  [[nodiscard]] virtual Result<std::optional<std::string>> get(const tm::Transaction& transaction,
                                                               const std::string& key) = 0;
  [[nodiscard]] virtual Status put(const tm::Transaction& transaction, const std::string& key,
                                   const std::string& value) = 0;
  // Everything committed. REQUIRES: no transfers are under way.
  [[nodiscard]] virtual Result<HalfContents> contents() const = 0;
  [[nodiscard]] virtual InDoubt in_doubt() const = 0;
};

// A RocksDB database in `directory`, made if it is not there.
[[nodiscard]] Result<std::unique_ptr<Store>> open_rocksdb_store(const std::string& directory,
                                                                const tm::TransactionManager& tm);
// The reference resource manager, in a stream of `log`.
[[nodiscard]] Result<std::unique_ptr<Store>> open_kv_store(std::shared_ptr<log::Log> log,
                                                           const tm::TransactionManager& tm);

}  // namespace cairn::examples::bank

#endif  // CAIRN_EXAMPLES_BANK_STORE_H_
