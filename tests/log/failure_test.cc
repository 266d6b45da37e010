// A storage that fails: what was acknowledged stays, what was not is called indeterminate, and the
// way on is to reopen.
#include <algorithm>
#include <functional>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/log.h>

#include "log/sim_log_fixture.h"
#include "log/torture_names.h"
#include "sim/test_budget.h"
#include "sim/test_heap.h"

namespace cairn::log_test {
namespace {

using sim::FaultKind;
using sim::IoKind;
using testing::HasSubstr;

class Failure : public SimLogTest {
 protected:
  void SetUp() override { create(); }
};

// --- the first error ---

TEST_F(Failure, WriteErrorMakesTheAppendIndeterminateAndPoisonsTheLog) {
  ASSERT_TRUE(append(100));
  storage->inject({.on = IoKind::kCompleteWrite});
  EXPECT_EQ(append(100).code(), StatusCode::kIndeterminate);
  EXPECT_EQ(log->log().health().code(), StatusCode::kPoisoned);
  EXPECT_THAT(log->log().health().message(), HasSubstr("injected EIO"));
}

TEST_F(Failure, OfAWriteThatItsThreadMakesItselfIsAWriteErrorLikeAnyOther) {
  create(small_log(), {.write_now = true});
  ASSERT_TRUE(append(100));
  const Lsn durable = log->log().durable_lsn();
  for (const IoKind at : {IoKind::kSubmitWrite, IoKind::kCompleteWrite}) {
    create(small_log(), {.write_now = true});
    ASSERT_TRUE(append(100));
    storage->inject({.on = at});
    EXPECT_EQ(append(100).code(), StatusCode::kIndeterminate);
    EXPECT_EQ(log->log().durable_lsn(), durable);
    EXPECT_EQ(log->log().health().code(), StatusCode::kPoisoned);
    EXPECT_EQ(append(100).code(), StatusCode::kPoisoned);
  }
}

TEST_F(Failure, PoisonedLogRefusesAppendsWithoutTouchingTheStorage) {
  storage->inject({.on = IoKind::kCompleteWrite});
  EXPECT_EQ(append(100).code(), StatusCode::kIndeterminate);
  const std::uint64_t ios = storage->io_count();
  EXPECT_EQ(append(100).code(), StatusCode::kPoisoned);
  EXPECT_EQ(append(100, 1, {}).code(), StatusCode::kPoisoned);
  EXPECT_EQ(log->write_restart_area("s", {}, Lsn()).code(), StatusCode::kPoisoned);
  EXPECT_EQ(log->create_stream("t").code(), StatusCode::kPoisoned);
  EXPECT_EQ(storage->io_count(), ios) << "nothing is tried again";
}

TEST_F(Failure, EverythingWaitedForIsIndeterminateAfterAnError) {
  ASSERT_TRUE(append(100, 3, {}));
  const Lsn last = log->model().highest;
  Status heard = Status(StatusCode::kTimeout, "not called");
  log->log().on_durable(last, [&](Status status) { heard = std::move(status); });
  storage->inject({.on = IoKind::kCompleteWrite});
  EXPECT_EQ(log->log().wait_durable(last).code(), StatusCode::kIndeterminate);
  EXPECT_EQ(log->log().flush().code(), StatusCode::kIndeterminate);
  (void)log->log().run_background();
  EXPECT_EQ(heard.code(), StatusCode::kPoisoned);
}

TEST_F(Failure, ClosingAPoisonedLogSaysSoAndReleasesTheLock) {
  ASSERT_TRUE(append(100));
  storage->inject({.on = IoKind::kCompleteWrite});
  EXPECT_EQ(append(100).code(), StatusCode::kIndeterminate);
  EXPECT_EQ(log->log().close().code(), StatusCode::kPoisoned);
  model = log->model();
  log.reset();
  EXPECT_TRUE(reopen());
}

TEST_F(Failure, ReadErrorAtOpenIsReportedAndTheNextOpenWorks) {
  ASSERT_TRUE(append(100));
  close();
  for (std::uint64_t nth = 1; nth <= 4; ++nth) {
    storage->inject({.on = IoKind::kRead, .nth = nth});
    EXPECT_EQ(log::Log::open(kDirectory, manual_options(storage)).code(), StatusCode::kIoError);
  }
  EXPECT_TRUE(reopen());
}

// A cursor that met an error says so, again and again; it never just ends early.
TEST_F(Failure, ReadErrorOfACursorIsReportedAndRepeated) {
  ASSERT_TRUE(append(50'000, 30));
  int errors = 0;
  for (std::uint64_t nth = 1; nth <= 5; ++nth) {
    log::Cursor cursor = log->log().read().value();
    storage->inject({.on = IoKind::kRead, .nth = nth});
    int records = 0;
    auto record = cursor.next();
    for (; record && *record; record = cursor.next()) ++records;
    if (record) {
      EXPECT_EQ(records, 30) << "what a failed read left out is missing";
      continue;
    }
    ++errors;
    EXPECT_EQ(record.code(), StatusCode::kIoError);
    EXPECT_EQ(cursor.next().code(), StatusCode::kIoError);
  }
  EXPECT_GT(errors, 0);
}

// --- an error at every I/O ---

struct Sweep {
  std::uint64_t runs = 0;
  std::uint64_t indeterminate = 0;
};

// Opens the log and reads it; what it must hold is what it holds.
Result<LogContents> open_and_check(const std::shared_ptr<sim::SimStorage>& machine,
                                   const LogModel& model) {
  const log::OpenOptions options = manual_options(machine);
  CAIRN_ASSIGN_OR_RETURN(
      const auto log, model.created ? log::Log::open(kDirectory, options)
                                    : log::Log::open_or_create(kDirectory, small_log(), options));
  CAIRN_ASSIGN_OR_RETURN(LogContents contents, read_contents(*log));
  const std::string violation = model.violation(contents);
  if (!violation.empty()) return Status(StatusCode::kCorrupt, violation);
  return contents;
}

// Runs a scenario and lets its I/O number `nth` fail. Whatever becomes of it, the log opens again,
// at once in the same process or after a power cut, with all that was acknowledged; and what it
// shows then stays, whatever the failure left in caches. False when there is no such I/O.
bool fails_well(std::uint64_t nth, FaultKind fault, bool keeps_view, Sweep* sweep) {
  const auto storage = std::make_shared<sim::SimStorage>(sim::SimOptions{.seed = nth});
  storage->failed_syncs_keep_view(keeps_view);
  storage->inject({.kind = fault, .nth = nth});
  LogModel model;
  const std::string where = "I/O " + std::to_string(nth);
  {
    LogScenario scenario(storage, {.seed = 11, .bursts = 8});
    Status status = scenario.start();
    for (int step = 0; step < 60 && status; ++step) status = scenario.step();
    if (storage->faults_struck() == 0) return false;
    const bool named = status.is_ok() || status.code() == StatusCode::kIndeterminate ||
                       status.code() == StatusCode::kPoisoned ||
                       status.code() == StatusCode::kIoError ||
                       status.code() == StatusCode::kNoSpace;
    EXPECT_TRUE(named) << where << ": " << status.to_string();
    sweep->indeterminate += status.code() == StatusCode::kIndeterminate ? 1 : 0;
    model = scenario.model();
  }
  for (const auto& machine : {storage->clone(), storage->after_crash(sim::survive_none()),
                              storage->after_crash(sim::survive_random(nth), nth)}) {
    const Result<LogContents> shown = open_and_check(machine, model);
    EXPECT_TRUE(shown) << where << ": " << shown.status().to_string();
    if (!shown) continue;
    const Result<LogContents> again =
        open_and_check(machine->after_crash(sim::survive_none()), model.after_recovery(*shown));
    EXPECT_TRUE(again) << where << ", shown and then: " << again.status().to_string();
  }
  return true;
}

struct FaultPlan {
  const char* name;
  FaultKind fault;
  bool keeps_view;      // after a failed sync the dropped data can still be read
  std::uint64_t first;  // the plans strike at different I/Os; with a large budget each at all
};

class FailureAtEveryIo : public testing::TestWithParam<FaultPlan> {};

TEST_P(FailureAtEveryIo, LosesNothingAcknowledged) {
  const std::uint64_t stride = sim::test_budget() < 1   ? 16 * sim::sweep_stride(3)
                               : sim::test_budget() < 4 ? 4
                                                        : 1;
  Sweep sweep;
  std::uint64_t nth = GetParam().first;
  while (!HasFailure() && fails_well(nth, GetParam().fault, GetParam().keeps_view, &sweep)) {
    ++sweep.runs;
    nth += stride;
  }
  std::printf("[ failures ] %llu runs, %llu with an append that became indeterminate\n",
              static_cast<unsigned long long>(sweep.runs),
              static_cast<unsigned long long>(sweep.indeterminate));
  EXPECT_GT(sweep.indeterminate, 0U);
}

INSTANTIATE_TEST_SUITE_P(Faults, FailureAtEveryIo,
                         testing::Values(FaultPlan{"EIO", FaultKind::kIoError, false, 1},
                                         FaultPlan{"EIOThatReadsWell", FaultKind::kIoError, true,
                                                   2},
                                         FaultPlan{"ShortWrite", FaultKind::kShortWrite, false, 3},
                                         FaultPlan{"ENOSPC", FaultKind::kNoSpace, false, 4}),
                         [](const auto& plan) { return std::string(plan.param.name); });

// --- an error at every I/O of one call ---

constexpr FaultKind kErrors[] = {FaultKind::kIoError, FaultKind::kNoSpace, FaultKind::kShortWrite};

// What a call may say that met an error of the storage.
bool is_named(StatusCode code) {
  return code == StatusCode::kIoError || code == StatusCode::kNoSpace ||
         code == StatusCode::kIndeterminate || code == StatusCode::kPoisoned ||
         code == StatusCode::kLogFull;
}

class FailureOfOneCall : public SimLogTest {
 protected:
  // The call under test, on a machine where one I/O will fail; what it answers. The model is
  // brought up to date.
  using Call =
      std::function<Status(const std::shared_ptr<sim::SimStorage>& machine, LogModel* model)>;

  // Lets each I/O of `call` fail in each way (reads too), and opens the log again, at once and
  // after a power cut: all that was acknowledged is there, and the log takes appends.
  void fail_everywhere(const Call& call) {
    const auto image = storage;
    const LogModel known = model;
    std::uint64_t struck = 0;
    for (const FaultKind fault : kErrors) {
      for (const std::optional<IoKind> on :
           {std::optional<IoKind>(), std::optional(IoKind::kRead)}) {
        for (std::uint64_t nth = 1; !HasFailure(); nth += sim::sweep_stride(5)) {
          SCOPED_TRACE("fault " + std::to_string(static_cast<int>(fault)) + " at " +
                       (on ? "read " : "I/O ") + std::to_string(nth));
          const auto machine = image->clone();
          machine->inject({.kind = fault, .on = on, .nth = nth});
          LogModel after = known;
          const Status said = call(machine, &after);
          EXPECT_TRUE(said || is_named(said.code())) << said.to_string();
          if (machine->faults_struck() == 0) break;
          ++struck;
          check_reopening(*machine, after);
        }
      }
    }
    EXPECT_GT(struck, sim::sweep_stride(5) > 1 ? 4U : 20U);
  }

  static void check_reopening(const sim::SimStorage& machine, const LogModel& known) {
    for (const auto& next : {machine.clone(), machine.after_crash(sim::survive_none()),
                             machine.after_crash(sim::survive_all())}) {
      auto opened = log::Log::open(kDirectory, manual_options(next));
      ASSERT_TRUE(opened) << opened.status().to_string();
      const auto contents = read_contents(**opened);
      ASSERT_TRUE(contents) << contents.status().to_string();
      ASSERT_EQ(known.violation(*contents), "");
      ModelledLog again(std::move(*opened), known.after_recovery(*contents));
      const Status appended = again.append("s", Bytes(10, std::byte{1}), durable());
      ASSERT_TRUE(appended || appended.code() == StatusCode::kLogFull) << appended.to_string();
    }
  }

  // Opens the log of `machine`, with what is known of it.
  static Result<std::unique_ptr<ModelledLog>> open(const std::shared_ptr<sim::SimStorage>& machine,
                                                   const LogModel& known) {
    CAIRN_ASSIGN_OR_RETURN(auto opened, log::Log::open(kDirectory, manual_options(machine)));
    return std::make_unique<ModelledLog>(std::move(opened), known);
  }
};

TEST_F(FailureOfOneCall, OpenOfALogThatWasClosedLosesNothing) {
  create();
  ASSERT_TRUE(append(300, 5));
  close();
  fail_everywhere([](const auto& machine, LogModel*) {
    return log::Log::open(kDirectory, manual_options(machine)).status();
  });
}

TEST_F(FailureOfOneCall, OpenAfterAPowerCutLosesNothing) {
  create();
  ASSERT_TRUE(append(60'000, 20));  // two containers
  ASSERT_TRUE(append(300, 2, {}));
  crash(sim::survive_random(3), 3);
  fail_everywhere([](const auto& machine, LogModel*) {
    return log::Log::open(kDirectory, manual_options(machine)).status();
  });
}

TEST_F(FailureOfOneCall, CloseSaysSoAndLosesNothingAcknowledged) {
  create();
  ASSERT_TRUE(append(300, 3));
  close();
  fail_everywhere([](const auto& machine, LogModel* known) {
    CAIRN_ASSIGN_OR_RETURN(const auto running, open(machine, *known));
    CAIRN_RETURN_IF_ERROR(running->append("s", Bytes(300, std::byte{4}), {}));
    const Status closed = running->close();
    *known = running->model();
    return closed;
  });
}

// A container is entered, a snapshot and both slots are written, the oldest containers are
// recycled.
TEST_F(FailureOfOneCall, HousekeepingThatFailsLosesNothing) {
  create();
  ASSERT_TRUE(append(60'000, 14));
  close();
  fail_everywhere([](const auto& machine, LogModel* known) {
    CAIRN_ASSIGN_OR_RETURN(const auto running, open(machine, *known));
    Status status;
    for (int i = 0; i < 4 && status; ++i) {
      status = running->append("s", Bytes(60'000, static_cast<std::byte>(i)), {});
      if (status) status = running->log().run_background();
    }
    if (status) status = running->advance_base("s", running->model().highest);
    if (status) status = running->log().run_background();
    *known = running->model();
    return status;
  });
}

// The log is at its maximum; the base moves, and space has to come back through I/O that fails.
TEST_F(FailureOfOneCall, FullLogThatCannotMakeRoomLosesNothing) {
  create();
  Status status;
  while (status) status = append(60'000);
  ASSERT_EQ(status.code(), StatusCode::kLogFull);
  close();
  fail_everywhere([](const auto& machine, LogModel* known) {
    CAIRN_ASSIGN_OR_RETURN(const auto running, open(machine, *known));
    Status result = running->advance_base("s", running->model().highest);
    for (int i = 0; i < 3 && result; ++i) {
      result = running->append("s", Bytes(60'000, static_cast<std::byte>(i)), durable());
    }
    *known = running->model();
    return result;
  });
}

TEST_F(FailureOfOneCall, RestartAreaThatFailsIsTheOldOneOrTheNewOne) {
  create();
  ASSERT_TRUE(append(300, 3));
  ASSERT_TRUE(log->write_restart_area("s", Bytes(40, std::byte{1}), Lsn()));
  close();
  fail_everywhere([](const auto& machine, LogModel* known) {
    CAIRN_ASSIGN_OR_RETURN(const auto running, open(machine, *known));
    const Status written =
        running->write_restart_area("s", Bytes(50, std::byte{2}), running->model().highest);
    *known = running->model();
    return written;
  });
}

// --- space ---

TEST(FailureNoSpace, CreateWithoutSpaceLeavesNothingBehind) {
  for (const std::uint64_t capacity : {0, 4096, 8192, 1 << 20}) {
    const auto storage = std::make_shared<sim::SimStorage>(sim::SimOptions{.capacity = capacity});
    const auto made = log::Log::create(kDirectory, small_log(), manual_options(storage));
    EXPECT_EQ(made.code(), StatusCode::kNoSpace) << made.status().to_string();
    EXPECT_TRUE(storage->list(kDirectory).empty()) << "capacity " << capacity;
    storage->set_capacity(std::uint64_t{64} << 20);
    EXPECT_TRUE(log::Log::create(kDirectory, small_log(), manual_options(storage)));
  }
}

TEST_F(Failure, FullDiskIsALogFullThatGoesAway) {
  storage->set_capacity(std::uint64_t{5} << 19);  // two containers and a half
  Status status;
  for (int i = 0; i < 100 && status; ++i) status = append(50'000);
  EXPECT_EQ(status.code(), StatusCode::kLogFull);
  EXPECT_THAT(status.message(), HasSubstr("no space"));
  EXPECT_TRUE(log->log().health()) << "a full disk poisons nothing";
  storage->set_capacity(std::uint64_t{64} << 20);
  EXPECT_TRUE(log->log().run_background());
  EXPECT_TRUE(append(50'000));
}

// --- failed syncs ---

// The storage has no write that carries its own flush: the log must sync, and believe a failed
// sync.
TEST_F(Failure, FailedSyncAtOpenIsReported) {
  ASSERT_TRUE(append(100));
  close();
  storage->inject({.on = IoKind::kSync});
  EXPECT_EQ(log::Log::open(kDirectory, manual_options(storage)).code(), StatusCode::kIoError);
  EXPECT_TRUE(reopen());
}

// Containers are synced at once while they are read: each of those syncs counts.
TEST_F(Failure, FailedSyncOfAnyContainerAtOpenIsReported) {
  ASSERT_TRUE(append(50'000, 30));
  close();
  std::uint64_t syncs = 0;
  const auto watched = storage->clone();
  watched->set_observer([&](const sim::IoEvent& event, const auto&) {
    syncs += event.kind == IoKind::kSubmitSync ? 1 : 0;
  });
  ASSERT_TRUE(log::Log::open(kDirectory, manual_options(watched)));
  watched->set_observer(nullptr);
  ASSERT_GE(syncs, 2U);
  for (const IoKind kind : {IoKind::kSubmitSync, IoKind::kCompleteSync}) {
    for (std::uint64_t nth = 1; nth <= syncs; ++nth) {
      const auto machine = storage->clone();
      machine->inject({.on = kind, .nth = nth});
      EXPECT_EQ(log::Log::open(kDirectory, manual_options(machine)).code(), StatusCode::kIoError)
          << io_kind_name(kind) << " " << nth;
      EXPECT_TRUE(log::Log::open(kDirectory, manual_options(machine)));
    }
  }
}

TEST_F(Failure, FailedDirectorySyncDoesNotLoseTheNextContainer) {
  storage->inject({.on = IoKind::kSyncDirectory});
  Status status;
  for (int i = 0; i < 25 && status; ++i) status = append(50'000);
  EXPECT_EQ(storage->faults_struck(), 1U);
  crash(sim::survive_none());
  EXPECT_TRUE(reopen());
}

// --- who may open ---

TEST_F(Failure, SecondOpenerIsToldThatTheLogIsLocked) {
  const Status second = log::Log::open(kDirectory, manual_options(storage)).status();
  EXPECT_EQ(second.code(), StatusCode::kLocked);
  EXPECT_THAT(second.message(), HasSubstr("base.cairn"));
  EXPECT_TRUE(append(100)) << "the first one goes on";
}

TEST_F(Failure, ReadOnlyDirectoryIsPermissionDenied) {
  ASSERT_TRUE(append(100));
  close();
  storage->set_read_only(kDirectory, true);
  EXPECT_EQ(log::Log::open(kDirectory, manual_options(storage)).code(),
            StatusCode::kPermissionDenied);
  EXPECT_TRUE(verify_log(storage).damages.empty()) << "looking is allowed";
  storage->set_read_only(kDirectory, false);
  EXPECT_TRUE(reopen());
}

TEST(FailureForeign, DirectoriesThatAreNoLogAreNamedAndLeftAlone) {
  const auto storage = std::make_shared<sim::SimStorage>();
  const log::OpenOptions options = manual_options(storage);
  EXPECT_EQ(log::Log::open("nowhere", options).code(), StatusCode::kNotFound);
  storage->add_file("other", "notes.txt", Bytes(100, std::byte{'x'}));
  const Status opened = log::Log::open("other", options).status();
  EXPECT_EQ(opened.code(), StatusCode::kNotALog);
  EXPECT_THAT(opened.message(), HasSubstr("other"));
  const Status created = log::Log::create("other", small_log(), options).status();
  EXPECT_EQ(created.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(created.message(), HasSubstr("notes.txt"));
  EXPECT_THAT(storage->list("other"), testing::ElementsAre("notes.txt"));
}

TEST(FailureForeign, BaseLogOfSomethingElseIsNotALog) {
  const auto storage = std::make_shared<sim::SimStorage>();
  storage->add_file("other", "base.cairn", Bytes(8192, std::byte{'x'}));
  EXPECT_EQ(log::Log::open("other", manual_options(storage)).code(), StatusCode::kNotALog);
  EXPECT_FALSE(log::Log::open_or_create("other", small_log(), manual_options(storage)));
  EXPECT_EQ(storage->read_image("other", "base.cairn"), Bytes(8192, std::byte{'x'}));
}

TEST_F(Failure, ForeignFilesBesideALogAreLeftAlone) {
  close();
  storage->add_file(kDirectory, "notes.txt", Bytes(100, std::byte{'x'}));
  ASSERT_TRUE(reopen());
  for (int i = 0; i < 25; ++i) ASSERT_TRUE(append(50'000));
  EXPECT_TRUE(storage->exists(kDirectory, "notes.txt"));
}

}  // namespace
}  // namespace cairn::log_test
