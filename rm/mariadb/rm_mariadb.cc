#include <utility>

#include <cairn/rm_mariadb.h>

#include "maria_database.h"
#include "sql/sql_clients.h"
#include "sql/sql_server.h"

namespace cairn::rm {

class MariaDbResourceManager::Impl : public SqlAdapter<MariaDatabase> {
 public:
  using SqlAdapter::SqlAdapter;
};

MariaDbResourceManager::MariaDbResourceManager(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}
MariaDbResourceManager::~MariaDbResourceManager() = default;

Result<std::unique_ptr<MariaDbResourceManager>> MariaDbResourceManager::open(
    tm::TransactionManager manager, MariaDbOptions options) {
  auto impl = std::make_unique<Impl>(std::move(manager), std::move(options));
  CAIRN_RETURN_IF_ERROR(impl->open());
  return std::unique_ptr<MariaDbResourceManager>(new MariaDbResourceManager(std::move(impl)));
}

Status MariaDbResourceManager::work(const tm::Transaction& transaction, const Function& function) {
  return impl_->work(transaction, function);
}
Status MariaDbResourceManager::read(const tm::Transaction& transaction, const Function& function) {
  return impl_->work(transaction, function, SqlAccess::kReads);
}
const MariaDbRecovery& MariaDbResourceManager::recovery() const { return impl_->recovery(); }
Status MariaDbResourceManager::health() const { return impl_->health(); }
Status MariaDbResourceManager::trouble() const { return impl_->trouble(); }

}  // namespace cairn::rm
