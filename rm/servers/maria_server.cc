#include "servers/maria_server.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

namespace cairn::rm {
namespace {

constexpr std::chrono::seconds kMariaLimit{120};  // for a loaded machine

// Debian keeps the server outside of what is everybody's path.
std::string find_maria(const std::string& name) {
  for (const char* const directory : {"/usr/sbin/", "/usr/bin/", "/usr/local/bin/"}) {
    if (::access((directory + name).c_str(), X_OK) == 0) return directory + name;
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<MariaServer>> MariaServer::create() {
  if (find_maria("mariadbd").empty() || find_maria("mariadb-install-db").empty()) {
    return Status(StatusCode::kNotFound, "MariaDB is not installed (Debian: mariadb-server)");
  }
  std::unique_ptr<MariaServer> server(new MariaServer);
  CAIRN_RETURN_IF_ERROR(server->make());
  return server;
}

// In memory where there is such a directory. Nothing here takes power from a disk; what the server
// would lose without its own force is its own tests' matter.
Status MariaServer::make() {
  const std::filesystem::path memory = "/dev/shm";
  directory_ = std::make_unique<TemporaryDirectory>(
      std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path());
  if (::geteuid() == 0) {
    const passwd* const user = ::getpwnam("mysql");
    if (user == nullptr || ::chown(directory().c_str(), user->pw_uid, user->pw_gid) != 0) {
      return Status(StatusCode::kNotFound, "there is no user mysql: MariaDB is not installed");
    }
  }
  const pid_t made = run({"mariadb-install-db", "--skip-test-db", "--skip-name-resolve",
                          "--auth-root-authentication-method=normal"});
  int status = 0;
  if (made < 0 || ::waitpid(made, &status, 0) != made || status != 0) {
    return Status(StatusCode::kIoError, "mariadb-install-db failed: " + output());
  }
  CAIRN_RETURN_IF_ERROR(start());
  for (const char* const command :
       {"CREATE DATABASE app", "CREATE DATABASE other", "CREATE USER app@localhost",
        "GRANT ALL ON app.* TO app@localhost", "GRANT ALL ON other.* TO app@localhost"}) {
    for (const std::string& wrong : ask(command)) return Status(StatusCode::kInvalidState, wrong);
  }
  return Status::ok();
}

MariaServer::~MariaServer() { kill(); }

pid_t MariaServer::run(const std::vector<std::string>& command) const {
  // Small, as each start is paid for.
  std::vector<std::string> all{find_maria(command.front()),         "--no-defaults",
                               "--datadir=" + *directory_ / "data", "--innodb-log-file-size=4M",
                               "--innodb-buffer-pool-size=8M",      "--skip-log-bin"};
  all.insert(all.end(), command.begin() + 1, command.end());
  if (::geteuid() == 0) all.push_back("--user=mysql");
  std::vector<char*> arguments;
  for (const std::string& one : all) arguments.push_back(const_cast<char*>(one.c_str()));
  arguments.push_back(nullptr);
  const std::string out_path = *directory_ / "output";
  const pid_t child = ::fork();
  if (child != 0) return child;
  const int in = ::open("/dev/null", O_RDONLY);
  const int out = ::open(out_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (in < 0 || out < 0 || ::dup2(in, 0) < 0 || ::dup2(out, 1) < 0 || ::dup2(out, 2) < 0) {
    ::_exit(126);
  }
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

std::string MariaServer::output() const {
  std::ifstream file(*directory_ / "output");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

Status MariaServer::start() {
  process_ = run({"mariadbd", "--socket=" + *directory_ / kSocket,
                  "--pid-file=" + *directory_ / "pid", "--skip-networking", "--max-connections=80",
                  "--innodb-lock-wait-timeout=20", "--key-buffer-size=64K",
                  "--aria-pagecache-buffer-size=256K", "--innodb-fast-shutdown=2"});
  if (process_ < 0) return Status(StatusCode::kIoError, "mariadbd did not start");
  const auto end = std::chrono::steady_clock::now() + kMariaLimit;
  while (ask("SELECT 1") != std::vector<std::string>{"1"}) {
    int status = 0;
    if (::waitpid(process_, &status, WNOHANG) == process_) {
      process_ = 0;
      return Status(StatusCode::kIoError, "mariadbd ended: " + output());
    }
    if (std::chrono::steady_clock::now() > end) {
      return Status(StatusCode::kTimeout, "mariadbd does not come up");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return Status::ok();
}

void MariaServer::kill() { end(SIGKILL); }
void MariaServer::stop() { end(SIGTERM); }

void MariaServer::end(int signal) {
  if (process_ <= 0) return;
  ::kill(process_, signal);
  ::waitpid(process_, nullptr, 0);
  process_ = 0;
}

std::vector<std::string> MariaServer::ask(const std::string& query) const {
  const std::unique_ptr<MYSQL, decltype(&mysql_close)> connection(mysql_init(nullptr),
                                                                  &mysql_close);
  const std::string socket = *directory_ / kSocket;
  // There is no database before it is made.
  if (mysql_real_connect(connection.get(), nullptr, "root", nullptr, nullptr, 0, socket.c_str(),
                         0) == nullptr) {
    return {from_mariadb(connection.get()).to_string()};
  }
  static_cast<void>(mysql_select_db(connection.get(), "app"));
  if (mysql_query(connection.get(), query.c_str()) != 0) {
    return {from_mariadb(connection.get()).to_string()};
  }
  std::vector<std::string> rows;
  MYSQL_RES* const result = mysql_store_result(connection.get());
  if (result == nullptr) return rows;
  while (MYSQL_ROW row = mysql_fetch_row(result)) {
    rows.emplace_back(row[0] == nullptr ? "" : row[0]);
    for (unsigned column = 1; column < mysql_num_fields(result); ++column) {
      rows.back() += std::string("|") + (row[column] == nullptr ? "" : row[column]);
    }
  }
  mysql_free_result(result);
  return rows;
}

std::vector<std::string> MariaServer::prepared() const {
  std::vector<std::string> names;
  for (const std::string& row : ask("XA RECOVER FORMAT='SQL'")) {
    names.push_back(row.substr(row.rfind('|') + 1));
  }
  return names;
}

}  // namespace cairn::rm
