#include "bank/worker.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "bank/bank.h"
#include "bank/message.h"

namespace cairn::examples::bank {
namespace {

constexpr std::uint64_t kMaxTries = 10'000;
constexpr std::uint64_t kMaxPauseUs =
    500;  // at first; a server that is away takes seconds to return

// One write for a whole line: it reaches the pipe complete or not at all.
Status send(int output, const Message& message) {
  const std::string line = encode(message);
  ssize_t written = 0;
  do {
    written = ::write(output, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(line.size())) return Status::ok();
  return Status(StatusCode::kIoError, "pipe to the driver: not all of a message was written");
}

class Worker {
 public:
  explicit Worker(const WorkerOptions& options) : options_(options) {}

  Status run() {
    std::ifstream csv(options_.csv);
    if (!csv) return Status(StatusCode::kNotFound, options_.csv + ": cannot be opened");
    CAIRN_ASSIGN_OR_RETURN(transfers_, read_csv(csv, options_.csv));
    CAIRN_ASSIGN_OR_RETURN(bank_, Bank::open(options_.directory, options_.places));
    CAIRN_RETURN_IF_ERROR(send(options_.output, Ready{bank_->recovery()}));
    CAIRN_RETURN_IF_ERROR(bank_->open_accounts(options_.accounts));
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < options_.threads; ++i) threads.emplace_back([this, i] { serve(i); });
    threads.clear();
    const Status closed = bank_->close();
    return failure_ ? closed : failure_;
  }

 private:
  // Takes the next transfer until there is none, or a thread has failed.
  void serve(unsigned thread) {
    std::minstd_rand random(thread + 1);
    while (!failed_) {
      const std::size_t next = next_.fetch_add(1);
      if (next >= transfers_.size()) return;
      const Status done = finish(transfers_[next], random);
      if (!done) return fail(done.with_context(fmt::format("transfer {}", transfers_[next].id)));
    }
  }

  // Tries until the transfer has a verdict, and tells the driver.
  Status finish(const Transfer& transfer, std::minstd_rand& random) {
    Status conflict;
    for (std::uint64_t tries = 0; tries < kMaxTries; ++tries) {
      const Result<Verdict> verdict = bank_->transfer(transfer);
      if (verdict.is_ok()) {
        return send(options_.output,
                    Done{.id = transfer.id, .verdict = *verdict, .conflicts = tries});
      }
      if (!is_worth_another_try(verdict.status())) return verdict.status();
      conflict = verdict.status();
      const std::uint64_t most = kMaxPauseUs * (1 + tries / 100);
      std::this_thread::sleep_for(std::chrono::microseconds(random() % most));
    }
    return conflict.with_context(fmt::format("given up after {} conflicts, the last", kMaxTries));
  }

  // A conflict; or a server that is away. If it went in the middle of a commit that it was to
  // decide alone, nobody knows the outcome: its marker tells the next try.
  [[nodiscard]] bool is_worth_another_try(const Status& status) const {
    switch (status.code()) {
      case StatusCode::kLocked:
      case StatusCode::kAlreadyAborted:
        return true;
      case StatusCode::kIoError:
      case StatusCode::kOutcomeUnknown:
        return std::any_of(options_.places.begin(), options_.places.end(),
                           [](const StorePlace& place) { return !place.address.empty(); });
      default:
        return false;
    }
  }

  void fail(const Status& why) {
    const std::lock_guard lock(mutex_);
    if (failure_) failure_ = why;
    failed_ = true;
  }

  const WorkerOptions options_;
  std::vector<Transfer> transfers_;
  std::unique_ptr<Bank> bank_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  Status failure_;  // the first
};

}  // namespace

int run_worker(const WorkerOptions& options) {
  const Status done = Worker(options).run();
  if (done) return 0;
  static_cast<void>(send(options.output, Failed{done.to_string()}));
  return 1;
}

}  // namespace cairn::examples::bank
