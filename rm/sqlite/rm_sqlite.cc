#include <utility>

#include <cairn/rm_sqlite.h>

#include "sqlite_resource.h"

namespace cairn::rm {

Status from_sqlite(sqlite3* connection) {
  const int error = sqlite3_extended_errcode(connection);
  StatusCode code = StatusCode::kInvalidState;
  switch (error & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
      return Status::ok();
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      code = StatusCode::kLocked;
      break;
    case SQLITE_CONSTRAINT:
      code = error == SQLITE_CONSTRAINT_PRIMARYKEY || error == SQLITE_CONSTRAINT_UNIQUE
                 ? StatusCode::kAlreadyExists
                 : StatusCode::kInvalidArgument;
      break;
    case SQLITE_FULL:
      code = StatusCode::kNoSpace;
      break;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      code = StatusCode::kIoError;
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      code = StatusCode::kCorrupt;
      break;
    case SQLITE_INTERRUPT:
      code = StatusCode::kTimeout;
      break;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      code = StatusCode::kPermissionDenied;
      break;
    case SQLITE_NOMEM:
      code = StatusCode::kResourceExhausted;
      break;
    default:
      break;
  }
  return Status(code, "SQLite " + std::to_string(error) + ": " + sqlite3_errmsg(connection));
}

Status execute(sqlite3* connection, const std::string& statements) {
  if (sqlite3_exec(connection, statements.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) {
    return Status::ok();
  }
  return from_sqlite(connection);
}

Result<std::shared_ptr<LastResource>> open_sqlite(const SqliteOptions& options) {
  if (options.path.empty() || options.path == ":memory:") {
    return Status(StatusCode::kInvalidArgument,
                  "SQLite adapter: expected the path of a database, found '" + options.path + "'");
  }
  auto resource = std::make_shared<SqliteResource>(options);
  CAIRN_RETURN_IF_ERROR(resource->start());
  return std::shared_ptr<LastResource>(std::move(resource));
}

sqlite3* sqlite_of(LastBranch& branch) { return static_cast<SqliteBranch&>(branch).lend(); }

SqliteResourceManager::SqliteResourceManager(std::unique_ptr<LastResourceManager> last)
    : last_(std::move(last)) {}

Result<std::unique_ptr<SqliteResourceManager>> SqliteResourceManager::open(
    tm::TransactionManager manager, const SqliteOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(auto resource, open_sqlite(options));
  CAIRN_ASSIGN_OR_RETURN(
      auto last, LastResourceManager::open(std::move(manager), std::move(resource),
                                           {.id = options.id, .description = options.description}));
  return std::unique_ptr<SqliteResourceManager>(new SqliteResourceManager(std::move(last)));
}

Status SqliteResourceManager::work(const tm::Transaction& transaction, const Function& function) {
  return last_->work(transaction, [&](LastBranch& branch) { return function(sqlite_of(branch)); });
}

}  // namespace cairn::rm
