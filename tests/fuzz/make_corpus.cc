// Writes a first corpus, well-formed inputs of every target: make_corpus DIRECTORY. The fuzzers go
// on from there.
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <cairn/tm_record.h>

#include "archive/manifest.h"
#include "format/base_slot.h"
#include "format/block.h"
#include "format/catalog_record.h"
#include "read/read_source.h"

namespace cairn::fuzz {
namespace {

namespace format = log::format;
using Bytes = std::vector<std::byte>;

std::filesystem::path directory;

void put(const std::string& target, const std::string& name, const Bytes& bytes) {
  std::filesystem::create_directories(directory / target);
  std::ofstream out(directory / target / name, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
}

void put_blocks() {
  const format::ContainerIdentity identity{Uuid{}, 77};
  const Lsn lsn((std::uint64_t{3} << 20) + 4096);
  for (const std::uint32_t records : {0U, 1U, 3U}) {
    Bytes block(4096);
    std::uint32_t used = sizeof(format::BlockHeader);
    for (std::uint32_t i = 0; i < records; ++i) {
      const Bytes payload(i * 70 + 8, std::byte{7});
      const auto size = static_cast<std::uint32_t>(format::record_size(payload.size()));
      const std::array<std::span<const std::byte>, 1> pieces{payload};
      format::RecordFields fields;
      fields.stream = i;
      fields.kind = i == 0 ? log::RecordKind::kRestart : log::RecordKind::kData;
      format::encode_record(std::span(block).subspan(used, size), fields, pieces, used,
                            format::record_seed(format::container_seed(identity), lsn + used));
      used += size;
    }
    format::BlockFields fields;
    fields.lsn = lsn;
    fields.record_count = records;
    block.resize(format::seal_block(block, used, 512, fields, identity));
    put("block", std::to_string(records) + "-records", block);
  }
}

log::Calibration some_calibration() {
  log::Calibration made;
  made.durable_writes = log::DurableWrites::kPerPrefix;
  made.depth = 8;
  made.taken = std::chrono::system_clock::time_point(std::chrono::hours(24));
  made.storage = "uring";
  made.file_system = "ext4";
  made.device = 0x801;
  made.rounds = 5;
  made.block = 512;
  made.large_block = 64 * 1024;
  made.ways = {{log::DurableWrites::kPerWrite, 1, 7000, std::chrono::microseconds(130), 1'000'000},
               {log::DurableWrites::kPerPrefix, 8, 9000, std::chrono::microseconds(400), 0}};
  return made;
}

void put_base_slots() {
  format::BaseSlot slot{};
  slot.container_size = std::uint64_t{1} << 20;
  slot.block_size = 64 * 1024;
  slot.alignment = 512;
  for (const std::uint64_t second : {1U, 3U}) {
    Bytes bytes(format::kBaseFileSize);
    slot.generation = 2;
    format::encode_base_slot(slot, std::nullopt, std::span(bytes).first<format::kBaseSlotStride>());
    slot.generation = second;
    format::encode_base_slot(slot, std::nullopt, std::span(bytes).last<format::kBaseSlotStride>());
    bytes.resize(format::kBaseSlotStride + sizeof slot);
    put("base_slot", "generations-2-" + std::to_string(second), bytes);
  }
  Bytes bytes(format::kBaseSlotStride);
  slot.generation = 1;
  format::encode_base_slot(slot, some_calibration(),
                           std::span(bytes).first<format::kBaseSlotStride>());
  bytes.resize(format::kCalibrationOffset + sizeof(format::CalibrationBytes));
  put("base_slot", "calibrated", bytes);
}

format::PolicyRecord some_policies() {
  format::PolicyRecord policies{};
  policies.max_size = std::uint64_t{8} << 20;
  policies.min_size = std::uint64_t{2} << 20;
  policies.growth = 1;
  policies.ahead = 2;
  policies.spare_max = 4;
  policies.restart_area = 1024;
  return policies;
}

void put_catalog_records() {
  const std::vector<format::CatalogRecord> records{
      format::ContainerHeader{},
      format::StreamCreated{3, "orders"},
      format::StreamDeleted{4},
      format::BaseAdvanced{5, Lsn(800)},
      format::SnapshotBegin{9},
      format::SnapshotStreams{{{1, Lsn(8), Lsn(16), Lsn(24), Lsn(32), "a"}}},
      format::SnapshotGaps{{{Lsn(8), Lsn(16)}}},
      format::SnapshotEnd{Lsn(4192)},
      format::Mark{4096, 1},
      some_policies(),
      format::ArchiveTail{Lsn(800), Lsn(96)},
      format::Truncation{Lsn(800), Lsn(4096)}};
  for (const format::CatalogRecord& record : records) {
    const auto encoded = format::encode_catalog(record);
    Bytes bytes{static_cast<std::byte>(encoded.type), std::byte{0}};
    bytes.insert(bytes.end(), encoded.payload.begin(), encoded.payload.end());
    put("catalog_record", std::to_string(static_cast<int>(encoded.type)), bytes);
  }
}

// What a scan folds: a snapshot and changes behind it; and a snapshot with a truncation behind
// that.
void put_catalogs() {
  Bytes bytes;
  std::uint64_t lsn = 4096;
  const auto add = [&](const format::CatalogRecord& record) {
    const auto encoded = format::encode_catalog(record);
    bytes.push_back(static_cast<std::byte>(encoded.type));
    bytes.push_back(static_cast<std::byte>(encoded.payload.size()));
    bytes.insert(bytes.end(), encoded.payload.begin(), encoded.payload.end());
    lsn += 64;
  };
  const auto add_record = [&](unsigned type) {
    bytes.insert(bytes.end(), {static_cast<std::byte>(type), std::byte{1}, std::byte{7}});
    lsn += 64;
  };
  add(format::SnapshotBegin{3});
  add(some_policies());
  add(format::ArchiveTail{Lsn(800), Lsn(96)});
  add(format::SnapshotStreams{{{1, Lsn(8), Lsn(16), Lsn(24), Lsn(32), "a"}}});
  add(format::SnapshotGaps{{{Lsn(8), Lsn(16)}}});
  add(format::StreamCreated{2, "b"});
  add_record(0xF0);
  add_record(0xF8);
  add(format::SnapshotEnd{Lsn(4096)});
  put("catalog", "snapshot", bytes);
  add(format::BaseAdvanced{1, Lsn(lsn)});
  add(format::StreamDeleted{2});
  add(format::ArchiveTail{Lsn(1600), Lsn()});
  put("catalog", "changes", bytes);
  const Lsn begin(lsn);
  add(format::SnapshotBegin{3});
  add(format::Truncation{Lsn(4200), begin});
  add(format::SnapshotStreams{{{1, Lsn(8), Lsn(16), Lsn(24), Lsn(), "a"}}});
  add(format::SnapshotGaps{{{Lsn(4200), begin}}});
  add(format::SnapshotEnd{begin});
  put("catalog", "truncation", bytes);
}

void put_manifests() {
  log::Manifest manifest;
  manifest.generation = 3;
  manifest.metadata.container_size = std::uint64_t{1} << 20;
  manifest.metadata.block_size = 64 * 1024;
  manifest.metadata.alignment = 512;
  put("manifest", "empty", log::encode_manifest(manifest));
  log::ArchiveExtent extent;
  extent.end = Lsn(8192);
  extent.next = extent.end;
  extent.last_block = Lsn(4096);
  manifest.extents.push_back(extent);
  extent.begin = extent.end;
  extent.next = extent.end = Lsn(std::uint64_t{1} << 20);
  extent.sealed = true;
  manifest.extents.push_back(extent);
  manifest.complete = 1;
  manifest.metadata.tail = Lsn(4096);
  Bytes bytes = log::encode_manifest(manifest);
  put("manifest", "two-extents", bytes);
  bytes[sizeof(log::ManifestHeader) + 2 * sizeof(log::ManifestExtent) - 4] = std::byte{2};
  put("manifest", "sealed-is-2", bytes);
  bytes = log::encode_manifest(manifest);
  bytes.back() = std::byte{1};
  put("manifest", "not-zero-behind-the-extents", bytes);
}

void put_texts() {
  const auto put_text = [](const std::string& target, const std::string& name,
                           std::string_view text) {
    const auto* from = reinterpret_cast<const std::byte*>(text.data());
    put(target, name, Bytes(from, from + text.size()));
  };
  constexpr char kId[] = "6f2c1c6e-8d5b-4f0a-9a53-3f1c8e0c7d11";
  const std::string id = kId;
  put_text("names", "container", log::container_file_name(0x1f));
  put_text("names", "manifest", "manifest-000000000000001f.cairn");
  put_text("names", "identity", id);
  put_text("names", "branch", "cairn:1:" + id + ":" + id + ":" + id);
  put_text("bank_csv", "two-rows", "id,from,to,amount\n1,0,1,100\n2,999999,3,1000000000\n");
  put_text("bank_csv", "no-rows", "id,from,to,amount\r\n");
  put_text("bank_message", "ready",
           R"({"kind":"ready","ms":5,"committed":1,"aborted":2,"redelivered":3})");
  put_text("bank_message", "done",
           R"({"kind":"done","id":7,"verdict":"already there","conflicts":1})");
  put_text("bank_message", "failed", R"({"kind":"failed","text":"no space \u00e4"})");
  put_text("bank_entry", "account", "account/12=-500");
  put_text("bank_entry", "marker", "transfer/18446744073709551615=");
  std::string record(48, '\1');
  record += std::string("\3\0\0\0\2\0\0\0keyva", 13);
  put_text("kv_record", "written", record);
  record += std::string("\1\0\0\0\xff\xff\xff\xffk", 9);
  put_text("kv_record", "written-and-erased", record);
}

Bytes framed(unsigned kind, unsigned type, const Bytes& payload) {
  Bytes bytes{static_cast<std::byte>(kind), static_cast<std::byte>(type),
              static_cast<std::byte>(payload.size()), static_cast<std::byte>(payload.size() >> 8)};
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return bytes;
}

void put_tm_records() {
  const Uuid id = *Uuid::parse("6f2c1c6e-8d5b-4f0a-9a53-3f1c8e0c7d11");
  const Uuid other = *Uuid::parse("0a2c1c6e-8d5b-4f0a-9a53-3f1c8e0c7d12");
  recovery::TransactionRecord decision;
  decision.transaction = id;
  decision.clock = 2;
  decision.description = "a transfer";
  decision.enlistments = {{id, other, {}}, {other, id, Bytes(20, std::byte{1})}};
  const Bytes decided = recovery::encode(decision);
  const Bytes forgotten = recovery::encode(recovery::ForgetRecord{id, 3, Lsn(8192)});
  const Bytes restart = recovery::encode(recovery::RestartRecord{id, 3, 1});
  put("tm_record", "decision", framed(1, 1, decided));
  put("tm_record", "forget", framed(1, 2, forgotten));
  put("tm_record", "restart", framed(0, 0, restart));
  put("tm_restart", "restart", restart);
  Bytes fold = framed(1, 1, decided);
  for (const Bytes& next : {framed(0, 0, restart), framed(1, 2, forgotten)}) {
    fold.insert(fold.end(), next.begin(), next.end());
  }
  put("tm_fold", "decision-restart-forget", fold);
}

// Edits of the golden log and of its archive: nothing, a header's byte with checksums repaired, a
// field of the first file (a slot's durable, an extent's end), zeros over a block.
void put_log_edits() {
  const auto edits = [](std::initializer_list<int> bytes) {
    Bytes out;
    for (const int byte : bytes) out.push_back(static_cast<std::byte>(byte));
    return out;
  };
  for (const std::string target : {"end_of_log", "rebuild", "restore"}) {
    put(target, "untouched", edits({0}));
    put(target, "repaired", edits({1}));
    put(target, "record-count", edits({1, 1, 0x88, 0, 4, 9, 0, 0, 0}));
    put(target, "zeros", edits({0, 1, 0x80, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0}));
  }
  put("end_of_log", "slot-durable", edits({1, 0, 8, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0}));
  put("restore", "extent-end", edits({1, 0, 13, 0, 8, 0, 2, 0, 0, 0, 0, 0, 0}));
}

}  // namespace
}  // namespace cairn::fuzz

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "Usage: %s DIRECTORY\n", argv[0]);
    return 2;
  }
  cairn::fuzz::directory = argv[1];
  cairn::fuzz::put_blocks();
  cairn::fuzz::put_base_slots();
  cairn::fuzz::put_catalog_records();
  cairn::fuzz::put_catalogs();
  cairn::fuzz::put_manifests();
  cairn::fuzz::put_texts();
  cairn::fuzz::put_tm_records();
  cairn::fuzz::put_log_edits();
  return 0;
}
