#include "read/reader_pins.h"

#include <algorithm>
#include <utility>

namespace cairn::log {

std::shared_ptr<ReaderPin> ReaderPins::add(std::string name, Lsn position, std::uint64_t limit) {
  auto pin = std::make_shared<ReaderPin>();
  pin->name = std::move(name);
  pin->limit = limit;
  pin->position.store(position.value());
  pin->lost_to.store(0);
  pins_.push_back(pin);
  return pin;
}

void ReaderPins::remove(const std::shared_ptr<ReaderPin>& pin) { std::erase(pins_, pin); }

// Containers go as a whole: a reader in the tail's own container holds back nothing.
Lsn ReaderPins::allowed(Lsn tail, bool urgent) const {
  Lsn allowed = tail;
  if (urgent) return allowed;
  for (const auto& pin : pins_) {
    if (!in_older_container(*pin, tail) || pin->lost_to.load() != 0) continue;
    const Lsn position(pin->position.load());
    if (tail - position <= pin->limit) allowed = std::min(allowed, position);
  }
  return allowed;
}

Lsn ReaderPins::pass(Lsn tail, bool urgent, std::uint64_t* given_up) {
  const Lsn to = allowed(tail, urgent);
  for (const auto& pin : pins_) {
    if (!in_older_container(*pin, to) || pin->lost_to.load() != 0) continue;
    pin->lost_to.store(to.value());
    ++*given_up;
  }
  passed_ = std::max(passed_, to);
  return to;
}

void ReaderPins::show(Lsn end, std::vector<PinInfo>* pins) const {
  for (const auto& pin : pins_) {
    const Lsn position(pin->position.load());
    if (pin->lost_to.load() != 0) continue;
    pins->push_back(
        {PinKind::kReader, pin->name, position, position < end ? end - position : 0, pin->limit});
  }
}

}  // namespace cairn::log
