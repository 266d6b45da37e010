#include "bank/driver.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <unordered_map>
#include <variant>

#include <fmt/format.h>

#include "bank/bank.h"
#include "bank/child.h"
#include "bank/message.h"

namespace cairn::examples::bank {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds kStall{60};       // without a message: the worker hangs
constexpr std::chrono::milliseconds kTick{100};  // between two looks at the clock
constexpr std::chrono::microseconds kMaxDelay{
    5000};  // of a kill behind the transfer that brings it on
constexpr std::chrono::microseconds kMaxEarly{
    100'000};  // of a kill behind the start, when it is overdue

// When the worker is to be killed. Each kill is due behind a number of finished transfers, drawn
// over the whole run but its very end, and comes a random moment later, in the middle of whatever
// goes on then. One that is due when the worker starts comes a random moment after the start, which
// may be in the middle of recovery.
class KillPlan {
 public:
  KillPlan(unsigned kills, std::uint64_t transfers, std::uint64_t seed) : random_(seed) {
    const std::uint64_t span = std::max<std::uint64_t>(transfers * 19 / 20, 1);
    for (unsigned i = 0; i < kills; ++i) due_.push_back(random_() % span);
    std::sort(due_.begin(), due_.end());
  }

  [[nodiscard]] bool is_over() const { return due_.empty(); }

  void on_start(std::uint64_t finished) {
    at_.reset();
    if (is_due(finished)) schedule(kMaxEarly);
  }
  void on_finished(std::uint64_t finished) {
    if (!at_ && is_due(finished)) schedule(kMaxDelay);
  }
  // How long to wait at most before asking is_now() again.
  [[nodiscard]] std::chrono::milliseconds patience() const {
    if (!at_) return kTick;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(*at_ - SteadyClock::now());
    return std::clamp(left, std::chrono::milliseconds(0), kTick);
  }
  [[nodiscard]] bool is_now() const { return at_ && SteadyClock::now() >= *at_; }
  void on_killed() { due_.pop_front(); }

 private:
  [[nodiscard]] bool is_due(std::uint64_t finished) const {
    return !due_.empty() && finished >= due_.front();
  }
  void schedule(std::chrono::microseconds most) {
    const auto span = static_cast<std::uint64_t>(most.count());
    at_ = SteadyClock::now() + std::chrono::microseconds(random_() % span);
  }

  std::mt19937_64 random_;
  std::deque<std::uint64_t> due_;
  std::optional<SteadyClock::time_point> at_;
};

class Driver {
 public:
  explicit Driver(const DriverOptions& options)
      : options_(options),
        outcomes_(options.transfers.size(), Outcome::kPending),
        plan_(options.kills, options.transfers.size(), options.seed) {
    for (std::size_t i = 0; i < options.transfers.size(); ++i) {
      index_.emplace(options.transfers[i].id, i);
    }
    report_.transfers = options.transfers.size();
    report_.accounts = options.accounts;
    report_.threads = options.threads;
    report_.kills_asked = options.kills;
    report_.rms = options.rms;
    report_.log = Bank::log_directory(options.directory);
  }

  Result<Report> run() {
    CAIRN_RETURN_IF_ERROR(start_servers());
    const auto begin = SteadyClock::now();
    while (finished() < report_.transfers || !plan_.is_over()) {
      CAIRN_RETURN_IF_ERROR(run_worker_once());
    }
    const std::chrono::duration<double> taken = SteadyClock::now() - begin;
    report_.seconds = taken.count();
    report_.pending = report_.transfers - finished();
    show_progress(true);
    CAIRN_RETURN_IF_ERROR(audit_stores());
    return report_;
  }

 private:
  [[nodiscard]] std::uint64_t finished() const { return report_.committed + report_.aborted; }
  [[nodiscard]] std::string csv() const { return options_.directory + "/work.csv"; }

  Status start_servers() {
    if (options_.rms.size() < 2) {
      return Status(StatusCode::kInvalidArgument, "expected two stores or more");
    }
    for (const std::string& name : options_.rms) {
      CAIRN_ASSIGN_OR_RETURN(const StoreKind kind, find_store_kind(name));
      for (const StorePlace& place : places_) {
        if (place.kind == name) {
          return Status(StatusCode::kInvalidArgument,
                        "expected each store once, found \"" + name + "\" again");
        }
      }
      places_.push_back({name, ""});
      if (kind.start == nullptr) continue;
      CAIRN_ASSIGN_OR_RETURN(auto server, kind.start());
      places_.back().address = server->address();
      servers_.push_back(std::move(server));
    }
    return Status::ok();
  }

  [[nodiscard]] std::vector<std::string> worker_arguments() const {
    std::vector<std::string> arguments{"worker",
                                       "--dir",
                                       options_.directory,
                                       "--csv",
                                       csv(),
                                       "--accounts",
                                       std::to_string(options_.accounts),
                                       "--threads",
                                       std::to_string(options_.threads)};
    for (const StorePlace& place : places_) {
      arguments.insert(arguments.end(), {"--store", place.kind + "=" + place.address});
    }
    return arguments;
  }

  // From a start to the worker's end, by itself or not.
  Status run_worker_once() {
    CAIRN_RETURN_IF_ERROR(write_work());
    CAIRN_ASSIGN_OR_RETURN(Child child, Child::start(options_.program, worker_arguments()));
    is_killed_ = false;
    is_ready_ = false;
    last_message_ = SteadyClock::now();
    plan_.on_start(finished());
    while (!child.is_over()) {
      CAIRN_ASSIGN_OR_RETURN(const auto lines, child.lines(plan_.patience()));
      for (const std::string& line : lines) CAIRN_RETURN_IF_ERROR(handle(line));
      show_progress(false);
      if (!is_killed_ && plan_.is_now()) CAIRN_RETURN_IF_ERROR(kill(child));
      if (SteadyClock::now() - last_message_ > kStall) {
        return Status(StatusCode::kTimeout,
                      fmt::format("the worker said nothing for {} s; {} of {} "
                                  "transfers have an outcome",
                                  kStall.count(), finished(), report_.transfers));
      }
    }
    return judge(child.wait());
  }

  // The transfers without an outcome, for the next worker.
  Status write_work() const {
    std::vector<Transfer> work;
    for (std::size_t i = 0; i < outcomes_.size(); ++i) {
      if (outcomes_[i] == Outcome::kPending) work.push_back(options_.transfers[i]);
    }
    std::ofstream out(csv());
    write_csv(out, work);
    if (out.flush()) return Status::ok();
    return Status(StatusCode::kIoError, csv() + ": cannot be written");
  }

  // In turn: the worker; each server; the worker and each server at once. A server comes back at
  // once, and is left alone while the worker recovers: that fails without it, and says so.
  Status kill(Child& child) {
    const std::size_t victims = 2 * servers_.size() + 1;
    const std::size_t turn = report_.kills % victims;
    Server* const server =
        turn == 0 || !is_ready_ ? nullptr : servers_[(turn - 1) % servers_.size()].get();
    if (server == nullptr || turn > servers_.size()) {
      child.kill();
      is_killed_ = true;
    }
    plan_.on_killed();
    ++report_.kills;
    if (server == nullptr) return Status::ok();
    server->kill();
    ++report_.server_kills;
    CAIRN_RETURN_IF_ERROR(server->start());
    last_message_ = SteadyClock::now();
    if (!is_killed_) plan_.on_start(finished());
    return Status::ok();
  }

  Status judge(const Child::End& end) {
    if (is_restart_ && !is_ready_) report_.recoveries.push_back({});  // killed in recovery
    is_restart_ = is_killed_;
    if (end.is_success || is_killed_) return Status::ok();
    return Status(StatusCode::kInvalidState,
                  "the worker " + end.text + (failure_.empty() ? "" : ": " + failure_));
  }

  Status handle(const std::string& line) {
    CAIRN_ASSIGN_OR_RETURN(const Message message, decode(line));
    last_message_ = SteadyClock::now();
    if (const auto* const ready = std::get_if<Ready>(&message)) {
      is_ready_ = true;
      if (is_restart_) report_.recoveries.push_back(ready->recovery);
      return Status::ok();
    }
    if (const auto* const failed = std::get_if<Failed>(&message)) {
      failure_ = failed->text;
      return Status::ok();
    }
    return count(std::get<Done>(message));
  }

  Status count(const Done& done) {
    const auto found = index_.find(done.id);
    if (found == index_.end()) {
      return Status(
          StatusCode::kInvalidState,
          fmt::format("the worker finished transfer {}, which it was not given", done.id));
    }
    Outcome& outcome = outcomes_[found->second];
    if (outcome != Outcome::kPending) {
      if (done.verdict == Verdict::kCommitted) ++report_.applied_twice;
      return Status::ok();
    }
    outcome = done.verdict == Verdict::kAborted ? Outcome::kAborted : Outcome::kCommitted;
    ++(outcome == Outcome::kAborted ? report_.aborted : report_.committed);
    if (done.verdict == Verdict::kAlreadyThere) ++report_.already_there;
    report_.conflicts += done.conflicts;
    plan_.on_finished(finished());
    return Status::ok();
  }

  // The stores, read after a start of their own, against what was acknowledged.
  Status audit_stores() {
    CAIRN_ASSIGN_OR_RETURN(const std::unique_ptr<Bank> bank,
                           Bank::open(options_.directory, places_));
    CAIRN_ASSIGN_OR_RETURN(const Contents contents, bank->contents());
    report_.audit = audit(contents, options_.accounts, options_.transfers, outcomes_);
    CAIRN_ASSIGN_OR_RETURN(report_.prepared_left, bank->prepared());
    report_.storage = bank->storage();
    return bank->close();
  }

  void show_progress(bool last) {
    if (!options_.show_progress) return;
    const auto now = SteadyClock::now();
    if (!last && now - shown_ < kTick) return;
    shown_ = now;
    fmt::print("\r{:>9} of {} transfers, {} aborted, {} of {} kills{}", finished(),
               report_.transfers, report_.aborted, report_.kills, report_.kills_asked,
               last ? "\n" : "");
    std::fflush(stdout);
  }

  const DriverOptions& options_;
  std::vector<StorePlace> places_;  // beside options_.rms
  std::vector<std::unique_ptr<Server>> servers_;
  std::vector<Outcome> outcomes_;  // beside options_.transfers
  std::unordered_map<TransferId, std::size_t> index_;
  KillPlan plan_;
  Report report_;
  bool is_restart_ = false;  // the worker before was killed
  bool is_killed_ = false;   // this worker was
  bool is_ready_ = false;    // this worker has recovered
  std::string failure_;
  SteadyClock::time_point last_message_;
  SteadyClock::time_point shown_;
};

}  // namespace

Result<Report> run_driver(const DriverOptions& options) { return Driver(options).run(); }

}  // namespace cairn::examples::bank
