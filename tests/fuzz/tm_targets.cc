// The parsers of recovery/: a manager's records, its restart areas, and what a sequence of them
// adds up to.
#include <algorithm>
#include <string>
#include <variant>
#include <vector>

#include <cairn/recovered_state.h>
#include <cairn/tm_record.h>

#include "fuzz/fuzz_target.h"

namespace cairn::fuzz {

namespace {

// A record from the front of `input`: kind, type, two bytes of length, payload. Takes it off.
log::Record take_record(Input& input, Lsn lsn) {
  log::Record record;
  record.lsn = lsn;
  const auto next = [&] {
    if (input.empty()) return 0U;
    const auto byte = static_cast<unsigned>(input.front());
    input = input.subspan(1);
    return byte;
  };
  record.kind = next() % 4 == 0 ? log::RecordKind::kRestart : log::RecordKind::kData;
  record.type = static_cast<std::uint16_t>(next() % 4);
  const std::size_t low = next();
  const std::size_t asked = low | next() << 8;
  const std::size_t length = std::min(asked, input.size());
  record.payload = input.first(length);
  input = input.subspan(length);
  return record;
}

void check_round_trip(const log::Record& record, const recovery::TmRecord& decoded) {
  const std::vector<std::byte> encoded =
      std::visit([](const auto& one) { return recovery::encode(one); }, decoded);
  expect(std::ranges::equal(encoded, record.payload), "what is taken is written back as it was");
  expect(!recovery::describe(decoded).empty(), "each record can be described");
}

}  // namespace

void fuzz_tm_record(Input input) {
  const log::Record record = take_record(input, Lsn(1 << 20));
  expect(!recovery::describe(record).empty(), "bytes of any kind can be described");
  const auto decoded = recovery::decode(record);
  if (decoded) return check_round_trip(record, *decoded);
  expect(decoded.status().detail().lsn_begin == record.lsn, "a refusal names the LSN");
}

void fuzz_tm_restart(Input input) {
  log::RestartArea area{Lsn(1 << 20), Lsn(8192), {input.begin(), input.end()}};
  auto fold = recovery::Fold::begin(area);
  if (!fold) return;
  expect(recovery::is_restart_record(area.data), "what a fold begins with is a restart area");
  log::Record record;
  record.lsn = area.lsn;
  record.kind = log::RecordKind::kRestart;
  record.payload = area.data;
  const auto decoded = recovery::decode(record);
  expect(decoded.is_ok(), "what a fold begins with can be decoded");
  check_round_trip(record, *decoded);
}

void fuzz_tm_fold(Input input) {
  recovery::RestartRecord first;
  first.transaction_manager = *Uuid::parse("6f2c1c6e-8d5b-4f0a-9a53-3f1c8e0c7d11");
  first.clock = 1;
  auto fold = recovery::Fold::begin({Lsn(4096), Lsn(4096), recovery::encode(first)});
  expect(fold.is_ok(), "a sound restart area begins a fold");
  std::uint64_t added = 0;
  for (Lsn lsn(8192); !input.empty(); lsn = lsn + 4096) {
    const log::Record record = take_record(input, lsn);
    if (const Status status = fold->add(record); !status) {
      return expect(status.detail().lsn_begin == lsn, "a refusal names the LSN");
    }
    ++added;
  }
  const recovery::RecoveredState state = std::move(*fold).finish();
  expect(state.records == added && state.transactions.size() <= added,
         "a fold counts what it was given");
}

}  // namespace cairn::fuzz
