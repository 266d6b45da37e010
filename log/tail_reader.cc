// TailReader, and the part of LogCore that follows.
#include <algorithm>
#include <utility>

#include <cairn/deadline.h>
#include <cairn/tail_reader.h>

#include "log_core.h"
#include "read/reader_pins.h"
#include "read/walk.h"

namespace cairn::log {

class TailReader::Impl {
 public:
  Impl(LogCore& core, std::unique_ptr<ForwardWalk> walk, std::shared_ptr<ReaderPin> pin)
      : core_(&core), walk_(std::move(walk)), pin_(std::move(pin)) {}
  ~Impl() { core_->unpin(pin_); }

  [[nodiscard]] Lsn position() const { return Lsn(pin_->position.load()); }

  [[nodiscard]] Result<std::optional<Record>> next(std::optional<std::chrono::nanoseconds> limit) {
    std::optional<std::chrono::steady_clock::time_point> deadline;
    if (limit) deadline = deadline_after(*limit);
    Status ended;  // why nothing more will come
    for (;;) {
      CAIRN_RETURN_IF_ERROR(check_pin());
      const Lsn durable = core_->durable_lsn();
      auto found = walk_->next();
      if (!found.is_ok()) {
        // Overtaken between the look at the pin and the read.
        CAIRN_RETURN_IF_ERROR(check_pin());
        return found;
      }
      core_->move_pin(*pin_, walk_->position());
      if (*found) return found;
      if (!ended.is_ok()) return ended;
      const Status grown = core_->wait_grown(durable, deadline);
      if (grown.code() == StatusCode::kTimeout) return std::optional<Record>();
      // What became durable before the end is shown yet.
      if (!grown.is_ok()) ended = grown;
    }
  }

  [[nodiscard]] Status resume() {
    if (pin_->lost_to.load() == 0) return Status::ok();
    CAIRN_ASSIGN_OR_RETURN(auto pin, core_->pin_again(*pin_));
    core_->unpin(pin_);
    pin_ = std::move(pin);
    ForwardWalk::restart(walk_, position());
    return Status::ok();
  }

 private:
  // Once the pin is given up, what lies before the tail can be recycled at any moment.
  [[nodiscard]] Status check_pin() const {
    const Lsn lost_to(pin_->lost_to.load());
    if (lost_to.is_null()) return Status::ok();
    StatusDetail detail;
    detail.lsn_begin = position();
    detail.lsn_end = lost_to;
    return Status(StatusCode::kStartOfLog,
                  "tail reader \"" + pin_->name + "\" fell behind: it may hold back " +
                      std::to_string(pin_->limit) + " bytes; records from LSN " +
                      position().to_string() + " to " + lost_to.to_string() +
                      " were not read and are given up",
                  detail);
  }

  LogCore* core_;
  std::unique_ptr<ForwardWalk> walk_;
  std::shared_ptr<ReaderPin> pin_;
};

TailReader::TailReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TailReader::TailReader(TailReader&&) noexcept = default;
TailReader& TailReader::operator=(TailReader&&) noexcept = default;
TailReader::~TailReader() = default;

Result<std::optional<Record>> TailReader::next(std::optional<std::chrono::nanoseconds> limit) {
  if (impl_ == nullptr) return Status(StatusCode::kInvalidState, "the reader was moved from");
  return impl_->next(limit);
}

Status TailReader::resume() {
  if (impl_ == nullptr) return Status(StatusCode::kInvalidState, "the reader was moved from");
  return impl_->resume();
}

Lsn TailReader::position() const { return impl_ == nullptr ? Lsn::null() : impl_->position(); }

// --- LogCore ---

Result<TailReader> LogCore::follow(FollowOptions options) {
  ReadOptions read;
  read.stream = options.stream;
  read.types = std::move(options.types);
  read.catalog = options.catalog;
  std::shared_ptr<ReaderPin> pin;
  {
    const Lock lock(writer_->mutex());
    if (closing_) return Status(StatusCode::kClosed, "the log was closed");
    const Lsn first = std::max(tail(), pins_.passed());
    Lsn base = first;
    if (options.stream) {
      CAIRN_ASSIGN_OR_RETURN(const Catalog::Entry* const found, entry(*options.stream));
      base = std::max(base, found->base);
    }
    read.start = options.start.is_invalid() ? writer_->durable()
                 : options.start.is_null()  ? base
                                            : options.start;
    if (read.start < first) {
      StatusDetail detail;
      detail.lsn_begin = read.start;
      detail.lsn_end = first;
      return Status(StatusCode::kStartOfLog,
                    "follow: expected an LSN from the log's tail " + first.to_string() +
                        " on, found " + read.start.to_string(),
                    detail);
    }
    pin = pins_.add(std::move(options.name), read.start, options.max_pinned_bytes);
  }
  auto walk = std::make_unique<ForwardWalk>(*source_, *this, std::move(read));
  return TailReader(std::make_unique<TailReader::Impl>(*this, std::move(walk), std::move(pin)));
}

Result<std::shared_ptr<ReaderPin>> LogCore::pin_again(const ReaderPin& lost) noexcept {
  const Lock lock(writer_->mutex());
  if (closing_) return Status(StatusCode::kClosed, "the log was closed");
  const Lsn first = std::max({tail(), pins_.passed(), Lsn(lost.position.load())});
  return pins_.add(lost.name, first, lost.limit);
}

void LogCore::move_pin(ReaderPin& pin, Lsn to) noexcept {
  const std::uint64_t size = geometry_.container_size;
  const Lsn from(pin.position.load());
  if (to <= from) return;
  pin.position.store(to.value());
  // A container that nobody else needs can go now.
  if (from.container(size) == tail().container(size) && to.container(size) > from.container(size)) {
    ask_for_housekeeping();
  }
}

void LogCore::unpin(const std::shared_ptr<ReaderPin>& pin) noexcept {
  const Lock lock(writer_->mutex());
  pins_.remove(pin);
  house_asked_ = true;
  house_signal_.notify_one();
}

Status LogCore::wait_grown(Lsn beyond,
                           std::optional<std::chrono::steady_clock::time_point> deadline) {
  Lock lock(writer_->mutex());
  return writer_->wait_grown(lock, beyond, deadline);
}

}  // namespace cairn::log
