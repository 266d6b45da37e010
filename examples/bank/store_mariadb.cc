#include <utility>

#include <cairn/rm_mariadb.h>

#include "bank/store.h"
#include "servers/maria_server.h"

namespace cairn::examples::bank {
namespace {

constexpr std::string_view kMariaDbId = "6d1f3c0e-8f55-4b52-9f0e-2b1c6f3f6a04";
constexpr std::string_view kFormat = "1129467442";  // of the adapter's names (rm/README.md)

using MariaConnection = std::unique_ptr<MYSQL, decltype(&mysql_close)>;
using MariaRows = std::unique_ptr<MYSQL_RES, decltype(&mysql_free_result)>;

std::string quote(MYSQL* connection, const std::string& text) {
  std::string quoted(2 * text.size() + 1, '\0');
  quoted.resize(mysql_real_escape_string(connection, quoted.data(), text.data(), text.size()));
  return "'" + quoted + "'";
}

Result<MariaRows> rows_of(MYSQL* connection, const std::string& statement) {
  if (mysql_query(connection, statement.c_str()) != 0) return rm::from_mariadb(connection);
  MariaRows rows(mysql_store_result(connection), &mysql_free_result);
  if (!rows) return rm::from_mariadb(connection);
  return rows;
}

class MariaDbStore : public Store {
 public:
  Status open(const StoreSurroundings& at) {
    options_.id = Uuid::parse(kMariaDbId).value();
    options_.socket = at.address;
    options_.user = "app";
    options_.database = "app";
    options_.isolation = "READ COMMITTED";  // no locks on keys that are not there
    CAIRN_ASSIGN_OR_RETURN(const MariaConnection connection, connect());
    CAIRN_RETURN_IF_ERROR(rm::execute(connection.get(),
                                      "CREATE TABLE IF NOT EXISTS entries (name VARCHAR(100) "
                                      "PRIMARY KEY, value VARCHAR(100)) ENGINE=InnoDB"));
    CAIRN_ASSIGN_OR_RETURN(rm_, rm::MariaDbResourceManager::open(at.manager, options_));
    return Status::ok();
  }

  // A row that another transaction has is kLocked at once: so nobody waits in circles.
  Result<std::optional<std::string>> get(const tm::Transaction& transaction,
                                         const std::string& key) override {
    std::optional<std::string> value;
    CAIRN_RETURN_IF_ERROR(rm_->work(transaction, [&](MYSQL* branch) -> Status {
      CAIRN_ASSIGN_OR_RETURN(const MariaRows rows,
                             rows_of(branch, "SELECT value FROM entries WHERE name = " +
                                                 quote(branch, key) + " FOR UPDATE NOWAIT"));
      if (const MYSQL_ROW row = mysql_fetch_row(rows.get())) value = row[0];
      return Status::ok();
    }));
    return value;
  }

  Status put(const tm::Transaction& transaction, const std::string& key,
             const std::string& value) override {
    return rm_->work(transaction, [&](MYSQL* branch) {
      return rm::execute(branch, "INSERT INTO entries VALUES (" + quote(branch, key) + ", " +
                                     quote(branch, value) +
                                     ") ON DUPLICATE KEY UPDATE value = VALUES(value)");
    });
  }

  Result<PartContents> contents() const override {
    PartContents contents;
    CAIRN_ASSIGN_OR_RETURN(const MariaConnection connection, connect());
    CAIRN_ASSIGN_OR_RETURN(const MariaRows rows,
                           rows_of(connection.get(), "SELECT name, value FROM entries"));
    while (const MYSQL_ROW row = mysql_fetch_row(rows.get())) {
      CAIRN_RETURN_IF_ERROR(contents.add(row[0], row[1]));
    }
    return contents;
  }

  InDoubt in_doubt() const override {
    const rm::MariaDbRecovery& recovery = rm_->recovery();
    return {recovery.committed, recovery.aborted, recovery.redelivered};
  }

  Result<std::uint64_t> prepared() const override {
    CAIRN_ASSIGN_OR_RETURN(const MariaConnection connection, connect());
    CAIRN_ASSIGN_OR_RETURN(const MariaRows rows, rows_of(connection.get(), "XA RECOVER"));
    std::uint64_t ours = 0;
    while (const MYSQL_ROW row = mysql_fetch_row(rows.get())) ours += row[0] == kFormat ? 1 : 0;
    return ours;
  }

 private:
  Result<MariaConnection> connect() const {
    MariaConnection connection(mysql_init(nullptr), &mysql_close);
    if (mysql_real_connect(connection.get(), nullptr, options_.user.c_str(), nullptr,
                           options_.database.c_str(), 0, options_.socket.c_str(), 0) == nullptr) {
      return rm::from_mariadb(connection.get());
    }
    return connection;
  }

  rm::MariaDbOptions options_;
  std::unique_ptr<rm::MariaDbResourceManager> rm_;
};

class MariaDbServer : public Server {
 public:
  explicit MariaDbServer(std::unique_ptr<rm::MariaServer> server) : server_(std::move(server)) {}
  void kill() override { server_->kill(); }
  Status start() override { return server_->start(); }
  std::string address() const override {
    return server_->directory() + "/" + rm::MariaServer::kSocket;
  }

 private:
  std::unique_ptr<rm::MariaServer> server_;
};

Result<std::unique_ptr<Store>> open_mariadb(const StoreSurroundings& at) {
  auto store = std::make_unique<MariaDbStore>();
  CAIRN_RETURN_IF_ERROR(store->open(at));
  return std::unique_ptr<Store>(std::move(store));
}

Result<std::unique_ptr<Server>> start_mariadb() {
  CAIRN_ASSIGN_OR_RETURN(auto server, rm::MariaServer::create());
  return std::unique_ptr<Server>(std::make_unique<MariaDbServer>(std::move(server)));
}

}  // namespace

StoreKind mariadb_kind() { return {"mariadb", open_mariadb, start_mariadb}; }

}  // namespace cairn::examples::bank
