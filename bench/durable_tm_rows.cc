// T2: durable transactions over two resource managers that do nothing. T3: over two that log.
#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "answering_managers.h"
#include "bench_log.h"
#include "closed_loop.h"
#include "in_flight.h"

namespace cairn::bench {
namespace {

constexpr std::size_t kRecord = 128;  // bytes that a resource manager logs of a transaction

BenchLogShape shape_of_log() {
  BenchLogShape shape;
  shape.create.container_size = std::uint64_t{32} << 20;
  shape.containers = 6;
  return shape;
}

Result<std::shared_ptr<log::Log>> make_log(const std::filesystem::path& path) {
  CAIRN_ASSIGN_OR_RETURN(BenchLog made, make_bench_log(path, shape_of_log()));
  return std::shared_ptr<log::Log>(std::move(made.log));
}

// One transaction is what a thread does once.
class TransactionSubject : public Subject {
 public:
  TransactionSubject(unsigned threads, std::shared_ptr<log::Log> log)
      : log_(std::move(log)), threads_(threads) {}

  Status start(const AnsweringManagers::Answer& answer = AnsweringManagers::answer_at_once) {
    CAIRN_ASSIGN_OR_RETURN(tm_, AnsweringManagers::start({.log = log_}, 2, answer));
    return {};
  }
  // From now on each thread answers what it causes, as where resource managers are at hand.
  Status answer_inline() { return tm_->answer_inline(); }
  Status append(unsigned thread, std::span<const std::byte> /*payload*/) override {
    Status done = tm_->run_one(threads_[thread].members);
    // Others may wait for what this thread was to answer.
    if (!done) static_cast<void>(tm_->manager().close());
    return done;
  }
  Status end_round() override { return tm_->manager().checkpoint(); }

 protected:
  AnsweringManagers& tm() { return *tm_; }

 private:
  struct alignas(64) Thread {
    Members members{2};
  };
  const std::shared_ptr<log::Log> log_;
  std::vector<Thread> threads_;
  std::unique_ptr<AnsweringManagers> tm_;
};

// Two resource managers that log what they promise and what they committed, and say later that the
// latter is hardened: the cheapest way for one whose records are not in the manager's log.
class LoggingSubject final : public TransactionSubject {
 public:
  // `logs`: of the resource managers, one each. `covered`: they are the manager's own log.
  LoggingSubject(unsigned threads, const std::shared_ptr<log::Log>& log,
                 std::vector<std::shared_ptr<log::Log>> logs, bool covered)
      : TransactionSubject(threads, log), logs_(std::move(logs)), covered_(covered) {}

  Status start() {
    for (unsigned i = 0; i < 2; ++i) {
      CAIRN_ASSIGN_OR_RETURN(auto stream, logs_[i]->create_stream("rm" + std::to_string(i)));
      streams_.push_back(stream);
    }
    return TransactionSubject::start(
        [this](unsigned number, tm::NotificationKind kind, const tm::Enlistment& member) {
          return kind == tm::NotificationKind::kPrepare ? prepare(number, member)
                                                        : commit(number, member);
        });
  }
  Status end_round() override {
    for (unsigned i = 0; i < 2; ++i) CAIRN_RETURN_IF_ERROR(harden(i));
    return TransactionSubject::end_round();
  }

 private:
  Status prepare(unsigned number, tm::Enlistment member) {
    const std::vector<std::byte> record(kRecord, std::byte{'p'});
    if (covered_) {
      CAIRN_ASSIGN_OR_RETURN(const Lsn lsn, streams_[number].append(record));
      return member.prepare_complete_covered(lsn);
    }
    // Both force theirs at the same time. What cannot be promised ends the round.
    return streams_[number]
        .append(record, log::AppendOptions{},
                [member](const Status& durable) mutable {
                  if (durable && member.prepare_complete()) return;
                  static_cast<void>(member.rollback());
                })
        .status();
  }

  Status commit(unsigned number, tm::Enlistment member) {
    const std::vector<std::byte> record(kRecord, std::byte{'c'});
    {
      const std::shared_lock answering(hardening_[number]);
      CAIRN_RETURN_IF_ERROR(streams_[number].append(record).status());
      CAIRN_RETURN_IF_ERROR(member.commit_complete(tm::Hardened::kNo));
    }
    return ++committed_[number] % kBetweenHardening == 0 ? harden(number) : Status::ok();
  }

  // Everything that was answered so far is durable, and its records are needed no longer.
  Status harden(unsigned number) {
    const std::unique_lock nobody_answers(hardening_[number]);
    CAIRN_RETURN_IF_ERROR(logs_[number]->flush());
    CAIRN_RETURN_IF_ERROR(tm()[number].hardened());
    // One round's records are kept, so that what is promised and not committed is among them.
    const Lsn base = std::exchange(end_of_round_[number], logs_[number]->end_lsn());
    return base.is_null() ? Status::ok() : streams_[number].advance_base(base);
  }

  static constexpr std::uint64_t kBetweenHardening = 1024;
  const std::vector<std::shared_ptr<log::Log>> logs_;
  const bool covered_;
  std::vector<log::Stream> streams_;
  std::shared_mutex hardening_[2];
  std::atomic<std::uint64_t> committed_[2]{};
  Lsn end_of_round_[2];  // of hardening
};

Engine transaction_engine() {
  return {.name = "cairn",
          .version = "",
          .open = [](const std::filesystem::path& directory,
                     const Workload& workload) -> Result<std::unique_ptr<Subject>> {
            CAIRN_ASSIGN_OR_RETURN(auto log, make_log(directory / "tm"));
            auto subject = std::make_unique<TransactionSubject>(workload.threads, std::move(log));
            CAIRN_RETURN_IF_ERROR(subject->start());
            CAIRN_RETURN_IF_ERROR(subject->answer_inline());
            return std::unique_ptr<Subject>(std::move(subject));
          }};
}

Engine logging_engine(bool covered) {
  return {.name = covered ? "cairn" : "own_logs",
          .version = "",
          .open = [covered](const std::filesystem::path& directory,
                            const Workload& workload) -> Result<std::unique_ptr<Subject>> {
            CAIRN_ASSIGN_OR_RETURN(auto log, make_log(directory / "tm"));
            std::vector<std::shared_ptr<log::Log>> logs(2, log);
            for (unsigned i = 0; i < 2 && !covered; ++i) {
              CAIRN_ASSIGN_OR_RETURN(logs[i], make_log(directory / ("rm" + std::to_string(i))));
            }
            auto subject =
                std::make_unique<LoggingSubject>(workload.threads, log, std::move(logs), covered);
            CAIRN_RETURN_IF_ERROR(subject->start());
            return std::unique_ptr<Subject>(std::move(subject));
          }};
}

// A-N of the same run: what T2 is held against.
Engine append_engine() {
  Engine engine = cairn_engine();
  engine.name = "append";
  return engine;
}

void register_in_flight(Run& run, const std::string& name, unsigned count) {
  register_round(name,
                 [&run, name, count,
                  kept = Kept<InFlight>()](benchmark::State& state) mutable -> Result<double> {
                   CAIRN_ASSIGN_OR_RETURN(
                       auto* const work, kept.get(run, [&]() -> Result<std::unique_ptr<InFlight>> {
                         CAIRN_ASSIGN_OR_RETURN(auto log,
                                                make_log(make_directory(run, name) / "tm"));
                         return InFlight::make(std::move(log), count);
                       }));
                   return work->run_for_a_window(state, run);
                 });
}

}  // namespace

void register_durable_tm_rows(Run& run) {
  for (const unsigned threads : {1U, 16U, 64U, 256U}) {
    const std::string prefix = "T2/" + std::to_string(threads) + "/";
    const Workload workload{.threads = threads, .payload = 128};
    for (const Engine& engine : {floor_engine(), append_engine(), transaction_engine()}) {
      register_subject(run, prefix + engine.name, engine, workload, "transaction");
    }
    register_in_flight(run, prefix + "in_flight", threads);
    register_bitronix(run, threads);
  }
  for (const unsigned threads : {1U, 16U, 64U}) {
    for (const bool covered : {false, true}) {
      const Engine engine = logging_engine(covered);
      register_subject(run, "T3/" + std::to_string(threads) + "/" + engine.name, engine,
                       {.threads = threads, .payload = kRecord}, "transaction");
    }
  }
}

}  // namespace cairn::bench
