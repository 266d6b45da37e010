// PgConnection: one connection to the server that never waits for it: commands are sent, and their
// replies come when they come.
#ifndef CAIRN_RM_POSTGRES_PG_CONNECTION_H_
#define CAIRN_RM_POSTGRES_PG_CONNECTION_H_

#include <poll.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <libpq-fe.h>

#include <cairn/status.h>

namespace cairn::rm {

struct PgReply {
  Status status;         // of the first command that failed; OK
  std::string sqlstate;  // of it; "" when the connection is lost
  bool is_lost = false;
  std::string tag;  // of the last command that succeeded: "COMMIT PREPARED"
  std::vector<std::optional<std::string>> row{};  // the first one of the last result that has rows
};

// For one thread at a time. Closing it, the server rolls back what is not prepared.
class PgConnection {
 public:
  using Clock = std::chrono::steady_clock;

  // Begins to connect. Once connected it sends `greeting`, whose reply is the first one.
  PgConnection(const std::string& conninfo, std::string greeting);
  PgConnection(const PgConnection&) = delete;
  PgConnection& operator=(const PgConnection&) = delete;

  // The reply to what was sent, once and whole; nothing while the server owes a part of it. A lost
  // connection is a reply.
  [[nodiscard]] std::optional<PgReply> advance();
  // REQUIRES: no reply is owed. Errors show in the reply.
  void send(const std::string& commands);
  // Waits for the reply, until `end`; then it is lost.
  [[nodiscard]] PgReply wait(Clock::time_point end);
  [[nodiscard]] bool owes_reply() const { return state_ != State::kIdle; }
  // What advance() waits for. REQUIRES: a reply is owed.
  [[nodiscard]] pollfd waits_for() const;

  // Of the backend; 0 until connected.
  [[nodiscard]] std::uint64_t id() const { return static_cast<std::uint64_t>(pid_); }
  // 150018, and "15.18"; 0 until connected.
  [[nodiscard]] int server_version() const { return PQserverVersion(connection_.get()); }
  [[nodiscard]] std::string server_version_text() const {
    const char* const text = PQparameterStatus(connection_.get(), "server_version");
    return text == nullptr ? std::to_string(server_version()) : text;
  }
  [[nodiscard]] bool is_good() const { return PQstatus(connection_.get()) == CONNECTION_OK; }
  [[nodiscard]] bool is_clean() const { return transaction_status() == PQTRANS_IDLE; }
  [[nodiscard]] PGTransactionStatusType transaction_status() const {
    return PQtransactionStatus(connection_.get());
  }
  [[nodiscard]] const std::string& epoch() const { return epoch_; }
  void set_epoch(std::string epoch) { epoch_ = std::move(epoch); }
  // For clients: in blocking mode. REQUIRES: no reply is owed.
  [[nodiscard]] PGconn* lend();

 private:
  enum class State : std::uint8_t { kConnecting, kIdle, kFlushing, kReading, kRefused };

  [[nodiscard]] std::optional<PgReply> connect();
  [[nodiscard]] std::optional<PgReply> read();
  void take(const PGresult* result);
  [[nodiscard]] PgReply lost();

  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
  const std::string greeting_;
  State state_ = State::kConnecting;
  short events_ = POLLOUT;
  int pid_ = 0;
  std::string epoch_;
  PgReply reply_;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_POSTGRES_PG_CONNECTION_H_
