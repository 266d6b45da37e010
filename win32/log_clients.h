// LogClients: who is asked to move the tail of a log, and told how its being full was resolved.
#ifndef CAIRN_WIN32_LOG_CLIENTS_H_
#define CAIRN_WIN32_LOG_CLIENTS_H_

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <cairn/clfsmgmtw32.h>
#include <cairn/log.h>

namespace cairn::win32 {

class LogFile;
class PhysicalLog;

struct LogNotification {
  CLFS_MGMT_NOTIFICATION_TYPE type = ClfsMgmtAdvanceTailNotification;
  CLFS_LSN target{};  // kAdvanceTail
  DWORD error = 0;    // LogFullHandler
  bool pinned = false;
};

// One registration. Thread-safe.
class LogClient : public std::enable_shared_from_this<LogClient> {
 public:
  // `callbacks` null: notifications are kept until they are read.
  LogClient(HANDLE handle, std::shared_ptr<LogFile> file,
            const LOG_MANAGEMENT_CALLBACKS* callbacks);

  [[nodiscard]] const LogFile& file() const { return *file_; }
  // Calls back, or keeps it. REQUIRES: no lock held. Nothing after deregister().
  void deliver(const LogNotification& notification);
  // The oldest that is kept; waits for one. Nothing: deregistered.
  [[nodiscard]] std::optional<LogNotification> next();
  // Ends it; whoever waits in next() returns.
  void deregister();
  // Notifies each time when so many bytes became durable; nothing: no more.
  [[nodiscard]] Status watch_growth(std::optional<std::uint64_t> bytes);

 private:
  friend class LogClients;
  void note_growth();

  const HANDLE handle_;
  const std::shared_ptr<LogFile> file_;
  const std::optional<LOG_MANAGEMENT_CALLBACKS> callbacks_;

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<LogNotification> kept_;
  bool gone_ = false;

  std::mutex watch_mutex_;
  log::GrowthWatch watch_;

  // Guarded by the mutex of LogClients. What HandleLogFull() waits for, and what was said to the
  // client that is asked.
  struct FullLog {
    std::string stream;  // that pinned the tail
    Lsn pin;
  };
  bool resolving_ = false;  // it is being found out what there is to wait for
  std::optional<FullLog> waits_;
  Lsn told_pinned_at_;  // and is told when that pin has moved; null: not
  Lsn asked_at_;        // the pin that it was asked away last; null: none
  Lsn cannot_at_;       // the pin that it said it cannot move, and why
  DWORD cannot_why_ = 0;
};

// Those of a physical log. Thread-safe; calls back without its lock.
class LogClients {
 public:
  void add(const std::shared_ptr<LogClient>& client);
  void remove(const std::shared_ptr<LogClient>& client);

  // HandleLogFull(): makes the log larger, or asks whoever pins its tail; how that ended is
  // notified. 0, or the error: ERROR_LOG_FULL_HANDLER_IN_PROGRESS.
  [[nodiscard]] DWORD handle_full(PhysicalLog& log, const std::shared_ptr<LogClient>& client);
  // A base, the archive tail or the number of containers has changed.
  void settle(PhysicalLog& log);
  // LogTailAdvanceFailure().
  void cannot_advance(PhysicalLog& log, const std::shared_ptr<LogClient>& client, DWORD reason);

 private:
  using Due = std::vector<std::pair<std::shared_ptr<LogClient>, LogNotification>>;
  [[nodiscard]] std::vector<std::shared_ptr<LogClient>> live_locked();
  [[nodiscard]] Due ask_locked(PhysicalLog& log, const std::shared_ptr<LogClient>& client);
  static void end_wait_locked(const std::shared_ptr<LogClient>& client, DWORD error, Lsn pinned_at,
                              Due* due);
  void end_waits_locked(const std::string& stream, DWORD error, Due* due);
  void count_locked();
  static void deliver(const Due& due);

  std::mutex mutex_;
  std::vector<std::weak_ptr<LogClient>> clients_;
  std::atomic<bool> anyone_waits_{false};  // or is to be told that the log is no longer pinned
};

}  // namespace cairn::win32

#endif  // CAIRN_WIN32_LOG_CLIENTS_H_
