// MarshallingArea: the limits and the reservation that a client appends and reads with. The blocks
// themselves are the log's: any number of areas may append to a stream.
#ifndef CAIRN_WIN32_MARSHALLING_AREA_H_
#define CAIRN_WIN32_MARSHALLING_AREA_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include <cairn/log.h>

#include "handle_table.h"
#include "log_file.h"
#include "reserved_sizes.h"

namespace cairn::win32 {

class MarshallingArea final : public Object {
 public:
  static constexpr HandleType kType = HandleType::kMarshallingArea;

  MarshallingArea(std::shared_ptr<LogFile> of, std::shared_ptr<log::Log> in, std::uint32_t bytes,
                  std::uint32_t max_readers)
      : Object(kType),
        file(std::move(of)),
        log(std::move(in)),
        codec(file->physical().codec()),
        buffer_bytes(bytes),
        max_readers_(max_readers) {}
  [[nodiscard]] bool is_handle() const override { return false; }

  [[nodiscard]] log::Stream& stream() const { return file->stream(); }
  [[nodiscard]] PhysicalLog& physical() const { return file->physical(); }

  // As fail_log() of an append or a reservation. A log that reservations fill while a base pins
  // containers is ERROR_LOG_FULL: to advance the base helps. ERROR_LOG_PINNED_RESERVATION: only to
  // give reservations back does.
  BOOL fail_append(const Status& status, Meanings meanings = {}) const;
  // One more read context, of as many as the area has blocks to read with. False: there are so
  // many.
  [[nodiscard]] bool begin_reading();
  void end_reading() { readers_.fetch_sub(1); }
  // The area was deleted: contexts that were made with it read no further.
  void close() { closed_.store(true); }
  [[nodiscard]] bool is_closed() const { return closed_.load(); }

  const std::shared_ptr<LogFile> file;
  const std::shared_ptr<log::Log> log;
  const LsnCodec codec;
  const std::uint32_t buffer_bytes;  // of the longest record

  // REQUIRES of those below: reservation_mutex held. Each keeps the sizes in step.
  void keep_reserved(log::Reservation more, std::uint64_t records, std::uint64_t bytes);
  // A record of `payload` bytes was paid out of the reservation.
  void note_paid(std::size_t payload);
  // REQUIRES: so much is held.
  [[nodiscard]] Status give_up(std::uint64_t records, std::uint64_t bytes);

  std::mutex reservation_mutex;
  log::Reservation reservation;  // goes before the log does
  ReservedSizes sizes;

 private:
  const std::uint32_t max_readers_;
  std::atomic<std::uint32_t> readers_{0};
  std::atomic<bool> closed_{false};
};

}  // namespace cairn::win32

#endif  // CAIRN_WIN32_MARSHALLING_AREA_H_
