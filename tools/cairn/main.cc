// `cairn`: looks at a log. The command line; what the commands do is in a file each.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <limits>
#include <sstream>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cairn/torture/powercut.h>

#include "commands.h"
#include "output.h"
#include "stream_names.h"
#include "text.h"

namespace cairn::tools {
namespace {

constexpr const char* kFooter =
    "Exit status: 0 done, for verify: sound (a torn tail is); 1 could not run;\n"
    "2 acknowledged bytes are damaged or missing, an archive is of another log, or torture found "
    "a\n"
    "promise that is not kept.\n"
    "Only restore, rebuild, calibrate, tm resolve and tm forget change anything in a log's\n"
    "directory. All other commands take no lock of it, and also work while a process has the log\n"
    "open.";

// What the command line asked for; empty until a command was named.
using Command = std::function<ExitCode(Output&)>;

CLI::App* add_command(CLI::App& app, const char* name, const char* what, std::string& directory,
                      bool& json, const char* json_what) {
  CLI::App* command = app.add_subcommand(name, what);
  command->add_option("DIR", directory, "Directory of the log")->required()->type_name("");
  command->add_flag("--json", json, json_what);
  return command;
}

void add_info(CLI::App& app, InfoArguments& arguments, Command& command) {
  CLI::App* info =
      add_command(app, "info", "Show what a log is, where it begins and ends, and what it holds",
                  arguments.directory, arguments.json, "As one JSON object");
  info->callback([&] { command = [&](Output& out) { return run_info(arguments, out); }; });
}

void add_dump(CLI::App& app, DumpArguments& arguments, Command& command) {
  CLI::App* dump =
      add_command(app, "dump", "Print the records of a log in log order", arguments.directory,
                  arguments.json, "One JSON object per record and line");
  dump->add_option(
          "--stream", arguments.streams,
          fmt::format("Only this stream, repeatable; \"{}\" is the log's own", kEngineStreamName))
      ->allow_extra_args(false)
      ->type_name("NAME");
  dump->add_option("--type", arguments.types,
                   "Only records of this type, repeatable; without --stream the log's own records "
                   "are left out")
      ->allow_extra_args(false)
      ->type_name("N");
  dump->add_option("--from", arguments.from, "Begin at this LSN")
      ->check(CLI::NonNegativeNumber)
      ->type_name("LSN");
  dump->add_option("--to", arguments.to, "End before this LSN")
      ->check(CLI::NonNegativeNumber)
      ->type_name("LSN")
      ->check(CLI::Range(std::uint64_t{1}, std::numeric_limits<std::uint64_t>::max() - 1)
                  .description(""));
  dump->add_flag("--payload", arguments.payload, "The payload too, in hexadecimal digits");
  dump->add_flag("--follow", arguments.follow, "Go on as the log grows, until interrupted");
  dump->callback([&] { command = [&](Output& out) { return run_dump(arguments, out); }; });
}

void add_verify(CLI::App& app, VerifyArguments& arguments, Command& command) {
  CLI::App* verify = add_command(app, "verify", "Read every byte from tail to end and check it",
                                 arguments.directory, arguments.json, "As one JSON object");
  verify->callback([&] { command = [&](Output& out) { return run_verify(arguments, out); }; });
}

void add_act(CLI::App& command, TmActArguments& arguments) {
  command.add_option("UOW", arguments.unit_of_work, "The transaction, as tm list shows it")
      ->required()
      ->type_name("");
  command.add_option("--reason", arguments.reason, "Why; kept in the log and shown")
      ->required()
      ->type_name("TEXT");
  command.add_option("--who", arguments.who, "Who; without it, user and host")->type_name("TEXT");
  command.add_option("--stream", arguments.stream, "The stream of the transaction manager")
      ->capture_default_str()
      ->type_name("NAME");
}

void add_tm(CLI::App& app, TmListArguments& arguments, TmActArguments& resolve_arguments,
            TmActArguments& forget_arguments, Command& command) {
  CLI::App* tm = app.add_subcommand("tm", "Look at the transaction managers in a log");
  CLI::App* resolve = add_command(
      *tm, "resolve",
      "Decide a transaction that is in doubt in the place of its superior, which is lost; breaks "
      "atomicity if that decided otherwise; the log must not be open elsewhere",
      resolve_arguments.directory, resolve_arguments.json, "As one JSON object");
  add_act(*resolve, resolve_arguments);
  resolve->add_option("OUTCOME", resolve_arguments.outcome, "commit or abort")
      ->required()
      ->check(CLI::IsMember({"commit", "abort"}).description(""))
      ->type_name("");
  resolve->callback(
      [&] { command = [&](Output& out) { return run_tm_resolve(resolve_arguments, out); }; });
  CLI::App* forget = add_command(
      *tm, "forget",
      "Wait no longer for the answer of a resource manager that is lost to a committed "
      "transaction; should it come back, it is told; the log must not be open elsewhere",
      forget_arguments.directory, forget_arguments.json, "As one JSON object");
  add_act(*forget, forget_arguments);
  forget->add_option("--rm", forget_arguments.resource_manager, "The resource manager")
      ->required()
      ->type_name("ID");
  forget->callback(
      [&] { command = [&](Output& out) { return run_tm_forget(forget_arguments, out); }; });
  CLI::App* list =
      add_command(*tm, "list", "List the transactions that were decided and are not forgotten",
                  arguments.directory, arguments.json, "As one JSON object");
  list->add_option("--stream", arguments.stream, "Only the transaction manager in this stream")
      ->type_name("NAME");
  list->callback([&] { command = [&](Output& out) { return run_tm_list(arguments, out); }; });
}

void add_calibrate(CLI::App& app, CalibrateArguments& arguments, Command& command) {
  CLI::App* calibrate = add_command(
      app, "calibrate",
      "Measure how the device below a log is best written to, and keep that in the log, which must "
      "not be open elsewhere",
      arguments.directory, arguments.json, "As one JSON object");
  calibrate
      ->add_option("--seconds", arguments.seconds,
                   "How long to measure, 0.05 to 60; longer: less noise. Without: 2, and longer "
                   "where a device is too slow for that")
      ->check(CLI::Range(0.05, 60.0).description(""))
      ->type_name("S");
  calibrate->callback(
      [&] { command = [&](Output& out) { return run_calibrate(arguments, out); }; });
}

void add_archive(CLI::App& app, ArchiveArguments& arguments, Command& command) {
  CLI::App* archive =
      add_command(app, "archive", "Bring an archive of a log up to its end; may be interrupted",
                  arguments.directory, arguments.json, "As one JSON object");
  archive->add_flag("--set-archive-tail", arguments.set_archive_tail,
                    "When the archive is durable, mark what it holds as archived, so that the log "
                    "may recycle it; the log must not be open elsewhere");
  archive->add_option("ARCHIVE", arguments.archive, "Directory of the archive, made if need be")
      ->required()
      ->type_name("");
  archive->callback([&] { command = [&](Output& out) { return run_archive(arguments, out); }; });
}

void add_restore(CLI::App& app, RestoreArguments& arguments, Command& command) {
  CLI::App* restore = app.add_subcommand("restore", "Make a log out of an archive");
  restore->add_option("ARCHIVE", arguments.archive, "Directory of the archive")
      ->required()
      ->type_name("");
  restore->add_option("DIR", arguments.directory, "Directory of the log, made or empty")
      ->required()
      ->type_name("");
  restore->add_flag("--json", arguments.json, "As one JSON object");
  restore->callback([&] { command = [&](Output& out) { return run_restore(arguments, out); }; });
}

void add_rebuild(CLI::App& app, RebuildArguments& arguments, Command& command) {
  CLI::App* rebuild = add_command(
      app, "rebuild", "Make a new base log from the containers of a log nobody has open",
      arguments.directory, arguments.json, "As one JSON object");
  rebuild->add_flag("--replace-sound", arguments.replace_sound,
                    "Also when the base log that is there is sound");
  rebuild->callback([&] { command = [&](Output& out) { return run_rebuild(arguments, out); }; });
}

void add_rounds(CLI::App& command, TortureArguments& arguments, const char* what) {
  command.add_option("--rounds", arguments.rounds, what)
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{100'000'000}).description(""))
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--seed", arguments.seed, "Of the first round")
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--json", arguments.json_file, "A report for programs, into this file")
      ->type_name("FILE");
}

void add_torture_loops(CLI::App& torture, TortureArguments& arguments, Command& command) {
  CLI::App* kill = torture.add_subcommand(
      "kill",
      "Kills a process that appends to a log in DIR, again and again, and looks at the log");
  kill->add_option("DIR", arguments.directory,
                   "Directory of the log, made if need be; a log of an earlier loop's at most")
      ->required()
      ->type_name("");
  kill->add_option("--storage", arguments.storage, "auto, uring or posix")
      ->check(CLI::IsMember({"auto", "uring", "posix"}).description(""))
      ->capture_default_str()
      ->type_name("KIND");
  add_rounds(*kill, arguments, "Kills");
  kill->callback([&] { command = [&](Output& out) { return run_torture_kill(arguments, out); }; });
  const auto add_seeded = [&](const char* name, const char* what, auto run) {
    CLI::App* one = torture.add_subcommand(name, what);
    add_rounds(*one, arguments, "Seeds");
    one->add_option("--stride", arguments.stride, "From one I/O that is hit to the next")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{100'000}).description(""))
        ->capture_default_str()
        ->type_name("N");
    one->callback([&command, &arguments, run] {
      command = [&arguments, run](Output& out) { return run(arguments, out); };
    });
  };
  add_seeded("sim", "Power cuts at I/Os of seeded scenarios on a simulated storage",
             run_torture_sim);
  add_seeded("fault", "Failures of I/Os of seeded scenarios on a simulated storage",
             run_torture_fault);
}

#ifdef CAIRN_TORTURE_HAS_SOAK
void add_torture_soak(CLI::App& torture, SoakArguments& arguments, Command& command) {
  CLI::App* soak = torture.add_subcommand(
      "soak",
      "Everything at once for hours, in a process that is killed again and again: appends, "
      "transactions, resource managers that come and go, archives; with bounds on memory, "
      "descriptors, disk space and the time of recovery");
  soak->add_option("DIR", arguments.directory, "A directory for all that it makes, made or empty")
      ->required()
      ->type_name("");
  soak->add_option("--hours", arguments.hours, "How long; may be a part of one")
      ->check(CLI::Range(0.0001, 10'000.0).description(""))
      ->capture_default_str()
      ->type_name("N");
  soak->add_option("--seed", arguments.seed, "Of the moments, and of what each thread does")
      ->capture_default_str()
      ->type_name("N");
  soak->add_option("--storage", arguments.storage, "auto, uring or posix")
      ->check(CLI::IsMember({"auto", "uring", "posix"}).description(""))
      ->capture_default_str()
      ->type_name("KIND");
  const auto add_bound = [&](const char* name, std::uint64_t& value, const char* what) {
    soak->add_option(name, value, what)
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 32).description(""))
        ->capture_default_str()
        ->type_name("N");
  };
  add_bound("--max-memory", arguments.memory_mib, "Bound: MiB of resident memory");
  add_bound("--max-descriptors", arguments.descriptors, "Bound: open descriptors");
  add_bound("--max-disk", arguments.disk_mib, "Bound: MiB in DIR");
  add_bound("--max-recovery", arguments.recovery_ms,
            "Bound: ms of processor time that a recovery takes");
  soak->add_option("--json", arguments.json_file, "A report for programs, into this file")
      ->type_name("FILE");
  soak->add_option("--svg", arguments.svg_file, "The curves as a picture, into this file")
      ->type_name("FILE");
  soak->callback([&] { command = [&](Output& out) { return run_torture_soak(arguments, out); }; });
}
#endif

void add_torture(CLI::App& app, PowercutArguments& arguments, TortureArguments& loop_arguments,
                 SoakArguments& soak_arguments, Command& command) {
  CLI::App* torture = app.add_subcommand(
      "torture",
      "Break what lies below the libraries, on disks of its own, and look for promises "
      "that are not kept");
  add_torture_loops(*torture, loop_arguments, command);
#ifdef CAIRN_TORTURE_HAS_SOAK
  add_torture_soak(*torture, soak_arguments, command);
#else
  (void)soak_arguments;
#endif
  CLI::App* powercut = torture->add_subcommand(
      "powercut",
      "Power cuts on real file systems: records what the kernel writes below one while logs and "
      "transactions run on it, and recovers from every disk that a power cut can leave; as root");
  powercut->add_option("--fs", arguments.file_systems, "ext4, xfs, btrfs; without: all")
      ->delimiter(',')
      ->check(CLI::IsMember(torture::powercut_file_systems()).description(""))
      ->type_name("NAMES");
  powercut->add_option("--budget", arguments.budget, "Disks to recover from, per file system")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{100'000'000}).description(""))
      ->capture_default_str()
      ->type_name("N");
  powercut->add_option("--seed", arguments.seed, "Of the first recording")
      ->capture_default_str()
      ->type_name("N");
  powercut->add_option("--steps", arguments.steps, "What a recording is of: so many acts")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{10'000}).description(""))
      ->capture_default_str()
      ->type_name("N");
  powercut->add_option("--storage", arguments.storage, "auto, uring or posix")
      ->check(CLI::IsMember({"auto", "uring", "posix"}).description(""))
      ->capture_default_str()
      ->type_name("KIND");
  powercut
      ->add_option("--fault", arguments.fault,
                   "Build a fault in, which must be found: flush (nothing acknowledged is "
                   "flushed), directory (new names are not made durable), epoch (recovery does not "
                   "say on the disk that it cut off a torn tail)")
      ->check(CLI::IsMember({"none", "flush", "directory", "epoch"}).description(""))
      ->capture_default_str()
      ->type_name("WHICH");
  powercut->add_option("--keep", arguments.keep, "A directory for disks that broke a promise")
      ->check(CLI::ExistingDirectory.description(""))
      ->type_name("DIR");
  powercut->add_option("--json", arguments.json_file, "A report for programs, into this file")
      ->type_name("FILE");
  powercut->callback(
      [&] { command = [&](Output& out) { return run_torture_powercut(arguments, out); }; });
}

// Writes what a parse ended with: help and version on standard output, mistakes on standard error.
ExitCode report_parse(const CLI::App& app, const CLI::ParseError& end, Output& out) {
  std::ostringstream help;
  std::ostringstream mistake;
  const int code = app.exit(end, help, mistake);
  std::string text = help.str();
  while (text.ends_with('\n')) text.pop_back();
  if (!text.empty()) out.line("{}", text);
  std::fputs(mistake.str().c_str(), stderr);
  return code == 0 ? ExitCode::kOk : ExitCode::kFailed;
}

ExitCode run(int argc, const char* const* argv, Output& out) {
  CLI::App app("Looks at a Cairn log: what it is, what it holds, whether it is sound.", "cairn");
  app.set_version_flag("--version", "cairn " CAIRN_VERSION);
  app.footer(kFooter);
  InfoArguments info;
  DumpArguments dump;
  VerifyArguments verify;
  TmListArguments tm_list;
  TmActArguments tm_resolve;
  TmActArguments tm_forget;
  CalibrateArguments calibrate;
  ArchiveArguments archive;
  RestoreArguments restore;
  RebuildArguments rebuild;
  PowercutArguments powercut;
  TortureArguments torture;
  SoakArguments soak;
  Command command;
  add_info(app, info, command);
  add_dump(app, dump, command);
  add_verify(app, verify, command);
  add_tm(app, tm_list, tm_resolve, tm_forget, command);
  add_calibrate(app, calibrate, command);
  add_archive(app, archive, command);
  add_restore(app, restore, command);
  add_rebuild(app, rebuild, command);
  add_torture(app, powercut, torture, soak, command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& end) {
    return report_parse(app, end, out);
  }
  if (!command) {
    std::fputs("cairn: expected a command, found none; cairn --help lists them\n", stderr);
    return ExitCode::kFailed;
  }
  return command(out);
}

}  // namespace
}  // namespace cairn::tools

int main(int argc, char** argv) {
  // A reader that went away is an error of write(), see Output.
  signal(SIGPIPE, SIG_IGN);
  cairn::tools::Output out(STDOUT_FILENO);
  cairn::tools::ExitCode code = cairn::tools::run(argc, argv, out);
  out.flush();
  if (out.error() != 0) {
    cairn::tools::print_error(
        "output", cairn::Status(cairn::StatusCode::kIoError,
                                std::string("standard output: ") + std::strerror(out.error())));
    code = cairn::tools::ExitCode::kFailed;
  }
  return static_cast<int>(code);
}
