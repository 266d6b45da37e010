#include "bank/ledger.h"

#include <cassert>
#include <charconv>
#include <unordered_set>

#include <fmt/format.h>

namespace cairn::examples::bank {
namespace {

constexpr std::string_view kAccountPrefix = "account/";
constexpr std::string_view kMarkerPrefix = "transfer/";

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// What the markers say of one transfer.
struct Markers {
  std::size_t expected = 0;  // parts it touches
  std::size_t found = 0;     // of those, how many have its marker
  bool misplaced = false;    // a part it does not touch has one
};

Markers markers_of(const Contents& contents, const Transfer& transfer) {
  Markers markers;
  for (Part part = 0; part < contents.size(); ++part) {
    const bool marked = contents[part].markers.contains(transfer.id);
    if (touches(transfer, part, contents.size())) {
      ++markers.expected;
      markers.found += marked ? 1 : 0;
    } else if (marked) {
      markers.misplaced = true;
    }
  }
  return markers;
}

void judge(const Markers& markers, Outcome outcome, Audit& audit) {
  if (markers.misplaced) ++audit.unexplained;
  switch (outcome) {
    case Outcome::kCommitted:
      if (markers.found < markers.expected) ++audit.lost;
      break;
    case Outcome::kAborted:
      if (markers.found > 0) ++audit.unexplained;
      break;
    case Outcome::kPending:
      if (markers.found > 0 && markers.found < markers.expected) ++audit.half_applied;
      break;
  }
}

std::uint64_t count_strangers(const Contents& contents, const std::vector<Transfer>& transfers) {
  std::unordered_set<TransferId> known;
  for (const Transfer& transfer : transfers) known.insert(transfer.id);
  std::unordered_set<TransferId> strangers;
  for (const PartContents& part : contents) {
    for (const TransferId id : part.markers) {
      if (!known.contains(id)) strangers.insert(id);
    }
  }
  return strangers.size();
}

void check_balances(const Contents& contents, const std::vector<Amount>& expected, Audit& audit) {
  for (const Amount balance : expected) audit.sum_expected += balance;
  for (Part part = 0; part < contents.size(); ++part) {
    for (const auto& [account, balance] : contents[part].balances) {
      audit.sum_found += balance;
      const bool belongs = account < expected.size() && part_of(account, contents.size()) == part;
      if (!belongs) ++audit.wrong_balances;
    }
  }
  for (AccountId account = 0; account < expected.size(); ++account) {
    const auto& balances = contents[part_of(account, contents.size())].balances;
    const auto found = balances.find(account);
    if (found == balances.end() || found->second != expected[account]) ++audit.wrong_balances;
  }
}

}  // namespace

std::string account_key(AccountId account) { return fmt::format("{}{}", kAccountPrefix, account); }
std::string marker_key(TransferId transfer) { return fmt::format("{}{}", kMarkerPrefix, transfer); }
std::string format_balance(Amount balance) { return fmt::format("{}", balance); }
std::optional<Amount> parse_balance(std::string_view text) { return parse_number<Amount>(text); }

Status PartContents::add(std::string_view key, std::string_view value) {
  if (key.starts_with(kAccountPrefix)) {
    const auto account = parse_number<AccountId>(key.substr(kAccountPrefix.size()));
    const auto balance = parse_balance(value);
    if (account && balance) {
      balances[*account] = *balance;
      return Status::ok();
    }
  } else if (key.starts_with(kMarkerPrefix)) {
    const auto id = parse_number<TransferId>(key.substr(kMarkerPrefix.size()));
    if (id) {
      markers.insert(*id);
      return Status::ok();
    }
  }
  return Status(StatusCode::kCorrupt,
                fmt::format("expected an account or a transfer's marker, found key \"{}\", value "
                            "\"{}\"",
                            key, value));
}

Audit audit(const Contents& contents, AccountId accounts, const std::vector<Transfer>& transfers,
            const std::vector<Outcome>& outcomes) {
  assert(transfers.size() == outcomes.size());
  Audit audit;
  std::vector<Amount> expected(accounts, kOpeningBalance);
  for (std::size_t i = 0; i < transfers.size(); ++i) {
    const Transfer& transfer = transfers[i];
    const Markers markers = markers_of(contents, transfer);
    judge(markers, outcomes[i], audit);
    if (markers.found == markers.expected) {
      expected[transfer.from] -= transfer.amount;
      expected[transfer.to] += transfer.amount;
    }
  }
  audit.unexplained += count_strangers(contents, transfers);
  check_balances(contents, expected, audit);
  return audit;
}

}  // namespace cairn::examples::bank
