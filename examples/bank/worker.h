// Worker: the process that does the bank's work, and may be killed at any moment.
#ifndef CAIRN_EXAMPLES_BANK_WORKER_H_
#define CAIRN_EXAMPLES_BANK_WORKER_H_

#include <string>
#include <vector>

#include "bank/store.h"
#include "bank/transfer.h"

namespace cairn::examples::bank {

struct WorkerOptions {
  std::string directory;  // of the bank
  std::vector<StorePlace> places = default_places();
  std::string csv;  // transfers to do
  AccountId accounts = 0;
  unsigned threads = 1;
  int output = 1;  // descriptor of the pipe to the driver; see message.h
};

// Recovers the bank, says Ready, does all transfers and says Done for each after its commit
// returned, closes the bank. Returns the process's exit status: 0, or 1 after a Failed.
[[nodiscard]] int run_worker(const WorkerOptions& options);

}  // namespace cairn::examples::bank

#endif  // CAIRN_EXAMPLES_BANK_WORKER_H_
