#include "bank/transfer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <istream>
#include <ostream>
#include <random>
#include <string_view>
#include <unordered_set>

#include <fmt/format.h>

namespace cairn::examples::bank {
namespace {

constexpr std::string_view kHeader = "id,from,to,amount";

Status bad_row(const std::string& name, std::size_t line, std::string_view what,
               std::string_view found) {
  return Status(StatusCode::kInvalidArgument,
                fmt::format("{}, line {}: expected {}, found \"{}\"", name, line, what, found));
}

// The whole of `text` as a number of at most `max`.
bool parse_number(std::string_view text, std::uint64_t max, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number <= max;
}

// Four fields exactly; false otherwise.
bool split_row(std::string_view row, std::array<std::string_view, 4>& fields) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::size_t comma = row.find(',');
    const bool last = i + 1 == fields.size();
    if ((comma == std::string_view::npos) != last) return false;
    fields[i] = row.substr(0, comma);
    if (!last) row.remove_prefix(comma + 1);
  }
  return true;
}

Result<Transfer> parse_row(std::string_view row, const std::string& name, std::size_t line) {
  std::array<std::string_view, 4> fields;
  if (!split_row(row, fields)) return bad_row(name, line, "four fields id,from,to,amount", row);
  std::uint64_t id = 0;
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  std::uint64_t amount = 0;
  if (!parse_number(fields[0], UINT64_MAX, id)) {
    return bad_row(name, line, "a number as id", fields[0]);
  }
  if (!parse_number(fields[1], kMaxAccounts - 1, from) ||
      !parse_number(fields[2], kMaxAccounts - 1, to) || from == to) {
    return bad_row(name, line, fmt::format("two different accounts below {}", kMaxAccounts), row);
  }
  if (!parse_number(fields[3], kMaxAmount, amount) || amount == 0) {
    return bad_row(name, line, fmt::format("an amount of 1 to {}", kMaxAmount), fields[3]);
  }
  return Transfer{id, static_cast<AccountId>(from), static_cast<AccountId>(to),
                  static_cast<Amount>(amount)};
}

// Uniform in [0, bound). std::uniform_int_distribution differs between standard libraries; this
// does not, and its bias is far below anything a bank of a million accounts could notice.
std::uint64_t below(std::mt19937_64& random, std::uint64_t bound) { return random() % bound; }

}  // namespace

Result<std::vector<Transfer>> read_csv(std::istream& in, const std::string& name) {
  std::vector<Transfer> transfers;
  std::unordered_set<TransferId> ids;
  std::string row;
  bool has_header = false;
  for (std::size_t line = 1; std::getline(in, row); ++line) {
    if (!row.empty() && row.back() == '\r') row.pop_back();
    if (line == 1) {
      if (row != kHeader) return bad_row(name, line, fmt::format("the header {}", kHeader), row);
      has_header = true;
      continue;
    }
    CAIRN_ASSIGN_OR_RETURN(const Transfer transfer, parse_row(row, name, line));
    if (!ids.insert(transfer.id).second) {
      return bad_row(name, line, "an id that no other row has", row);
    }
    transfers.push_back(transfer);
  }
  if (in.bad()) return Status(StatusCode::kIoError, fmt::format("{}: reading failed", name));
  if (!has_header) return bad_row(name, 1, fmt::format("the header {}", kHeader), "");
  return transfers;
}

void write_csv(std::ostream& out, const std::vector<Transfer>& transfers) {
  out << kHeader << '\n';
  for (const Transfer& transfer : transfers) {
    out << fmt::format("{},{},{},{}\n", transfer.id, transfer.from, transfer.to, transfer.amount);
  }
}

Result<std::vector<Transfer>> generate(const GeneratorOptions& options) {
  if (options.accounts < 2 || options.accounts > kMaxAccounts) {
    return Status(StatusCode::kInvalidArgument, fmt::format("accounts: expected 2 to {}, found {}",
                                                            kMaxAccounts, options.accounts));
  }
  if (options.transfers == 0) {
    return Status(StatusCode::kInvalidArgument, "transfers: expected at least 1, found 0");
  }
  std::mt19937_64 random(options.seed);
  std::vector<Transfer> transfers(options.transfers);
  for (std::size_t i = 0; i < transfers.size(); ++i) {
    Transfer& transfer = transfers[i];
    transfer.id = i + 1;
    transfer.from = static_cast<AccountId>(below(random, options.accounts));
    const auto step = static_cast<AccountId>(1 + below(random, options.accounts - 1));
    transfer.to = (transfer.from + step) % options.accounts;
    const bool large = below(random, 50) == 0;
    transfer.amount =
        static_cast<Amount>(large ? 100'000 + below(random, 400'000) : 1 + below(random, 10'000));
  }
  return transfers;
}

AccountId accounts_of(const std::vector<Transfer>& transfers) {
  AccountId highest = 0;
  for (const Transfer& transfer : transfers) {
    highest = std::max({highest, transfer.from, transfer.to});
  }
  return highest + 1;
}

}  // namespace cairn::examples::bank
