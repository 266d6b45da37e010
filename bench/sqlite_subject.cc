// SQLite: a transaction of one INSERT, journal_mode=WAL, synchronous=FULL. It has one writer at a
// time: the threads take turns on one connection, which beats their waiting in its busy handler.
#include <mutex>

#include <sqlite3.h>

#include "subject.h"

namespace cairn::bench {
namespace {

struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
struct CloseConnection {
  void operator()(sqlite3* connection) const { sqlite3_close(connection); }
};

class SqliteSubject final : public Subject {
 public:
  Status prepare(const std::filesystem::path& file) {
    sqlite3* connection = nullptr;
    const int opened = sqlite3_open(file.c_str(), &connection);
    connection_.reset(connection);
    if (opened != SQLITE_OK) return failure("open");
    constexpr const char* kSetup =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "CREATE TABLE log(id INTEGER PRIMARY KEY, payload BLOB)";
    if (sqlite3_exec(connection, kSetup, nullptr, nullptr, nullptr) != SQLITE_OK) {
      return failure("setup");
    }
    sqlite3_stmt* statement = nullptr;
    const int prepared = sqlite3_prepare_v2(connection, "INSERT INTO log(payload) VALUES(?)", -1,
                                            &statement, nullptr);
    insert_.reset(statement);
    return prepared == SQLITE_OK ? Status() : failure("prepare");
  }

  Status append(unsigned /*thread*/, std::span<const std::byte> payload) override {
    const std::lock_guard lock(mutex_);
    sqlite3_bind_blob(insert_.get(), 1, payload.data(), static_cast<int>(payload.size()),
                      SQLITE_STATIC);
    const int done = sqlite3_step(insert_.get());
    if (done != SQLITE_DONE) return failure("insert");
    return sqlite3_reset(insert_.get()) == SQLITE_OK ? Status() : failure("commit");
  }

 private:
  Status failure(const char* step) const {
    return {StatusCode::kIoError,
            std::string("SQLite: ") + step + ": " + sqlite3_errmsg(connection_.get())};
  }

  std::mutex mutex_;
  std::unique_ptr<sqlite3, CloseConnection> connection_;
  std::unique_ptr<sqlite3_stmt, FinalizeStatement> insert_;
};

}  // namespace

Engine sqlite_engine() {
  return {.name = "sqlite",
          .version = sqlite3_libversion(),
          .open = [](const std::filesystem::path& directory,
                     const Workload& /*workload*/) -> Result<std::unique_ptr<Subject>> {
            auto subject = std::make_unique<SqliteSubject>();
            CAIRN_RETURN_IF_ERROR(subject->prepare(directory / "log.db"));
            return std::unique_ptr<Subject>(std::move(subject));
          }};
}

}  // namespace cairn::bench
