// MariaPool: the connections of one resource manager, each with two locks.
//
// A lock of GET_LOCK() is one connection's, and the server tells whose. Every connection takes two
// before it does anything. One is named after the server's number for it: by it all connections of
// this resource manager are found, in whatever process. The other one is named after a random
// number: by it one that was lost is found, though the server may have started again since and
// given its number to somebody else. A connection keeps them to its end, when its branch is rolled
// back or, prepared, free for others.
#ifndef CAIRN_RM_MARIADB_MARIA_POOL_H_
#define CAIRN_RM_MARIADB_MARIA_POOL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <cairn/rm_mariadb.h>
#include <cairn/status.h>
#include <cairn/uuid.h>

#include "maria_connection.h"
#include "sql/sql_pool.h"

namespace cairn::rm {

// The table's, of the first connection.
struct MariaIdentity {
  Uuid table;
  [[nodiscard]] std::string to_string() const { return table.to_string(); }
};

// Whether a server that introduces itself so is MariaDB, from 10.5 on, which keeps what is prepared
// when its connection ends.
[[nodiscard]] bool is_fit_server(const std::string& version);

// Thread-safe.
class MariaPool : public SqlPool<MariaConnection> {
 public:
  MariaPool(const Uuid& manager, const MariaDbOptions& options);

  [[nodiscard]] std::unique_ptr<MariaConnection> make() const override;
  // Whether it may be used: it leads to the database that the first one led to, and that is fit.
  // Errors also: kNotFound (there is no table).
  [[nodiscard]] Status welcome(MariaConnection& connection, const MariaReply& greeting);
  [[nodiscard]] MariaIdentity identity() const;

  [[nodiscard]] std::string greeting(std::uint64_t id) const;
  [[nodiscard]] std::string create_table() const;
  [[nodiscard]] const std::string& table() const { return table_; }
  // Queries: the server's number of the connection that was `id`, or NULL; those of all but the
  // asking one.
  [[nodiscard]] std::string find_connection(std::uint64_t id) const;
  [[nodiscard]] std::string find_connections() const;
  // What the names in the table begin with.
  [[nodiscard]] const std::string& prefix() const { return prefix_; }

 private:
  const MariaDbOptions options_;
  const std::string prefix_;  // both identities, 64 digits
  const std::string table_;   // quoted
  Uuid identity_;             // guarded by the mutex
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_MARIADB_MARIA_POOL_H_
