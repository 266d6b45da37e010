#include <functional>
#include <utility>

#include <cairn/rm_sqlite.h>

#include "bank/store.h"

namespace cairn::examples::bank {
namespace {

constexpr std::string_view kSqliteId = "6d1f3c0e-8f55-4b52-9f0e-2b1c6f3f6a05";

// Runs a statement with values, and gives each row to `take`.
Status step_all(sqlite3* connection, const char* text, const std::vector<std::string>& values,
                const std::function<Status(sqlite3_stmt*)>& take) {
  sqlite3_stmt* made = nullptr;
  if (sqlite3_prepare_v2(connection, text, -1, &made, nullptr) != SQLITE_OK) {
    return rm::from_sqlite(connection);
  }
  const std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> statement(made,
                                                                             &sqlite3_finalize);
  for (std::size_t i = 0; i < values.size(); ++i) {
    sqlite3_bind_text(made, static_cast<int>(i) + 1, values[i].data(),
                      static_cast<int>(values[i].size()), SQLITE_TRANSIENT);
  }
  int result = SQLITE_ROW;
  while ((result = sqlite3_step(made)) == SQLITE_ROW) CAIRN_RETURN_IF_ERROR(take(made));
  return result == SQLITE_DONE ? Status::ok() : rm::from_sqlite(connection);
}

std::string text_of(sqlite3_stmt* row, int column) {
  return reinterpret_cast<const char*>(sqlite3_column_text(row, column));
}

// The last resource: all others have promised when it commits, and that is the decision.
class SqliteStore : public Store {
 public:
  Status open(const StoreSurroundings& at) {
    path_ = at.directory + "/sqlite.db";
    CAIRN_ASSIGN_OR_RETURN(rm_,
                           rm::SqliteResourceManager::open(
                               at.manager, {.id = Uuid::parse(kSqliteId).value(), .path = path_}));
    CAIRN_ASSIGN_OR_RETURN(tm::Transaction transaction,
                           tm::TransactionManager(at.manager).create_transaction());
    CAIRN_RETURN_IF_ERROR(rm_->work(transaction, [](sqlite3* branch) {
      return rm::execute(branch,
                         "CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value TEXT)");
    }));
    return transaction.commit();
  }

  Result<std::optional<std::string>> get(const tm::Transaction& transaction,
                                         const std::string& key) override {
    std::optional<std::string> value;
    CAIRN_RETURN_IF_ERROR(rm_->work(transaction, [&](sqlite3* branch) {
      return step_all(branch, "SELECT value FROM entries WHERE key = ?1", {key},
                      [&](sqlite3_stmt* row) {
                        value = text_of(row, 0);
                        return Status::ok();
                      });
    }));
    return value;
  }

  Status put(const tm::Transaction& transaction, const std::string& key,
             const std::string& value) override {
    return rm_->work(transaction, [&](sqlite3* branch) {
      return step_all(branch, "INSERT OR REPLACE INTO entries VALUES (?1, ?2)", {key, value},
                      [](sqlite3_stmt*) { return Status::ok(); });
    });
  }

  Result<PartContents> contents() const override {
    PartContents contents;
    sqlite3* made = nullptr;
    const int opened = sqlite3_open_v2(path_.c_str(), &made, SQLITE_OPEN_READONLY, nullptr);
    const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> connection(made, &sqlite3_close);
    if (opened != SQLITE_OK) return rm::from_sqlite(made);
    CAIRN_RETURN_IF_ERROR(step_all(
        made, "SELECT key, value FROM entries", {},
        [&](sqlite3_stmt* row) { return contents.add(text_of(row, 0), text_of(row, 1)); }));
    return contents;
  }

  InDoubt in_doubt() const override {
    const rm::LastResourceRecovery& recovery = rm_->recovery();
    return {recovery.committed, recovery.aborted, {}};
  }

  // It knows no prepared transactions.
  Result<std::uint64_t> prepared() const override { return 0; }

 private:
  std::string path_;
  std::unique_ptr<rm::SqliteResourceManager> rm_;
};

Result<std::unique_ptr<Store>> open_sqlite_store(const StoreSurroundings& at) {
  auto store = std::make_unique<SqliteStore>();
  CAIRN_RETURN_IF_ERROR(store->open(at));
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace

StoreKind sqlite_kind() { return {"sqlite", open_sqlite_store, nullptr}; }

}  // namespace cairn::examples::bank
