#include "log/crash_explorer.h"

#include <utility>

#include "log/torture_names.h"

namespace cairn::log_test {

namespace {

std::string text_of(const char* call, const Status& status) {
  return status ? std::string() : std::string(call) + ": " + status.to_string();
}

// I7: no crash alone may look like damage.
std::string verify_sound(std::shared_ptr<sim::SimStorage> storage) {
  log::VerifyOptions options;
  options.storage = std::move(storage);
  const Result<log::VerifyReport> report = log::verify("log", options);
  if (!report) return text_of("verify", report.status());
  if (report->damages.empty()) return {};
  return "I7: verify calls a crash damage: " + report->damages[0].begin.to_string() + ", " +
         report->damages[0].reason;
}

// Two records and a half on what was recovered: durable, durable in a new stream, in memory only.
// And other policies.
Status append_more(ModelledLog& log) {
  log::AppendOptions durable;
  durable.durability = log::Durability::kDurable;
  const std::string name = "after" + std::to_string(log.model().highest.value());
  CAIRN_RETURN_IF_ERROR(log.create_stream(name));
  CAIRN_RETURN_IF_ERROR(log.append(name, Bytes(100, std::byte{1}), durable));
  if (log.model().settings) {
    log::Policies policies = log.model().settings->policies;
    policies.restart_area ^= 1;
    CAIRN_RETURN_IF_ERROR(log.set_policies(policies));
  }
  const std::string first = log.model().streams.begin()->first;
  CAIRN_RETURN_IF_ERROR(log.append(first, Bytes(1000, std::byte{2}), durable));
  return log.append(first, Bytes(10, std::byte{3}), {});
}

}  // namespace

std::string recover_and_check(std::shared_ptr<sim::SimStorage> storage, const LogModel& model,
                              LogContents* contents, std::unique_ptr<log::Log>* log) {
  const log::OpenOptions options = manual_options(std::move(storage));
  Result<std::unique_ptr<log::Log>> opened = log::Log::open("log", options);
  // A log whose making was never acknowledged need not be there. Then it can be made now.
  if (!opened && !model.created) opened = log::Log::open_or_create("log", small_log(), options);
  if (!opened) return text_of("open", opened.status());
  if (const Status space = check_space(**opened); !space) return text_of("space", space);
  Result<LogContents> found = read_contents(**opened);
  if (!found) return text_of("read", found.status());
  *contents = std::move(*found);
  if (log != nullptr) *log = std::move(*opened);
  return model.violation(*contents);
}

std::string CrashExplorer::recover(std::shared_ptr<sim::SimStorage> storage, const LogModel& model,
                                   LogContents* contents, std::unique_ptr<log::Log>* log) {
  std::unique_ptr<log::Log> opened;
  const std::string violation = recover_and_check(std::move(storage), model, contents, &opened);
  if (opened != nullptr) {
    const log::EndOfLog end = opened->info().end_of_log;
    const std::string label(log::end_label_name(end.label));
    ++labels_[label];
    digest_.add(label);
    digest_.add(end.end.value());
  }
  for (const auto& [name, stream] : contents->streams) {
    digest_.add(name);
    digest_.add(stream.base.value());
    digest_.add(stream.last.value());
    digest_.add(stream.records.size());
  }
  if (model.settings) digest_.add(to_string(contents->settings));
  if (log != nullptr) *log = std::move(opened);
  return violation;
}

std::string CrashExplorer::explore(const sim::SimStorage& frozen, const LogModel& model,
                                   const std::string& place) {
  const std::size_t pending = frozen.pending().size();
  const std::uint64_t seed = options_.seed * 1'000'003 + counts_.crash_points++;
  for (const sim::CrashState& state : sim::crash_states(pending, options_.states, seed)) {
    ++counts_.images;
    digest_.add(state.name);
    const auto make_image = [&] {
      const sim::CrashChoice choice = state.choice;  // a copy: chance begins anew
      return frozen.after_crash(choice, state.seed);
    };
    const std::string violation = check_image(make_image, model);
    if (!violation.empty()) {
      return "seed " + std::to_string(options_.seed) + ", " + place + ", of " +
             std::to_string(pending) + " pending things survive '" + state.name + "': " + violation;
    }
  }
  return {};
}

std::string CrashExplorer::check_image(const MakeImage& make_image, const LogModel& model) {
  LogContents contents;
  std::unique_ptr<log::Log> log;
  const auto storage = make_image();
  std::string violation = recover(storage, model, &contents, &log);
  // What every image would only make slower: the other ways to read.
  if (violation.empty() && counts_.images % 4 == 0) {
    violation = text_of("read", check_stream_cursors(*log, contents));
    if (violation.empty() && model.created) violation = verify_sound(make_image());
  }
  if (!violation.empty()) return violation;
  if (options_.recovery_crash_every > 0 && counts_.images % options_.recovery_crash_every == 0) {
    violation = crash_in_recovery(make_image(), model, contents);
    if (!violation.empty()) return "crash in recovery, " + violation;
  }
  if (options_.append_crash_every > 0 && counts_.images % options_.append_crash_every == 0) {
    violation = append_and_crash(storage, std::move(log), model, contents);
    if (!violation.empty()) return "crash after recovery, " + violation;
  }
  return {};
}

// I5: however often recovery is cut off, it ends with what it would have found at once.
std::string CrashExplorer::crash_in_recovery(const std::shared_ptr<sim::SimStorage>& storage,
                                             const LogModel& model, const LogContents& first) {
  struct Point {
    sim::IoEvent event;
    std::shared_ptr<sim::SimStorage> frozen;
  };
  std::vector<Point> points;
  storage->set_observer([&](const sim::IoEvent& event, const auto& frozen) {
    points.push_back({event, frozen});
  });
  LogContents contents;
  std::string violation = recover(storage, model, &contents);
  storage->set_observer(nullptr);
  for (const Point& point : points) {
    sim::CrashStateOptions states = options_.states;
    states.at_most = options_.recovery_states;
    const std::size_t pending = point.frozen->pending().size();
    for (const sim::CrashState& state : sim::crash_states(pending, states, options_.seed)) {
      if (!violation.empty()) return violation;
      ++counts_.recovery_crash_images;
      const auto again = point.frozen->after_crash(state.choice, state.seed);
      violation = recover(again, model, &contents);
      if (violation.empty()) violation = difference(first, contents);
      if (violation.empty()) continue;
      violation = "I/O " + std::to_string(point.event.number) + " (" +
                  std::string(io_kind_name(point.event.kind)) + " " + point.event.what + "), '" +
                  state.name + "': I5: " + violation;
    }
  }
  return violation;
}

// I6 and I8: the recovered log takes appends, and a second crash loses neither the old nor the new.
std::string CrashExplorer::append_and_crash(std::shared_ptr<sim::SimStorage> image,
                                            std::unique_ptr<log::Log> log, const LogModel& model,
                                            const LogContents& contents) {
  if (contents.streams.empty()) return {};
  ++counts_.append_crash_images;
  ModelledLog modelled(std::move(log), model.after_recovery(contents));
  const Status status = append_more(modelled);
  // A full log refuses; what it held is still to be there.
  if (!status && status.code() != StatusCode::kLogFull) return text_of("append", status);
  image->crash();
  const std::uint64_t seed = options_.seed + counts_.images;
  const auto again = image->after_crash(sim::survive_random(seed), seed);
  LogContents second;
  return recover(again, modelled.model(), &second);
}

}  // namespace cairn::log_test
