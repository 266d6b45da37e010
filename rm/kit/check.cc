#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

#include <cairn/rm_kit.h>
#include <cairn/sim/random.h>

#include "run.h"

namespace cairn::rm_kit {
namespace {

// Those without crashes early: what they find nothing else does.
constexpr std::array<Script, kScripts> kOrder{
    Script::kOtherManager, Script::kEarly,       Script::kCommit,   Script::kTakeBack,
    Script::kRollback,     Script::kSinglePhase, Script::kTogether, Script::kRefused,
    Script::kLook,         Script::kInPhases,    Script::kCalledOff};

Uuid uuid_of(sim::Random& random) {
  Uuid id;
  for (std::uint8_t& byte : id.bytes) byte = static_cast<std::uint8_t>(random.next());
  return id;
}

class Checker {
 public:
  Checker(const Open& open, const Options& options) : options_(options) {
    sim::Random random(options.seed);
    environment_.open = &open;
    environment_.options = &options_;
    environment_.subject = uuid_of(random);
    environment_.kit = uuid_of(random);
    environment_.begin = &begin_;
    environment_.number = &number_;
    environment_.openings = &report_.openings;
    environment_.crashes = &report_.crashes;
    environment_.runs = &report_.runs;
  }
  ~Checker() {
    std::error_code ignored;
    if (!begin_.files.empty()) std::filesystem::remove_all(begin_.files, ignored);
  }
  Checker(const Checker&) = delete;
  Checker& operator=(const Checker&) = delete;

  Report check() {
    const auto end = std::chrono::steady_clock::now() + options_.time;
    report_.status = check_options();
    if (!report_.status || !prepare()) return std::move(report_);
    do {
      if (!do_round()) break;
      ++seed_;
    } while (options_.only.empty() && std::chrono::steady_clock::now() < end);
    return std::move(report_);
  }

 private:
  Status check_options() {
    if (options_.stride == 0) {
      return Status(StatusCode::kInvalidArgument, "stride: 1 or more expected, found 0");
    }
    std::error_code error;
    if (options_.keeping == Keeping::kFiles &&
        !std::filesystem::is_directory(options_.directory, error)) {
      return Status(StatusCode::kInvalidArgument,
                    "directory: expected one that exists, found '" + options_.directory + "'");
    }
    Plan plan;
    if (!options_.only.empty() && !Plan::parse(options_.only, plan)) {
      return Status(
          StatusCode::kInvalidArgument,
          "only: expected the text of a Violation::repeat, found '" + options_.only + "'");
    }
    return Status::ok();
  }

  // What each run begins with: a subject that has committed one item.
  bool prepare() {
    Disks disks{std::make_shared<sim::SimStorage>(sim::SimOptions{.seed = options_.seed}), {}, {}};
    if (options_.keeping == Keeping::kSimulated) {
      disks.subject = std::make_shared<sim::SimStorage>(sim::SimOptions{.seed = options_.seed + 1});
    } else if (options_.keeping == Keeping::kFiles) {
      disks.files = options_.directory + "/begin";
      std::error_code error;
      std::filesystem::create_directory(disks.files, error);
      if (error) {
        report_.status = Status(StatusCode::kIoError, disks.files + ": " + error.message());
        return false;
      }
    }
    Run run(environment_, disks, {.script = Script::kSinglePhase}, options_.seed, 0);
    const auto made = run.prepare_disks();
    if (made) {
      begin_ = *made;
      return true;
    }
    if (run.finding()) {
      take(run, {.script = Script::kSinglePhase});
    } else {
      report_.status = made.status();
    }
    return false;
  }

  // False: the kit itself failed, or enough is broken.
  bool do_round() {
    Plan only;
    if (Plan::parse(options_.only, only)) return do_run(only, nullptr);
    for (const Script script : kOrder) {
      std::vector<StepIo> io;
      // Its data is in the log of the one manager.
      if (script == Script::kOtherManager && options_.keeping == Keeping::kManagersLog) continue;
      if (!do_run({.script = script}, &io)) return false;
      if (script == Script::kOtherManager || script == Script::kEarly) continue;
      for (const Plan& plan : plans(script, io)) {
        if (++counter_ % options_.stride != 0) continue;
        if (!do_run(plan, nullptr)) return false;
      }
    }
    return true;
  }

  // Harmless crashes first: what they find has fewer causes.
  std::vector<Plan> plans(Script script, const std::vector<StepIo>& io) const {
    std::vector<Plan> out;
    if (io.empty()) return out;
    const Keeping keeping = options_.keeping;
    const bool simulated = keeping == Keeping::kSimulated;
    for (const Fate fate : {Fate::kAll, Fate::kNone, Fate::kChance}) {
      for (const bool while_down : {false, true}) {
        for (unsigned step = 0; step <= io.size(); ++step) {
          for (const Side side : {Side::kSubject, Side::kManager, Side::kBoth, Side::kFence}) {
            const bool lives = side == Side::kFence || (!simulated && side == Side::kSubject);
            if (lives && fate != Fate::kAll) continue;
            if (side == Side::kBoth && keeping == Keeping::kManagersLog) continue;  // kManager
            out.push_back({script, side, step, 0, fate, while_down});
          }
        }
      }
    }
    for (unsigned step = 0; step < io.size(); ++step) add_io(script, step, io[step], keeping, out);
    return out;
  }

  static void add_io(Script script, unsigned step, const StepIo& io, Keeping keeping,
                     std::vector<Plan>& out) {
    for (const Fate fate : {Fate::kAll, Fate::kNone, Fate::kChance}) {
      for (std::uint64_t at = 1; at <= io.subject; ++at) {
        const bool while_down = (at + static_cast<unsigned>(fate)) % 2 == 0;
        out.push_back({script, Side::kSubject, step, at, fate, while_down});
        if (fate == Fate::kAll) out.push_back({script, Side::kFence, step, at, fate, while_down});
        if (fate != Fate::kChance)
          out.push_back({script, Side::kFault, step, at, fate, while_down});
      }
      for (std::uint64_t at = 1; at <= io.manager; ++at) {
        const bool while_down = (at + static_cast<unsigned>(fate)) % 2 == 0;
        out.push_back({script, Side::kManager, step, at, fate, while_down});
        if (keeping == Keeping::kManagersLog) continue;
        out.push_back({script, Side::kBoth, step, at, fate, !while_down});
      }
    }
  }

  bool do_run(const Plan& plan, std::vector<StepIo>* io) {
    // What lies outside cannot be copied: each run begins with nothing, at a place of its own.
    const bool outside = options_.keeping == Keeping::kOutside;
    Disks disks = outside ? disks_for_outside(seed_) : Disks{begin_.manager->clone(), nullptr, {}};
    const std::uint64_t number = ++number_;
    if (begin_.subject) disks.subject = begin_.subject->clone();
    if (!begin_.files.empty()) {
      disks.files = options_.directory + "/run-" + std::to_string(number);
      std::error_code error;
      std::filesystem::copy(begin_.files, disks.files, std::filesystem::copy_options::recursive,
                            error);
      if (error) {
        report_.status = Status(StatusCode::kIoError, disks.files + ": " + error.message());
        return false;
      }
    }
    Run run(environment_, disks, plan, seed_, number);
    report_.status = run.execute().with_context(plan.to_string() + ": " + plan.describe());
    if (run.finding()) take(run, plan);
    if (io != nullptr && !run.is_void()) *io = run.io();
    return report_.status.is_ok() && (options_.at_most == 0 || broken_ < options_.at_most);
  }

  void take(const Run& run, const Plan& plan) {
    ++broken_;
    auto& all = report_.violations;
    const int rule = run.finding()->rule;
    const auto known = std::find_if(
        all.begin(), all.end(), [&](const Violation& violation) { return violation.rule == rule; });
    if (known != all.end()) {
      ++known->runs;
      return;
    }
    Violation violation;
    violation.rule = rule;
    violation.what = run.finding()->what;
    violation.steps = run.steps();
    violation.steps.insert(violation.steps.begin(), plan.describe());
    violation.repeat = plan.to_string();
    violation.seed = seed_;
    all.push_back(std::move(violation));
  }

  Options options_;
  Report report_;
  Environment environment_;
  Disks begin_;
  std::uint64_t seed_ = options_.seed;
  std::uint64_t number_ = 0;
  std::uint64_t counter_ = 0;
  std::uint64_t broken_ = 0;
};

}  // namespace

Report check(const Open& open, const Options& options) { return Checker(open, options).check(); }

}  // namespace cairn::rm_kit
