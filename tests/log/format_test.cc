// The bytes of blocks, base slots and catalog records: what is written is read back, and no other
// bytes are taken for it.
#include <array>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#define XXH_INLINE_ALL
#include <gtest/gtest.h>
#include <xxhash.h>

#include "format/base_slot.h"
#include "format/block.h"
#include "format/catalog_record.h"

namespace cairn::log::format {
namespace {

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto* from = reinterpret_cast<const std::byte*>(text.data());
  return {from, from + text.size()};
}

// A block with three records at a place in the middle of a log.
class Block : public testing::Test {
 protected:
  Block() {
    geometry_.log_id = Uuid::generate();
    identity_ = {geometry_.log_id, 77};
    std::uint32_t used = sizeof(BlockHeader);
    for (const std::string& text : {std::string("first"), std::string(), std::string(300, 'x')}) {
      used = put(used, bytes_of(text));
    }
    BlockFields fields;
    fields.lsn = lsn_;
    fields.previous_block = Lsn(4096);
    fields.watermark = Lsn(8192);
    fields.epoch = 3;
    fields.record_count = 3;
    fields.window = 65536;
    block_.resize(seal_block(block_, used, geometry_.alignment, fields, identity_));
    used_ = used;
  }

  std::uint32_t put(std::uint32_t at, const std::vector<std::byte>& payload) {
    const auto size = static_cast<std::uint32_t>(record_size(payload.size()));
    const std::array<std::span<const std::byte>, 1> pieces{payload};
    RecordFields fields;
    fields.stream = 5;
    fields.type = 9;
    fields.previous = Lsn(4192);
    encode_record(std::span(block_).subspan(at, size), fields, pieces, at,
                  record_seed(container_seed(identity_), lsn_ + at));
    return at + size;
  }

  // The first record as it would be at `lsn` in a container of `incarnation`, in the place of the
  // block's own first record.
  void splice_first_record(Lsn lsn, std::uint64_t incarnation) {
    const ContainerIdentity identity{geometry_.log_id, incarnation};
    const std::array<std::span<const std::byte>, 1> pieces{first_};
    RecordFields fields;
    fields.stream = 5;
    fields.type = 9;
    fields.previous = Lsn(4192);
    encode_record(std::span(block_).subspan(sizeof(BlockHeader), record_size(first_.size())),
                  fields, pieces, sizeof(BlockHeader),
                  record_seed(container_seed(identity), lsn + sizeof(BlockHeader)));
  }

  [[nodiscard]] std::optional<BlockFault> check(std::span<const std::byte> bytes, Lsn lsn) const {
    BlockHeader header;
    return check_block(bytes, lsn, geometry_, &identity_, &header);
  }

  std::vector<std::byte> first_ = bytes_of("first");
  LogGeometry geometry_{Uuid{}, std::uint64_t{1} << 20, 64 * 1024, 512};
  ContainerIdentity identity_;
  Lsn lsn_{(std::uint64_t{3} << 20) + 4096};
  std::vector<std::byte> block_ = std::vector<std::byte>(4096);
  std::uint32_t used_ = 0;
};

TEST_F(Block, IsValidWhereItWasWritten) {
  EXPECT_FALSE(check(block_, lsn_));
  EXPECT_EQ(block_.size() % geometry_.alignment, 0U);
}

TEST_F(Block, YieldsItsRecords) {
  std::uint32_t offset = sizeof(BlockHeader);
  const RecordView first = record_at(block_, offset);
  EXPECT_EQ(std::vector(first.payload.begin(), first.payload.end()), bytes_of("first"));
  EXPECT_EQ(first.header.stream, 5U);
  EXPECT_EQ(first.header.type, 9U);
  EXPECT_EQ(first.header.previous, 4192U);
  const RecordView second = record_at(block_, first.next_offset);
  EXPECT_TRUE(second.payload.empty());
  EXPECT_EQ(record_at(block_, second.next_offset).next_offset, used_);
}

TEST_F(Block, IsInvalidAtEveryOtherPlace) {
  for (const std::uint64_t distance : {512U, 4096U, 1U << 20}) {
    EXPECT_TRUE(check(block_, lsn_ + distance)) << distance;
  }
}

TEST_F(Block, OfAnotherLogIsInvalid) {
  geometry_.log_id = Uuid::generate();
  EXPECT_TRUE(check(block_, lsn_));
}

TEST_F(Block, OfAnotherIncarnationIsInvalid) {
  identity_.incarnation = 78;
  EXPECT_TRUE(check(block_, lsn_));
}

// A sector that was written elsewhere, or in the file's former life, does not pass as a part of
// this block.
TEST_F(Block, WithARecordOfAnotherPlaceIsInvalid) {
  splice_first_record(lsn_, identity_.incarnation);
  ASSERT_FALSE(check(block_, lsn_)) << "its own record passes";
  for (const std::uint64_t distance : {8U, 512U, 4096U, 1U << 20}) {
    splice_first_record(lsn_ + distance, identity_.incarnation);
    EXPECT_TRUE(check(block_, lsn_)) << distance;
  }
}

TEST_F(Block, WithARecordOfAnotherIncarnationIsInvalid) {
  splice_first_record(lsn_, identity_.incarnation + 1);
  EXPECT_TRUE(check(block_, lsn_));
}

TEST_F(Block, WithAnyFlippedBitIsInvalid) {
  for (std::size_t bit = 0; bit < block_.size() * 8; ++bit) {
    std::vector<std::byte> damaged = block_;
    damaged[bit / 8] ^= std::byte{1} << (bit % 8);
    ASSERT_TRUE(check(damaged, lsn_)) << "bit " << bit;
  }
}

// A scan goes where an epoch block says: only forward, and only to where a block can begin.
TEST_F(Block, OfAnEpochLeadsForwardToWhereABlockCanBegin) {
  const std::uint64_t size = geometry_.container_size;
  const Lsn behind = lsn_ + geometry_.alignment;
  const Lsn next_container((lsn_.container(size) + 1) * size);
  const auto leads_to = [&](Lsn to) {
    BlockFields fields;
    fields.kind = BlockKind::kEpoch;
    fields.lsn = lsn_;
    fields.continue_lsn = to;
    fields.epoch = 4;
    std::vector<std::byte> block(geometry_.alignment);
    seal_block(block, sizeof(BlockHeader), geometry_.alignment, fields, identity_);
    return !check(block, lsn_).has_value();
  };
  EXPECT_TRUE(leads_to(behind));
  EXPECT_TRUE(leads_to(next_container + geometry_.alignment));
  EXPECT_FALSE(leads_to(Lsn()));
  EXPECT_FALSE(leads_to(lsn_)) << "a scan would never end";
  EXPECT_FALSE(leads_to(Lsn(geometry_.alignment)));
  EXPECT_FALSE(leads_to(behind + 8));
  EXPECT_FALSE(leads_to(next_container)) << "that is the container's header";
  EXPECT_FALSE(leads_to(next_container + size + geometry_.alignment));
  EXPECT_FALSE(leads_to(Lsn::invalid()));
}

TEST_F(Block, ThatIsNoContainerHeaderHasNoPlaceAtAContainersBegin) {
  BlockFields fields;
  fields.lsn = Lsn(geometry_.container_size);
  std::vector<std::byte> block(geometry_.alignment);
  seal_block(block, sizeof(BlockHeader), geometry_.alignment, fields, identity_);
  EXPECT_TRUE(check(block, fields.lsn));
  fields.kind = BlockKind::kContainerHeader;
  seal_block(block, sizeof(BlockHeader), geometry_.alignment, fields, identity_);
  EXPECT_FALSE(check(block, fields.lsn));
}

TEST_F(Block, CutAtAnyByteIsInvalid) {
  for (std::size_t length = 0; length < block_.size(); ++length) {
    ASSERT_TRUE(check(std::span(block_).first(length), lsn_)) << length;
  }
}

TEST_F(Block, WithoutItsLastSectorIsInvalidHoweverLittleWasUsed) {
  std::fill(block_.end() - 256, block_.end(), std::byte{0});
  EXPECT_TRUE(check(block_, lsn_));
}

TEST_F(Block, NamesTheRecordThatIsDamaged) {
  const RecordView first = record_at(block_, sizeof(BlockHeader));
  const RecordView second = record_at(block_, first.next_offset);
  block_[second.next_offset + sizeof(RecordHeader) + 10] ^= std::byte{1};
  const auto fault = check(block_, lsn_);
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->lsn, lsn_ + second.next_offset);
  EXPECT_TRUE(fault->header_valid);
}

TEST_F(Block, OfALongRecordInPiecesEqualsOneOfTheWholeRecord) {
  // The gather path hashes in steps; the result must not depend on where the pieces end.
  const std::vector<std::byte> payload = bytes_of(std::string(50'000, 'q'));
  std::vector<std::byte> whole(record_size(payload.size()));
  std::vector<std::byte> gathered(whole.size());
  const std::span<const std::byte> all(payload);
  const std::array<std::span<const std::byte>, 1> one{all};
  const std::array<std::span<const std::byte>, 4> four{all.first(1), all.subspan(1, 20'000),
                                                       all.subspan(20'001, 0), all.subspan(20'001)};
  encode_record(whole, {}, one, 96, 42);
  encode_record(gathered, {}, four, 96, 42);
  EXPECT_EQ(whole, gathered);
}

// --- base slots ---

BaseSlot slot_of_generation(std::uint64_t generation) {
  BaseSlot slot{};
  slot.generation = generation;
  slot.container_size = std::uint64_t{1} << 20;
  slot.block_size = 64 * 1024;
  slot.alignment = 4096;
  return slot;
}

std::vector<std::byte> base_file(std::uint64_t first, std::uint64_t second) {
  std::vector<std::byte> bytes(kBaseFileSize);
  encode_base_slot(slot_of_generation(first), std::nullopt,
                   std::span(bytes).first<kBaseSlotStride>());
  encode_base_slot(slot_of_generation(second), std::nullopt,
                   std::span(bytes).last<kBaseSlotStride>());
  return bytes;
}

TEST(BaseSlots, TheHigherGenerationWins) {
  EXPECT_EQ(choose_base_slot(base_file(4, 5), "base")->slot.generation, 5U);
  EXPECT_EQ(choose_base_slot(base_file(6, 5), "base")->slot.generation, 6U);
}

TEST(BaseSlots, ADamagedOneLosesToTheOther) {
  for (std::size_t bit = 0; bit < sizeof(BaseSlot) * 8; ++bit) {
    std::vector<std::byte> bytes = base_file(4, 5);
    bytes[kBaseSlotStride + bit / 8] ^= std::byte{1} << (bit % 8);
    const auto choice = choose_base_slot(bytes, "base");
    ASSERT_TRUE(choice.is_ok()) << bit;
    ASSERT_EQ(choice->slot.generation, 4U) << bit;
    ASSERT_FALSE(choice->other_valid) << bit;
  }
}

Calibration some_calibration() {
  Calibration made;
  made.durable_writes = DurableWrites::kPerPrefix;
  made.depth = 8;
  made.taken = std::chrono::system_clock::time_point(std::chrono::hours(24));
  made.storage = "a storage of a longer name";
  made.file_system = "ext4";
  made.device = 0x801;
  made.rounds = 5;
  made.block = 512;
  made.large_block = 64 * 1024;
  made.ways = {{DurableWrites::kPerWrite, 16, 7000, std::chrono::microseconds(130), 0},
               {DurableWrites::kPerPrefix, 1, 9000, std::chrono::microseconds(400), 1'000'000}};
  return made;
}

using RawCalibration = std::array<std::byte, sizeof(CalibrationBytes)>;

RawCalibration encoded(const Calibration& calibration) {
  RawCalibration raw;
  encode_calibration(calibration, raw);
  return raw;
}

TEST(CalibrationOnDisk, IsReadBackAsItWasWritten) {
  const FoundCalibration found = decode_calibration(encoded(some_calibration()));
  ASSERT_TRUE(found.calibration) << found.fault;
  EXPECT_EQ(found.calibration->storage, "a storage of a l");
  EXPECT_EQ(found.calibration->ways.size(), 2U);
  EXPECT_EQ(found.calibration->ways[1].large_kib_per_second, 1'000'000U);
  EXPECT_EQ(encoded(*found.calibration), encoded(some_calibration()));
}

TEST(CalibrationOnDisk, ZerosOrNothingAreNone) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, sizeof(CalibrationBytes)}) {
    const FoundCalibration found = decode_calibration(std::vector<std::byte>(size));
    EXPECT_FALSE(found.calibration);
    EXPECT_EQ(found.fault, "");
  }
}

TEST(CalibrationOnDisk, CutShortAtEveryByteOrWithAnyFlippedBitIsNotTaken) {
  RawCalibration raw = encoded(some_calibration());
  for (std::size_t size = 1; size < raw.size(); ++size) {
    const FoundCalibration found = decode_calibration(std::span(raw).first(size));
    EXPECT_FALSE(found.calibration);
    EXPECT_NE(found.fault, "");
  }
  for (std::size_t bit = 0; bit < raw.size() * 8; ++bit) {
    raw[bit / 8] ^= std::byte{1} << (bit % 8);
    const FoundCalibration found = decode_calibration(raw);
    EXPECT_FALSE(found.calibration) << bit;
    EXPECT_NE(found.fault, "") << bit;
    raw[bit / 8] ^= std::byte{1} << (bit % 8);
  }
}

TEST(CalibrationOnDisk, WithAFieldThatNoneCanHaveIsNotTakenThoughItsChecksumHolds) {
  const auto with = [](const std::function<void(CalibrationBytes&)>& change) {
    RawCalibration raw = encoded(some_calibration());
    CalibrationBytes bytes;
    std::memcpy(&bytes, raw.data(), sizeof bytes);
    change(bytes);
    bytes.checksum = XXH3_64bits(&bytes, offsetof(CalibrationBytes, checksum));
    std::memcpy(raw.data(), &bytes, sizeof bytes);
    return decode_calibration(raw);
  };
  ASSERT_TRUE(with([](CalibrationBytes&) {}).calibration);
  const std::function<void(CalibrationBytes&)> changes[] = {
      [](CalibrationBytes& b) { b.version = 2; },
      [](CalibrationBytes& b) { b.durable_writes = 0; },
      [](CalibrationBytes& b) { b.durable_writes = 3; },
      [](CalibrationBytes& b) { b.direct = 2; },
      [](CalibrationBytes& b) { b.taken = -1; },
      [](CalibrationBytes& b) { b.taken = std::numeric_limits<std::int64_t>::max(); },
      [](CalibrationBytes& b) { b.depth = 0; },
      [](CalibrationBytes& b) { b.depth = 33; },
      [](CalibrationBytes& b) { b.zero = 1; },
      [](CalibrationBytes& b) { b.file_system[9] = 'x'; },
      [](CalibrationBytes& b) { b.ways[0].latency_ns = 1; },
      [](CalibrationBytes& b) { b.ways[9].large_kib_per_second = 1; }};
  for (const auto& change : changes) {
    const FoundCalibration found = with(change);
    EXPECT_FALSE(found.calibration) << &change - changes;
    EXPECT_NE(found.fault, "") << &change - changes;
  }
}

TEST(CalibrationOnDisk, OfTheOtherSlotServesWhereThatOfTheChosenOneIsDamaged) {
  std::vector<std::byte> bytes(kBaseFileSize);
  for (const std::uint32_t slot : {0U, 1U}) {
    Calibration calibration = some_calibration();
    calibration.depth = 10 + slot;
    encode_base_slot(slot_of_generation(5 + slot), calibration,
                     std::span(bytes).subspan(slot * kBaseSlotStride).first<kBaseSlotStride>());
  }
  EXPECT_EQ(choose_base_slot(bytes, "base")->calibration->depth, 11U);
  bytes[kBaseSlotStride + kCalibrationOffset + 60] ^= std::byte{1};
  const auto choice = choose_base_slot(bytes, "base");
  EXPECT_EQ(choice->slot.generation, 6U);
  EXPECT_EQ(choice->calibration->depth, 10U);
  EXPECT_EQ(choice->calibration_fault.rfind("slot 1: calibration: expected checksum ", 0), 0U);
  bytes[40] ^= std::byte{1};  // now that slot is not valid
  EXPECT_FALSE(choose_base_slot(bytes, "base")->calibration);
}

TEST(BaseSlots, BothDamagedIsAnErrorOfItsOwn) {
  std::vector<std::byte> bytes = base_file(4, 5);
  bytes[40] ^= std::byte{1};
  bytes[kBaseSlotStride + 40] ^= std::byte{1};
  EXPECT_EQ(choose_base_slot(bytes, "base").code(), StatusCode::kBaseLogDamaged);
}

TEST(BaseSlots, AForeignFileIsNotALog) {
  const std::vector<std::byte> bytes(kBaseFileSize, std::byte{'z'});
  EXPECT_EQ(choose_base_slot(bytes, "base").code(), StatusCode::kNotALog);
}

TEST(BaseSlots, ANewerVersionIsNamedWithBothNumbers) {
  // Of a layout that nobody knows here, its checksum included.
  std::vector<std::byte> bytes = base_file(4, 5);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i % kBaseSlotStride >= 8) bytes[i] = static_cast<std::byte>(i * 7);
  }
  bytes[4] = std::byte{8};
  bytes[kBaseSlotStride + 4] = std::byte{9};
  const auto choice = choose_base_slot(bytes, "base");
  EXPECT_EQ(choice.code(), StatusCode::kNewerVersion);
  EXPECT_NE(choice.status().message().find("version 9"), std::string::npos);
}

TEST(BaseSlots, OneThatSaysANewerVersionLosesToAWholeOneOfAKnownVersion) {
  std::vector<std::byte> bytes = base_file(4, 5);
  bytes[kBaseSlotStride + 4] = std::byte{9};
  const auto choice = choose_base_slot(bytes, "base");
  ASSERT_TRUE(choice.is_ok()) << choice.status().to_string();
  EXPECT_EQ(choice->slot.generation, 4U);
  EXPECT_FALSE(choice->other_valid);
}

// As a crash leaves the base log of a newer log, and as damage may leave one of this version.
TEST(BaseSlots, OneThatSaysANewerVersionIsBelievedWhereNoneIsWhole) {
  for (const std::size_t damaged : {std::size_t{0}, std::size_t{40}}) {
    std::vector<std::byte> bytes = base_file(4, 5);
    bytes[damaged] ^= std::byte{1};
    bytes[kBaseSlotStride + 4] = std::byte{9};
    EXPECT_EQ(choose_base_slot(bytes, "base").code(), StatusCode::kNewerVersion);
  }
}

// `bytes` with the first slot as version 1 wrote it.
std::vector<std::byte> with_slot_of_version(std::vector<std::byte> bytes, std::uint16_t version) {
  BaseSlot slot;
  std::memcpy(&slot, bytes.data(), sizeof slot);
  slot.version = version;
  slot.checksum = XXH3_64bits(&slot, offsetof(BaseSlot, checksum));
  std::memcpy(bytes.data(), &slot, sizeof slot);
  return bytes;
}

TEST(BaseSlots, OfVersion1AreReadAndOfVersion0AreNot) {
  const auto choice = choose_base_slot(with_slot_of_version(base_file(6, 5), 1), "base");
  ASSERT_TRUE(choice.is_ok());
  EXPECT_EQ(choice->slot.generation, 6U);
  EXPECT_EQ(choice->slot.version, 1U);
  EXPECT_EQ(choose_base_slot(with_slot_of_version(base_file(6, 5), 0), "base")->slot.generation,
            5U);
}

TEST(BaseSlots, CutShortIsDamageUntilNoSlotIsWhole) {
  const std::vector<std::byte> bytes = base_file(4, 5);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const auto choice = choose_base_slot(std::span(bytes).first(length), "base");
    ASSERT_EQ(choice.is_ok(), length >= sizeof(BaseSlot)) << length;
  }
}

// --- catalog records ---

std::vector<CatalogRecord> one_of_each() {
  return {ContainerHeader{},
          StreamCreated{3, "orders"},
          StreamDeleted{4},
          BaseAdvanced{5, Lsn(800)},
          SnapshotBegin{9},
          SnapshotStreams{{{1, Lsn(8), Lsn(16), Lsn(24), Lsn(32), "a"},
                           {2, Lsn(8), Lsn(), Lsn(), Lsn(), std::string(255, 'n')}}},
          SnapshotGaps{{{Lsn(8), Lsn(16)}}},
          SnapshotEnd{Lsn(4192)},
          Mark{4096, 1},
          PolicyRecord{4136, 8 << 20, 4 << 20, 1, 2, 3, 4, 5, 6}};
}

TEST(CatalogRecords, AreReadBackAsWritten) {
  for (const CatalogRecord& record : one_of_each()) {
    const auto encoded = encode_catalog(record);
    const auto decoded =
        decode_catalog(static_cast<std::uint16_t>(encoded.type), encoded.payload, Lsn(96));
    ASSERT_TRUE(decoded.is_ok()) << describe(record);
    EXPECT_EQ(decoded->index(), record.index());
    EXPECT_EQ(describe(*decoded), describe(record));
    EXPECT_EQ(encode_catalog(*decoded).payload, encoded.payload);
  }
}

TEST(CatalogRecords, CutAnywhereAreAnErrorOrAShorterList) {
  for (const CatalogRecord& record : one_of_each()) {
    const auto encoded = encode_catalog(record);
    for (std::size_t length = 0; length < encoded.payload.size(); ++length) {
      const auto decoded = decode_catalog(static_cast<std::uint16_t>(encoded.type),
                                          std::span(encoded.payload).first(length), Lsn(96));
      if (!decoded.is_ok()) continue;
      // Lists are cut between two elements.
      ASSERT_EQ(encode_catalog(*decoded).payload.size(), length) << describe(record);
    }
  }
}

TEST(CatalogRecords, OfUnknownTypeAreCorrupt) {
  for (const std::uint16_t type : std::initializer_list<std::uint16_t>{0, 11, 65535}) {
    EXPECT_EQ(decode_catalog(type, {}, Lsn(96)).code(), StatusCode::kCorrupt);
  }
}

}  // namespace
}  // namespace cairn::log::format
