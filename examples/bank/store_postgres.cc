#include <array>
#include <utility>

#include <cairn/rm_postgres.h>

#include "bank/store.h"
#include "servers/pg_server.h"

namespace cairn::examples::bank {
namespace {

constexpr std::string_view kPostgresId = "6d1f3c0e-8f55-4b52-9f0e-2b1c6f3f6a03";

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Rows = std::unique_ptr<PGresult, decltype(&PQclear)>;

Result<Rows> query(PGconn* connection, const char* statement,
                   const std::vector<std::string>& values = {}) {
  std::vector<const char*> texts;
  for (const std::string& value : values) texts.push_back(value.c_str());
  Rows rows(PQexecParams(connection, statement, static_cast<int>(texts.size()), nullptr,
                         texts.data(), nullptr, nullptr, 0),
            &PQclear);
  CAIRN_RETURN_IF_ERROR(rm::from_postgres(connection, rows.get()));
  return rows;
}

class PostgresStore : public Store {
 public:
  Status open(const StoreSurroundings& at) {
    address_ = at.address;
    const Connection connection = connect();
    CAIRN_RETURN_IF_ERROR(rm::execute(
        connection.get(), "CREATE TABLE IF NOT EXISTS entries (key text PRIMARY KEY, value text)"));
    CAIRN_ASSIGN_OR_RETURN(
        rm_, rm::PostgresResourceManager::open(
                 at.manager, {.id = Uuid::parse(kPostgresId).value(), .conninfo = address_}));
    return Status::ok();
  }

  // A row that another transaction has is kLocked at once: so nobody waits in circles.
  Result<std::optional<std::string>> get(const tm::Transaction& transaction,
                                         const std::string& key) override {
    std::optional<std::string> value;
    CAIRN_RETURN_IF_ERROR(rm_->work(transaction, [&](PGconn* branch) -> Status {
      CAIRN_ASSIGN_OR_RETURN(
          const Rows rows,
          query(branch, "SELECT value FROM entries WHERE key = $1 FOR UPDATE NOWAIT", {key}));
      if (PQntuples(rows.get()) > 0) value = PQgetvalue(rows.get(), 0, 0);
      return Status::ok();
    }));
    return value;
  }

  Status put(const tm::Transaction& transaction, const std::string& key,
             const std::string& value) override {
    return rm_->work(transaction, [&](PGconn* branch) {
      return query(branch,
                   "INSERT INTO entries VALUES ($1, $2) "
                   "ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value",
                   {key, value})
          .status();
    });
  }

  Result<PartContents> contents() const override {
    PartContents contents;
    const Connection connection = connect();
    CAIRN_ASSIGN_OR_RETURN(const Rows rows,
                           query(connection.get(), "SELECT key, value FROM entries"));
    for (int row = 0; row < PQntuples(rows.get()); ++row) {
      CAIRN_RETURN_IF_ERROR(
          contents.add(PQgetvalue(rows.get(), row, 0), PQgetvalue(rows.get(), row, 1)));
    }
    return contents;
  }

  InDoubt in_doubt() const override {
    const rm::PostgresRecovery& recovery = rm_->recovery();
    return {recovery.committed, recovery.aborted, recovery.redelivered};
  }

  Result<std::uint64_t> prepared() const override {
    const Connection connection = connect();
    CAIRN_ASSIGN_OR_RETURN(
        const Rows rows,
        query(connection.get(), "SELECT gid FROM pg_prepared_xacts WHERE gid LIKE 'cairn:%'"));
    return static_cast<std::uint64_t>(PQntuples(rows.get()));
  }

 private:
  Connection connect() const { return {PQconnectdb(address_.c_str()), &PQfinish}; }

  std::string address_;
  std::unique_ptr<rm::PostgresResourceManager> rm_;
};

class PostgresServer : public Server {
 public:
  explicit PostgresServer(std::unique_ptr<rm::PgServer> server) : server_(std::move(server)) {}
  void kill() override { server_->kill(); }
  Status start() override { return server_->start(); }
  std::string address() const override { return server_->conninfo(); }

 private:
  std::unique_ptr<rm::PgServer> server_;
};

Result<std::unique_ptr<Store>> open_postgres(const StoreSurroundings& at) {
  auto store = std::make_unique<PostgresStore>();
  CAIRN_RETURN_IF_ERROR(store->open(at));
  return std::unique_ptr<Store>(std::move(store));
}

Result<std::unique_ptr<Server>> start_postgres() {
  CAIRN_ASSIGN_OR_RETURN(auto server, rm::PgServer::create());
  return std::unique_ptr<Server>(std::make_unique<PostgresServer>(std::move(server)));
}

}  // namespace

StoreKind postgres_kind() { return {"postgres", open_postgres, start_postgres}; }

}  // namespace cairn::examples::bank
