// PhysicalLog: one log that this process has open by CLFS's names, whatever handles there are to it
// and to its streams.
#ifndef CAIRN_WIN32_PHYSICAL_LOG_H_
#define CAIRN_WIN32_PHYSICAL_LOG_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/log.h>
#include <cairn/result.h>

#include "clfs_lsn.h"
#include "clfs_name.h"
#include "log_clients.h"
#include "log_policies.h"

namespace cairn::win32 {

class LogFile;

// The one stream of a dedicated log. Streams of multiplexed ones do not begin with a colon.
inline constexpr std::string_view kDedicatedStream = ":dedicated";

// What CreateLogFile() is asked for, beside the name.
struct OpenRequest {
  DWORD access = 0;
  DWORD share = 0;
  ULONG disposition = OPEN_ALWAYS;
  bool archive = false;
};

// A stream, or the physical log itself, as all its openings see it. Guarded by the log's mutex,
// except for the name, which never changes, and the stream, which is set before anyone can see it.
struct LogStream {
  explicit LogStream(std::string of) : name(std::move(of)) {}

  const std::string name;  // empty: the physical log
  log::Stream stream;      // names nothing as long as the log has no containers
  std::vector<const LogFile*> openings;
  bool delete_when_closed = false;
  bool reset_when_closed = false;
};

// A log without containers is an empty directory: CLFS decides the size of containers when the
// first is added, Cairn when a log is created, so that is done then. Thread-safe.
class PhysicalLog : public std::enable_shared_from_this<PhysicalLog> {
 public:
  // Opens, or makes, what `name` says. Null, and the last error is set.
  [[nodiscard]] static std::shared_ptr<LogFile> open(const ClfsName& name,
                                                     const OpenRequest& request);
  // Whether CreateLogFile() has a stream of the log in the directory `path` open for writing or to
  // be deleted: no manager can be in it meanwhile.
  [[nodiscard]] static bool is_changed_through_handles(const std::string& path,
                                                       const std::string& stream);
  ~PhysicalLog();
  PhysicalLog(const PhysicalLog&) = delete;
  PhysicalLog& operator=(const PhysicalLog&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  // Null as long as there are no containers.
  [[nodiscard]] std::shared_ptr<log::Log> log() const;
  // The same; null sets the last error: ERROR_LOG_NOT_ENOUGH_CONTAINERS.
  [[nodiscard]] std::shared_ptr<log::Log> need_log() const;
  [[nodiscard]] LsnCodec codec() const;
  [[nodiscard]] std::uint64_t container_size() const;  // 0: there are none
  [[nodiscard]] bool is_dedicated() const;

  // Makes the log with its first containers. REQUIRES: container_mutex() held, log() is null.
  [[nodiscard]] Status create(std::uint64_t container_size, std::uint32_t containers);
  // Whoever adds or removes containers, or changes policies, one after the other.
  [[nodiscard]] std::mutex& container_mutex() { return container_mutex_; }
  // Guarded by container_mutex().
  LogPolicies policies;
  bool policies_applied = false;           // the log's own ones were changed for them
  std::vector<std::string> added_names;    // as AddLogContainer() was given them, in order
  std::uint32_t prepaid_containers = 0;    // made with the first: a log has at least two
  std::uint32_t containers_to_remove = 0;  // as soon as they are free

  LogClients clients;

  // The physical log goes when the last opening of it and of its streams is gone.
  void delete_when_closed();
  // Likewise of a stream: it is deleted, or made anew, when its last opening is gone.
  void delete_stream_when_closed(LogStream& stream);
  void reset_stream_when_closed(LogStream& stream);

  // For archives: SetLogArchiveTail() waits until no archive is being read.
  void begin_archive();
  [[nodiscard]] Status end_archive();
  [[nodiscard]] Status set_archive_tail(Lsn lsn);

 private:
  friend class LogFile;
  explicit PhysicalLog(std::string path) : path_(std::move(path)) {}

  [[nodiscard]] static std::shared_ptr<PhysicalLog> open_on_disk(const std::string& path,
                                                                 const OpenRequest& request,
                                                                 bool* existed);
  [[nodiscard]] std::shared_ptr<LogFile> open_stream(const ClfsName& name,
                                                     const OpenRequest& request, bool existed);
  enum class Kind { kUndecided, kDedicated, kMultiplexed };
  [[nodiscard]] Kind kind_on_disk() const;
  [[nodiscard]] bool stream_exists_locked(const std::string& key, bool existed) const;
  [[nodiscard]] static bool may_share(const LogStream& stream, const OpenRequest& request);
  void close_opening(const LogFile& file);
  void close_policies();

  const std::string path_;  // canonical
  std::mutex container_mutex_;

  mutable std::mutex mutex_;
  std::shared_ptr<log::Log> log_;
  std::uint64_t container_size_ = 0;
  Kind kind_ = Kind::kUndecided;
  std::map<std::string, std::shared_ptr<LogStream>> streams_;
  bool archive_at_creation_ = false;
  bool delete_when_closed_ = false;
  int archives_ = 0;
  std::optional<Lsn> archive_tail_wanted_;
};

}  // namespace cairn::win32

#endif  // CAIRN_WIN32_PHYSICAL_LOG_H_
