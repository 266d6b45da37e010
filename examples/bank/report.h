// Report: what a run of the bank came to, for people and for programs.
#ifndef CAIRN_EXAMPLES_BANK_REPORT_H_
#define CAIRN_EXAMPLES_BANK_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "bank/ledger.h"

namespace cairn::examples::bank {

// What one restart found. Transactions are counted once, however many stores had a part in them.
struct Recovery {
  bool finished = false;        // false: killed again before it was through
  double milliseconds = 0;      // from opening the first file to both stores being ready
  std::uint64_t committed = 0;  // prepared and decided: committed again from the decision record
  std::uint64_t aborted = 0;  // prepared and not decided: rolled back, by order or as never offered
  std::uint64_t redelivered =
      0;  // decided, and every store had committed already: only the answer was missing

  // Work a store had promised and did not know the outcome of.
  [[nodiscard]] std::uint64_t in_doubt() const { return committed + aborted; }
};

struct StorageFacts {
  std::string kind;  // as cairn::log::StorageInfo has it
  std::string reason;
  std::string file_system;
  bool direct = false;
  std::vector<std::string> weaknesses;
};

struct Report {
  std::uint64_t transfers = 0;
  AccountId accounts = 0;
  std::vector<std::string> rms;  // the stores
  std::uint64_t threads = 0;
  std::uint64_t committed = 0;
  std::uint64_t aborted = 0;  // insufficient funds
  std::uint64_t pending = 0;  // neither: the run ended early
  std::uint64_t already_there =
      0;  // of the committed: in flight at a kill, tried again, marker found
  std::uint64_t applied_twice = 0;  // acknowledged as newly committed more than once
  std::uint64_t conflicts = 0;  // tries given up on a lock held by another transfer, and repeated
  std::uint64_t kills = 0;
  std::uint64_t kills_asked = 0;
  std::uint64_t server_kills = 0;  // of the kills, those that took a store's server
  std::uint64_t prepared_left =
      0;  // transactions of ours that stores still hold, by their own lists
  std::vector<Recovery> recoveries;  // one per kill, but for a last one that left nothing to do
  Audit audit;
  StorageFacts storage;
  std::string log;  // directory
  double seconds = 0;

  [[nodiscard]] std::uint64_t in_doubt_committed() const;
  [[nodiscard]] std::uint64_t in_doubt_aborted() const;
  // Marked transfers can be applied twice only so that a balance shows it.
  [[nodiscard]] std::uint64_t duplicated() const { return applied_twice + audit.wrong_balances; }
  [[nodiscard]] bool sum_unchanged() const { return audit.sum_found == audit.sum_expected; }
  // Nothing lost, nothing done twice or by halves, the sum kept, every transfer accounted for,
  // every kill delivered, no store left with a promise.
  [[nodiscard]] bool is_success() const;
};

[[nodiscard]] std::string to_text(const Report& report);
// One JSON object, indented, with a line end.
[[nodiscard]] std::string to_json(const Report& report);

}  // namespace cairn::examples::bank

#endif  // CAIRN_EXAMPLES_BANK_REPORT_H_
