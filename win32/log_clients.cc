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

// Who waits for what this one pins is told that nobody answers for it any more.
void LogClients::remove(const std::shared_ptr<LogClient>& client) {
  Due due;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(clients_, [&](const auto& known) { return known.lock() == client; });
    const std::string& stream = client->file().log_stream().name;
    const bool another = std::ranges::any_of(live_locked(), [&](const auto& other) {
      return other->file().log_stream().name == stream;
    });
    if (!another) end_waits_locked(stream, ERROR_LOG_PINNED, &due);
    count_locked();
  }
  deliver(due);
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
  anyone_waits_.store(std::ranges::any_of(live, [](const auto& client) {
    return client->resolving_ || client->waits_ || client->told_pinned_at_.is_valid();
  }));
}

void LogClients::deliver(const Due& due) {
  for (const auto& [client, notification] : due) client->deliver(notification);
}

// `pinned_at` null: the log is not pinned.
void LogClients::end_wait_locked(const std::shared_ptr<LogClient>& client, DWORD error,
                                 Lsn pinned_at, Due* due) {
  client->resolving_ = false;
  client->waits_.reset();
  client->told_pinned_at_ = pinned_at;
  due->emplace_back(client, log_full_handled(error, pinned_at.is_valid()));
}

// Of all who wait for this stream, whose pin stays.
void LogClients::end_waits_locked(const std::string& stream, DWORD error, Due* due) {
  for (const auto& client : live_locked()) {
    if (!client->waits_ || client->waits_->stream != stream) continue;
    end_wait_locked(client, error, client->waits_->pin, due);
  }
}

// A larger log is the first way out, the client that pins the tail the second.
DWORD LogClients::handle_full(PhysicalLog& log, const std::shared_ptr<LogClient>& client) {
  {
    const std::lock_guard lock(mutex_);
    if (client->waits_ || client->resolving_) return ERROR_LOG_FULL_HANDLER_IN_PROGRESS;
    client->resolving_ = true;
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
      end_wait_locked(client, ERROR_SUCCESS, Lsn::null(), &due);
    } else {
      due = ask_locked(log, client);
    }
    count_locked();
  }
  deliver(due);
  if (grown) settle(log);
  return ERROR_SUCCESS;
}

// Asks whoever pins the tail, once; where nobody can be asked, that is how the wait ends.
LogClients::Due LogClients::ask_locked(PhysicalLog& log, const std::shared_ptr<LogClient>& client) {
  Due due;
  const log::LogInfo info = log.log()->info();
  const std::uint64_t size = info.container_size;
  const TailHolder holder = tail_holder(info);
  if (!holder.kind) {
    const bool reserved = info.space.reserved.records > 0;
    end_wait_locked(client, reserved ? ERROR_LOG_PINNED_RESERVATION : ERROR_SUCCESS,
                    reserved ? info.end : Lsn::null(), &due);
    return due;
  }
  if (*holder.kind == log::PinKind::kArchive) {
    end_wait_locked(client, ERROR_LOG_PINNED_ARCHIVE_TAIL, holder.lsn, &due);
    return due;
  }
  const auto live = live_locked();
  const auto found = std::ranges::find_if(
      live, [&](const auto& other) { return other->file().log_stream().name == holder.stream; });
  std::uint32_t wanted = 0;
  {
    const std::lock_guard lock(log.container_mutex());
    wanted = log.policies.tail_of(static_cast<std::uint32_t>(info.containers.size()));
  }
  if (found == live.end() || wanted == 0) {
    end_wait_locked(client, ERROR_LOG_PINNED, holder.lsn, &due);
    return due;
  }
  LogClient& owner = **found;
  const auto is_here = [&](Lsn pin) {
    return pin.is_valid() && pin.container(size) == holder.lsn.container(size);
  };
  if (is_here(owner.cannot_at_)) {
    end_wait_locked(client, owner.cannot_why_, holder.lsn, &due);
    return due;
  }
  client->resolving_ = false;
  client->waits_ = LogClient::FullLog{holder.stream, holder.lsn};
  if (is_here(owner.asked_at_)) return due;
  owner.asked_at_ = holder.lsn;
  const std::uint64_t target =
      std::min(holder.lsn.container(size) + wanted, info.end.container(size)) * size;
  LogNotification request = of_type(ClfsMgmtAdvanceTailNotification);
  request.target = LsnCodec(size).encode(Lsn(target));
  due.emplace_back(*found, request);
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
    const auto moved = [&](Lsn pin) {
      return !holder.kind || holder.lsn.container(size) > pin.container(size);
    };
    for (const auto& client : live_locked()) {
      if (client->waits_ && moved(client->waits_->pin)) {
        end_wait_locked(client, ERROR_SUCCESS, Lsn::null(), &due);
      } else if (client->told_pinned_at_.is_valid() && moved(client->told_pinned_at_)) {
        client->told_pinned_at_ = Lsn::null();
        due.emplace_back(client, of_type(ClfsMgmtLogUnpinnedNotification));
      }
    }
    count_locked();
  }
  deliver(due);
}

void LogClients::cannot_advance(PhysicalLog& log, const std::shared_ptr<LogClient>& client,
                                DWORD reason) {
  Due due;
  {
    const std::lock_guard lock(mutex_);
    const std::string& stream = client->file().log_stream().name;
    if (const auto open = log.log(); open != nullptr) {
      const TailHolder holder = tail_holder(open->info());
      if (holder.stream == stream) client->cannot_at_ = holder.lsn;
    }
    client->cannot_why_ = reason;
    client->asked_at_ = Lsn::null();
    end_waits_locked(stream, reason, &due);
    count_locked();
  }
  deliver(due);
}

}  // namespace cairn::win32
