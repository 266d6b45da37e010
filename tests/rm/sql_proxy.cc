#include "rm/sql_proxy.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

namespace cairn::rm {
namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(),
              std::min(path.size() + 1, sizeof address.sun_path - 1));
  return address;
}

int new_socket() { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }

}  // namespace

SqlProxy::SqlProxy(const std::string& server, const std::string& name)
    : server_(server + "/" + name), directory_("/tmp") {
  listener_ = new_socket();
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const sockaddr_un address = address_of(directory_ / name);
  if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_, 64) != 0) {
    std::abort();
  }
  thread_ = std::thread(&SqlProxy::serve, this);
}

SqlProxy::~SqlProxy() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  wake();
  thread_.join();
  for (Pair& pair : pairs_) close(pair);
  ::close(listener_);
  ::close(wake_fd_);
}

void SqlProxy::arm(const std::string& text, Cut cut) {
  const std::lock_guard lock(mutex_);
  text_ = text;
  cut_ = cut;
}

bool SqlProxy::wait_held() {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(20), [this] {
    return std::any_of(pairs_.begin(), pairs_.end(), [](const Pair& pair) { return pair.is_held; });
  });
}

bool SqlProxy::is_held() {
  const std::lock_guard lock(mutex_);
  return std::any_of(pairs_.begin(), pairs_.end(), [](const Pair& pair) { return pair.is_held; });
}

void SqlProxy::cut_held() {
  const std::lock_guard lock(mutex_);
  text_.clear();
  for (Pair& pair : pairs_) {
    if (pair.is_held) close(pair);
  }
  wake();
}

void SqlProxy::cut_held_client() {
  const std::lock_guard lock(mutex_);
  text_.clear();
  for (Pair& pair : pairs_) {
    if (pair.is_held && pair.client >= 0) ::close(std::exchange(pair.client, -1));
  }
}

void SqlProxy::deliver_held() {
  const std::lock_guard lock(mutex_);
  for (Pair& pair : pairs_) {
    if (!pair.is_held) continue;
    std::array<char, 64> answer;
    if (::send(pair.server, pair.command.data(), pair.command.size(), MSG_NOSIGNAL) > 0) {
      static_cast<void>(::recv(pair.server, answer.data(), answer.size(), 0));
    }
    close(pair);
  }
  wake();
}

void SqlProxy::wake() const {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(wake_fd_, &one, sizeof one));
}

void SqlProxy::close(Pair& pair) {
  for (int* const end : {&pair.client, &pair.server}) {
    if (*end >= 0) ::close(std::exchange(*end, -1));
  }
  pair.is_over = true;
  pair.is_held = false;
}

void SqlProxy::serve() {
  while (true) {
    std::vector<pollfd> all{{listener_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
    {
      const std::lock_guard lock(mutex_);
      if (is_over_) return;
      pairs_.remove_if([](const Pair& pair) { return pair.is_over; });
      for (const Pair& pair : pairs_) {
        const short events = pair.is_held ? 0 : POLLIN;
        all.push_back({pair.is_held ? -1 : pair.client, events, 0});
        all.push_back({pair.is_held ? -1 : pair.server, events, 0});
      }
    }
    static_cast<void>(::poll(all.data(), all.size(), -1));
    std::uint64_t count = 0;
    static_cast<void>(!::read(wake_fd_, &count, sizeof count));
    const std::lock_guard lock(mutex_);
    std::size_t at = 2;
    for (Pair& pair : pairs_) {
      if (!pair.is_over && !pair.is_held && all[at].revents != 0) pass(pair, true);
      if (!pair.is_over && !pair.is_held && all[at + 1].revents != 0) pass(pair, false);
      at += 2;
    }
    if (all[0].revents != 0) accept_one();
  }
}

void SqlProxy::accept_one() {
  Pair pair;
  pair.client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  pair.server = new_socket();
  const sockaddr_un address = address_of(server_);
  if (::connect(pair.server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(pair);
    return;
  }
  pairs_.push_back(pair);
}

void SqlProxy::pass(Pair& pair, bool from_client) {
  std::array<char, 65536> bytes;
  const ssize_t got =
      ::recv(from_client ? pair.client : pair.server, bytes.data(), bytes.size(), 0);
  if (got <= 0) return close(pair);
  const auto size = static_cast<std::size_t>(got);
  const auto hold = [&] {
    pair.is_held = true;
    changed_.notify_all();
  };
  if (!from_client && pair.is_swallowing) return hold();
  // A query is five bytes and its text: 'Q' and its length, or MariaDB's length, number and 3.
  const std::string_view text(bytes.data(), size);
  if (from_client && !text_.empty() && size > 5 && text.substr(5).starts_with(text_)) {
    text_.clear();
    if (cut_ == Cut::kBefore) {
      pair.command = text;
      return hold();
    }
    pair.is_swallowing = true;
  }
  if (::send(from_client ? pair.server : pair.client, bytes.data(), size, MSG_NOSIGNAL) != got) {
    close(pair);
  }
}

}  // namespace cairn::rm
