// The commands of `cairn`. Each reads a log directory, prints its findings, and returns the
// program's exit code. Only restore and rebuild change something in one: they make what is missing;
// calibrate, which writes the base log; and tm resolve and forget, which write records.
// torture works on disks of its own.
// Errors are printed on standard error.
#ifndef CAIRN_TOOLS_COMMANDS_H_
#define CAIRN_TOOLS_COMMANDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "exit_code.h"
#include "output.h"

namespace cairn::tools {

struct InfoArguments {
  std::string directory;
  bool json = false;
};
ExitCode run_info(const InfoArguments& arguments, Output& out);

struct DumpArguments {
  std::string directory;
  std::vector<std::string> streams;   // by name; empty: all, the engine's own records too
  std::vector<std::uint16_t> types;   // of clients' records; empty: all records
  std::optional<std::uint64_t> from;  // LSN
  std::optional<std::uint64_t> to;    // LSN, not included
  bool json = false;
  bool payload = false;
  bool follow = false;
};
ExitCode run_dump(const DumpArguments& arguments, Output& out);

struct VerifyArguments {
  std::string directory;
  bool json = false;
};
ExitCode run_verify(const VerifyArguments& arguments, Output& out);

struct TmListArguments {
  std::string directory;
  std::optional<std::string> stream;  // absent: every transaction manager in the log
  bool json = false;
};
ExitCode run_tm_list(const TmListArguments& arguments, Output& out);

// Of `tm resolve` and `tm forget`.
struct TmActArguments {
  std::string directory;
  std::string unit_of_work;
  std::string outcome;           // of resolve: "commit" or "abort"
  std::string resource_manager;  // of forget
  std::string reason;
  std::string who;  // empty: user and host of this process
  std::string stream = "tm";
  bool json = false;
};
ExitCode run_tm_resolve(const TmActArguments& arguments, Output& out);
ExitCode run_tm_forget(const TmActArguments& arguments, Output& out);

struct CalibrateArguments {
  std::string directory;
  std::optional<double> seconds;  // unset: as long as it takes
  bool json = false;
};
ExitCode run_calibrate(const CalibrateArguments& arguments, Output& out);

struct ArchiveArguments {
  std::string directory;
  std::string archive;
  bool set_archive_tail = false;
  bool json = false;
};
ExitCode run_archive(const ArchiveArguments& arguments, Output& out);

struct RestoreArguments {
  std::string archive;
  std::string directory;
  bool json = false;
};
ExitCode run_restore(const RestoreArguments& arguments, Output& out);

struct RebuildArguments {
  std::string directory;
  bool replace_sound = false;
  bool json = false;
};
ExitCode run_rebuild(const RebuildArguments& arguments, Output& out);

struct PowercutArguments {
  std::vector<std::string> file_systems;  // empty: all that this machine has
  std::uint64_t budget = 500;             // states per file system
  std::uint64_t seed = 1;
  std::uint64_t steps = 60;
  std::string storage = "auto";
  std::string fault = "none";
  std::string keep;       // a directory for the disks that broke a promise; empty: none
  std::string json_file;  // empty: none
};
// Of `torture kill`, `sim` and `fault`.
struct TortureArguments {
  std::string directory;  // of kill
  std::uint64_t rounds = 100;
  std::uint64_t seed = 1;
  std::uint64_t stride = 5;  // of sim and fault
  std::string storage = "auto";
  std::string json_file;  // empty: none
};
struct SoakArguments {
  std::string directory;
  double hours = 0.1;
  std::uint64_t seed = 1;
  std::string storage = "auto";
  std::uint64_t memory_mib = 256;
  std::uint64_t descriptors = 256;
  std::uint64_t disk_mib = 128;
  std::uint64_t recovery_ms = 5000;  // of the processor
  std::string json_file;             // empty: none
  std::string svg_file;              // empty: none
};
ExitCode run_torture_soak(const SoakArguments& arguments, Output& out);
ExitCode run_torture_kill(const TortureArguments& arguments, Output& out);
ExitCode run_torture_sim(const TortureArguments& arguments, Output& out);
ExitCode run_torture_fault(const TortureArguments& arguments, Output& out);
ExitCode run_torture_powercut(const PowercutArguments& arguments, Output& out);

}  // namespace cairn::tools

#endif  // CAIRN_TOOLS_COMMANDS_H_
