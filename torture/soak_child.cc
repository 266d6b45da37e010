#include "soak_child.h"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <cairn/archive.h>
#include <cairn/recovered_state.h>
#include <cairn/sim/random.h>
#include <cairn/verdict.h>

#include "child_pipe.h"
#include "kill_child.h"

namespace cairn::torture {
namespace {

using SoakClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Streams of the appended log, below AppendKnowledge::kThreads.
constexpr std::uint32_t kSoakAppenders = 2;

std::uint64_t cpu_us() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

void must(const char* what, const Status& status) {
  if (!status.is_ok()) fail(0, what, status);
}

Status no_damage(const std::string& path, const std::shared_ptr<log::Storage>& storage) {
  log::VerifyOptions options;
  options.storage = storage;
  CAIRN_ASSIGN_OR_RETURN(const log::VerifyReport report, log::verify(path, options));
  if (report.damages.empty()) return {};
  return Status(StatusCode::kCorrupt, "I7: " + path + ": " + report.damages[0].reason);
}

// One process's work, once it is recovered.
class SoakWork {
 public:
  SoakWork(SoakMachine& machine, std::uint64_t seed,
           const std::array<std::uint64_t, kSoakWorkers>& found, const SoakTransactions& asked)
      : machine_(&machine), seed_(seed) {
    threads_ = start_appending(machine.appended(), kSoakAppenders, stop_);
    for (std::uint32_t worker = 0; worker < kSoakWorkers; ++worker) {
      threads_.emplace_back([this, worker, before = found[worker], last = asked[worker].asked] {
        commit_until_stop(worker, before, last);
      });
    }
    threads_.emplace_back([this] { disturb_until_stop(); });
    threads_.emplace_back([this] { archive_until_stop(); });
  }
  void end() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void commit_until_stop(std::uint32_t worker, std::uint64_t before, std::uint64_t last) {
    sim::Random random(seed_ + worker);
    while (!stop_.load()) {
      ++last;
      tell({Message::kAsking, worker, last, 0});
      const bool committed = commit(random, worker, before, last);
      tell({committed ? Message::kCommitted : Message::kRolledBack, worker, last, 0});
      if (committed) before = last;
    }
  }

  bool commit(sim::Random& random, std::uint32_t worker, std::uint64_t before,
              std::uint64_t number) {
    const auto begun = machine_->manager().create_transaction();
    if (!begun) fail(worker, "create_transaction", begun.status());
    tm::Transaction transaction = *begun;
    const Status done = machine_->work(transaction, worker, before, number);
    // A file is locked until its last commit was carried out; a resource manager that goes away
    // takes what it did not promise with it.
    if (!done && done.code() != StatusCode::kLocked && done.code() != StatusCode::kNotActive &&
        done.code() != StatusCode::kLogFull) {
      fail(worker, "work", done);
    }
    if (!done || random.chance(10)) {
      must("rollback", transaction.rollback());
      if (!done) rest(milliseconds(1));
      return false;
    }
    const bool waits_for_all = random.chance(75);
    const Status committed =
        transaction.commit(waits_for_all ? tm::WaitFor::kCompleted : tm::WaitFor::kDecided);
    if (!committed && committed.code() != StatusCode::kAlreadyAborted) {
      fail(worker, "commit", committed);
    }
    return committed.is_ok();
  }

  // Resource managers come and go; checkpoints.
  void disturb_until_stop() {
    sim::Random random(seed_ + 100);
    while (!stop_.load()) {
      rest(milliseconds(20 + random.below(200)));
      if (random.chance(60)) {
        must("checkpoint", machine_->manager().checkpoint());
        continue;
      }
      const auto member =
          random.chance(50) ? SoakMachine::Member::kFiles : SoakMachine::Member::kQueue;
      must("a resource manager that comes back",
           machine_->send_away(member, milliseconds(random.below(50))));
      tell({Message::kCameBack, 0, 0, 0});
    }
  }

  void archive_until_stop() {
    sim::Random random(seed_ + 200);
    while (!stop_.load()) {
      rest(milliseconds(random.below(400)));
      if (stop_.load()) return;
      const bool of_manager = random.chance(40);
      const Result<bool> made = archive_once(random, of_manager);
      if (!made) fail(0, of_manager ? "archive of tm" : "archive of log", made.status());
      tell({Message::kArchived, 0, *made ? 1U : 0U, *made ? 0U : 1U});
    }
  }

  // False: overtaken by recycling, which has no bound without an archive tail.
  Result<bool> archive_once(sim::Random& random, bool of_manager) {
    const std::string path = machine_->path(of_manager ? "tm" : "log");
    const std::string archive = machine_->path("archive");
    const std::string restored = machine_->path("restored");
    std::filesystem::remove_all(archive);
    std::filesystem::remove_all(restored);
    log::Log& log = of_manager ? machine_->tm_log() : machine_->appended();
    log::ArchiveOptions options;
    options.storage = machine_->storage();
    const std::uint64_t way = random.below(of_manager ? 2 : 3);
    for (int run = 0; run < 2; ++run) {
      const auto report = way == 0   ? log::archive(log, archive, options)
                          : way == 1 ? log::archive(path, archive, options)
                                     : log::archive_and_set_tail(log, archive, options);
      if (report.code() != StatusCode::kStartOfLog || way == 2) {
        CAIRN_RETURN_IF_ERROR(report.status());
      } else if (run == 0) {
        return false;
      }
    }
    if (way == 2) CAIRN_RETURN_IF_ERROR(log.stop_archiving());
    CAIRN_RETURN_IF_ERROR(log::restore(archive, restored, options).status());
    CAIRN_RETURN_IF_ERROR(no_damage(restored, options.storage));
    CAIRN_RETURN_IF_ERROR(of_manager ? check_manager(restored) : check_appended(restored));
    std::filesystem::remove_all(restored);
    return true;
  }

  Status check_appended(const std::string& restored) {
    log::OpenOptions options;
    options.storage = machine_->storage();
    CAIRN_ASSIGN_OR_RETURN(const auto view, log::LogView::open(restored, options));
    for (const log::StreamInfo& stream : view->info().streams) {
      for (std::uint32_t number = 0; number < kSoakAppenders; ++number) {
        if (stream.name != stream_name(number)) continue;
        log::ReadOptions read;
        read.stream = stream.id;
        CAIRN_ASSIGN_OR_RETURN(log::Cursor cursor, view->read(read));
        CAIRN_RETURN_IF_ERROR(read_appended(std::move(cursor), number).status());
      }
    }
    return {};
  }

  // What recovery would make of it.
  Status check_manager(const std::string& restored) {
    log::OpenOptions options;
    options.storage = machine_->storage();
    CAIRN_ASSIGN_OR_RETURN(const auto view, log::LogView::open(restored, options));
    CAIRN_ASSIGN_OR_RETURN(const recovery::RecoveredState state,
                           recovery::read_tm_state(*view, "tm"));
    if (state.transaction_manager == machine_->manager().id()) return {};
    return Status(StatusCode::kCorrupt, restored + ": another manager is in the archive");
  }

  void rest(milliseconds time) {
    const auto end = SoakClock::now() + time;
    while (!stop_.load() && SoakClock::now() < end) {
      std::this_thread::sleep_for(std::min(time, milliseconds(5)));
    }
  }

  SoakMachine* machine_;
  std::uint64_t seed_;
  std::atomic<bool> stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace

void live_soak(const SoakLife& life, const AppendKnowledge& appended, const SoakTransactions& asked,
               int pipe) {
  child_pipe = pipe;
  const auto begin = SoakClock::now();
  const std::uint64_t cpu_begin = cpu_us();
  Result<std::unique_ptr<SoakMachine>> opened = SoakMachine::open(life.directory, life.storage);
  must("recovery", opened.status());
  const std::uint64_t cpu = cpu_us() - cpu_begin;
  const auto wall = std::chrono::duration_cast<std::chrono::microseconds>(SoakClock::now() - begin);
  SoakMachine& machine = **opened;
  must("the log after recovery", appended.check(machine.appended()));
  const auto found = machine.check(asked);
  must("the transactions after recovery", found.status());
  if (life.reads_every_byte) {
    must("the log after recovery", no_damage(machine.path("log"), machine.storage()));
    must("the manager's log after recovery", no_damage(machine.path("tm"), machine.storage()));
  }
  for (std::uint32_t worker = 0; worker < kSoakWorkers; ++worker) {
    tell({Message::kFound, worker, (*found)[worker], machine.appended().end_lsn().value()});
  }
  tell({Message::kReady, 0, cpu, static_cast<std::uint64_t>(wall.count())});
  {
    SoakWork work(machine, life.seed, *found, asked);
    do {
      std::this_thread::sleep_for(life.work.count() < 0 ? milliseconds(1000) : life.work);
    } while (life.work.count() < 0);
    work.end();
  }
  must("closing", machine.close());
  tell({Message::kClosed, 0, 0, 0});
  std::_Exit(0);
}

}  // namespace cairn::torture
