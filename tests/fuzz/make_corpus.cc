// Writes a first corpus, well-formed inputs of every target: make_corpus DIRECTORY. The fuzzers go on from there.
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <cairn/tm_record.h>

#include "format/base_slot.h"
#include "format/block.h"
#include "format/catalog_record.h"

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

void put_base_slots() {
  format::BaseSlot slot{};
  slot.container_size = std::uint64_t{1} << 20;
  slot.block_size = 64 * 1024;
  slot.alignment = 512;
  for (const std::uint64_t second : {1U, 3U}) {
    Bytes bytes(format::kBaseFileSize);
    slot.generation = 2;
    format::encode_base_slot(slot, std::span(bytes).first<format::kBaseSlotStride>());
    slot.generation = second;
    format::encode_base_slot(slot, std::span(bytes).last<format::kBaseSlotStride>());
    bytes.resize(format::kBaseSlotStride + sizeof slot);
    put("base_slot", "generations-2-" + std::to_string(second), bytes);
  }
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
      format::Mark{4096, 1}};
  for (const format::CatalogRecord& record : records) {
    const auto encoded = format::encode_catalog(record);
    Bytes bytes{static_cast<std::byte>(encoded.type), std::byte{0}};
    bytes.insert(bytes.end(), encoded.payload.begin(), encoded.payload.end());
    put("catalog_record", std::to_string(static_cast<int>(encoded.type)), bytes);
  }
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
  recovery::DecisionRecord decision;
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

// Edits of the golden log: nothing, a header's byte with checksums repaired, a slot's durable, zeros over a block.
void put_log_edits() {
  const auto edits = [](std::initializer_list<int> bytes) {
    Bytes out;
    for (const int byte : bytes) out.push_back(static_cast<std::byte>(byte));
    return out;
  };
  put("end_of_log", "untouched", edits({0}));
  put("end_of_log", "repaired", edits({1}));
  put("end_of_log", "record-count", edits({1, 1, 0x88, 0, 4, 9, 0, 0, 0}));
  put("end_of_log", "slot-durable", edits({1, 0, 8, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0}));
  put("end_of_log", "zeros", edits({0, 1, 0x80, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0}));
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
  cairn::fuzz::put_tm_records();
  cairn::fuzz::put_log_edits();
  return 0;
}
