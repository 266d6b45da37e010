// Reservation: space in the log promised to appends yet to come.
#ifndef CAIRN_RESERVATION_H_
#define CAIRN_RESERVATION_H_

#include <cstdint>
#include <utility>

namespace cairn::log {

class Log;
class LogCore;

// Bytes held back for later appends of one stream, framing and worst-case padding included. An
// append that is given a reservation large enough never meets LogFull. Move-only; what is left is
// released by destruction. Not durable: after a reopen, reserve again before promising anything.
// Thread-safe as a whole object only under the caller's lock. Must not outlive its Log.
class Reservation {
 public:
  Reservation() = default;  // holds nothing
  Reservation(Reservation&& other) noexcept
      : core_(std::exchange(other.core_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Reservation& operator=(Reservation&& other) noexcept {
    if (this != &other) {
      release();
      core_ = std::exchange(other.core_, nullptr);
      bytes_ = std::exchange(other.bytes_, 0);
    }
    return *this;
  }
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation() { release(); }

  // Bytes still held, framing included.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  // Gives everything back now.
  void release();
  // Takes over what `other` holds. REQUIRES: both are of the same log, or one is empty.
  void merge(Reservation&& other);

 private:
  friend class LogCore;
  Reservation(LogCore* core, std::uint64_t bytes) : core_(core), bytes_(bytes) {}

  LogCore* core_ = nullptr;
  std::uint64_t bytes_ = 0;
};

}  // namespace cairn::log

#endif  // CAIRN_RESERVATION_H_
