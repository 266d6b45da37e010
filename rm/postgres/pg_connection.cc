#include "pg_connection.h"

#include <algorithm>
#include <utility>

#include <cairn/rm_postgres.h>

namespace cairn::rm {
namespace {

std::string last_words(const PGconn* connection) {
  std::string words = PQerrorMessage(connection);
  while (!words.empty() && words.back() == '\n') words.pop_back();
  std::replace(words.begin(), words.end(), '\n', ' ');
  return words;
}

}  // namespace

PgConnection::PgConnection(const std::string& conninfo, std::string greeting)
    : connection_(PQconnectStart(conninfo.c_str()), &PQfinish), greeting_(std::move(greeting)) {
  // Notices are the application's: libpq would print them.
  PQsetNoticeProcessor(
      connection_.get(), [](void*, const char*) {}, nullptr);
}

std::optional<PgReply> PgConnection::advance() {
  if (state_ == State::kConnecting) return connect();
  if (state_ == State::kRefused) return lost();
  if (state_ == State::kFlushing) {
    const int left = PQflush(connection_.get());
    if (left < 0) return lost();
    if (left == 0) state_ = State::kReading;
  }
  // While it takes no more from here, it may have something to say first.
  return read();
}

std::optional<PgReply> PgConnection::connect() {
  if (!connection_ || PQstatus(connection_.get()) == CONNECTION_BAD) return lost();
  switch (PQconnectPoll(connection_.get())) {
    case PGRES_POLLING_READING:
      events_ = POLLIN;
      return std::nullopt;
    case PGRES_POLLING_OK:
      pid_ = PQbackendPID(connection_.get());
      state_ = State::kIdle;
      send(greeting_);
      return advance();
    case PGRES_POLLING_FAILED:
      return lost();
    default:
      events_ = POLLOUT;
      return std::nullopt;
  }
}

void PgConnection::send(const std::string& commands) {
  reply_ = {};
  // What was not sent has no answer, and no other command's answer may be taken for it.
  const bool is_sent = PQsetnonblocking(connection_.get(), 1) == 0 &&
                       PQsendQuery(connection_.get(), commands.c_str()) == 1;
  state_ = is_sent ? State::kFlushing : State::kRefused;
}

std::optional<PgReply> PgConnection::read() {
  if (PQconsumeInput(connection_.get()) == 0) {
    // The server's last words may have come before the connection broke.
    while (const std::unique_ptr<PGresult, decltype(&PQclear)> result{
        PQgetResult(connection_.get()), &PQclear}) {
      take(result.get());
    }
    return lost();
  }
  while (PQisBusy(connection_.get()) == 0) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQgetResult(connection_.get()),
                                                               &PQclear);
    if (result) {
      take(result.get());
      continue;
    }
    if (!is_good()) return lost();
    state_ = State::kIdle;
    return std::exchange(reply_, {});
  }
  return std::nullopt;
}

void PgConnection::take(const PGresult* result) {
  const ExecStatusType kind = PQresultStatus(result);
  if (kind == PGRES_FATAL_ERROR || kind == PGRES_BAD_RESPONSE) {
    if (!reply_.status) return;
    reply_.status = from_postgres(connection_.get(), result);
    const char* const sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    reply_.sqlstate = sqlstate == nullptr ? "" : sqlstate;
    return;
  }
  reply_.tag = PQcmdStatus(const_cast<PGresult*>(result));
  if (kind != PGRES_TUPLES_OK || PQntuples(result) == 0) return;
  reply_.row.clear();
  for (int column = 0; column < PQnfields(result); ++column) {
    reply_.row.push_back(PQgetisnull(result, 0, column) != 0
                             ? std::nullopt
                             : std::optional<std::string>(PQgetvalue(result, 0, column)));
  }
}

PgReply PgConnection::lost() {
  PgReply reply;
  reply.is_lost = true;
  reply.status = reply_.status;
  if (state_ == State::kConnecting && reply.status) {
    reply.status = Status(StatusCode::kIoError,
                          "PostgreSQL: cannot connect: " + last_words(connection_.get()));
  }
  if (reply.status) reply.status = from_postgres(connection_.get(), nullptr);
  if (reply.status) {
    reply.status = Status(StatusCode::kIoError, "PostgreSQL: connection lost");
  }
  state_ = State::kIdle;
  return reply;
}

PgReply PgConnection::wait(Clock::time_point end) {
  while (true) {
    if (auto reply = advance()) return *std::move(reply);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0) break;
    pollfd one = waits_for();
    static_cast<void>(::poll(&one, 1, static_cast<int>(std::min<long>(left, 60000))));
  }
  PgReply reply;
  reply.is_lost = true;
  reply.status = Status(StatusCode::kTimeout, "PostgreSQL: the server did not answer in time");
  state_ = State::kIdle;
  connection_.reset();
  return reply;
}

pollfd PgConnection::waits_for() const {
  short events = POLLIN;
  if (state_ == State::kConnecting) events = events_;
  if (state_ == State::kFlushing || state_ == State::kRefused) events = POLLIN | POLLOUT;
  return {PQsocket(connection_.get()), events, 0};
}

PGconn* PgConnection::lend() {
  static_cast<void>(PQsetnonblocking(connection_.get(), 0));
  return connection_.get();
}

}  // namespace cairn::rm
