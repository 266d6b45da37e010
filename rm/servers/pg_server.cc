#include "servers/pg_server.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

namespace cairn::rm {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kServerLimit{120000};  // for a loaded machine

// Debian keeps each major version's programs in a directory of their own: the newest one's.
std::string find_programs() {
  std::error_code ignored;
  std::string found;
  int newest = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
    const int version = std::atoi(entry.path().filename().c_str());
    if (version < newest || !std::filesystem::exists(entry.path() / "bin/initdb", ignored))
      continue;
    newest = version;
    found = entry.path() / "bin";
  }
  if (newest > 0) return found;
  const char* const path = std::getenv("PATH");
  std::string rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    const std::string one = rest.substr(0, end);
    if (std::filesystem::exists(one + "/initdb", ignored)) return one;
    rest.erase(0, end + 1);
  }
  return {};
}

// Root becomes somebody else; in a child.
bool drop_root() {
  if (::geteuid() != 0) return true;
  const passwd* user = ::getpwnam("postgres");
  if (user == nullptr) user = ::getpwnam("nobody");
  return user != nullptr && ::setgid(user->pw_gid) == 0 && ::setuid(user->pw_uid) == 0;
}

bool is_alive(pid_t process) {
  std::ifstream stat("/proc/" + std::to_string(process) + "/stat");
  const std::string text((std::istreambuf_iterator<char>(stat)), std::istreambuf_iterator<char>());
  const std::size_t name_end = text.rfind(')');
  return name_end != std::string::npos && name_end + 2 < text.size() && text[name_end + 2] != 'Z' &&
         text[name_end + 2] != 'X';
}

void give_away(const std::string& directory) {
  if (::geteuid() != 0) return;
  const passwd* user = ::getpwnam("postgres");
  if (user == nullptr) user = ::getpwnam("nobody");
  if (user != nullptr) static_cast<void>(!::chown(directory.c_str(), user->pw_uid, user->pw_gid));
}

}  // namespace

Result<std::unique_ptr<PgServer>> PgServer::create(const std::filesystem::path& parent) {
  std::unique_ptr<PgServer> server(new PgServer);
  server->programs_ = find_programs();
  if (server->programs_.empty()) {
    return Status(StatusCode::kNotFound, "PostgreSQL is not installed (Debian: postgresql)");
  }
  CAIRN_RETURN_IF_ERROR(server->make(parent));
  return server;
}

Status PgServer::make(const std::filesystem::path& parent) {
  const std::filesystem::path memory = "/dev/shm";
  directory_ = std::make_unique<TemporaryDirectory>(
      std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path());
  if (!parent.empty()) {
    elsewhere_ = std::make_unique<TemporaryDirectory>(parent);
    give_away(elsewhere_->path());
  }
  give_away(directory_->path());
  CAIRN_RETURN_IF_ERROR(
      wait_for(run({"initdb", "-D", data(), "-A", "trust", "-U", "postgres", "--no-locale", "-E",
                    "UTF8", "--no-sync", "--no-instructions"}),
               "initdb"));
  CAIRN_RETURN_IF_ERROR(start());
  for (const char* const command : {"CREATE ROLE app LOGIN", "CREATE DATABASE app OWNER app",
                                    "CREATE DATABASE other OWNER app"}) {
    for (const std::string& wrong : ask(command)) return Status(StatusCode::kInvalidState, wrong);
  }
  return Status::ok();
}

PgServer::~PgServer() { kill(); }

std::string PgServer::data() const { return *(elsewhere_ ? elsewhere_ : directory_) / "data"; }

pid_t PgServer::run(const std::vector<std::string>& command) const {
  const std::string program = programs_ + "/" + command.front();
  const std::string output = *directory_ / "output";
  std::vector<char*> arguments;
  for (const std::string& one : command) arguments.push_back(const_cast<char*>(one.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  if (child != 0) return child;
  if (!drop_root()) ::_exit(126);
  const int in = ::open("/dev/null", O_RDONLY);
  const int out = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (in < 0 || out < 0 || ::dup2(in, 0) < 0 || ::dup2(out, 1) < 0 || ::dup2(out, 2) < 0) {
    ::_exit(126);
  }
  ::execv(program.c_str(), arguments.data());
  ::_exit(127);
}

Status PgServer::wait_for(pid_t child, const std::string& what) const {
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) {
    return Status(StatusCode::kIoError, what + " did not run");
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Status::ok();
  std::ifstream output(*directory_ / "output");
  const std::string words((std::istreambuf_iterator<char>(output)),
                          std::istreambuf_iterator<char>());
  return Status(StatusCode::kIoError, what + " failed: " + words);
}

Status PgServer::start(const std::vector<std::string>& settings) {
  // Small, as each start is paid for. A kill leaves a lock file, of a process that is gone.
  std::vector<std::string> command{"postgres", "-D", data(), "-k", directory_->path()};
  std::vector<std::string> all{"listen_addresses=",
                               "max_prepared_transactions=64",
                               "max_connections=40",
                               "shared_buffers=4MB",
                               "dynamic_shared_memory_type=mmap",
                               "max_wal_senders=0",
                               "wal_level=minimal",
                               "autovacuum=off",
                               "jit=off",
                               "client_min_messages=warning"};
  all.insert(all.end(), settings.begin(), settings.end());
  for (std::string& setting : all) {
    command.emplace_back("-c");
    command.push_back(std::move(setting));
  }
  postmaster_ = run(command);
  if (postmaster_ < 0) return Status(StatusCode::kIoError, "postgres did not start");
  const auto end = std::chrono::steady_clock::now() + kServerLimit;
  while (PQping(("host=" + directory_->path() + " user=postgres dbname=postgres").c_str()) !=
         PQPING_OK) {
    int status = 0;
    if (::waitpid(postmaster_, &status, WNOHANG) == postmaster_) {
      postmaster_ = 0;
      std::ifstream output(*directory_ / "output");
      const std::string words((std::istreambuf_iterator<char>(output)),
                              std::istreambuf_iterator<char>());
      return Status(StatusCode::kIoError, "postgres ended: " + words);
    }
    if (std::chrono::steady_clock::now() > end) {
      return Status(StatusCode::kTimeout, "postgres does not come up");
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
  return Status::ok();
}

void PgServer::kill() {
  if (postmaster_ <= 0) return;
  ::kill(postmaster_, SIGSTOP);  // no more children from now on
  const std::string pid = std::to_string(postmaster_);
  std::ifstream list("/proc/" + pid + "/task/" + pid + "/children");
  const std::vector<pid_t> children((std::istream_iterator<pid_t>(list)),
                                    std::istream_iterator<pid_t>());
  for (const pid_t child : children) ::kill(child, SIGKILL);
  ::kill(postmaster_, SIGKILL);
  reap();
  for (const pid_t child : children) {
    while (is_alive(child)) std::this_thread::sleep_for(milliseconds(1));
  }
}

void PgServer::stop_at_once() {
  if (postmaster_ <= 0) return;
  ::kill(postmaster_, SIGQUIT);
  reap();
}

void PgServer::reap() {
  ::waitpid(postmaster_, nullptr, 0);
  postmaster_ = 0;
}

std::string PgServer::conninfo(const std::string& more) const {
  return "host=" + directory_->path() + " user=app dbname=app " + more;
}

std::vector<std::string> PgServer::ask(const std::string& query) const {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(
      PQconnectdb(("host=" + directory_->path() + " user=postgres dbname=postgres").c_str()),
      &PQfinish);
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(
      PQexec(connection.get(), query.c_str()), &PQclear);
  if (PQresultStatus(result.get()) == PGRES_COMMAND_OK) return {};
  if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) {
    return {from_postgres(connection.get(), result.get()).to_string()};
  }
  std::vector<std::string> rows;
  for (int row = 0; row < PQntuples(result.get()); ++row) {
    rows.emplace_back(PQgetvalue(result.get(), row, 0));
  }
  return rows;
}

std::vector<std::string> PgServer::prepared() const {
  return ask("SELECT gid FROM pg_prepared_xacts ORDER BY gid");
}

}  // namespace cairn::rm
