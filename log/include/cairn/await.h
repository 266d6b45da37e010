// Coroutines that wait for the log, without a thread for each append:
//
//   Result<Lsn> lsn = co_await append_durable(stream, payload);
//   Status status = co_await durable(log, lsn);
//
// What waits is resumed as a DurableCallback is called: on the thread that noticed, without locks
// of the log held. What it does there until it suspends again must be short and must not call a
// waiting function of this log; a coroutine that has more to do goes to an executor of its own
// first. With Background::kManual, run_background() must be called for it to go on.
//
// The awaitable lives in the coroutine's frame. A coroutine must not be destroyed while it waits
// here: the log would resume it. Closing the log resumes all that wait, with kClosed.
#ifndef CAIRN_AWAIT_H_
#define CAIRN_AWAIT_H_

#include <atomic>
#include <coroutine>
#include <optional>
#include <span>
#include <utility>

#include <cairn/log.h>
#include <cairn/result.h>

namespace cairn::log {

// Gives what Log::wait_durable() gives: OK, kPoisoned or kClosed (indeterminate), kLsnInvalid. Does
// not suspend where the record is durable already.
class [[nodiscard]] DurableAwaitable {
 public:
  DurableAwaitable(Log& log, Lsn lsn) : log_(log), lsn_(lsn) {}
  [[nodiscard]] bool await_ready() const { return lsn_ < log_.durable_lsn(); }
  void await_suspend(std::coroutine_handle<> waiting) {
    // Nothing of this object may be touched behind the call: the coroutine may have gone on.
    log_.on_durable(lsn_, [this, waiting](Status status) {
      status_ = std::move(status);
      waiting.resume();
    });
  }
  [[nodiscard]] Status await_resume() { return std::move(status_); }

 private:
  Log& log_;
  Lsn lsn_;
  Status status_;
};

// `log` must outlive the waiting.
[[nodiscard]] inline DurableAwaitable durable(Log& log, Lsn lsn) { return {log, lsn}; }

// Appends when it is awaited, and gives the LSN once the record is durable, or what
// Stream::append() would give with Durability::kDurable. The payload must stay until then.
class [[nodiscard]] AppendAwaitable {
 public:
  AppendAwaitable(Stream stream, std::span<const std::byte> payload, AppendOptions options)
      : stream_(stream), payload_(payload), options_(std::move(options)) {
    options_.durability = Durability::kNone;  // it is the coroutine that waits, not the call
  }
  AppendAwaitable(const AppendAwaitable&) = delete;
  AppendAwaitable& operator=(const AppendAwaitable&) = delete;

  [[nodiscard]] bool await_ready() const { return false; }
  // The callback can come before append() has returned. The later one of the two resumes: it alone
  // may, as the LSN and the status are both there then.
  [[nodiscard]] bool await_suspend(std::coroutine_handle<> waiting) {
    lsn_ = stream_.append(payload_, options_, [this, waiting](Status status) {
      status_ = std::move(status);
      if (one_came_.exchange(true, std::memory_order_acq_rel)) waiting.resume();
    });
    if (!lsn_->is_ok()) return false;  // without a callback
    return !one_came_.exchange(true, std::memory_order_acq_rel);
  }
  [[nodiscard]] Result<Lsn> await_resume() {
    if (status_.is_ok() || !lsn_->is_ok()) return *std::move(lsn_);
    if (status_.code() == StatusCode::kClosed) return std::move(status_);
    return Status(StatusCode::kIndeterminate, status_.message(), status_.detail());
  }

 private:
  Stream stream_;
  std::span<const std::byte> payload_;
  AppendOptions options_;
  std::optional<Result<Lsn>> lsn_;
  Status status_;
  std::atomic<bool> one_came_{false};
};

// `options.durability` does not matter.
[[nodiscard]] inline AppendAwaitable append_durable(Stream stream,
                                                    std::span<const std::byte> payload,
                                                    AppendOptions options = {}) {
  return {stream, payload, std::move(options)};
}

}  // namespace cairn::log

#endif  // CAIRN_AWAIT_H_
