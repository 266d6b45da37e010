// `cairn tm resolve` and `cairn tm forget`: what an administrator decides by hand, on a transaction
// manager that nobody has open.
#include <pwd.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include <cairn/transaction_manager.h>

#include "commands.h"
#include "text.h"

namespace cairn::tools {
namespace {

// "user@host", as far as the system knows.
std::string this_user() {
  const passwd* user = getpwuid(getuid());
  char host[65] = {};
  const bool known = gethostname(host, sizeof host - 1) == 0;
  std::string text = (user != nullptr ? std::string(user->pw_name) : std::to_string(getuid())) +
                     "@" + (known ? host : "unknown");
  if (text.size() > tm::kMaxWho) text.resize(tm::kMaxWho);
  return text;
}

tm::Administrator administrator(const TmActArguments& arguments) {
  return {arguments.who.empty() ? this_user() : arguments.who, arguments.reason};
}

Result<Uuid> parse_id(const char* what, const std::string& text) {
  const auto id = Uuid::parse(text);
  if (id) return *id;
  return Status(
      StatusCode::kInvalidArgument,
      std::string(what) + " \"" + text + "\": expected 32 hexadecimal digits as 8-4-4-4-12");
}

// Opens log and manager as their program would, acts, and closes them.
template <typename Act>
Status on_manager(const TmActArguments& arguments, Act act) {
  log::OpenOptions log_options;
  log_options.background = log::Background::kManual;
  CAIRN_ASSIGN_OR_RETURN(std::unique_ptr<log::Log> opened,
                         log::Log::open(arguments.directory, log_options));
  const std::shared_ptr<log::Log> log = std::move(opened);
  tm::TmOptions options;
  options.log = log;
  options.stream = arguments.stream;
  options.background = tm::Background::kManual;
  CAIRN_ASSIGN_OR_RETURN(tm::TransactionManager manager, tm::TransactionManager::open(options));
  options.log = nullptr;
  CAIRN_RETURN_IF_ERROR(manager.recover().status());
  const Status done = act(manager);
  const Status closed = manager.close();
  const Status log_closed = log->close();
  if (!done) return done;
  return closed ? log_closed : closed;
}

ExitCode finish(const char* command, const TmActArguments& arguments, const std::string& text,
                const Status& status, Output& out) {
  if (!status) return report(command, status);
  if (arguments.json) {
    nlohmann::ordered_json json;
    json["log"] = arguments.directory;
    json["stream"] = arguments.stream;
    json["uow"] = arguments.unit_of_work;
    json["act"] = text;
    json["who"] = administrator(arguments).who;
    json["why"] = arguments.reason;
    out.line("{}", json_line(json));
  } else {
    out.line("uow {}  {}", arguments.unit_of_work, text);
  }
  return ExitCode::kOk;
}

}  // namespace

ExitCode run_tm_resolve(const TmActArguments& arguments, Output& out) {
  const bool commit = arguments.outcome == "commit";
  const auto id = parse_id("unit of work", arguments.unit_of_work);
  if (!id.is_ok()) return report("tm resolve", id.status());
  const Status done = on_manager(arguments, [&](tm::TransactionManager& manager) {
    return manager.resolve(*id, commit ? tm::Outcome::kCommitted : tm::Outcome::kAborted,
                           administrator(arguments));
  });
  return finish("tm resolve", arguments, commit ? "committed by hand" : "rolled back by hand", done,
                out);
}

ExitCode run_tm_forget(const TmActArguments& arguments, Output& out) {
  const auto id = parse_id("unit of work", arguments.unit_of_work);
  if (!id.is_ok()) return report("tm forget", id.status());
  const auto rm = parse_id("resource manager", arguments.resource_manager);
  if (!rm.is_ok()) return report("tm forget", rm.status());
  const Status done = on_manager(arguments, [&](tm::TransactionManager& manager) {
    return manager.give_up(*id, *rm, administrator(arguments));
  });
  return finish("tm forget", arguments,
                "waits no longer for resource manager " + arguments.resource_manager, done, out);
}

}  // namespace cairn::tools
