// `cairn tm list`: the transactions that transaction managers have decided and not forgotten.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <cairn/log.h>
#include <cairn/recovered_state.h>

#include "commands.h"
#include "text.h"

namespace cairn::tools {
namespace {

// Only decided transactions are in the log, and the only decision written is the one to commit:
// what is not there was rolled back.
constexpr std::string_view kState = "decided";
constexpr std::string_view kOutcome = "committed";

struct Manager {
  std::string stream;
  recovery::RecoveredState state;
};

// REQUIRES: the view's log holds `stream`, or the answer is kNotFound.
Status check_manager(const log::LogView& view, const std::string& stream) {
  const auto restart = view.read_restart_area(stream);
  const bool empty = restart.code() == StatusCode::kNoRestartArea;
  if (!restart.is_ok() && !empty) return restart.status();
  if (!empty && recovery::is_restart_record(restart->data)) return Status::ok();
  // Damage can hide the restart area.
  const log::LogInfo info = view.info();
  CAIRN_RETURN_IF_ERROR(end_of_log_status(info));
  return Status(StatusCode::kNotFound,
                info.path + ": stream \"" + stream + "\": expected a transaction manager, found " +
                    (empty ? "no restart area" : "a restart area of something else"));
}

Result<std::vector<Manager>> read_managers(const log::LogView& view,
                                           const std::optional<std::string>& stream) {
  std::vector<std::string> streams;
  if (stream) {
    CAIRN_RETURN_IF_ERROR(check_manager(view, *stream));
    streams = {*stream};
  } else {
    CAIRN_ASSIGN_OR_RETURN(streams, recovery::find_tm_streams(view));
    if (streams.empty()) CAIRN_RETURN_IF_ERROR(end_of_log_status(view.info()));
  }
  std::vector<Manager> managers;
  for (const std::string& name : streams) {
    auto state = recovery::read_tm_state(view, name);
    if (!state.is_ok()) return state.status().with_context("stream \"" + name + "\"");
    managers.push_back({name, std::move(state).value()});
  }
  return managers;
}

// Beside a process that writes the log, the records about to be read can be recycled; then the
// view is a new one.
Result<std::vector<Manager>> read_managers_beside_writer(log::LogView& view,
                                                         const std::optional<std::string>& stream) {
  for (;;) {
    const Lsn tail = view.info().tail;
    auto managers = read_managers(view, stream);
    if (managers.is_ok()) return managers;
    if (!view.refresh().is_ok() || view.info().tail == tail) return managers;
  }
}

std::int64_t age_ns(const recovery::DecisionRecord& decision) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto now_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  return now_ns - static_cast<std::int64_t>(decision.wall_clock_ns);
}

std::set<Uuid> resource_managers(const recovery::DecisionRecord& decision) {
  std::set<Uuid> ids;
  for (const auto& enlistment : decision.enlistments) ids.insert(enlistment.resource_manager);
  return ids;
}

void print_transaction(const recovery::RecoveredTransaction& transaction, Output& out) {
  const recovery::DecisionRecord& decision = transaction.decision;
  out.line("  uow {}  {}, {}  age {}", decision.transaction.to_string(), kState, kOutcome,
           duration_text(age_ns(decision)));
  out.line("    LSN {}  clock {}  time {}  description \"{}\"", transaction.lsn.to_string(),
           decision.clock, time_text(decision.wall_clock_ns), escaped(decision.description));
  for (const auto& enlistment : decision.enlistments) {
    out.line("    enlistment {}  resource manager {}  recovery information {} bytes",
             enlistment.enlistment.to_string(), enlistment.resource_manager.to_string(),
             enlistment.recovery_information.size());
  }
}

void print_text(const std::vector<Manager>& managers, const std::string& directory, Output& out) {
  if (managers.empty()) out.line("no transaction manager in {}", escaped(directory));
  for (const Manager& manager : managers) {
    out.line("transaction manager {}  stream \"{}\"  clock {}",
             manager.state.transaction_manager.to_string(), escaped(manager.stream),
             manager.state.clock);
    for (const auto& transaction : manager.state.transactions) print_transaction(transaction, out);
    out.line("  {} transactions not forgotten", manager.state.transactions.size());
  }
}

nlohmann::ordered_json transaction_json(const recovery::RecoveredTransaction& transaction) {
  const recovery::DecisionRecord& decision = transaction.decision;
  nlohmann::ordered_json json;
  json["uow"] = decision.transaction.to_string();
  json["state"] = kState;
  json["outcome"] = kOutcome;
  json["lsn"] = lsn_json(transaction.lsn);
  json["clock"] = decision.clock;
  json["time"] = time_text(decision.wall_clock_ns);
  json["age_seconds"] = static_cast<double>(age_ns(decision)) / 1e9;
  json["description"] = decision.description;
  json["resource_managers"] = nlohmann::ordered_json::array();
  for (const Uuid& id : resource_managers(decision)) {
    json["resource_managers"].push_back(id.to_string());
  }
  json["enlistments"] = nlohmann::ordered_json::array();
  for (const auto& enlistment : decision.enlistments) {
    json["enlistments"].push_back(
        {{"id", enlistment.enlistment.to_string()},
         {"resource_manager", enlistment.resource_manager.to_string()},
         {"recovery_information_bytes", enlistment.recovery_information.size()}});
  }
  return json;
}

void print_json(const std::vector<Manager>& managers, const std::string& directory, Output& out) {
  nlohmann::ordered_json json;
  json["log"] = directory;
  json["transaction_managers"] = nlohmann::ordered_json::array();
  for (const Manager& manager : managers) {
    nlohmann::ordered_json of_manager;
    of_manager["stream"] = manager.stream;
    of_manager["id"] = manager.state.transaction_manager.to_string();
    of_manager["clock"] = manager.state.clock;
    of_manager["transactions"] = nlohmann::ordered_json::array();
    for (const auto& transaction : manager.state.transactions) {
      of_manager["transactions"].push_back(transaction_json(transaction));
    }
    json["transaction_managers"].push_back(std::move(of_manager));
  }
  out.line("{}", json_line(json));
}

}  // namespace

ExitCode run_tm_list(const TmListArguments& arguments, Output& out) {
  const auto view = log::LogView::open(arguments.directory);
  if (!view.is_ok()) return report("tm list", view.status());
  const auto managers = read_managers_beside_writer(**view, arguments.stream);
  if (!managers.is_ok()) return report("tm list", managers.status());
  if (arguments.json) {
    print_json(*managers, arguments.directory, out);
  } else {
    print_text(*managers, arguments.directory, out);
  }
  return ExitCode::kOk;
}

}  // namespace cairn::tools
