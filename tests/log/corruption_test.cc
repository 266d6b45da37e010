// Damage to a log at rest: for each place and kind the verdict is known beforehand, from where the
// bytes lie.
//
// what is damaged                      verify                          open
// ----------------------------------------------------------------------------------------------
// a block at or behind the scan start  damage, at the block or record  kCorrupt, the same LSN
// a block before the scan start        damage, likewise                opens; read: kCorrupt
// a container's header                 damage in that container        kCorrupt if it is scanned
// the closing mark                     sound: it holds no record       opens
// bytes behind the end                 sound                           opens
// one base slot                        sound, with a note              opens
// both base slots                      kBaseLogDamaged                 kBaseLogDamaged
#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/log.h>
#include <cairn/sim/random.h>

#include "format/base_slot.h"
#include "log/log_image.h"
#include "log/sim_log_fixture.h"
#include "sim/test_budget.h"
#include "sim/test_counters.h"
#include "sim/test_heap.h"

namespace cairn::log_test {
namespace {

namespace format = log::format;
using sim::kSectorSize;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kContainerSize = log::kMinContainerSize;

// What must be said of one damage.
struct Verdict {
  std::optional<Lsn> begin;   // of the damage; unset: sound
  bool open_refuses = false;  // with kCorrupt and the same LSN
  bool unread = false;        // before the log's tail: nobody reads there but verify
};

// A closed log in two containers: the first one full and sealed, the second one short. The scan of
// an open begins in the second one.
class Corruption : public SimLogTest {
 protected:
  void SetUp() override {
    // verify reads ahead, by threads; what opens here reads by itself.
    create(small_log(), {.read_depth = 3});
    ASSERT_TRUE(append(50'000, 21));
    ASSERT_TRUE(log->log().run_background());
    ASSERT_TRUE(append(100, 10));
    ASSERT_TRUE(log->write_restart_area("s", Bytes(50, std::byte{1}), Lsn()));
    ASSERT_TRUE(append(1000, 5));
    ASSERT_TRUE(append(0, 2));
    close();
    containers = read_image(*storage, kDirectory);
    containers.resize(2);  // the third one is made ready, and empty
    const format::BaseSlot slot = read_base_slot(*storage, kDirectory);
    scan_start = Lsn(slot.scan_start);
    tail = Lsn(slot.tail);
    ASSERT_EQ(containers[0].blocks.back().kind(), format::BlockKind::kSeal);
    ASSERT_GT(scan_start, containers[1].blocks[0].lsn);
  }

  const ImageBlock& mark() const { return containers[1].blocks.back(); }

  // A damaged header concerns the container as a whole: which LSN in it is named is left open.
  static bool is_container(Lsn lsn) { return lsn.offset(kContainerSize) == 0; }

  // Where damage to the byte at `offset` of a container's file is to be seen.
  Verdict expect_at(const ImageContainer& container, std::uint64_t offset) const {
    if (offset >= container.end()) return {};
    const auto block = std::ranges::find_if(
        container.blocks, [&](const ImageBlock& one) { return offset < one.end(); });
    if (block->lsn == mark().lsn) return {};
    const bool is_header = block == container.blocks.begin();
    Verdict verdict{block->lsn, block->lsn >= scan_start, !is_header && block->end_lsn() <= tail};
    if (is_header) verdict.open_refuses = container.number == scan_start.container(kContainerSize);
    if (offset < block->offset + sizeof(format::BlockHeader) || is_header) return verdict;
    for (const ImageRecord& record : block->records) {
      if (offset < record.offset + record.size) {
        verdict.begin = std::max(record.lsn, block->lsn);
        return verdict;
      }
    }
    return verdict;
  }

  // Changes bytes of a copy of the log and compares all that is said with what must be.
  void check(const ImageContainer& container, std::uint64_t offset, const Bytes& bytes,
             const std::string& what) {
    const Bytes file = storage->read_image(kDirectory, container.file);
    std::uint64_t first = 0;
    while (first < bytes.size() && file[offset + first] == bytes[first]) ++first;
    if (first == bytes.size()) return;  // nothing changed
    const Verdict verdict = expect_at(container, offset + first);
    SCOPED_TRACE(what + " at " + container.file + " @" + std::to_string(offset));
    const auto damaged = storage->clone();
    damaged->overwrite(kDirectory, container.file, offset, bytes);
    check_verify(damaged, container, verdict);
    check_open(damaged, verdict);
  }

  // The row of the decision table that was used.
  static std::string label_of(const log::VerifyReport& report) {
    if (report.damages.empty()) return std::string(log::end_label_name(report.end_of_log.label));
    const std::string& reason = report.damages[0].reason;
    return reason.starts_with("damage-") ? reason.substr(0, reason.find(':'))
                                         : "damaged container header";
  }

  void check_verify(const std::shared_ptr<sim::SimStorage>& damaged,
                    const ImageContainer& container, const Verdict& verdict) {
    const log::VerifyReport report = verify_log(damaged);
    auto& counters = sim::TestCounters::get();
    counters.add("corruptions tried");
    counters.add("corruptions judged " + label_of(report));
    if (!verdict.begin) {
      EXPECT_THAT(report.damages, IsEmpty()) << report.damages[0].reason;
      return;
    }
    ASSERT_EQ(report.damages.size(), 1U);
    const log::Damage& damage = report.damages[0];
    EXPECT_EQ(damage.begin.container(kContainerSize), container.number);
    if (!is_container(*verdict.begin)) {
      EXPECT_EQ(damage.begin, *verdict.begin);
    }
    EXPECT_GT(damage.end, damage.begin);
    EXPECT_EQ(damage.file, container.file);
    EXPECT_NE(damage.reason, "");
  }

  void check_open(const std::shared_ptr<sim::SimStorage>& damaged, const Verdict& verdict) {
    const auto opened = log::Log::open(kDirectory, manual_options(damaged));
    if (verdict.begin && verdict.open_refuses) {
      EXPECT_EQ(opened.code(), StatusCode::kCorrupt) << opened.status().to_string();
      if (!is_container(*verdict.begin)) {
        EXPECT_EQ(opened.status().detail().lsn_begin, *verdict.begin);
      }
      return;
    }
    ASSERT_TRUE(opened) << opened.status().to_string();
    const auto contents = read_contents(**opened);
    if (!verdict.begin || verdict.unread) {
      ASSERT_TRUE(contents) << contents.status().to_string();
      EXPECT_EQ(model.violation(*contents), "");
      return;
    }
    EXPECT_EQ(contents.code(), StatusCode::kCorrupt) << "damage was read over";
  }

  // The sectors worth damaging: all of short blocks and around the ends of long ones, and a few
  // inside; with a large budget all of them. Then some behind the end.
  std::vector<std::uint64_t> sectors_of(const ImageContainer& container) const {
    std::vector<std::uint64_t> offsets;
    for (const ImageBlock& block : container.blocks) {
      const std::uint64_t stride = sim::test_budget() >= 10 ? kSectorSize : 37 * kSectorSize;
      for (std::uint64_t at = block.offset; at < block.end(); at += kSectorSize) {
        const bool edge =
            at < block.offset + 2 * kSectorSize || at + 2 * kSectorSize >= block.end();
        if (edge || (at - block.offset) % stride == 0) offsets.push_back(at);
      }
    }
    for (std::uint64_t at = container.end(); at < kContainerSize && offsets.size() < 4096;
         at += 101 * kSectorSize) {
      offsets.push_back(at);
    }
    return offsets;
  }

  using Content = std::function<Bytes(const ImageContainer&, std::uint64_t offset)>;
  void sweep(const std::string& what, const Content& content) {
    std::uint64_t skipped = 0;
    for (const ImageContainer& container : containers) {
      for (const std::uint64_t offset : sectors_of(container)) {
        if (skipped++ % sim::sweep_stride(7) != 0) continue;
        check(container, offset, content(container, offset), what);
        if (HasFailure()) return;
      }
    }
  }

  Bytes sector_of(const std::string& file, std::uint64_t offset) const {
    const Bytes bytes = storage->read_image(kDirectory, file);
    const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(offset);
    return Bytes(from, from + kSectorSize);
  }

  std::vector<ImageContainer> containers;
  Lsn scan_start;
  Lsn tail;
};

// --- every sector ---

TEST_F(Corruption, ZeroedSector) {
  sweep("zeros", [](const auto&, std::uint64_t) { return Bytes(kSectorSize); });
}

TEST_F(Corruption, SectorOfOnes) {
  sweep("ones", [](const auto&, std::uint64_t) { return Bytes(kSectorSize, std::byte{0xFF}); });
}

TEST_F(Corruption, RandomSector) {
  sim::Random random(1);
  sweep("random bytes", [&](const auto&, std::uint64_t) {
    Bytes bytes(kSectorSize);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next());
    return bytes;
  });
}

TEST_F(Corruption, OneFlippedBitInASector) {
  sim::Random random(2);
  sweep("flipped bit", [&](const ImageContainer& container, std::uint64_t offset) {
    Bytes bytes = sector_of(container.file, offset);
    bytes[random.below(kSectorSize)] ^= std::byte{1} << random.below(8);
    return bytes;
  });
}

// What a recycled file held at the same place: bytes of the same log, whole, of another
// incarnation.
TEST_F(Corruption, StaleSectorOfAnotherIncarnation) {
  sweep("stale bytes", [&](const ImageContainer& container, std::uint64_t offset) {
    return sector_of(containers[1 - container.number].file, offset);
  });
}

// What a misdirected write leaves: bytes of the same log that belong elsewhere.
TEST_F(Corruption, NeighboursSector) {
  sweep("neighbour's bytes", [&](const ImageContainer& container, std::uint64_t offset) {
    const std::uint64_t next = (offset + kSectorSize) % kContainerSize;
    return sector_of(container.file, next);
  });
}

// --- every bit of what frames records ---

TEST_F(Corruption, EveryBitOfABlockHeaderARecordHeaderAndATrailer) {
  const ImageContainer& container = containers[1];
  const ImageBlock& block = container.blocks[container.blocks.size() / 2];
  ASSERT_FALSE(block.records.empty());
  std::vector<std::uint64_t> offsets;
  for (std::uint64_t i = 0; i < sizeof(format::BlockHeader); ++i) {
    offsets.push_back(block.offset + i);
  }
  for (std::uint64_t i = 0; i < sizeof(format::RecordHeader); ++i) {
    offsets.push_back(block.records[0].offset + i);
  }
  for (std::uint64_t i = 1; i <= format::kBlockTrailerSize; ++i) offsets.push_back(block.end() - i);
  const std::uint64_t stride = sim::test_budget() < 1 ? 8 : 1;
  for (const std::uint64_t offset : offsets) {
    for (unsigned bit = 0; bit < 8; bit += static_cast<unsigned>(stride)) {
      Bytes byte(1, storage->read_image(kDirectory, container.file)[offset]);
      byte[0] ^= std::byte{1} << bit;
      check(container, offset, byte, "bit " + std::to_string(bit));
      if (HasFailure()) return;
    }
  }
}

TEST_F(Corruption, EveryBitOfABaseSlot) {
  for (std::uint64_t offset = 0; offset < sizeof(format::BaseSlot); ++offset) {
    for (const std::uint64_t slot : {std::uint64_t{0}, std::uint64_t{format::kBaseSlotStride}}) {
      const auto damaged = storage->clone();
      damaged->flip_bit(kDirectory, format::kBaseFileName, slot + offset,
                        static_cast<unsigned>(offset % 8));
      const auto opened = log::Log::open(kDirectory, manual_options(damaged));
      ASSERT_TRUE(opened) << "slot @" << slot << "+" << offset << ": "
                          << opened.status().to_string();
      EXPECT_EQ(model.violation(read_contents(**opened).value()), "");
    }
  }
}

// --- a log that was not closed: only what a later block knew durable is damage ---

TEST_F(Corruption, UnclosedLogIsJudgedByItsWatermarks) {
  ASSERT_TRUE(reopen());
  ASSERT_TRUE(append(100, 6));
  crash(sim::survive_none());
  const Lsn proven(read_base_slot(*storage, kDirectory).durable);  // up to the epoch block
  std::vector<ImageBlock> blocks = newest_blocks();
  std::erase_if(blocks, [&](const ImageBlock& block) {
    return block.lsn < proven || block.kind() != format::BlockKind::kData;
  });
  ASSERT_EQ(blocks.size(), 6U);
  const auto image = storage;
  for (const ImageBlock& block : blocks) {
    // The base log knows nothing of these; each block knows those before it.
    const bool last = block.lsn == blocks.back().lsn;
    storage = image->clone();
    zero_last_sector(block);
    EXPECT_EQ(verify_log(storage->clone()).damages.size(), last ? 0U : 1U);
    const auto opened = log::Log::open(kDirectory, manual_options(storage));
    EXPECT_EQ(opened.code(), last ? StatusCode::kOk : StatusCode::kCorrupt);
  }
}

// --- files cut short ---

TEST_F(Corruption, NewestContainerCutShort) {
  const ImageContainer& container = containers[1];
  std::vector<std::uint64_t> cuts{kContainerSize - 1};
  for (const ImageBlock& block : container.blocks) {
    cuts.insert(cuts.end(), {block.offset, block.offset + 1, block.end() - 1});
  }
  for (const std::uint64_t cut : cuts) {
    SCOPED_TRACE("cut at " + std::to_string(cut));
    const auto damaged = storage->clone();
    damaged->truncate(kDirectory, container.file, cut);
    const auto first_cut = std::ranges::find_if(
        container.blocks, [&](const ImageBlock& block) { return cut < block.end(); });
    const bool sound = first_cut == container.blocks.end() || first_cut->lsn == mark().lsn;
    const auto report = verify_log(damaged);
    ASSERT_EQ(report.damages.empty(), sound);
    if (!sound && !is_container(first_cut->lsn)) {
      EXPECT_EQ(report.damages[0].begin, first_cut->lsn);
    }
    const Status opened = log::Log::open(kDirectory, manual_options(damaged)).status();
    EXPECT_EQ(opened.code(), StatusCode::kContainerSize) << opened.to_string();
    EXPECT_THAT(opened.message(), HasSubstr(container.file));
    EXPECT_THAT(opened.message(), HasSubstr("found " + std::to_string(cut)));
  }
}

TEST_F(Corruption, SealedContainerCutShort) {
  storage->truncate(kDirectory, containers[0].file, kContainerSize / 2);
  const auto report = verify_log(storage);
  ASSERT_FALSE(report.damages.empty());
  const auto cut = std::ranges::find_if(containers[0].blocks, [](const ImageBlock& block) {
    return kContainerSize / 2 < block.end();
  });
  EXPECT_EQ(report.damages.front().begin, cut->lsn);
  EXPECT_EQ(report.damages.back().file, containers[0].file);
  EXPECT_EQ(reopen().code(), StatusCode::kContainerSize);
}

TEST_F(Corruption, BaseLogCutShort) {
  for (const std::uint64_t size : {0, 1, 103, 4096, 4199}) {
    const auto damaged = storage->clone();
    damaged->truncate(kDirectory, format::kBaseFileName, size);
    const auto opened = log::Log::open(kDirectory, manual_options(damaged));
    const bool one_left = size >= sizeof(format::BaseSlot);
    EXPECT_EQ(opened.code(), one_left ? StatusCode::kOk : StatusCode::kBaseLogDamaged) << size;
  }
}

// --- files missing, swapped, doubled ---

TEST_F(Corruption, MissingContainerIsNamed) {
  for (const ImageContainer& container : containers) {
    const auto damaged = storage->clone();
    damaged->remove_file(kDirectory, container.file);
    EXPECT_THAT(verify_log(damaged).damages, testing::SizeIs(1)) << container.file;
    const Status opened = log::Log::open(kDirectory, manual_options(damaged)).status();
    EXPECT_EQ(opened.code(), StatusCode::kContainerMissing) << opened.to_string();
    EXPECT_THAT(opened.message(), HasSubstr(container.file));
  }
}

TEST_F(Corruption, SwappedContainersAreDamage) {
  storage->rename_file(kDirectory, containers[0].file, "x");
  storage->rename_file(kDirectory, containers[1].file, containers[0].file);
  storage->rename_file(kDirectory, "x", containers[1].file);
  EXPECT_FALSE(verify_log(storage).damages.empty());
  EXPECT_EQ(reopen().code(), StatusCode::kCorrupt);
}

TEST_F(Corruption, ContainerOverwrittenByAnotherIsDamage) {
  storage->copy_file(kDirectory, containers[0].file, containers[1].file);
  EXPECT_FALSE(verify_log(storage).damages.empty());
  EXPECT_EQ(reopen().code(), StatusCode::kCorrupt);
}

TEST_F(Corruption, DoubledContainerUnderALaterNameProvesNothing) {
  storage->copy_file(kDirectory, containers[1].file, "container-0000000000000009.cairn");
  EXPECT_THAT(verify_log(storage).damages, IsEmpty());
  EXPECT_TRUE(reopen());
}

TEST_F(Corruption, ContainerOfAnotherLogIsDamage) {
  const auto other = std::make_shared<sim::SimStorage>();
  ASSERT_TRUE(log::Log::create(kDirectory, small_log(), manual_options(other)));
  const Bytes foreign = other->read_image(kDirectory, containers[0].file);
  storage->overwrite(kDirectory, containers[1].file, 0, foreign);
  EXPECT_FALSE(verify_log(storage).damages.empty());
  EXPECT_EQ(reopen().code(), StatusCode::kCorrupt);
}

// --- the base log ---

TEST_F(Corruption, OneBadBaseSlotIsAHintLost) {
  for (const std::uint64_t slot : {0, 4096}) {
    const auto damaged = storage->clone();
    damaged->overwrite(kDirectory, format::kBaseFileName, slot, Bytes(kSectorSize));
    const auto report = verify_log(damaged);
    EXPECT_THAT(report.damages, IsEmpty());
    EXPECT_THAT(report.notes, testing::Contains(HasSubstr("one of the two slots")));
    const auto opened = log::Log::open(kDirectory, manual_options(damaged));
    ASSERT_TRUE(opened) << opened.status().to_string();
    EXPECT_EQ(model.violation(read_contents(**opened).value()), "");
  }
}

// Both slots are written before anything is recycled: the older one never leads to what is not
// there any more.
TEST_F(Corruption, EitherBaseSlotLeadsToALogWhoseContainersWereRecycled) {
  create(small_log(4));
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(append(50'000, 20));
    ASSERT_TRUE(log->advance_base("s", log->model().highest));
    ASSERT_TRUE(log->log().run_background());
  }
  ASSERT_GT(log->log().info().tail, Lsn(2 * kContainerSize));
  crash(sim::survive_none());
  const auto image = storage;
  const LogModel known = model;
  for (const std::uint64_t slot : {0, 4096}) {
    storage = image->clone();
    model = known;
    storage->overwrite(kDirectory, format::kBaseFileName, slot, Bytes(kSectorSize));
    EXPECT_TRUE(verify_log(storage).damages.empty()) << "without slot @" << slot;
    ASSERT_TRUE(reopen()) << "without slot @" << slot;
    log.reset();
  }
}

TEST_F(Corruption, BothBadBaseSlotsAreAnErrorOfTheirOwn) {
  for (const std::uint64_t slot : {0, 4096}) {
    storage->flip_bit(kDirectory, format::kBaseFileName, slot + 30, 3);
  }
  EXPECT_EQ(log::verify(kDirectory, {storage}).code(), StatusCode::kBaseLogDamaged);
  EXPECT_EQ(reopen().code(), StatusCode::kBaseLogDamaged);
}

TEST_F(Corruption, MissingBaseLogBesideContainersIsDamageNotANewLog) {
  storage->remove_file(kDirectory, format::kBaseFileName);
  EXPECT_EQ(reopen().code(), StatusCode::kBaseLogDamaged);
  EXPECT_FALSE(log::Log::open_or_create(kDirectory, small_log(), manual_options(storage)));
  EXPECT_EQ(read_image(*storage, kDirectory)[1].blocks.size(), containers[1].blocks.size());
}

// Every byte is as it was written, but what is said of the engine's own records does not hold.
TEST_F(Corruption, ScanStartWithoutAWholeSnapshotIsToldByVerify) {
  const format::BaseSlot slot = read_base_slot(*storage, kDirectory);
  const ImageBlock& last = *(containers[0].blocks.end() - 2);  // before the seal
  ASSERT_GT(last.header.padded_length, kSectorSize);
  for (const Lsn start : {mark().lsn, last.lsn + kSectorSize}) {
    const auto machine = storage->clone();
    format::BaseSlot wrong = slot;
    wrong.scan_start = start.value();
    Bytes bytes(format::kBaseSlotStride);
    format::encode_base_slot(wrong, std::nullopt,
                             std::span<std::byte, format::kBaseSlotStride>(bytes));
    for (const std::uint64_t at : {0, 4096}) {
      machine->overwrite(kDirectory, format::kBaseFileName, at, bytes);
    }
    const log::VerifyReport report = verify_log(machine);
    ASSERT_EQ(report.damages.size(), 1U) << start.to_string();
    EXPECT_THAT(report.damages[0].reason, HasSubstr("whole catalog snapshot"));
    EXPECT_EQ(log::Log::open(kDirectory, manual_options(machine)).code(), StatusCode::kCorrupt);
  }
}

TEST_F(Corruption, NewerFormatIsToldFromDamage) {
  for (const std::uint64_t slot : {0, 4096}) {
    storage->overwrite(kDirectory, format::kBaseFileName, slot + 4, Bytes(1, std::byte{9}));
  }
  EXPECT_EQ(log::verify(kDirectory, {storage}).code(), StatusCode::kNewerVersion);
  const Status status = reopen();
  EXPECT_EQ(status.code(), StatusCode::kNewerVersion);
  EXPECT_THAT(status.message(), HasSubstr("version 9"));
}

}  // namespace
}  // namespace cairn::log_test
