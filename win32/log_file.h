// LogFile: one opening of a log or of one of its streams; what a handle of CreateLogFile() means.
#ifndef CAIRN_WIN32_LOG_FILE_H_
#define CAIRN_WIN32_LOG_FILE_H_

#include <atomic>
#include <memory>
#include <mutex>

#include "handle_table.h"
#include "last_error.h"
#include "physical_log.h"

namespace cairn::win32 {

class LogClient;

// Marshalling areas and contexts keep it when its handle was closed: until the last of them is gone
// too, the opening counts for share modes and for what is to be deleted. Thread-safe.
class LogFile {
 public:
  LogFile(std::shared_ptr<PhysicalLog> physical, std::shared_ptr<LogStream> stream,
          const OpenRequest& request)
      : physical_(std::move(physical)),
        stream_(std::move(stream)),
        access_(request.access),
        share_(request.share) {}
  ~LogFile() { physical_->close_opening(*this); }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  [[nodiscard]] PhysicalLog& physical() const { return *physical_; }
  // REQUIRES: is_stream(), and the log has containers.
  [[nodiscard]] log::Stream& stream() const { return stream_->stream; }
  [[nodiscard]] LogStream& log_stream() const { return *stream_; }
  // Or else the physical log itself.
  [[nodiscard]] bool is_stream() const { return !stream_->name.empty(); }
  [[nodiscard]] DWORD access() const { return access_; }
  [[nodiscard]] DWORD share() const { return share_; }

  // False, and the last error is ERROR_ACCESS_DENIED: opened without this access.
  [[nodiscard]] bool allows(DWORD access) const;

  // One archive at a time.
  [[nodiscard]] bool begin_archive() { return !archiving_.exchange(true); }
  void end_archive() { archiving_.store(false); }

 private:
  const std::shared_ptr<PhysicalLog> physical_;
  const std::shared_ptr<LogStream> stream_;
  const DWORD access_;
  const DWORD share_;
  std::atomic<bool> archiving_{false};
};

// The handle itself; closing it ends its registration as a client.
class LogHandle final : public Object {
 public:
  static constexpr HandleType kType = HandleType::kLogFile;
  explicit LogHandle(std::shared_ptr<LogFile> of) : Object(kType), file(std::move(of)) {}
  ~LogHandle() override;

  const std::shared_ptr<LogFile> file;
  // Null: not registered.
  [[nodiscard]] std::shared_ptr<LogClient> client() const;
  // False: there is one.
  [[nodiscard]] bool set_client(std::shared_ptr<LogClient> client);
  [[nodiscard]] std::shared_ptr<LogClient> take_client();

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<LogClient> client_;
};

// As fail(), and tells the four reasons of a full log apart: ERROR_LOG_FULL (a base or the
// maximum), ERROR_LOG_PINNED_ARCHIVE_TAIL, ERROR_LOG_PINNED_RESERVATION.
BOOL fail_log(const Status& status, Meanings meanings = {});
BOOL succeed_log_if(const Status& status, Meanings meanings = {});
// The error that fail_log() sets.
[[nodiscard]] DWORD log_error_of(const Status& status);

// Whether there is no OVERLAPPED structure, or a value called reserved is null. Else the last error
// is ERROR_NOT_SUPPORTED, or ERROR_INVALID_PARAMETER.
[[nodiscard]] bool is_synchronous(const OVERLAPPED* overlapped);
[[nodiscard]] bool is_null_reserved(const void* reserved);
// Whether none of them is null; else ERROR_INVALID_PARAMETER.
template <typename... Pointers>
[[nodiscard]] bool all_given(Pointers... pointers) {
  if ((... && (pointers != nullptr))) return true;
  return fail(ERROR_INVALID_PARAMETER, "a pointer expected, found NULL");
}

}  // namespace cairn::win32

#endif  // CAIRN_WIN32_LOG_FILE_H_
