// A private PostgreSQL server in a temporary directory, on a Unix socket, and what is done to it.
#ifndef CAIRN_RM_SERVERS_PG_SERVER_H_
#define CAIRN_RM_SERVERS_PG_SERVER_H_

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <cairn/result.h>
#include <cairn/rm_postgres.h>

#include "servers/temporary_directory.h"

namespace cairn::rm {

// As another user where this program runs as root, which PostgreSQL refuses to. Its fsync is on.
class PgServer {
 public:
  // Made by initdb and started, with the database and role "app". Its data lie in
  // a new directory in `parent`; empty: in memory where there is such a directory, as nothing here
  // takes power from a disk.
  // Errors: kNotFound (PostgreSQL is not installed).
  [[nodiscard]] static Result<std::unique_ptr<PgServer>> create(
      const std::filesystem::path& parent = {});
  ~PgServer();
  PgServer(const PgServer&) = delete;
  PgServer& operator=(const PgServer&) = delete;

  // With `settings` ("fsync=off") behind its own.
  [[nodiscard]] Status start(const std::vector<std::string>& settings = {});
  // All of its processes at once, as a kill -9 of each.
  void kill();
  // Without an orderly end of anything: recovery at the next start.
  void stop_at_once();
  [[nodiscard]] bool is_running() const { return postmaster_ > 0; }

  // Of its socket.
  static constexpr const char* kSocket = ".s.PGSQL.5432";
  [[nodiscard]] std::string directory() const { return directory_->path(); }
  // For libpq, with `more` settings behind it.
  [[nodiscard]] std::string conninfo(const std::string& more = "") const;
  // A connection of the superuser, whose first column of all rows it gives.
  [[nodiscard]] std::vector<std::string> ask(const std::string& query) const;
  // The names of all prepared transactions.
  [[nodiscard]] std::vector<std::string> prepared() const;

 private:
  PgServer() = default;
  [[nodiscard]] Status make(const std::filesystem::path& parent);
  [[nodiscard]] pid_t run(const std::vector<std::string>& command) const;
  [[nodiscard]] Status wait_for(pid_t child, const std::string& what) const;
  [[nodiscard]] std::string data() const;
  void reap();

  std::string programs_;
  std::unique_ptr<TemporaryDirectory> directory_;  // of the socket, whose path must be short
  std::unique_ptr<TemporaryDirectory> elsewhere_;  // of the data; null: in the other one
  pid_t postmaster_ = 0;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_SERVERS_PG_SERVER_H_
