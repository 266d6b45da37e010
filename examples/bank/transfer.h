// Transfer: one row of the bank's work, where it comes from and how it is written down.
#ifndef CAIRN_EXAMPLES_BANK_TRANSFER_H_
#define CAIRN_EXAMPLES_BANK_TRANSFER_H_

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include <cairn/result.h>

namespace cairn::examples::bank {

using TransferId = std::uint64_t;
using AccountId = std::uint32_t;
using Amount = std::int64_t;  // cents

inline constexpr AccountId kMaxAccounts = 1'000'000;
inline constexpr Amount kMaxAmount = 1'000'000'000;

struct Transfer {
  TransferId id = 0;
  AccountId from = 0;
  AccountId to = 0;
  Amount amount = 0;

  friend bool operator==(const Transfer&, const Transfer&) = default;
};

// Reads rows "id,from,to,amount" behind a header line of just these words; no rows are none. Ids
// are unique, in any order; accounts are below kMaxAccounts and differ within a row; the amount is
// 1 to kMaxAmount. `name` is for messages. Errors: kInvalidArgument with name, line, expected and
// found; kIoError.
[[nodiscard]] Result<std::vector<Transfer>> read_csv(std::istream& in, const std::string& name);

// Writes what read_csv() reads. The caller checks the state of `out`.
void write_csv(std::ostream& out, const std::vector<Transfer>& transfers);

struct GeneratorOptions {
  std::uint64_t transfers = 3000;
  AccountId accounts = 1000;  // at least 2
  std::uint64_t seed = 1;     // same options, same rows, on every machine
};

// Random transfers between random accounts. Most are small against the opening balance; one in
// fifty is not, so that some meet insufficient funds. Error: kInvalidArgument.
[[nodiscard]] Result<std::vector<Transfer>> generate(const GeneratorOptions& options);

// The number of accounts that `transfers` speak of: the highest account id plus one.
[[nodiscard]] AccountId accounts_of(const std::vector<Transfer>& transfers);

}  // namespace cairn::examples::bank

#endif  // CAIRN_EXAMPLES_BANK_TRANSFER_H_
