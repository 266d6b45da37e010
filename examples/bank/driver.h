// Driver: has a worker do all transfers, kills it and the servers of its stores now and again, and
// looks at the end whether all is as it was told.
#ifndef CAIRN_EXAMPLES_BANK_DRIVER_H_
#define CAIRN_EXAMPLES_BANK_DRIVER_H_

#include <cstdint>
#include <string>
#include <vector>

#include <cairn/result.h>

#include "bank/report.h"
#include "bank/transfer.h"

namespace cairn::examples::bank {

struct DriverOptions {
  std::string program = "/proc/self/exe";  // the worker's executable: this one
  std::string directory;                   // from make_directory()
  std::vector<Transfer> transfers;
  AccountId accounts = 0;
  // A server of each kind that has one is started for the run, and killed in turn with the worker.
  std::vector<std::string> rms{"rocksdb", "kv"};
  unsigned threads = 8;
  unsigned kills = 3;
  std::uint64_t seed = 1;      // of the moments of the kills
  bool show_progress = false;  // one line on standard output, rewritten
};

// The worker is a process of its own. A transfer that was acknowledged is never sent again; one in
// flight at a kill is. When all have their outcome, the stores are opened once more and audited. A
// report that says what went wrong is a success of this call. Errors: the worker failed by itself
// or made no progress for a minute; the stores could not be opened for the audit; kInvalidArgument
// (rms: unknown, one twice, or fewer than two), kNotFound (a server is not installed), kIoError.
[[nodiscard]] Result<Report> run_driver(const DriverOptions& options);

}  // namespace cairn::examples::bank

#endif  // CAIRN_EXAMPLES_BANK_DRIVER_H_
