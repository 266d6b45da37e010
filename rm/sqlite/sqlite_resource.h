// SqliteResource: a database of SQLite as a LastResource, and its branches.
#ifndef CAIRN_RM_SQLITE_SQLITE_RESOURCE_H_
#define CAIRN_RM_SQLITE_SQLITE_RESOURCE_H_

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <cairn/rm_sqlite.h>

namespace cairn::rm {

using SqliteHandle = std::unique_ptr<sqlite3, decltype(&sqlite3_close_v2)>;

// One transaction, on a connection of its own. Nobody but commit() commits on it: what else tries
// is turned into a rollback, and seen.
class SqliteBranch : public LastBranch {
 public:
  // REQUIRES: BEGIN IMMEDIATE was done on `connection`.
  explicit SqliteBranch(SqliteHandle connection);
  ~SqliteBranch() override;

  [[nodiscard]] LastCommit commit(const std::string& marker, std::span<const std::string> obsolete,
                                  Status& why) override;
  void cancel() override { sqlite3_interrupt(connection_.get()); }
  [[nodiscard]] Status failure() const override;
  [[nodiscard]] sqlite3* lend() { return connection_.get(); }

 private:
  SqliteHandle connection_;
  bool commits_ = false;      // now, by commit()
  bool rolled_back_ = false;  // the transaction that it began with
};

class SqliteResource : public LastResource {
 public:
  explicit SqliteResource(const SqliteOptions& options) : options_(options) {}

  // Makes the table of the markers.
  [[nodiscard]] Status start();
  [[nodiscard]] Result<std::unique_ptr<LastBranch>> begin() override;
  [[nodiscard]] Result<std::vector<std::string>> markers(const std::string& prefix) override;
  [[nodiscard]] Status clear(std::span<const std::string> markers) override;

 private:
  [[nodiscard]] Result<SqliteHandle> connect() const;
  // As the only writer: everybody who was it before has ended.
  [[nodiscard]] Result<SqliteHandle> write() const;

  const SqliteOptions options_;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_SQLITE_SQLITE_RESOURCE_H_
