// SqlProxy: between a database server and its clients, on Unix sockets; holds the connection on
// which a command passes, before the server has it or before its answer comes back, and cuts it.
#ifndef CAIRN_TESTS_RM_SQL_PROXY_H_
#define CAIRN_TESTS_RM_SQL_PROXY_H_

#include <condition_variable>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "servers/temporary_directory.h"

namespace cairn::rm {

enum class Cut { kBefore, kAfter };

class SqlProxy {
 public:
  // `server`: the directory of its socket; `name`: of the socket there, and of the proxy's own.
  SqlProxy(const std::string& server, const std::string& name);
  ~SqlProxy();
  SqlProxy(const SqlProxy&) = delete;
  SqlProxy& operator=(const SqlProxy&) = delete;

  // Of its socket.
  [[nodiscard]] std::string directory() const { return directory_.path(); }
  // The next command that begins with `text` is held: kBefore, the server does not get it; kAfter,
  // it has answered, and nobody gets the answer.
  void arm(const std::string& text, Cut cut);
  // Waits until a command is held. False: not within 20 s.
  [[nodiscard]] bool wait_held();
  // Whether one is held now.
  [[nodiscard]] bool is_held();
  // Ends its connection on both sides, or does nothing where none is held.
  void cut_held();
  // The client's side alone: for the server it lives on until the proxy ends.
  void cut_held_client();
  // The command that is held (kBefore) arrives at the server after all: returns when the server has
  // answered, or has ended the connection.
  void deliver_held();

 private:
  struct Pair {
    int client = -1;
    int server = -1;
    bool is_swallowing = false;  // the answer
    bool is_held = false;
    bool is_over = false;
    std::string command;  // that is held and has not arrived
  };
  void serve();
  void accept_one();
  void pass(Pair& pair, bool from_client);
  void close(Pair& pair);
  void wake() const;

  const std::string server_;  // socket
  const TemporaryDirectory directory_;
  int listener_ = -1;
  int wake_fd_ = -1;
  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::string text_;  // armed, if not empty
  Cut cut_ = Cut::kBefore;
  std::list<Pair> pairs_;
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace cairn::rm

#endif  // CAIRN_TESTS_RM_SQL_PROXY_H_
