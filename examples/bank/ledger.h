// Ledger: how the bank's accounts and transfers lie in the stores, and the audit that reads them
// back.
//
// An account lies in one of several parts, each a resource manager of its own. A transfer changes
// the balance of both its accounts and leaves a marker with its id in every part it touches, all
// in one transaction. So the markers alone say which transfers took place, and every balance can be
// computed from them a second time.
#ifndef CAIRN_EXAMPLES_BANK_LEDGER_H_
#define CAIRN_EXAMPLES_BANK_LEDGER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/result.h>

#include "bank/transfer.h"

namespace cairn::examples::bank {

using Part = std::size_t;  // from 0; there are two or more

inline constexpr Amount kOpeningBalance = 100'000;

[[nodiscard]] constexpr Part part_of(AccountId account, std::size_t parts) {
  return account % parts;
}
[[nodiscard]] constexpr bool touches(const Transfer& transfer, Part part, std::size_t parts) {
  return part_of(transfer.from, parts) == part || part_of(transfer.to, parts) == part;
}

[[nodiscard]] std::string account_key(AccountId account);
[[nodiscard]] std::string marker_key(TransferId transfer);

// A balance as stored: decimal digits with an optional sign. Nothing for any other text.
[[nodiscard]] std::string format_balance(Amount balance);
[[nodiscard]] std::optional<Amount> parse_balance(std::string_view text);

// What one part holds.
struct PartContents {
  std::map<AccountId, Amount> balances;
  std::set<TransferId> markers;

  // Takes in one key and value of the store. Error: kCorrupt for anything the bank never writes.
  [[nodiscard]] Status add(std::string_view key, std::string_view value);
};
using Contents = std::vector<PartContents>;  // by Part

// What the bank told its client of a transfer.
enum class Outcome : std::uint8_t { kPending, kCommitted, kAborted };

struct Audit {
  std::uint64_t lost = 0;  // acknowledged, and a part it touches has no marker
  std::uint64_t half_applied =
      0;  // not acknowledged, and its marker is in one of its two parts only
  std::uint64_t unexplained = 0;  // a marker of a transfer reported as aborted, or of none at all
  std::uint64_t wrong_balances =
      0;  // accounts missing, or not at opening balance plus marked transfers
  Amount sum_expected = 0;
  Amount sum_found = 0;

  [[nodiscard]] bool is_clean() const {
    return lost == 0 && half_applied == 0 && unexplained == 0 && wrong_balances == 0 &&
           sum_found == sum_expected;
  }
};

// Compares what the stores hold with what was acknowledged. `outcomes` runs beside `transfers`.
// REQUIRES: both have the same size, and every account of a transfer is below `accounts`.
[[nodiscard]] Audit audit(const Contents& contents, AccountId accounts,
                          const std::vector<Transfer>& transfers,
                          const std::vector<Outcome>& outcomes);

}  // namespace cairn::examples::bank

#endif  // CAIRN_EXAMPLES_BANK_LEDGER_H_
