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

// What is neither decided nor promised to a superior is not in the log: it was rolled back.
std::string_view state_of(const recovery::TransactionRecord& record) {
  return record.type == recovery::RecordType::kPrepare ? "in doubt" : "decided";
}

std::string_view outcome_of(const recovery::TransactionRecord& record) {
  switch (record.type) {
    case recovery::RecordType::kPrepare:
      return "undetermined";
    case recovery::RecordType::kRollback:
      return "aborted";
    default:
      return "committed";
  }
}

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

std::int64_t age_ns(const recovery::TransactionRecord& record) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto now_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  return now_ns - static_cast<std::int64_t>(record.wall_clock_ns);
}

std::set<Uuid> resource_managers(const recovery::TransactionRecord& record) {
  std::set<Uuid> ids;
  for (const auto& enlistment : record.enlistments) ids.insert(enlistment.resource_manager);
  return ids;
}

std::string act_text(const recovery::Act& act) {
  if (act.enlistment.is_null()) return "decided in the superior's place";
  return "no longer waits for enlistment " + act.enlistment.to_string();
}

void print_enlistment(std::string_view role, const recovery::EnlistmentRecord& enlistment,
                      Output& out) {
  out.line("    {} {}  resource manager {}  recovery information {} bytes", role,
           enlistment.enlistment.to_string(), enlistment.resource_manager.to_string(),
           enlistment.recovery_information.size());
}

void print_transaction(const recovery::RecoveredTransaction& transaction, Output& out) {
  const recovery::TransactionRecord& record = transaction.record;
  out.line("  uow {}  {}, {}  age {}", record.transaction.to_string(), state_of(record),
           outcome_of(record), duration_text(age_ns(record)));
  out.line("    LSN {}  clock {}  time {}  description \"{}\"", transaction.lsn.to_string(),
           record.clock, time_text(record.wall_clock_ns), escaped(record.description));
  if (record.superior) print_enlistment("superior", *record.superior, out);
  for (const auto& enlistment : record.enlistments) print_enlistment("enlistment", enlistment, out);
  for (const recovery::Act& act : record.acts) {
    out.line("    by hand: {}  by {}  time {}  reason \"{}\"", act_text(act), escaped(act.who),
             time_text(act.wall_clock_ns), escaped(act.why));
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

nlohmann::ordered_json enlistment_json(const recovery::EnlistmentRecord& enlistment) {
  return {{"id", enlistment.enlistment.to_string()},
          {"resource_manager", enlistment.resource_manager.to_string()},
          {"recovery_information_bytes", enlistment.recovery_information.size()}};
}

nlohmann::ordered_json transaction_json(const recovery::RecoveredTransaction& transaction) {
  const recovery::TransactionRecord& record = transaction.record;
  nlohmann::ordered_json json;
  json["uow"] = record.transaction.to_string();
  json["state"] = state_of(record);
  json["outcome"] = outcome_of(record);
  json["lsn"] = lsn_json(transaction.lsn);
  json["clock"] = record.clock;
  json["time"] = time_text(record.wall_clock_ns);
  json["age_seconds"] = static_cast<double>(age_ns(record)) / 1e9;
  json["description"] = record.description;
  json["resource_managers"] = nlohmann::ordered_json::array();
  for (const Uuid& id : resource_managers(record)) {
    json["resource_managers"].push_back(id.to_string());
  }
  if (record.superior) json["superior"] = enlistment_json(*record.superior);
  json["enlistments"] = nlohmann::ordered_json::array();
  for (const auto& enlistment : record.enlistments) {
    json["enlistments"].push_back(enlistment_json(enlistment));
  }
  for (const recovery::Act& act : record.acts) {
    nlohmann::ordered_json by_hand = {{"act", act_text(act)},
                                      {"who", act.who},
                                      {"why", act.why},
                                      {"time", time_text(act.wall_clock_ns)}};
    if (!act.enlistment.is_null()) by_hand["enlistment"] = act.enlistment.to_string();
    json["by_hand"].push_back(std::move(by_hand));
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
