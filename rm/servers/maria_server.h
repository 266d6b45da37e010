// A private MariaDB server in a temporary directory, on a Unix socket, and what is done to it.
#ifndef CAIRN_RM_SERVERS_MARIA_SERVER_H_
#define CAIRN_RM_SERVERS_MARIA_SERVER_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include <cairn/result.h>
#include <cairn/rm_mariadb.h>

#include "servers/temporary_directory.h"

namespace cairn::rm {

// As another user where this program runs as root.
class MariaServer {
 public:
  static constexpr const char* kSocket = "socket";

  // Made by mariadb-install-db and started, with the databases "app" and "other", of the user
  // "app". Errors: kNotFound (MariaDB is not installed).
  [[nodiscard]] static Result<std::unique_ptr<MariaServer>> create();
  ~MariaServer();
  MariaServer(const MariaServer&) = delete;
  MariaServer& operator=(const MariaServer&) = delete;

  [[nodiscard]] Status start();
  void kill();
  // In order: it ends its connections and writes what it has.
  void stop();
  [[nodiscard]] bool is_running() const { return process_ > 0; }

  // Of its socket.
  [[nodiscard]] std::string directory() const { return directory_->path(); }
  // A connection of the superuser, to the database "app". The first column of all rows, or the
  // error.
  [[nodiscard]] std::vector<std::string> ask(const std::string& query) const;
  // Of all prepared transactions, "global,branch,format", as statements take it.
  [[nodiscard]] std::vector<std::string> prepared() const;

 private:
  MariaServer() = default;
  [[nodiscard]] Status make();
  [[nodiscard]] pid_t run(const std::vector<std::string>& command) const;
  [[nodiscard]] std::string output() const;
  void end(int signal);

  std::unique_ptr<TemporaryDirectory> directory_;
  pid_t process_ = 0;
};

// One server for all tests of a program, made at the first call: that takes longer than most of
// them.
inline Result<std::unique_ptr<MariaServer>>& shared_maria_server() {
  static Result<std::unique_ptr<MariaServer>> server = MariaServer::create();
  return server;
}

}  // namespace cairn::rm

#endif  // CAIRN_RM_SERVERS_MARIA_SERVER_H_
