#include <utility>

#include <cairn/rm_postgres.h>

#include "pg_database.h"
#include "sql/sql_clients.h"
#include "sql/sql_server.h"

namespace cairn::rm {

class PostgresResourceManager::Impl : public SqlAdapter<PgDatabase> {
 public:
  using SqlAdapter::SqlAdapter;
};

PostgresResourceManager::PostgresResourceManager(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}
PostgresResourceManager::~PostgresResourceManager() = default;

Result<std::unique_ptr<PostgresResourceManager>> PostgresResourceManager::open(
    tm::TransactionManager manager, PostgresOptions options) {
  auto impl = std::make_unique<Impl>(std::move(manager), std::move(options));
  CAIRN_RETURN_IF_ERROR(impl->open());
  return std::unique_ptr<PostgresResourceManager>(new PostgresResourceManager(std::move(impl)));
}

Status PostgresResourceManager::work(const tm::Transaction& transaction, const Function& function) {
  return impl_->work(transaction, function);
}
const PostgresRecovery& PostgresResourceManager::recovery() const { return impl_->recovery(); }
Status PostgresResourceManager::health() const { return impl_->health(); }
Status PostgresResourceManager::trouble() const { return impl_->trouble(); }

}  // namespace cairn::rm
