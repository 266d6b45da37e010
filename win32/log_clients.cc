#include "log_clients.h"

#include <algorithm>

#include "log_containers.h"
#include "log_file.h"
#include "physical_log.h"

namespace cairn::win32 {
namespace {

// What keeps the oldest container of a log from being used again.
struct TailHolder {
  std::optional<log::PinKind> kind;  // absent: nothing does
  std::string stream;
  Lsn lsn;
};

TailHolder tail_holder(const log::LogInfo& info) {
  TailHolder holder;
  for (const log::PinInfo& pin : info.pins) {
    if (pin.kind == log::PinKind::kReader) continue;
    if (pin.lsn.container(info.container_size) >= info.end.container(info.container_size)) continue;
    if (holder.kind && holder.lsn <= pin.lsn) continue;
    holder = {pin.kind, pin.name, pin.lsn};
  }
  return holder;
}

LogNotification log_full_handled(DWORD error, bool pinned) {
  LogNotification notification;
  notification.type = ClfsMgmtLogFullHandlerNotification;
  notification.error = error;
  notification.pinned = pinned;
  return notification;
}

LogNotification of_type(CLFS_MGMT_NOTIFICATION_TYPE type) {
  LogNotification notification;
  notification.type = type;
  return notification;
}

}  // namespace

// --- one client ---

LogClient::LogClient(HANDLE handle, std::shared_ptr<LogFile> file,
                     const LOG_MANAGEMENT_CALLBACKS* callbacks)
    : handle_(handle),
      file_(std::move(file)),
      callbacks_(callbacks == nullptr ? std::nullopt : std::optional(*callbacks)) {}

void LogClient::deliver(const LogNotification& notification) {
  {
    const std::lock_guard lock(mutex_);
    if (gone_) return;
    // CLFS has no callback for a log that was written to.
    if (!callbacks_ || notification.type == ClfsMgmtLogWriteNotification) {
      const bool there = std::ranges::any_of(
          kept_, [&](const LogNotification& kept) { return kept.type == notification.type; });
      if (!there || notification.type != ClfsMgmtLogWriteNotification) {
        kept_.push_back(notification);
      }
      arrived_.notify_one();
      return;
    }
  }
  const LOG_MANAGEMENT_CALLBACKS& to = *callbacks_;
  switch (notification.type) {
    case ClfsMgmtAdvanceTailNotification:
      if (to.AdvanceTailCallback != nullptr) {
        to.AdvanceTailCallback(handle_, notification.target, to.CallbackContext);
      }
      break;
    case ClfsMgmtLogFullHandlerNotification:
      if (to.LogFullHandlerCallback != nullptr) {
        to.LogFullHandlerCallback(handle_, notification.error, notification.pinned ? TRUE : FALSE,
                                  to.CallbackContext);
      }
      break;
    case ClfsMgmtLogUnpinnedNotification:
      if (to.LogUnpinnedCallback != nullptr) to.LogUnpinnedCallback(handle_, to.CallbackContext);
      break;
    case ClfsMgmtLogWriteNotification:
      break;
  }
}

std::optional<LogNotification> LogClient::next() {
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [this] { return gone_ || !kept_.empty(); });
  if (gone_) return std::nullopt;
  const LogNotification notification = kept_.front();
  kept_.pop_front();
  return notification;
}

void LogClient::deregister() {
  {
    const std::lock_guard lock(mutex_);
    gone_ = true;
    arrived_.notify_all();
  }
  (void)watch_growth(std::nullopt);  // ends a watch, which cannot fail
}

Status LogClient::watch_growth(std::optional<std::uint64_t> bytes) {
  const std::lock_guard lock(watch_mutex_);
  watch_.end();
  if (!bytes) return {};
  const auto log = file_->physical().log();
  auto watch =
      log->watch_growth(*bytes, [weak = weak_from_this()](const Status& status, Lsn /*durable*/) {
        const auto client = weak.lock();
        if (client != nullptr && status.is_ok()) client->note_growth();
      });
  CAIRN_RETURN_IF_ERROR(watch.status());
  watch_ = std::move(*watch);
  return {};
}

void LogClient::note_growth() { deliver(of_type(ClfsMgmtLogWriteNotification)); }

// --- all of a log ---

void LogClients::add(const std::shared_ptr<LogClient>& client) {
  const std::lock_guard lock(mutex_);
  std::erase_if(clients_, [](const auto& known) { return known.expired(); });
  clients_.push_back(client);
}

void LogClients::remove(const std::shared_ptr<LogClient>& client) {
  const std::lock_guard lock(mutex_);
  std::erase_if(clients_, [&](const auto& known) { return known.lock() == client; });
}

std::vector<std::shared_ptr<LogClient>> LogClients::live_locked() {
  std::vector<std::shared_ptr<LogClient>> live;
  for (const auto& known : clients_) {
    if (auto client = known.lock(); client != nullptr) live.push_back(std::move(client));
  }
  return live;
}

void LogClients::count_locked() {
  const auto live = live_locked();
  anyone_waits_.store(std::ranges::any_of(
      live, [](const auto& client) { return client->waits_ || client->told_pinned_; }));
}

void LogClients::deliver(const Due& due) {
  for (const auto& [client, notification] : due) client->deliver(notification);
}

void LogClients::end_wait_locked(const std::shared_ptr<LogClient>& client, DWORD error, bool pinned,
                                 Due* due) {
  client->waits_.reset();
  client->told_pinned_ = pinned;
  due->emplace_back(client, log_full_handled(error, pinned));
}

// A larger log is the first way out, the client that pins the tail the second.
DWORD LogClients::handle_full(PhysicalLog& log, const std::shared_ptr<LogClient>& client) {
  {
    const std::lock_guard lock(mutex_);
    if (client->waits_) return ERROR_LOG_FULL_HANDLER_IN_PROGRESS;
    client->waits_.emplace();
    client->told_pinned_ = false;
    anyone_waits_.store(true);  // before anything is looked at that a settle() may follow
  }
  bool grown = false;
  {
    const std::lock_guard lock(log.container_mutex());
    const std::uint32_t there = count_containers(*log.log());
    const std::uint32_t most = log.policies.maximum_size().value_or(kMaxLogContainers);
    const std::uint32_t more =
        std::min(log.policies.growth_of(there), most - std::min(most, there));
    grown = more > 0 && add_containers(log, 0, more);
  }
  Due due;
  {
    const std::lock_guard lock(mutex_);
    if (grown) {
      end_wait_locked(client, ERROR_SUCCESS, false, &due);
    } else {
      due = ask_locked(log, *client);
    }
    count_locked();
  }
  deliver(due);
  if (grown) settle(log);
  return ERROR_SUCCESS;
}

// Asks whoever pins the tail, once; where nobody can be asked, that is how the wait ends.
LogClients::Due LogClients::ask_locked(PhysicalLog& log, LogClient& client) {
  Due due;
  const auto self = client.shared_from_this();
  const log::LogInfo info = log.log()->info();
  const TailHolder holder = tail_holder(info);
  client.pinned_at_ = holder.lsn;
  if (!holder.kind) {
    const bool reserved = info.space.reserved.records > 0;
    end_wait_locked(self, reserved ? ERROR_LOG_PINNED_RESERVATION : ERROR_SUCCESS, reserved, &due);
    return due;
  }
  if (*holder.kind == log::PinKind::kArchive) {
    end_wait_locked(self, ERROR_LOG_PINNED_ARCHIVE_TAIL, true, &due);
    return due;
  }
  const auto live = live_locked();
  const auto owner = std::ranges::find_if(
      live, [&](const auto& other) { return other->file().log_stream().name == holder.stream; });
  std::uint32_t wanted = 0;
  {
    const std::lock_guard lock(log.container_mutex());
    wanted = log.policies.tail_of(static_cast<std::uint32_t>(info.containers.size()));
  }
  if (owner == live.end() || wanted == 0) {
    end_wait_locked(self, ERROR_LOG_PINNED, true, &due);
    return due;
  }
  if ((*owner)->cannot_) {
    end_wait_locked(self, *(*owner)->cannot_, true, &due);
    return due;
  }
  client.waits_ = LogClient::FullLog{holder.stream, holder.lsn};
  if ((*owner)->asked_) return due;
  (*owner)->asked_ = true;
  const std::uint64_t size = info.container_size;
  const std::uint64_t target =
      std::min(holder.lsn.container(size) + wanted, info.end.container(size)) * size;
  LogNotification request = of_type(ClfsMgmtAdvanceTailNotification);
  request.target = LsnCodec(size).encode(Lsn(target));
  due.emplace_back(*owner, request);
  return due;
}

void LogClients::settle(PhysicalLog& log) {
  if (!anyone_waits_.load()) return;
  Due due;
  {
    const std::lock_guard lock(mutex_);
    const auto open = log.log();
    if (open == nullptr) return;
    const log::LogInfo info = open->info();
    const std::uint64_t size = info.container_size;
    const TailHolder holder = tail_holder(info);
    const auto live = live_locked();
    const auto moved = [&](Lsn pin) {
      return !holder.kind || holder.lsn.container(size) > pin.container(size);
    };
    bool any = false;
    for (const auto& client : live) {
      if (client->waits_ && moved(client->waits_->pin)) {
        end_wait_locked(client, ERROR_SUCCESS, false, &due);
        any = true;
      } else if (client->told_pinned_ && moved(client->pinned_at_)) {
        client->told_pinned_ = false;
        due.emplace_back(client, of_type(ClfsMgmtLogUnpinnedNotification));
        any = true;
      }
    }
    // Whoever was asked did something: it may be asked again.
    for (const auto& client : live) {
      if (!any) break;
      client->asked_ = false;
      client->cannot_.reset();
    }
    count_locked();
  }
  deliver(due);
}

void LogClients::cannot_advance(const std::shared_ptr<LogClient>& client, DWORD reason) {
  Due due;
  {
    const std::lock_guard lock(mutex_);
    client->asked_ = false;
    client->cannot_ = reason;
    const std::string& stream = client->file().log_stream().name;
    for (const auto& other : live_locked()) {
      if (other->waits_ && other->waits_->stream == stream) {
        other->pinned_at_ = other->waits_->pin;
        end_wait_locked(other, reason, true, &due);
      }
    }
    count_locked();
  }
  deliver(due);
}

}  // namespace cairn::win32
