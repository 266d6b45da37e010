#include "bank/report.h"

#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace cairn::examples::bank {
namespace {

using Json = nlohmann::ordered_json;

std::string recovery_lines(const Report& report) {
  std::string text;
  auto out = std::back_inserter(text);
  for (std::size_t i = 0; i < report.recoveries.size(); ++i) {
    const Recovery& recovery = report.recoveries[i];
    if (!recovery.finished) {
      fmt::format_to(out, "  recovery {:>3}  killed before it was through\n", i + 1);
      continue;
    }
    fmt::format_to(out,
                   "  recovery {:>3}  {:>8.1f} ms  in doubt {:>3}: committed {}, rolled back {}; "
                   "told again {}\n",
                   i + 1, recovery.milliseconds, recovery.in_doubt(), recovery.committed,
                   recovery.aborted, recovery.redelivered);
  }
  return text;
}

std::string storage_lines(const StorageFacts& storage) {
  std::string text = fmt::format("  storage       {} on {}{}{}\n", storage.kind,
                                 storage.file_system, storage.direct ? ", direct" : "",
                                 storage.reason.empty() ? "" : " (" + storage.reason + ")");
  for (const std::string& weakness : storage.weaknesses) {
    text += fmt::format("  weaker here   {}\n", weakness);
  }
  return text;
}

Json recoveries_json(const Report& report) {
  Json list = Json::array();
  for (std::size_t i = 0; i < report.recoveries.size(); ++i) {
    const Recovery& recovery = report.recoveries[i];
    list.push_back({{"number", i + 1},
                    {"finished", recovery.finished},
                    {"ms", recovery.milliseconds},
                    {"in_doubt_found", recovery.in_doubt()},
                    {"in_doubt_committed", recovery.committed},
                    {"in_doubt_aborted", recovery.aborted},
                    {"redelivered", recovery.redelivered}});
  }
  return list;
}

}  // namespace

std::uint64_t Report::in_doubt_committed() const {
  std::uint64_t sum = 0;
  for (const Recovery& recovery : recoveries) sum += recovery.committed;
  return sum;
}

std::uint64_t Report::in_doubt_aborted() const {
  std::uint64_t sum = 0;
  for (const Recovery& recovery : recoveries) sum += recovery.aborted;
  return sum;
}

bool Report::is_success() const {
  return audit.is_clean() && duplicated() == 0 && pending == 0 &&
         committed + aborted == transfers && kills == kills_asked && prepared_left == 0;
}

std::string to_text(const Report& report) {
  std::string text;
  auto out = std::back_inserter(text);
  fmt::format_to(out, "\n{} transfers between {} accounts in {}, {} threads, {:.1f} s\n",
                 report.transfers, report.accounts, fmt::join(report.rms, " and "), report.threads,
                 report.seconds);
  fmt::format_to(out, "  committed     {} ({} found done after a kill)\n", report.committed,
                 report.already_there);
  fmt::format_to(out, "  aborted       {} (insufficient funds)\n", report.aborted);
  if (report.pending > 0) fmt::format_to(out, "  unfinished    {}\n", report.pending);
  fmt::format_to(out, "  conflicts     {} (tried again)\n", report.conflicts);
  fmt::format_to(
      out, "  kills         {} of {}{}\n", report.kills, report.kills_asked,
      report.server_kills == 0 ? "" : fmt::format(", {} of them of a server", report.server_kills));
  text += recovery_lines(report);
  fmt::format_to(out, "  in doubt      {} resolved: {} committed, {} rolled back\n",
                 report.in_doubt_committed() + report.in_doubt_aborted(),
                 report.in_doubt_committed(), report.in_doubt_aborted());
  const Audit& audit = report.audit;
  fmt::format_to(out, "  balances      sum {}, expected {}: {}\n", audit.sum_found,
                 audit.sum_expected, report.sum_unchanged() ? "unchanged" : "CHANGED");
  fmt::format_to(out, "  lost          {}\n  duplicated    {}\n", audit.lost, report.duplicated());
  fmt::format_to(out, "  half applied  {}\n  unexplained   {}\n", audit.half_applied,
                 audit.unexplained);
  fmt::format_to(out, "  left prepared {}\n", report.prepared_left);
  text += storage_lines(report.storage);
  fmt::format_to(out, "  log           {}\n", report.log);
  fmt::format_to(out, "{}\n",
                 report.is_success() ? "Every transfer is there exactly once."
                                     : "FAILED: see the counts above.");
  return text;
}

std::string to_json(const Report& report) {
  const Json json = {{"transfers", report.transfers},
                     {"accounts", report.accounts},
                     {"rms", report.rms},
                     {"threads", report.threads},
                     {"committed", report.committed},
                     {"already_there", report.already_there},
                     {"aborted", report.aborted},
                     {"pending", report.pending},
                     {"conflicts", report.conflicts},
                     {"kills", report.kills},
                     {"server_kills", report.server_kills},
                     {"prepared_left", report.prepared_left},
                     {"in_doubt_resolved", report.in_doubt_committed() + report.in_doubt_aborted()},
                     {"in_doubt_committed", report.in_doubt_committed()},
                     {"in_doubt_aborted", report.in_doubt_aborted()},
                     {"recoveries", recoveries_json(report)},
                     {"lost", report.audit.lost},
                     {"duplicated", report.duplicated()},
                     {"half_applied", report.audit.half_applied},
                     {"unexplained", report.audit.unexplained},
                     {"sum", report.audit.sum_found},
                     {"sum_expected", report.audit.sum_expected},
                     {"sum_unchanged", report.sum_unchanged()},
                     {"success", report.is_success()},
                     {"log", report.log},
                     {"storage",
                      {{"kind", report.storage.kind},
                       {"reason", report.storage.reason},
                       {"file_system", report.storage.file_system},
                       {"direct", report.storage.direct},
                       {"weaknesses", report.storage.weaknesses}}},
                     {"seconds", report.seconds}};
  return json.dump(2) + "\n";
}

}  // namespace cairn::examples::bank
