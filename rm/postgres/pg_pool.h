// PgPool: the connections of one resource manager, each with its lock.
//
// Every connection takes one advisory lock of the database, shared, before it does anything: by it
// the server tells which backends are this resource manager's, in whatever process. So a backend
// that was left behind is found and ended before anything is concluded from what is prepared.
#ifndef CAIRN_RM_POSTGRES_PG_POOL_H_
#define CAIRN_RM_POSTGRES_PG_POOL_H_

#include <cstdint>
#include <memory>
#include <string>

#include <cairn/rm_postgres.h>
#include <cairn/status.h>
#include <cairn/uuid.h>

#include "pg_connection.h"
#include "promise.h"
#include "sql/sql_pool.h"

namespace cairn::rm {

// Thread-safe.
class PgPool : public SqlPool<PgConnection> {
 public:
  PgPool(const Uuid& manager, const PostgresOptions& options);

  // Whether libpq can read the connection string. Error: kInvalidArgument.
  [[nodiscard]] Status check_conninfo() const;
  [[nodiscard]] std::unique_ptr<PgConnection> make() const override;
  // Whether it may be used: it leads to the database that the first one led to, and that is fit.
  [[nodiscard]] Status welcome(PgConnection& connection, const PgReply& greeting);

  // Of the first connection.
  [[nodiscard]] PgIdentity identity() const;
  // An expression that changes whenever the server starts, or falls down and comes back: it then
  // begins its statistics anew.
  static constexpr char kEpoch[] =
      "(SELECT pg_postmaster_start_time()::text || ' ' || stats_reset::text FROM pg_stat_bgwriter)";
  // A query that ends the backends that hold the lock and says how many those were: but the
  // asking one's, and with a `pid` only that one.
  [[nodiscard]] std::string fence(std::uint64_t pid) const;

 private:
  [[nodiscard]] std::string greeting() const;

  const std::uint64_t lock_;
  const std::string conninfo_;
  PgIdentity identity_;  // guarded by the mutex
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_POSTGRES_PG_POOL_H_
