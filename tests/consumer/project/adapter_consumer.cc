// Uses adapters of the installed package: a file, a message and a row of SQLite in one transaction,
// in the new directory given. Exit 0 if all three are there.
#include <cstdio>
#include <filesystem>

#include <cairn/rm_files.h>
#include <cairn/rm_queue.h>
#include <cairn/rm_sqlite.h>

namespace {

using namespace cairn;

Status run(const std::string& at) {
  std::filesystem::create_directories(at + "/tree");
  CAIRN_ASSIGN_OR_RETURN(std::shared_ptr<log::Log> log, log::Log::create(at + "/log"));
  CAIRN_ASSIGN_OR_RETURN(auto manager, tm::TransactionManager::create({.log = log}));
  CAIRN_RETURN_IF_ERROR(manager.recover().status());
  const Uuid id = *Uuid::parse("6f2c1c6e-8d5b-4f0a-9a53-3f1c8e0c7d11");
  const Uuid other = *Uuid::parse("6f2c1c6e-8d5b-4f0a-9a53-3f1c8e0c7d12");
  const Uuid third = *Uuid::parse("6f2c1c6e-8d5b-4f0a-9a53-3f1c8e0c7d13");
  CAIRN_ASSIGN_OR_RETURN(
      const auto files,
      rm::FilesResourceManager::open(manager, {.id = id, .tree = at + "/tree", .log = log}));
  CAIRN_ASSIGN_OR_RETURN(const auto queues,
                         rm::QueueResourceManager::open(manager, {.id = other, .log = log}));
  CAIRN_ASSIGN_OR_RETURN(const auto rows, rm::SqliteResourceManager::open(
                                              manager, {.id = third, .path = at + "/rows.db"}));
  CAIRN_ASSIGN_OR_RETURN(auto transaction, manager.create_transaction());
  CAIRN_RETURN_IF_ERROR(files->write(transaction, "greeting", "hello"));
  CAIRN_RETURN_IF_ERROR(queues->produce(transaction, "greetings", "hello"));
  CAIRN_RETURN_IF_ERROR(rows->work(transaction, [](sqlite3* branch) {
    return rm::execute(branch,
                       "CREATE TABLE greetings (text); INSERT INTO greetings VALUES ('hello')");
  }));
  CAIRN_RETURN_IF_ERROR(transaction.commit());
  CAIRN_ASSIGN_OR_RETURN(const std::string found, files->read("greeting"));
  if (found == "hello" && queues->depth("greetings").ready == 1) return Status::ok();
  return Status(StatusCode::kNotFound, "expected a file and a message, found '" + found + "'");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const Status done = run(argv[1]);
  if (!done) std::fprintf(stderr, "%s\n", done.to_string().c_str());
  return done ? 0 : 1;
}
