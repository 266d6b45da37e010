// TailClients: whom to ask when the tail must move.
//
// A request is repeated in every later round in which space is still short and the pin has not
// moved, unless the client said that it cannot move it.
#ifndef CAIRN_LOG_TAIL_CLIENTS_H_
#define CAIRN_LOG_TAIL_CLIENTS_H_

#include <map>
#include <optional>
#include <thread>

#include <cairn/lsn.h>
#include <cairn/record.h>
#include <cairn/space.h>
#include <cairn/status.h>

namespace cairn::log {

// Its owner locks.
class TailClients {
 public:
  // Replaces the stream's callback; an empty one takes it out.
  void set(StreamId stream, AdvanceCallback callback);
  void remove(StreamId stream) { clients_.erase(stream); }

  // What to ask the owner of `stream`, whose oldest needed LSN is `pin`; nothing if nobody listens
  // or it said that it cannot.
  struct Call {
    AdvanceCallback callback;
    unsigned attempt = 1;
  };
  [[nodiscard]] std::optional<Call> next_call(StreamId stream, Lsn pin);

  // The stream's owner cannot move `pin`.
  void failed(StreamId stream, Lsn pin, const Status& why);
  // Why the owner said that it cannot move `pin`; null if it did not say so.
  [[nodiscard]] const Status* failure(StreamId stream, Lsn pin) const;

  // The stream whose callback runs, and on which thread. None: kCatalogStream.
  StreamId running = kCatalogStream;
  std::thread::id running_on;

 private:
  struct Client {
    AdvanceCallback callback;
    Lsn asked_pin;
    unsigned attempts = 0;
    Lsn failed_pin;  // null: none
    Status failure;
  };
  std::map<StreamId, Client> clients_;
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_TAIL_CLIENTS_H_
