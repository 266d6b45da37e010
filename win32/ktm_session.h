// SessionObject: a session of a resource manager, with the buffers it has handed over.
#ifndef CAIRN_WIN32_KTM_SESSION_H_
#define CAIRN_WIN32_KTM_SESSION_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include <cairn/ktmw32.h>
#include <cairn/notification.h>
#include <cairn/resource_manager.h>

#include "completion_port.h"
#include "handle_table.h"
#include "ktm_objects.h"

namespace cairn::win32 {

// The bytes that a notification takes in a caller's buffer, with its argument.
[[nodiscard]] ULONG size_of(const cairn::tm::Notification& notification);
// REQUIRES: there are size_of() bytes.
void write_notification(const cairn::tm::Notification& notification,
                        PTRANSACTION_NOTIFICATION buffer);

// Each handle of a resource manager is a session of its own, which ends with it.
class SessionObject : public Object {
 public:
  static constexpr HandleType kType = HandleType::kResourceManager;

  SessionObject(std::shared_ptr<TmObject> its_manager, cairn::tm::ResourceManager its_session)
      : Object(kType), manager(std::move(its_manager)), session(std::move(its_session)) {}
  ~SessionObject() override;

  // Ends the session, also for calls that wait in it, gives all buffers back, and writes to none
  // from then on.
  void closed() override;

  // One buffer that waits for a notification. All of it is the caller's.
  struct Request {
    PTRANSACTION_NOTIFICATION buffer = nullptr;
    ULONG size = 0;
    PULONG return_length = nullptr;
    LPOVERLAPPED overlapped = nullptr;
  };
  // Errors: kAlreadyExists, kResourceExhausted (no thread).
  [[nodiscard]] Status set_port(std::shared_ptr<CompletionPort> port);
  // Errors: kInvalidArgument (there is no port), the reason why the session has ended.
  [[nodiscard]] Status request(const Request& request);

  const std::shared_ptr<TmObject> manager;
  cairn::tm::ResourceManager session;

 private:
  void run();
  [[nodiscard]] bool choose(const cairn::tm::Notification& notification);
  void complete_locked(const Request& request, DWORD error, ULONG length);
  void end(const Status& why);

  std::mutex mutex_;  // after the session's own lock
  std::condition_variable changed_;
  std::shared_ptr<CompletionPort> port_;
  std::deque<Request> requests_;
  std::optional<Request> chosen_;  // for the notification that is being taken
  bool closing_ = false;
  Status ended_;  // not OK: why no more notifications come
  std::thread thread_;
};

}  // namespace cairn::win32

#endif  // CAIRN_WIN32_KTM_SESSION_H_
