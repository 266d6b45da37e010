#include "maria_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <mutex>
#include <utility>

namespace cairn::rm {
namespace {

MYSQL* new_handle() {
  static std::once_flag once;  // the library's start is not for several threads
  std::call_once(once, [] { mysql_library_init(0, nullptr, nullptr); });
  return mysql_init(nullptr);
}

const char* text_or_null(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

short poll_events(int waits) {
  int events = 0;
  if ((waits & MYSQL_WAIT_READ) != 0) events |= POLLIN;
  if ((waits & MYSQL_WAIT_WRITE) != 0) events |= POLLOUT;
  if ((waits & MYSQL_WAIT_EXCEPT) != 0) events |= POLLPRI;
  return static_cast<short>(events);
}

}  // namespace

MariaConnection::MariaConnection(const MariaDbOptions& options, std::string greeting,
                                 std::uint64_t id)
    : mysql_(new_handle()), greeting_(std::move(greeting)), id_(id) {
  mysql_options(mysql_, MYSQL_OPT_NONBLOCK, nullptr);
  if (options.configure) options.configure(mysql_);
  waits_ = mysql_real_connect_start(&connected_, mysql_, text_or_null(options.host),
                                    text_or_null(options.user), text_or_null(options.password),
                                    text_or_null(options.database), options.port,
                                    text_or_null(options.socket), 0);
}

// A server that owes a reply may not listen: nobody says goodbye to it.
MariaConnection::~MariaConnection() {
  const int socket = mysql_get_socket(mysql_);
  if (socket >= 0 && (owes_reply() || !is_good_)) ::shutdown(socket, SHUT_RDWR);
  mysql_close(mysql_);
}

std::optional<MariaReply> MariaConnection::advance() {
  while (go_on()) {
    if (auto reply = follow()) return reply;
  }
  return std::nullopt;
}

// False: the call that runs waits still.
bool MariaConnection::go_on() {
  if (waits_ == 0) return true;
  pollfd one{mysql_get_socket(mysql_), poll_events(waits_), 0};
  if (::poll(&one, 1, 0) <= 0) return false;
  int ready = 0;
  if ((one.revents & POLLIN) != 0) ready |= MYSQL_WAIT_READ;
  if ((one.revents & POLLOUT) != 0) ready |= MYSQL_WAIT_WRITE;
  if ((one.revents & POLLPRI) != 0) ready |= MYSQL_WAIT_EXCEPT;
  if (ready == 0) ready = waits_ & (MYSQL_WAIT_READ | MYSQL_WAIT_WRITE);  // it sees the error
  switch (state_) {
    case State::kConnecting:
      waits_ = mysql_real_connect_cont(&connected_, mysql_, ready);
      break;
    case State::kQuery:
      waits_ = mysql_real_query_cont(&error_, mysql_, ready);
      break;
    case State::kStore:
      waits_ = mysql_store_result_cont(&result_, mysql_, ready);
      break;
    case State::kNext:
      waits_ = mysql_next_result_cont(&error_, mysql_, ready);
      break;
    case State::kIdle:
      break;
  }
  return waits_ == 0;
}

// The call has ended: the next one begins, or the reply is whole.
std::optional<MariaReply> MariaConnection::follow() {
  switch (state_) {
    case State::kConnecting:
      if (connected_ == nullptr) {
        is_good_ = false;
        return finish();
      }
      thread_id_ = mysql_thread_id(mysql_);
      state_ = State::kIdle;
      send(greeting_);
      return std::nullopt;
    case State::kQuery:
    case State::kNext:
      if (error_ != 0) return finish();
      begin_store();
      return std::nullopt;
    case State::kStore:
      if (result_ == nullptr && mysql_errno(mysql_) != 0) return finish();
      take_rows();
      if (mysql_more_results(mysql_) == 0) return finish();
      state_ = State::kNext;
      waits_ = mysql_next_result_start(&error_, mysql_);
      return std::nullopt;
    case State::kIdle:
      break;
  }
  return finish();
}

void MariaConnection::send(const std::string& command) {
  reply_ = {};
  command_ = command;
  state_ = State::kQuery;
  waits_ = mysql_real_query_start(&error_, mysql_, command_.data(), command_.size());
}

void MariaConnection::begin_store() {
  state_ = State::kStore;
  waits_ = mysql_store_result_start(&result_, mysql_);
}

void MariaConnection::take_rows() {
  if (result_ == nullptr) return;
  const unsigned columns = mysql_num_fields(result_);
  while (MYSQL_ROW fields = mysql_fetch_row(result_)) {
    const unsigned long* const sizes = mysql_fetch_lengths(result_);
    MariaRow& row = reply_.rows.emplace_back();
    for (unsigned column = 0; column < columns; ++column) {
      row.push_back(fields[column] == nullptr
                        ? std::nullopt
                        : std::optional<std::string>(std::in_place, fields[column], sizes[column]));
    }
  }
  mysql_free_result(std::exchange(result_, nullptr));
}

MariaReply MariaConnection::finish() {
  state_ = State::kIdle;
  reply_.error = mysql_errno(mysql_);
  reply_.status = from_mariadb(mysql_);
  if (is_connection_lost(reply_.error)) is_good_ = false;
  reply_.is_lost = !is_good_;
  if (reply_.is_lost && reply_.status) {
    reply_.status = Status(StatusCode::kIoError, "MariaDB: connection lost");
  }
  return std::exchange(reply_, {});
}

MariaReply MariaConnection::wait(Clock::time_point end) {
  while (true) {
    if (auto reply = advance()) return *std::move(reply);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0) break;
    pollfd one = waits_for();
    static_cast<void>(::poll(&one, 1, static_cast<int>(std::min<long>(left, 60000))));
  }
  is_good_ = false;  // closed as it is, with a reply owed
  MariaReply reply;
  reply.is_lost = true;
  reply.status = Status(StatusCode::kTimeout, "MariaDB: the server did not answer in time");
  return reply;
}

pollfd MariaConnection::waits_for() const {
  return {mysql_get_socket(mysql_), poll_events(waits_), 0};
}

}  // namespace cairn::rm
