// What LogCore tells without being asked each time: growth, stalls.
#include <algorithm>
#include <utility>

#include "log_core.h"
#include "storage/event_fd.h"

namespace cairn::log {

Result<GrowthWatch> LogCore::watch_growth(std::uint64_t bytes, GrowthCallback callback) {
  if (bytes == 0 || !callback) {
    return Status(StatusCode::kInvalidArgument,
                  "watch_growth: expected a callback and at least 1 byte, found " +
                      std::string(callback ? "0 bytes" : "no callback"));
  }
  const Lock lock(writer_->mutex());
  if (closing_) return Status(StatusCode::kClosed, "the log was closed");
  const std::uint64_t id = writer_->watches().add(writer_->durable(), bytes, std::move(callback));
  return GrowthWatch(this, id, -1, nullptr);
}

Result<GrowthWatch> LogCore::watch_growth(std::uint64_t bytes) {
  CAIRN_ASSIGN_OR_RETURN(std::shared_ptr<EventFd> event, EventFd::make());
  const int fd = event->fd();
  CAIRN_ASSIGN_OR_RETURN(GrowthWatch watch, watch_growth(bytes, [event](const Status&, Lsn) {
                           signal_event(event->fd());
                         }));
  watch.event_fd_ = fd;
  watch.event_ = std::move(event);
  return watch;
}

void LogCore::end_watch(std::uint64_t id) noexcept {
  Lock lock(writer_->mutex());
  writer_->watches().remove(lock, id);
}

void GrowthWatch::end() {
  if (core_ != nullptr) core_->end_watch(id_);
  core_ = nullptr;
  event_fd_ = -1;
  event_.reset();
}

void LogCore::on_durable(Lsn lsn, int event_fd) noexcept {
  on_durable(lsn, [event_fd](const Status&) { signal_event(event_fd); });
}

void LogCore::look_for_stalls() {
  if (options_.stall_limit.count() == 0) return;
  std::vector<StallEvent> events;
  {
    const Lock lock(writer_->mutex());
    writer_->find_stalls(options_.stall_limit, &events);
  }
  if (!options_.on_stall) return;
  for (StallEvent& event : events) {
    const std::uint64_t number = event.begin.container(geometry_.container_size);
    event.file = directory_->path() + "/" + container_file_name(number);
    options_.on_stall(event);
  }
}

// A thread of its own: the housekeeping may be waiting for the write that stalls.
void LogCore::run_stall_thread() {
  const auto pause = std::max(options_.stall_limit / 2, std::chrono::milliseconds(1));
  Lock lock(writer_->mutex());
  while (!stall_stop_) {
    stall_signal_.wait_for(lock, pause);
    lock.unlock();
    look_for_stalls();
    lock.lock();
  }
}

void LogCore::stop_stall_thread() {
  {
    const Lock lock(writer_->mutex());
    stall_stop_ = true;
    stall_signal_.notify_all();
  }
  if (stall_thread_.joinable()) stall_thread_.join();
  look_for_stalls();
}

}  // namespace cairn::log
