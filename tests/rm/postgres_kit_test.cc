// The PostgreSQL adapter before the conformance kit: the data lies in a server, in a table of its
// own for each run.
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <cairn/rm_kit.h>
#include <cairn/rm_postgres.h>

#include "rm/kit_options.h"
#include "servers/shared_pg_server.h"

namespace cairn::rm_kit {
namespace {

class PostgresSubject : public Subject {
 public:
  static Result<std::unique_ptr<Subject>> open(const Surroundings& at,
                                               const std::string& conninfo) {
    auto subject = std::make_unique<PostgresSubject>();
    subject->table_ = "\"" + at.directory + "\"";
    subject->reader_.reset(PQconnectdb(conninfo.c_str()));
    CAIRN_RETURN_IF_ERROR(rm::execute(
        subject->reader_.get(),
        "CREATE TABLE IF NOT EXISTS " + subject->table_ + " (item text PRIMARY KEY, number int)"));
    // A row of an undecided transaction is locked: an error at once.
    CAIRN_ASSIGN_OR_RETURN(
        subject->adapter_,
        rm::PostgresResourceManager::open(
            at.manager, {.id = at.id, .conninfo = conninfo + " options='-c lock_timeout=1'"}));
    return std::unique_ptr<Subject>(std::move(subject));
  }

  Status add(const tm::Transaction& transaction, const std::string& item) override {
    return adapter_->work(transaction, [&](PGconn* branch) {
      // Locked, it goes on without: the transaction must not fail by it.
      CAIRN_RETURN_IF_ERROR(rm::execute(branch, "SAVEPOINT before"));
      const Status done =
          rm::execute(branch, "INSERT INTO " + table_ + " AS old VALUES ('" + item +
                                  "', 1) ON CONFLICT (item) DO UPDATE SET number = old.number + 1");
      if (!done) CAIRN_RETURN_IF_ERROR(rm::execute(branch, "ROLLBACK TO before"));
      return done;
    });
  }
  Result<std::uint64_t> count(const std::string& item) override {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(
        PQexec(reader_.get(),
               ("SELECT number FROM " + table_ + " WHERE item = '" + item + "'").c_str()),
        &PQclear);
    CAIRN_RETURN_IF_ERROR(rm::from_postgres(reader_.get(), result.get()));
    return PQntuples(result.get()) == 0 ? 0 : std::stoull(PQgetvalue(result.get(), 0, 0));
  }
  Status look(const tm::Transaction& transaction, const std::string&) override {
    return adapter_->work(transaction, [&](PGconn* branch) {
      return rm::execute(branch, "SELECT count(*) FROM " + table_);
    });
  }

 private:
  std::string table_;
  std::unique_ptr<PGconn, decltype(&PQfinish)> reader_{nullptr, &PQfinish};
  std::unique_ptr<rm::PostgresResourceManager> adapter_;
};

TEST(KitOnPostgres, FindsNoRuleBroken) {
  const auto& server = rm::shared_pg_server();
  if (!server) GTEST_SKIP() << server.status().to_string();
  if (!(*server)->is_running()) {
    ASSERT_TRUE((*server)->start());
  }
  Options with = options();
  with.keeping = Keeping::kOutside;
  with.patience = std::chrono::seconds(30);
  with.stride = sim::test_budget() > 1 ? 1 : 47;  // each opening takes its connections
  const Report report = check(
      [&](const Surroundings& at) { return PostgresSubject::open(at, (*server)->conninfo()); },
      with);
  EXPECT_TRUE(report.status.is_ok() && report.violations.empty()) << report.to_string();
  EXPECT_EQ((*server)->prepared(), std::vector<std::string>{});
  std::printf("[ kit      ] %s", report.to_string().c_str());
}

}  // namespace
}  // namespace cairn::rm_kit
