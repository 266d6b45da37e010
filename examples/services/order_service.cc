// cairn-orders: an order service. To take an order is one transaction over PostgreSQL, which keeps
// it, and a queue, which says that it is to be shipped. To ship it is another: the message is gone
// and the order counts one shipment, or neither. No outbox, no polling, nothing twice.
//
//   cairn-orders CONNINFO DIRECTORY ORDERS
//
// Takes orders until there are so many, ships all of them, says so. Kill it whenever you like, and
// start it again: it goes on where it was.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include <cairn/log.h>
#include <cairn/rm_postgres.h>
#include <cairn/rm_queue.h>
#include <cairn/transaction_manager.h>

namespace {

using cairn::Result;
using cairn::Status;
using cairn::StatusCode;
using cairn::Uuid;
namespace rm = cairn::rm;
namespace tm = cairn::tm;

// A resource manager chooses its identity once, for ever.
const Uuid kDatabase = Uuid::parse("2f1c6a0e-41d5-4b8e-9d55-c0a1e5b8f301").value();
const Uuid kQueues = Uuid::parse("2f1c6a0e-41d5-4b8e-9d55-c0a1e5b8f302").value();
constexpr std::chrono::milliseconds kPatience{200};

struct Service {
  std::shared_ptr<cairn::log::Log> log;
  tm::TransactionManager manager;
  std::unique_ptr<rm::PostgresResourceManager> database;
  std::unique_ptr<rm::QueueResourceManager> queues;
};

// The log, the manager, then whoever takes part: each brings what is in doubt to its end.
Status open(const std::string& conninfo, const std::string& directory, Service& service) {
  CAIRN_ASSIGN_OR_RETURN(service.log, cairn::log::Log::open_or_create(directory));
  CAIRN_ASSIGN_OR_RETURN(service.manager,
                         tm::TransactionManager::open_or_create({.log = service.log}));
  CAIRN_RETURN_IF_ERROR(service.manager.recover().status());
  CAIRN_ASSIGN_OR_RETURN(
      service.database,
      rm::PostgresResourceManager::open(service.manager, {.id = kDatabase, .conninfo = conninfo}));
  CAIRN_ASSIGN_OR_RETURN(service.queues, rm::QueueResourceManager::open(
                                             service.manager, {.id = kQueues, .log = service.log}));
  CAIRN_ASSIGN_OR_RETURN(tm::Transaction transaction, service.manager.create_transaction());
  CAIRN_RETURN_IF_ERROR(service.database->work(transaction, [](PGconn* branch) {
    return rm::execute(branch,
                       "CREATE TABLE IF NOT EXISTS orders (id int PRIMARY KEY, "
                       "shipments int NOT NULL DEFAULT 0)");
  }));
  return transaction.commit();
}

// One number of the database, by itself.
Result<int> ask(Service& service, const char* query) {
  int number = 0;
  CAIRN_ASSIGN_OR_RETURN(tm::Transaction transaction, service.manager.create_transaction());
  CAIRN_RETURN_IF_ERROR(service.database->work(transaction, [&](PGconn* branch) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> rows(PQexec(branch, query), &PQclear);
    if (PQresultStatus(rows.get()) != PGRES_TUPLES_OK) return rm::from_postgres(branch, rows.get());
    number = std::atoi(PQgetvalue(rows.get(), 0, 0));
    return Status::ok();
  }));
  CAIRN_RETURN_IF_ERROR(transaction.commit());
  return number;
}

Status take_order(Service& service, int order) {
  CAIRN_ASSIGN_OR_RETURN(tm::Transaction transaction, service.manager.create_transaction());
  CAIRN_RETURN_IF_ERROR(service.database->work(transaction, [&](PGconn* branch) {
    return rm::execute(branch, "INSERT INTO orders VALUES (" + std::to_string(order) + ")");
  }));
  CAIRN_RETURN_IF_ERROR(service.queues->produce(transaction, "to ship", std::to_string(order)));
  return transaction.commit();
}

// kTimeout: there is nothing to ship now. A message may be seen before the row of its order, as
// each resource manager is told COMMIT by itself. An UPDATE would not find that row, and ship
// nothing; an INSERT that comes upon it waits until its transaction has ended.
Status ship_one(Service& service) {
  CAIRN_ASSIGN_OR_RETURN(tm::Transaction transaction, service.manager.create_transaction());
  CAIRN_ASSIGN_OR_RETURN(const rm::QueueMessage message,
                         service.queues->consume(transaction, "to ship", kPatience));
  CAIRN_RETURN_IF_ERROR(service.database->work(transaction, [&](PGconn* branch) {
    return rm::execute(branch, "INSERT INTO orders VALUES (" + message.body +
                                   ", 1) ON CONFLICT (id) DO UPDATE "
                                   "SET shipments = orders.shipments + 1");
  }));
  CAIRN_RETURN_IF_ERROR(transaction.commit());
  std::printf("shipped order %s, delivery %u\n", message.body.c_str(), message.deliveries);
  std::fflush(stdout);
  return Status::ok();
}

Status run(const std::string& conninfo, const std::string& directory, int orders) {
  Service service;
  CAIRN_RETURN_IF_ERROR(open(conninfo, directory, service));
  CAIRN_ASSIGN_OR_RETURN(const int taken, ask(service, "SELECT count(*) FROM orders"));
  Status shipping;
  std::thread shipper([&] {
    int left = 0;
    do {
      shipping = ship_one(service);
      if (shipping.code() == StatusCode::kTimeout) shipping = Status::ok();
      const auto open_orders = ask(service, ("SELECT " + std::to_string(orders) +
                                             " - count(*) FROM orders WHERE shipments > 0")
                                                .c_str());
      if (shipping && !open_orders) shipping = open_orders.status();
      left = open_orders ? *open_orders : 0;
    } while (shipping && left > 0);
  });
  Status taking;
  for (int order = taken + 1; taking && order <= orders; ++order)
    taking = take_order(service, order);
  shipper.join();
  CAIRN_RETURN_IF_ERROR(taking);
  CAIRN_RETURN_IF_ERROR(shipping);
  std::printf("%d orders, all shipped\n", orders);
  return Status::ok();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: cairn-orders CONNINFO DIRECTORY ORDERS\n");
    return 1;
  }
  const Status done = run(argv[1], argv[2], std::atoi(argv[3]));
  if (!done) std::fprintf(stderr, "cairn-orders: %s\n", done.to_string().c_str());
  return done ? 0 : 1;
}
