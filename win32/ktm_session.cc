#include "ktm_session.h"

#include <algorithm>
#include <cstring>
#include <system_error>
#include <utility>

#include "last_error.h"
#include "text.h"

namespace cairn::win32 {

using cairn::tm::Notification;
using cairn::tm::NotificationKind;

namespace {

bool has_recovery_argument(NotificationKind kind) {
  return kind == NotificationKind::kRecover || kind == NotificationKind::kRecoverQuery;
}

}  // namespace

ULONG size_of(const Notification& notification) {
  return static_cast<ULONG>(sizeof(TRANSACTION_NOTIFICATION) +
                            (has_recovery_argument(notification.kind)
                                 ? sizeof(TRANSACTION_NOTIFICATION_RECOVERY_ARGUMENT)
                                 : 0));
}

// Copied as bytes: nobody said that the caller's buffer is aligned.
void write_notification(const Notification& notification, PTRANSACTION_NOTIFICATION buffer) {
  TRANSACTION_NOTIFICATION header;
  std::memset(&header, 0, sizeof header);
  header.TransactionKey = reinterpret_cast<PVOID>(notification.key);  // NOLINT: the caller's own
  header.TransactionNotification = static_cast<ULONG>(notification.kind);
  header.TmVirtualClock.QuadPart = static_cast<LONGLONG>(notification.clock);
  header.ArgumentLength = size_of(notification) - static_cast<ULONG>(sizeof header);
  std::memcpy(buffer, &header, sizeof header);
  if (header.ArgumentLength == 0) return;
  const TRANSACTION_NOTIFICATION_RECOVERY_ARGUMENT argument{guid_of(notification.enlistment),
                                                            guid_of(notification.transaction)};
  std::memcpy(reinterpret_cast<char*>(buffer) + sizeof header, &argument, sizeof argument);
}

SessionObject::~SessionObject() { closed(); }

void SessionObject::closed() {
  std::thread thread;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;  // and no thread is started any more
    thread = std::move(thread_);
    changed_.notify_all();
  }
  // Not an error where it has ended before. Wakes the thread, too.
  [[maybe_unused]] const Status ended =
      session.disconnect(Status(StatusCode::kClosed, "its handle was closed"));
  if (thread.joinable()) thread.join();
}

Status SessionObject::set_port(std::shared_ptr<CompletionPort> port) {
  const std::lock_guard lock(mutex_);
  if (closing_) return Status(StatusCode::kFenced, "the handle of the resource manager is closed");
  if (port_ != nullptr) {
    return Status(StatusCode::kAlreadyExists, "the resource manager has a completion port");
  }
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    return Status(StatusCode::kResourceExhausted, std::string("no thread: ") + error.what());
  }
  port_ = std::move(port);
  return Status::ok();
}

Status SessionObject::request(const Request& request) {
  const std::lock_guard lock(mutex_);
  if (port_ == nullptr) {
    return Status(StatusCode::kInvalidArgument, "the resource manager has no completion port");
  }
  CAIRN_RETURN_IF_ERROR(ended_);
  __atomic_store_n(&request.overlapped->Internal, ULONG_PTR{STATUS_PENDING}, __ATOMIC_RELEASE);
  request.overlapped->InternalHigh = 0;
  requests_.push_back(request);
  changed_.notify_all();
  return Status::ok();
}

// The thread: while buffers are out, waits for the next notification.
void SessionObject::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return closing_ || !requests_.empty(); });
      if (closing_) break;
    }
    const auto next = session.get_notification(
        [this](const Notification& notification) { return choose(notification); }, std::nullopt);
    if (next) {
      const std::lock_guard lock(mutex_);
      write_notification(*next, chosen_->buffer);
      complete_locked(*chosen_, ERROR_SUCCESS, size_of(*next));
      chosen_.reset();
    } else if (next.code() != StatusCode::kBufferTooSmall) {
      end(next.status());
      return;
    }
  }
  end(Status(StatusCode::kClosed, "the handle of the resource manager was closed"));
}

// Takes the first buffer that is large enough out of the queue; if none is, gives the first back.
bool SessionObject::choose(const Notification& notification) {
  const ULONG size = size_of(notification);
  const std::lock_guard lock(mutex_);
  const auto large = std::find_if(requests_.begin(), requests_.end(),
                                  [size](const Request& request) { return request.size >= size; });
  if (large == requests_.end()) {
    complete_locked(requests_.front(), ERROR_INSUFFICIENT_BUFFER, size);
    requests_.pop_front();
    return false;
  }
  chosen_ = *large;
  requests_.erase(large);
  return true;
}

void SessionObject::complete_locked(const Request& request, DWORD error, ULONG length) {
  if (request.return_length != nullptr) *request.return_length = length;
  request.overlapped->InternalHigh = error == ERROR_SUCCESS ? length : 0;
  // From here on the caller may take its memory back.
  __atomic_store_n(&request.overlapped->Internal, ULONG_PTR{error}, __ATOMIC_RELEASE);
  port_->signal();
}

void SessionObject::end(const Status& why) {
  const std::lock_guard lock(mutex_);
  ended_ = why;
  for (const Request& request : requests_) complete_locked(request, ERROR_OPERATION_ABORTED, 0);
  requests_.clear();
}

}  // namespace cairn::win32
