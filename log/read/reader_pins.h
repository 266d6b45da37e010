// ReaderPins: the tail readers of an open log, and what they keep from being recycled.
#ifndef CAIRN_LOG_READ_READER_PINS_H_
#define CAIRN_LOG_READ_READER_PINS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <cairn/log.h>
#include <cairn/lsn.h>

namespace cairn::log {

struct ReaderPin {
  std::string name;
  std::uint64_t limit = 0;              // bytes it may hold back
  std::atomic<std::uint64_t> position;  // moved by the reader, forward only
  std::atomic<std::uint64_t> lost_to;   // 0; or given up: the tail may be here by now
};

// Guarded by the block writer's mutex, except the atomics.
class ReaderPins {
 public:
  // REQUIRES: before any other call.
  void set_container_size(std::uint64_t bytes) { container_size_ = bytes; }

  // REQUIRES: position is not before passed().
  [[nodiscard]] std::shared_ptr<ReaderPin> add(std::string name, Lsn position, std::uint64_t limit);
  void remove(const std::shared_ptr<ReaderPin>& pin);

  // Where the tail may go that `tail` is all that others need. A pin that holds back more than its
  // limit does not count; if `urgent` (an append would meet a full log), none does.
  [[nodiscard]] Lsn allowed(Lsn tail, bool urgent) const;
  // The same, for good: pins that do not count are given up, and what lies before the answer can no
  // longer be pinned. Returns how many were given up in *given_up.
  [[nodiscard]] Lsn pass(Lsn tail, bool urgent, std::uint64_t* given_up);
  // What can no longer be pinned.
  [[nodiscard]] Lsn passed() const { return passed_; }

  void show(Lsn end, std::vector<PinInfo>* pins) const;

 private:
  [[nodiscard]] bool in_older_container(const ReaderPin& pin, Lsn tail) const {
    return Lsn(pin.position.load()).container(container_size_) < tail.container(container_size_);
  }

  std::uint64_t container_size_ = 0;
  std::vector<std::shared_ptr<ReaderPin>> pins_;
  Lsn passed_;
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_READ_READER_PINS_H_
