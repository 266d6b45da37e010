// T2P: transactions over two databases of PostgreSQL, each with a server of its own on the measured
// device; beside the same two-phase commit by hand, without a coordinator that remembers.
#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <libpq-fe.h>

#include <cairn/rm_postgres.h>
#include <cairn/transaction_manager.h>

#include "answering_managers.h"
#include "bench_log.h"
#include "closed_loop.h"
#include "servers/pg_server.h"

namespace cairn::bench {
namespace {

using Servers = std::array<std::unique_ptr<rm::PgServer>, 2>;

// What a branch does.
constexpr const char kWork[] = "INSERT INTO work VALUES (1)";

Result<std::shared_ptr<Servers>> make_servers(const std::filesystem::path& directory) {
  auto servers = std::make_shared<Servers>();
  for (auto& server : *servers) {
    CAIRN_ASSIGN_OR_RETURN(server, rm::PgServer::create(directory));
    const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(
        PQconnectdb(server->conninfo().c_str()), &PQfinish);
    CAIRN_RETURN_IF_ERROR(rm::execute(connection.get(), "CREATE TABLE work (id int)"));
  }
  return servers;
}

// The floor: both servers at the same time, one statement behind the other.
class ByHand final : public Subject {
 public:
  explicit ByHand(std::shared_ptr<Servers> servers) : servers_(std::move(servers)) {}

  Status connect(unsigned threads) {
    threads_.resize(threads);
    for (Thread& thread : threads_) {
      for (unsigned i = 0; i < 2; ++i) {
        thread.branches[i].reset(PQconnectdb((*servers_)[i]->conninfo().c_str()));
        if (PQstatus(thread.branches[i].get()) != CONNECTION_OK) {
          return {StatusCode::kIoError, PQerrorMessage(thread.branches[i].get())};
        }
      }
    }
    return {};
  }
  Status append(unsigned thread, std::span<const std::byte> /*payload*/) override {
    const std::string name = "'hand-" + std::to_string(++number_) + "'";
    CAIRN_RETURN_IF_ERROR(on_both(thread, "BEGIN"));
    CAIRN_RETURN_IF_ERROR(on_both(thread, kWork));
    CAIRN_RETURN_IF_ERROR(on_both(thread, "PREPARE TRANSACTION " + name));
    return on_both(thread, "COMMIT PREPARED " + name);
  }

 private:
  using Connection = std::unique_ptr<PGconn, decltype([](PGconn* it) { PQfinish(it); })>;
  struct Thread {
    std::array<Connection, 2> branches;
  };

  Status on_both(unsigned thread, const std::string& statement) {
    for (const Connection& branch : threads_[thread].branches) {
      if (PQsendQuery(branch.get(), statement.c_str()) != 1) {
        return {StatusCode::kIoError, PQerrorMessage(branch.get())};
      }
    }
    for (const Connection& branch : threads_[thread].branches) {
      while (PGresult* const result = PQgetResult(branch.get())) {
        const Status done = rm::from_postgres(branch.get(), result);
        PQclear(result);
        CAIRN_RETURN_IF_ERROR(done);
      }
    }
    return {};
  }

  const std::shared_ptr<Servers> servers_;
  std::vector<Thread> threads_;
  std::atomic<std::uint64_t> number_{0};
};

class ByCairn final : public Subject {
 public:
  explicit ByCairn(std::shared_ptr<Servers> servers) : servers_(std::move(servers)) {}

  Status start(const std::filesystem::path& directory, unsigned threads) {
    BenchLogShape shape;
    shape.create.container_size = std::uint64_t{16} << 20;
    CAIRN_ASSIGN_OR_RETURN(BenchLog made, make_bench_log(directory / "tm", shape));
    log_ = std::move(made.log);
    CAIRN_ASSIGN_OR_RETURN(manager_, tm::TransactionManager::open_or_create({.log = log_}));
    CAIRN_RETURN_IF_ERROR(manager_.recover().status());
    for (unsigned i = 0; i < 2; ++i) {
      rm::PostgresOptions options;
      options.id = numbered_id(i);
      options.conninfo = (*servers_)[i]->conninfo();
      options.idle_connections = threads + 2;
      CAIRN_ASSIGN_OR_RETURN(databases_[i], rm::PostgresResourceManager::open(manager_, options));
    }
    return {};
  }
  Status append(unsigned /*thread*/, std::span<const std::byte> /*payload*/) override {
    CAIRN_ASSIGN_OR_RETURN(tm::Transaction transaction, manager_.create_transaction());
    for (const auto& database : databases_) {
      CAIRN_RETURN_IF_ERROR(
          database->work(transaction, [](PGconn* branch) { return rm::execute(branch, kWork); }));
    }
    return transaction.commit();
  }

 private:
  const std::shared_ptr<Servers> servers_;
  std::shared_ptr<log::Log> log_;
  tm::TransactionManager manager_;
  std::array<std::unique_ptr<rm::PostgresResourceManager>, 2> databases_;
};

Engine by_hand() {
  return {.name = "by_hand",
          .version = "",
          .open = [](const std::filesystem::path& directory,
                     const Workload& workload) -> Result<std::unique_ptr<Subject>> {
            CAIRN_ASSIGN_OR_RETURN(auto servers, make_servers(directory));
            auto subject = std::make_unique<ByHand>(std::move(servers));
            CAIRN_RETURN_IF_ERROR(subject->connect(workload.threads));
            return std::unique_ptr<Subject>(std::move(subject));
          }};
}

Engine by_cairn() {
  return {.name = "cairn",
          .version = "",
          .open = [](const std::filesystem::path& directory,
                     const Workload& workload) -> Result<std::unique_ptr<Subject>> {
            CAIRN_ASSIGN_OR_RETURN(auto servers, make_servers(directory));
            auto subject = std::make_unique<ByCairn>(std::move(servers));
            CAIRN_RETURN_IF_ERROR(subject->start(directory, workload.threads));
            return std::unique_ptr<Subject>(std::move(subject));
          }};
}

}  // namespace

void register_postgres_row(Run& run) {
  for (const unsigned threads : {1U, 4U, 16U}) {
    for (const Engine& engine : {by_hand(), by_cairn()}) {
      register_subject(run, "T2P/" + std::to_string(threads) + "/" + engine.name, engine,
                       {.threads = threads, .payload = 0}, "transaction");
    }
  }
}

}  // namespace cairn::bench
