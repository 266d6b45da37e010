// MariaConnection: one connection to the server that never waits for it: commands are sent, and
// their replies come when they come.
#ifndef CAIRN_RM_MARIADB_MARIA_CONNECTION_H_
#define CAIRN_RM_MARIADB_MARIA_CONNECTION_H_

#include <mysql.h>
#include <poll.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <cairn/rm_mariadb.h>
#include <cairn/status.h>

namespace cairn::rm {

[[nodiscard]] bool is_connection_lost(unsigned error);

using MariaRow = std::vector<std::optional<std::string>>;

struct MariaReply {
  Status status;
  unsigned error = 0;  // the server's number, or the client library's
  bool is_lost = false;
  std::vector<MariaRow> rows{};
};

// For one thread at a time. Closing it, the server rolls back what is not prepared, and keeps what
// is.
class MariaConnection {
 public:
  using Clock = std::chrono::steady_clock;

  // Begins to connect. Once connected it sends `greeting`, whose reply is the first one. `id` is
  // its own, to be found by when it is lost.
  MariaConnection(const MariaDbOptions& options, std::string greeting, std::uint64_t id);
  ~MariaConnection();
  MariaConnection(const MariaConnection&) = delete;
  MariaConnection& operator=(const MariaConnection&) = delete;

  // The reply to what was sent, once and whole; nothing while the server owes a part of it. A lost
  // connection is a reply.
  [[nodiscard]] std::optional<MariaReply> advance();
  // REQUIRES: no reply is owed. Errors show in the reply.
  void send(const std::string& command);
  // Waits for the reply, until `end`; then it is lost.
  [[nodiscard]] MariaReply wait(Clock::time_point end);
  [[nodiscard]] bool owes_reply() const { return state_ != State::kIdle; }
  // What advance() waits for. REQUIRES: a reply is owed.
  [[nodiscard]] pollfd waits_for() const;

  [[nodiscard]] std::uint64_t id() const { return id_; }
  // Of the server's making; 0 until connected.
  [[nodiscard]] unsigned long thread_id() const { return thread_id_; }
  // As it introduces itself: "10.11.19-MariaDB-1"; "" until connected.
  [[nodiscard]] std::string server() const {
    return thread_id_ == 0 ? std::string() : mysql_get_server_info(mysql_);
  }
  [[nodiscard]] bool is_good() const { return is_good_; }
  // In no branch. Told by who begins and ends them.
  [[nodiscard]] bool is_clean() const { return !is_in_branch_; }
  void set_in_branch(bool is_in) { is_in_branch_ = is_in; }
  // For clients. REQUIRES: no reply is owed.
  [[nodiscard]] MYSQL* lend() { return mysql_; }

 private:
  enum class State : std::uint8_t { kConnecting, kIdle, kQuery, kStore, kNext };

  [[nodiscard]] bool go_on();
  [[nodiscard]] std::optional<MariaReply> follow();
  void begin_store();
  void take_rows();
  [[nodiscard]] MariaReply finish();

  MYSQL* const mysql_;
  const std::string greeting_;
  const std::uint64_t id_;
  unsigned long thread_id_ = 0;
  State state_ = State::kConnecting;
  int waits_ = 0;  // for which events the call that runs waits (MYSQL_WAIT_*); 0: it has ended
  std::string command_;  // while it is sent
  MYSQL* connected_ = nullptr;
  int error_ = 0;
  MYSQL_RES* result_ = nullptr;
  MariaReply reply_;
  bool is_good_ = true;
  bool is_in_branch_ = false;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_MARIADB_MARIA_CONNECTION_H_
