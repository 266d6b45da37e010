// Store: one part of the bank, whichever resource manager keeps it. A further kind is one file that
// derives from it, and a line in store.cc.
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
  [[nodiscard]] virtual Result<PartContents> contents() const = 0;
  [[nodiscard]] virtual InDoubt in_doubt() const = 0;
  // How many transactions of Cairn are prepared and have no outcome, as the store's own list says.
  [[nodiscard]] virtual Result<std::uint64_t> prepared() const = 0;
};

// A private server of a store, for one run. Gone, with its data, at destruction. One thread.
class Server {
 public:
  virtual ~Server() = default;
  // SIGKILL to all of its processes.
  virtual void kill() = 0;
  // After a kill. It takes connections on return.
  [[nodiscard]] virtual Status start() = 0;
  // What its clients connect with; the same after each start.
  [[nodiscard]] virtual std::string address() const = 0;
};

// Where a part of the bank lies.
struct StorePlace {
  std::string kind;     // a StoreKind::name
  std::string address;  // of its server; empty: it is embedded
};
// "rocksdb" and "kv".
[[nodiscard]] std::vector<StorePlace> default_places();

struct StoreSurroundings {
  std::string directory;          // of the bank
  std::shared_ptr<log::Log> log;  // the manager's
  tm::TransactionManager manager;
  std::string address;  // StorePlace's
};

struct StoreKind {
  std::string name;
  // Made if it is not there.
  Result<std::unique_ptr<Store>> (*open)(const StoreSurroundings& at) = nullptr;
  // A server that runs; null: there is none. Error: kNotFound (it is not installed).
  Result<std::unique_ptr<Server>> (*start)() = nullptr;
};
// Those that this program was built with.
[[nodiscard]] const std::vector<StoreKind>& store_kinds();
// Error: kInvalidArgument, with the names there are.
[[nodiscard]] Result<StoreKind> find_store_kind(const std::string& name);

// Each in a file of its own.
[[nodiscard]] StoreKind rocksdb_kind();   // a RocksDB database in the bank's directory
[[nodiscard]] StoreKind kv_kind();        // the reference resource manager, in the manager's log
[[nodiscard]] StoreKind postgres_kind();  // a PostgreSQL server
[[nodiscard]] StoreKind mariadb_kind();   // a MariaDB server
[[nodiscard]] StoreKind sqlite_kind();    // a SQLite database, as the last to commit

}  // namespace cairn::examples::bank

#endif  // CAIRN_EXAMPLES_BANK_STORE_H_
