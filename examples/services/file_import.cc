// cairn-import: imports files into PostgreSQL. Each file is one transaction: its lines become rows,
// and it moves from "in" to "done", or neither; a program that looks at the directory sees exactly
// what is in the database.
//
//   cairn-import CONNINFO DIRECTORY
//
// DIRECTORY/tree/in holds files of lines "name,number". A file with another line stays where it is
// and is named at the end. Kill it whenever you like, and start it again: it goes on where it was.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <cairn/log.h>
#include <cairn/rm_files.h>
#include <cairn/rm_postgres.h>
#include <cairn/transaction_manager.h>

namespace {

using cairn::Result;
using cairn::Status;
using cairn::StatusCode;
using cairn::Uuid;
namespace rm = cairn::rm;
namespace tm = cairn::tm;

// A resource manager chooses its identity once, for ever.
const Uuid kDatabase = Uuid::parse("7c0d9b52-0f0e-4a3f-8a55-9d1f2c6b4e01").value();
const Uuid kFiles = Uuid::parse("7c0d9b52-0f0e-4a3f-8a55-9d1f2c6b4e02").value();

struct Importer {
  std::shared_ptr<cairn::log::Log> log;
  tm::TransactionManager manager;
  std::unique_ptr<rm::PostgresResourceManager> database;
  std::unique_ptr<rm::FilesResourceManager> files;
};

// The log, the manager, then whoever takes part: each brings what is in doubt to its end.
Status open(const std::string& conninfo, const std::string& directory, Importer& importer) {
  CAIRN_ASSIGN_OR_RETURN(importer.log, cairn::log::Log::open_or_create(directory + "/log"));
  CAIRN_ASSIGN_OR_RETURN(importer.manager,
                         tm::TransactionManager::open_or_create({.log = importer.log}));
  CAIRN_RETURN_IF_ERROR(importer.manager.recover().status());
  CAIRN_ASSIGN_OR_RETURN(
      importer.database,
      rm::PostgresResourceManager::open(importer.manager, {.id = kDatabase, .conninfo = conninfo}));
  CAIRN_ASSIGN_OR_RETURN(
      importer.files,
      rm::FilesResourceManager::open(
          importer.manager, {.id = kFiles, .tree = directory + "/tree", .log = importer.log}));
  CAIRN_ASSIGN_OR_RETURN(tm::Transaction transaction, importer.manager.create_transaction());
  CAIRN_RETURN_IF_ERROR(importer.database->work(transaction, [](PGconn* branch) {
    return rm::execute(branch,
                       "CREATE TABLE IF NOT EXISTS imported (file text, name text, "
                       "number int)");
  }));
  return transaction.commit();
}

Status insert(PGconn* branch, const std::string& file, const std::string& line) {
  const std::size_t comma = line.find(',');
  if (comma == std::string::npos) {
    return Status(StatusCode::kInvalidArgument, "expected \"name,number\", found \"" + line + "\"");
  }
  const std::string name = line.substr(0, comma);
  const std::string number = line.substr(comma + 1);
  const char* const values[] = {file.c_str(), name.c_str(), number.c_str()};
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(
      PQexecParams(branch, "INSERT INTO imported VALUES ($1, $2, $3::int)", 3, nullptr, values,
                   nullptr, nullptr, 0),
      &PQclear);
  return rm::from_postgres(branch, result.get());
}

Status insert_lines(PGconn* branch, const std::string& file, const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    CAIRN_RETURN_IF_ERROR(insert(branch, file, line));
  }
  return Status::ok();
}

// An error leaves all as it was: the transaction ends with its last reference.
Status import(Importer& importer, const std::string& name) {
  CAIRN_ASSIGN_OR_RETURN(tm::Transaction transaction, importer.manager.create_transaction());
  CAIRN_ASSIGN_OR_RETURN(const std::string text, importer.files->read(transaction, "in/" + name));
  CAIRN_RETURN_IF_ERROR(importer.database->work(
      transaction, [&](PGconn* branch) { return insert_lines(branch, name, text); }));
  CAIRN_RETURN_IF_ERROR(importer.files->rename(transaction, "in/" + name, "done/" + name));
  return transaction.commit();
}

Status run(const std::string& conninfo, const std::string& directory) {
  Importer importer;
  CAIRN_RETURN_IF_ERROR(open(conninfo, directory, importer));
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory + "/tree/in")) {
    names.push_back(entry.path().filename().string());
  }
  int failed = 0;
  for (const std::string& name : names) {
    const Status done = import(importer, name);
    std::printf("%s: %s\n", name.c_str(), done ? "imported" : done.to_string().c_str());
    std::fflush(stdout);
    failed += done ? 0 : 1;
  }
  if (failed == 0) return Status::ok();
  return Status(StatusCode::kInvalidArgument, std::to_string(failed) + " files were not imported");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: cairn-import CONNINFO DIRECTORY\n");
    return 1;
  }
  const Status done = run(argv[1], argv[2]);
  if (!done) std::fprintf(stderr, "cairn-import: %s\n", done.to_string().c_str());
  return done ? 0 : 1;
}
