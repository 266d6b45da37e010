#include "tail_clients.h"

#include <utility>

namespace cairn::log {

void TailClients::set(StreamId stream, AdvanceCallback callback) {
  if (!callback) {
    clients_.erase(stream);
    return;
  }
  Client client;
  client.callback = std::move(callback);
  clients_[stream] = std::move(client);
}

std::optional<TailClients::Call> TailClients::next_call(StreamId stream, Lsn pin) {
  const auto found = clients_.find(stream);
  if (found == clients_.end() || failure(stream, pin) != nullptr) return std::nullopt;
  Client& client = found->second;
  if (!client.callback) return std::nullopt;
  client.attempts = client.asked_pin == pin ? client.attempts + 1 : 1;
  client.asked_pin = pin;
  return Call{client.callback, client.attempts};
}

void TailClients::failed(StreamId stream, Lsn pin, const Status& why) {
  Client& client = clients_[stream];
  client.failed_pin = pin;
  client.failure = why;
}

const Status* TailClients::failure(StreamId stream, Lsn pin) const {
  const auto found = clients_.find(stream);
  if (found == clients_.end() || found->second.failed_pin.is_null() ||
      found->second.failed_pin != pin) {
    return nullptr;
  }
  return &found->second.failure;
}

}  // namespace cairn::log
