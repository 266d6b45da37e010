// The engine's own records one behind the other, as recovery folds them; and the policies they
// carry.
//
// The input is a list of records, each: type (1 byte), length (1 byte), payload. Each lies 64 bytes
// behind the one before.
#include <algorithm>
#include <vector>

#include "catalog.h"
#include "format/catalog_record.h"
#include "fuzz/fuzz_target.h"

namespace cairn::fuzz {

namespace format = log::format;

namespace {

constexpr std::uint64_t kContainer = std::uint64_t{1} << 20;
constexpr std::uint32_t kMaxRecord = 65'000;
constexpr Lsn kFirstRecord(4096);

void check_pins(const log::Catalog& catalog) {
  Lsn oldest = Lsn::invalid();
  for (const auto& [id, entry] : catalog.entries()) oldest = std::min(oldest, entry.pin());
  const auto pin = catalog.oldest_pin();
  expect((pin ? pin->lsn : Lsn::invalid()) == oldest, "the index of pins knows the oldest");
}

// What a snapshot says is what it was made of.
void check_snapshot(const log::Catalog& catalog) {
  log::Catalog again;
  log::Record record;
  record.kind = log::RecordKind::kCatalog;
  record.lsn = Lsn(std::uint64_t{1} << 40);
  const Lsn begin = record.lsn;
  std::vector<format::CatalogRecord> records = catalog.snapshot();
  records.emplace_back(format::SnapshotEnd{begin});
  for (const format::CatalogRecord& next : records) {
    const auto encoded = format::encode_catalog(next);
    record.type = static_cast<std::uint16_t>(encoded.type);
    record.payload = encoded.payload;
    expect(again.apply(record).is_ok(), "a snapshot can be read");
    record.lsn = record.lsn + 64;
  }
  expect(again.finish_recovery().is_ok(), "a snapshot is whole");
  expect(again.policies() == catalog.policies() && again.archive_tail() == catalog.archive_tail(),
         "a snapshot holds policies and archive tail");
  expect(std::ranges::is_permutation(again.gaps(), catalog.gaps()), "a snapshot holds the gaps");
  expect(std::ranges::equal(again.entries(), catalog.entries(),
                            [](const auto& a, const auto& b) {
                              return a.first == b.first && a.second.name == b.second.name &&
                                     a.second.base == b.second.base &&
                                     a.second.last == b.second.last &&
                                     a.second.restart == b.second.restart;
                            }),
         "a snapshot holds the streams");
}

void check_policies(const log::Policies& policies) {
  const Status status = log::check_policies(policies, kContainer, kMaxRecord);
  if (!status.is_ok()) {
    return expect(status.message().starts_with("policy "), "a refusal names the policy");
  }
  expect(policies.max_size % kContainer == 0 && policies.min_size % kContainer == 0,
         "sizes are whole containers");
  expect(policies.max_size == 0 || policies.min_size <= policies.max_size,
         "the minimum is no more than the maximum");
  expect(policies.ahead >= 1 && policies.ahead <= 64 && policies.growth <= 64,
         "what is made ahead is bounded");
}

}  // namespace

void fuzz_catalog(Input input) {
  log::Catalog catalog;
  log::Record record;
  for (record.lsn = kFirstRecord; input.size() >= 2; record.lsn = record.lsn + 64) {
    const std::size_t length =
        std::min<std::size_t>(static_cast<std::size_t>(input[1]), input.size() - 2);
    // Beyond the engine's own types: a stream's record or restart area.
    const auto type = static_cast<unsigned>(input[0]);
    record.kind = type < 0xF0   ? log::RecordKind::kCatalog
                  : type < 0xF8 ? log::RecordKind::kData
                                : log::RecordKind::kRestart;
    record.type = static_cast<std::uint16_t>(type);
    record.stream = record.kind == log::RecordKind::kCatalog ? 0 : 1 + type % 4;
    record.payload = input.subspan(2, length);
    input = input.subspan(2 + length);
    if (const Status status = catalog.apply(record); !status.is_ok()) {
      return expect(status.detail().lsn_begin == record.lsn, "a refusal names the LSN");
    }
    check_pins(catalog);
  }
  if (const auto& policies = catalog.policies()) check_policies(*policies);
  if (const Status status = catalog.finish_recovery(); !status.is_ok()) {
    return expect(!status.message().empty(), "a refusal says why");
  }
  check_snapshot(catalog);
}

}  // namespace cairn::fuzz
