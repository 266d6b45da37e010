// Reservation: space in the log promised to appends yet to come.
#ifndef CAIRN_RESERVATION_H_
#define CAIRN_RESERVATION_H_

#include <cstdint>
#include <span>
#include <utility>

#include <cairn/record.h>
#include <cairn/result.h>
#include <cairn/status.h>

namespace cairn::log {

class Log;
class LogCore;

// Room for a number of records of one stream. An append that is given a reservation with at least
// one record and enough bytes never meets LogFull, not even when each record ends up alone in its
// block, containers end in between and the file system has no space: what framing and padding can
// take at the most is backed beside the bytes. Move-only; what is left is released by destruction.
// Not durable: after a reopen, reserve again before promising anything. Thread-safe as a whole
// object only under the caller's lock. Must not outlive its Log.
class Reservation {
 public:
  Reservation() = default;  // holds nothing
  Reservation(Reservation&& other) noexcept
      : core_(std::exchange(other.core_, nullptr)),
        stream_(other.stream_),
        records_(std::exchange(other.records_, 0)),
        bytes_(std::exchange(other.bytes_, 0)) {}
  Reservation& operator=(Reservation&& other) noexcept {
    if (this != &other) {
      release();
      core_ = std::exchange(other.core_, nullptr);
      stream_ = other.stream_;
      records_ = std::exchange(other.records_, 0);
      bytes_ = std::exchange(other.bytes_, 0);
    }
    return *this;
  }
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation() { release(); }

  // Whether it can pay for a record of `payload` bytes.
  [[nodiscard]] bool covers(std::uint64_t payload) const {
    return records_ > 0 && bytes_ >= reserved_bytes(payload);
  }
  // Records it can still pay for.
  [[nodiscard]] std::uint64_t records() const { return records_; }
  // Bytes still held, exact: of each record its header of 40 bytes and its payload, rounded up to a
  // multiple of 8. What blocks, padding and the ends of containers may add is backed beside it.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] StreamId stream() const { return stream_; }
  // Gives everything back now.
  void release();
  // Gives `records` records and `bytes` bytes of what is held back now. Error, and nothing was
  // given back: kInvalidArgument (more than there is).
  [[nodiscard]] Status give_back(std::uint64_t records, std::uint64_t bytes);
  // Takes over what `other` holds, for this one's stream. REQUIRES: both are of the same log, or
  // one is empty.
  void merge(Reservation&& other);

  // A reservation of its own with `records` records and `bytes` bytes of what is held; no space is
  // asked for. Error, and nothing was taken: kInvalidArgument (more than there is).
  [[nodiscard]] Result<Reservation> split(std::uint64_t records, std::uint64_t bytes);

  // What Stream::reserve(records, payload_bytes) takes of bytes(): each record may round up by 7.
  [[nodiscard]] static constexpr std::uint64_t reserved_bytes_of(std::uint64_t records,
                                                                 std::uint64_t payload_bytes) {
    return (payload_bytes + records * (kRecordHeaderBytes + 7)) / 8 * 8;
  }
  // What a record of `payload` bytes takes of bytes().
  [[nodiscard]] static constexpr std::uint64_t reserved_bytes(std::uint64_t payload) {
    return (kRecordHeaderBytes + payload + 7) / 8 * 8;
  }

 private:
  friend class LogCore;
  static constexpr std::uint64_t kRecordHeaderBytes = 40;
  Reservation(LogCore* core, StreamId stream, std::uint64_t records, std::uint64_t bytes)
      : core_(core), stream_(stream), records_(records), bytes_(bytes) {}

  LogCore* core_ = nullptr;
  StreamId stream_ = 0;
  std::uint64_t records_ = 0;
  std::uint64_t bytes_ = 0;
};

// What an append does to its reservation beside paying the record (Stream::append_reserved()).
struct ReservationChange {
  // Payload sizes of further records to reserve for, and of reserved ones to give back.
  std::span<const std::uint64_t> reserve{};
  std::span<const std::uint64_t> free{};
};

}  // namespace cairn::log

#endif  // CAIRN_RESERVATION_H_
