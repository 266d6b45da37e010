#include "sqlite_resource.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace cairn::rm {
namespace {

constexpr std::string_view kFence = "cairn:fence";  // no marker; never stays

Status delete_markers(sqlite3* connection, std::span<const std::string> markers) {
  std::string list;  // of names that this adapter has made: no quotes in them
  for (const std::string& marker : markers) list += (list.empty() ? "'" : ",'") + marker + "'";
  if (list.empty()) return Status::ok();
  return execute(connection, "DELETE FROM cairn_commits WHERE branch IN (" + list + ")");
}

Result<std::vector<std::string>> first_column(sqlite3* connection, const std::string& query,
                                              const std::string& parameter) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(connection, query.c_str(), -1, &raw, nullptr) != SQLITE_OK) {
    return from_sqlite(connection);
  }
  const std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> statement(raw,
                                                                             &sqlite3_finalize);
  sqlite3_bind_text(raw, 1, parameter.data(), static_cast<int>(parameter.size()), SQLITE_STATIC);
  std::vector<std::string> rows;
  while (true) {
    const int stepped = sqlite3_step(raw);
    if (stepped == SQLITE_DONE) return rows;
    if (stepped != SQLITE_ROW) return from_sqlite(connection);
    const unsigned char* const text = sqlite3_column_text(raw, 0);
    rows.emplace_back(text == nullptr ? "" : reinterpret_cast<const char*>(text));
  }
}

}  // namespace

// ---- A branch

SqliteBranch::SqliteBranch(SqliteHandle connection) : connection_(std::move(connection)) {
  sqlite3_commit_hook(
      connection_.get(),
      [](void* self) { return static_cast<SqliteBranch*>(self)->commits_ ? 0 : 1; }, this);
  sqlite3_rollback_hook(
      connection_.get(), [](void* self) { static_cast<SqliteBranch*>(self)->rolled_back_ = true; },
      this);
}

// A statement that the work left over keeps the connection, but not the transaction.
SqliteBranch::~SqliteBranch() {
  if (sqlite3_get_autocommit(connection_.get()) == 0) {
    static_cast<void>(execute(connection_.get(), "ROLLBACK"));
  }
  sqlite3_commit_hook(connection_.get(), nullptr, nullptr);
  sqlite3_rollback_hook(connection_.get(), nullptr, nullptr);
}

Status SqliteBranch::failure() const {
  if (!rolled_back_ && sqlite3_get_autocommit(connection_.get()) == 0) return Status::ok();
  return Status(StatusCode::kInvalidState,
                "SQLite: the transaction of the branch was rolled back: by SQLite after an error, "
                "or by the work, which is not its to end");
}

LastCommit SqliteBranch::commit(const std::string& marker, std::span<const std::string> obsolete,
                                Status& why) {
  why = failure();
  if (why) why = delete_markers(connection_.get(), obsolete);
  if (why) why = execute(connection_.get(), "INSERT INTO cairn_commits VALUES ('" + marker + "')");
  if (!why) return LastCommit::kRolledBack;  // with the end of the branch
  commits_ = true;
  why = execute(connection_.get(), "COMMIT");
  commits_ = false;
  if (why) return LastCommit::kCommitted;
  // Still open, as when a reader stays in the way: nothing was committed. When SQLite says that it
  // has rolled back, it means its memory: the error may lie behind the point at which its files
  // had the commit.
  const bool is_open = sqlite3_get_autocommit(connection_.get()) == 0;
  return is_open ? LastCommit::kRolledBack : LastCommit::kUnknown;
}

// ---- The database

Result<SqliteHandle> SqliteResource::connect() const {
  sqlite3* raw = nullptr;
  const int opened =
      sqlite3_open_v2(options_.path.c_str(), &raw,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, nullptr);
  SqliteHandle connection(raw, &sqlite3_close_v2);
  if (opened != SQLITE_OK) return from_sqlite(raw).with_context("database " + options_.path);
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, static_cast<int>(options_.patience.count()));
  // A commit is durable when it is answered, its directory entry included.
  CAIRN_RETURN_IF_ERROR(execute(raw, "PRAGMA synchronous = EXTRA"));
  CAIRN_ASSIGN_OR_RETURN(const auto journal, first_column(raw, "PRAGMA journal_mode", ""));
  const std::string mode = journal.empty() ? "" : journal[0];
  if (mode == "off" || mode == "memory") {
    return Status(StatusCode::kNotSupported,
                  "SQLite database " + options_.path +
                      ": expected a journal on disk, found journal_mode " + mode);
  }
  return connection;
}

Result<SqliteHandle> SqliteResource::write() const {
  CAIRN_ASSIGN_OR_RETURN(SqliteHandle connection, connect());
  CAIRN_RETURN_IF_ERROR(execute(connection.get(), "BEGIN IMMEDIATE"));
  return connection;
}

Status SqliteResource::start() {
  CAIRN_ASSIGN_OR_RETURN(const SqliteHandle connection, connect());
  return execute(
      connection.get(),
      "CREATE TABLE IF NOT EXISTS cairn_commits (branch TEXT PRIMARY KEY) WITHOUT ROWID");
}

Result<std::unique_ptr<LastBranch>> SqliteResource::begin() {
  CAIRN_ASSIGN_OR_RETURN(SqliteHandle connection, write());
  return std::unique_ptr<LastBranch>(std::make_unique<SqliteBranch>(std::move(connection)));
}

Result<std::vector<std::string>> SqliteResource::markers(const std::string& prefix) {
  CAIRN_ASSIGN_OR_RETURN(const SqliteHandle connection, write());
  CAIRN_ASSIGN_OR_RETURN(
      std::vector<std::string> found,
      first_column(connection.get(),
                   "SELECT branch FROM cairn_commits WHERE substr(branch, 1, length(?1)) = ?1",
                   prefix));
  // What a failed commit left in the files, and what of it is durable, may be read differently
  // after a power cut. A commit of its own behind it, durable, keeps it at what was found.
  CAIRN_RETURN_IF_ERROR(
      execute(connection.get(), "INSERT INTO cairn_commits VALUES ('" + std::string(kFence) +
                                    "'); DELETE FROM cairn_commits WHERE branch = '" +
                                    std::string(kFence) + "'; COMMIT"));
  return found;
}

Status SqliteResource::clear(std::span<const std::string> markers) {
  CAIRN_ASSIGN_OR_RETURN(const SqliteHandle connection, write());
  CAIRN_RETURN_IF_ERROR(delete_markers(connection.get(), markers));
  return execute(connection.get(), "COMMIT");
}

}  // namespace cairn::rm
