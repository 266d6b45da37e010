// Where a log ends, and whether what is missing had been acknowledged: the decision table of
// read/end_of_log.h.
#include "read/end_of_log.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "log/sim_log_fixture.h"

namespace cairn::log_test {
namespace {

using log::EndLabel;

// Every combination of evidence: the topmost row that applies decides.
TEST(EndOfLogTable, TopmostRowOfTheTableDecides) {
  for (unsigned bits = 0; bits < 64; ++bits) {
    const auto bit = [&](unsigned i) { return (bits >> i & 1) != 0; };
    log::EndEvidence evidence;
    evidence.base_log_beyond = bit(0);
    evidence.watermark_beyond = bit(1);
    evidence.later_container = bit(2);
    evidence.block_begun = bit(3);
    evidence.last_is_closing_mark = bit(4);
    evidence.last_is_idle_mark = bit(5);
    const EndLabel expected = bit(0)   ? EndLabel::kDamageProvenByBaseLog
                              : bit(1) ? EndLabel::kDamageProvenByWatermark
                              : bit(2) ? EndLabel::kDamageProvenBySeal
                              : bit(3) ? EndLabel::kTornTail
                              : bit(4) ? EndLabel::kCleanClose
                              : bit(5) ? EndLabel::kEndAtMark
                                       : EndLabel::kEndUnwritten;
    EXPECT_EQ(log::judge_end(evidence), expected) << bits;
  }
}

class EndOfLog : public SimLogTest {
 protected:
  void SetUp() override { create(); }

  // The power goes while `blocks` blocks of `size` bytes are in flight; `survives` says which of
  // them reached the disk, whole or not at all.
  void crash_with_blocks_in_flight(std::size_t size, const std::vector<bool>& survives) {
    // The first append that waits submits all that were gathered before it.
    std::shared_ptr<sim::SimStorage> frozen;
    std::size_t submitted = 0;
    storage->set_observer([&](const sim::IoEvent& event, const auto& machine) {
      if (event.kind == sim::IoKind::kSubmitWrite) ++submitted;
      if (event.kind == sim::IoKind::kCompleteWrite && frozen == nullptr &&
          submitted == survives.size()) {
        frozen = machine;
      }
    });
    const int count = static_cast<int>(survives.size());
    ASSERT_TRUE(append(size, count, {}));
    LogModel before = log->model();
    ASSERT_TRUE(log->flush());
    storage->set_observer(nullptr);
    ASSERT_NE(frozen, nullptr) << "not so many blocks were in flight";
    log.reset();
    model = std::move(before);
    sim::OperationId operation = 0;
    std::size_t block = 0;
    storage = frozen->after_crash([&](const sim::Pending& pending, std::size_t) {
      if (pending.kind != sim::PendingKind::kSector) return sim::Fate::kNew;
      if (operation != 0 && pending.operation != operation) ++block;
      operation = pending.operation;
      return survives.at(block) ? sim::Fate::kNew : sim::Fate::kOld;
    });
  }
};

// Row 5.
TEST_F(EndOfLog, ClosedLogEndsAtItsClosingMark) {
  ASSERT_TRUE(append(100));
  close();
  ASSERT_TRUE(reopen());
  EXPECT_EQ(end.label, EndLabel::kCleanClose);
}

// Row 7.
TEST_F(EndOfLog, NothingBegunBehindTheLastBlockIsAnOrdinaryEnd) {
  ASSERT_TRUE(append(100));
  crash(sim::survive_none());
  ASSERT_TRUE(reopen());
  EXPECT_EQ(end.label, EndLabel::kEndUnwritten);
  EXPECT_EQ(log->model().streams.at("s").records.size(), 1U);
}

// Row 6.
TEST_F(EndOfLog, IdleLogEndsAtAMark) {
  close();
  log::OpenOptions options = manual_options(storage);
  options.background = log::Background::kThread;
  options.idle_mark = std::chrono::milliseconds(1);
  auto opened = log::Log::open(kDirectory, options).value();
  ASSERT_TRUE(opened->open_stream("s")->append(Bytes(10), durable()));
  EndLabel label = EndLabel::kEndUnwritten;
  for (int i = 0; i < 5000 && label != EndLabel::kEndAtMark; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    label = verify_log(storage->after_crash(sim::survive_none())).end_of_log.label;
  }
  EXPECT_EQ(label, EndLabel::kEndAtMark);
}

// Row 4.
TEST_F(EndOfLog, TornLastBlockIsNotDamage) {
  ASSERT_TRUE(append(3000));
  const LogModel before = log->model();
  crash_with_blocks_in_flight(3000, {true});
  model = before;
  const std::vector<ImageBlock> blocks = newest_blocks();
  zero_last_sector(blocks.back());
  EXPECT_TRUE(verify_log(storage->clone()).damages.empty());
  ASSERT_TRUE(reopen());
  EXPECT_EQ(end.label, EndLabel::kTornTail);
  EXPECT_EQ(end.end, blocks.back().lsn);
  EXPECT_EQ(log->model().streams.at("s").records.size(), 1U);
}

// Row 4, with a hole: nothing behind the missing block was acknowledged either.
TEST_F(EndOfLog, MissingBlockAmongSeveralInFlightIsNotDamage) {
  ASSERT_TRUE(append(100));
  crash_with_blocks_in_flight(60'000, {false, true});
  EXPECT_TRUE(verify_log(storage->clone()).damages.empty());
  ASSERT_TRUE(reopen());
  EXPECT_EQ(end.label, EndLabel::kTornTail);
  EXPECT_EQ(log->model().streams.at("s").records.size(), 1U);
}

// Row 2.
TEST_F(EndOfLog, BlockThatALaterOneKnewDurableIsDamageWhenItIsGone) {
  ASSERT_TRUE(append(100, 3));
  crash(sim::survive_none());
  const ImageBlock lost = newest_blocks().end()[-2];
  zero_sector(lost);
  const Status status = reopen();
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(status.detail().lsn_begin, lost.lsn);
  EXPECT_EQ(status.detail().lsn_end, lost.end_lsn());
  const log::VerifyReport report = verify_log(storage);
  ASSERT_EQ(report.damages.size(), 1U);
  EXPECT_EQ(report.damages[0].begin, lost.lsn);
  EXPECT_EQ(report.damages[0].end, lost.end_lsn());
}

// Row 2 against row 4: of two blocks in flight the first is whole and the second torn, then the
// first rots. Nothing proves that it was acknowledged; and it was not.
TEST_F(EndOfLog, BlocksInFlightDoNotVouchForEachOther) {
  ASSERT_TRUE(append(100));
  crash_with_blocks_in_flight(60'000, {true, true});
  const std::vector<ImageBlock> blocks = newest_blocks();
  zero_sector(blocks.end()[-2]);
  ASSERT_TRUE(reopen());
  EXPECT_EQ(end.label, EndLabel::kTornTail);
}

// Row 3.
TEST_F(EndOfLog, BadBlockInASealedContainerIsDamage) {
  ASSERT_TRUE(append(60'000, 20));
  crash(sim::survive_none());
  const auto containers = read_image(*storage, kDirectory);
  ASSERT_EQ(containers.size(), 2U);
  const ImageBlock& seal = containers[0].blocks.back();
  ASSERT_EQ(seal.kind(), log::format::BlockKind::kSeal);
  // Also its seal, so that no watermark in the container speaks for it.
  const ImageBlock& lost = containers[0].blocks.end()[-2];
  zero_sector(lost);
  zero_sector(seal);
  const Status status = reopen();
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(status.detail().lsn_begin, lost.lsn);
  EXPECT_NE(status.message().find(end_label_name(EndLabel::kDamageProvenBySeal)), std::string::npos)
      << status.message();
}

// Row 1.
TEST_F(EndOfLog, LastBlockOfAClosedLogIsDamageWhenItIsGone) {
  ASSERT_TRUE(append(100, 2));
  close();
  const std::vector<ImageBlock> blocks = newest_blocks();
  const ImageBlock lost = blocks.end()[-2];  // the mark is the last one
  zero_sector(lost);
  zero_sector(blocks.back());  // and the mark cannot vouch for it
  const Status status = reopen();
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(status.detail().lsn_begin, lost.lsn);
  EXPECT_NE(status.message().find(end_label_name(EndLabel::kDamageProvenByBaseLog)),
            std::string::npos)
      << status.message();
}

// Row 1: the gap behind an epoch block is as long as the window, so from there no later block is
// seen that could prove it.
TEST_F(EndOfLog, DamagedEpochBlockBeforeAGapIsDamage) {
  ASSERT_TRUE(append(100));
  crash(sim::survive_none());
  ASSERT_TRUE(reopen());
  ASSERT_TRUE(append(100, 3));
  crash(sim::survive_none());
  const std::vector<ImageBlock> blocks = newest_blocks();
  const auto epoch = std::ranges::find_if(blocks.rbegin(), blocks.rend(), [](const auto& block) {
    return block.kind() == log::format::BlockKind::kEpoch;
  });
  ASSERT_NE(epoch, blocks.rend());
  ASSERT_GT(epoch->header.continue_lsn, epoch->end_lsn().value()) << "a gap";
  zero_sector(*epoch);
  const Status status = reopen();
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(status.detail().lsn_begin, epoch->lsn);
}

TEST_F(EndOfLog, DamageChangesNothingOnDisk) {
  ASSERT_TRUE(append(100, 3));
  crash(sim::survive_none());
  zero_sector(newest_blocks().end()[-2]);
  const auto before = storage->clone();
  EXPECT_EQ(reopen().code(), StatusCode::kCorrupt);
  ASSERT_EQ(storage->list(kDirectory), before->list(kDirectory));
  for (const std::string& file : before->list(kDirectory)) {
    EXPECT_EQ(storage->read_image(kDirectory, file), before->read_image(kDirectory, file)) << file;
  }
}

// What lay behind a cut never comes back, though its bytes are still there and whole.
TEST_F(EndOfLog, BlocksBehindACutStayDead) {
  ASSERT_TRUE(append(100));
  crash_with_blocks_in_flight(60'000, {false, true});
  ASSERT_TRUE(reopen());
  const std::uint64_t epoch = log->log().info().epoch;
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(append(100));
    crash(sim::survive_none());
    ASSERT_TRUE(reopen()) << "round " << round;
    EXPECT_EQ(log->model().streams.at("s").records.size(), static_cast<std::size_t>(round) + 2);
  }
  EXPECT_EQ(log->log().info().epoch, epoch + 3);
}

TEST_F(EndOfLog, LsnsOfALostTailAreNotGivenAgain) {
  ASSERT_TRUE(append(100));
  ASSERT_TRUE(append(60'000, 2, {}));  // in memory, with LSNs
  const Lsn lost = log->model().highest;
  crash(sim::survive_none());
  ASSERT_TRUE(reopen());
  EXPECT_EQ(log->model().streams.at("s").records.size(), 1U);
  ASSERT_TRUE(append(100));
  EXPECT_GT(log->model().streams.at("s").records.rbegin()->first, lost);
}

// A crash inside recovery, before or after its epoch block: the second recovery ends at the same
// place.
TEST_F(EndOfLog, CrashInRecoveryIsRecoveredFrom) {
  ASSERT_TRUE(append(3000));
  crash_with_blocks_in_flight(3000, {true});
  zero_last_sector(newest_blocks().back());
  const auto image = storage;
  const std::uint64_t ios = [&] {
    storage = image->clone();
    EXPECT_TRUE(reopen());
    return storage->io_count();
  }();
  for (std::uint64_t io = 1; io <= ios; ++io) {
    auto machine = image->clone();
    machine->crash_at(io);
    EXPECT_FALSE(log::Log::open(kDirectory, manual_options(machine)));
    storage = machine->after_crash(sim::survive_random(io), io);
    ASSERT_TRUE(reopen()) << "I/O " << io;
    EXPECT_EQ(log->model().streams.at("s").records.size(), 1U) << "I/O " << io;
  }
}

// A process died and left bytes that were written and not synced; the next one reads them. Before
// its epoch block says that all before it is durable, they are: in a crash that leaves that block
// alone, nothing is missing that anyone vouched for.
TEST_F(EndOfLog, WhatADeadProcessLeftUnsyncedIsDurableBeforeTheEpochBlockVouchesForIt) {
  ASSERT_TRUE(append(100));
  log::AppendOptions written;
  written.durability = log::Durability::kWritten;
  ASSERT_TRUE(append(3000, 3, written));
  const auto image = storage->clone();
  ASSERT_FALSE(image->pending().empty());
  model = log->model();
  log.reset();
  const std::uint64_t first = image->io_count() + 1;
  const std::uint64_t last = [&] {
    storage = image->clone();
    EXPECT_TRUE(reopen());
    EXPECT_EQ(log->model().streams.at("s").records.size(), 4U);
    return storage->io_count();
  }();
  log.reset();
  ASSERT_GT(last, first);
  for (std::uint64_t io = first; io <= last; ++io) {
    auto machine = image->clone();
    machine->crash_at(io);
    EXPECT_FALSE(log::Log::open(kDirectory, manual_options(machine)));
    sim::OperationId newest = 0;
    for (const sim::Pending& one : machine->pending()) newest = std::max(newest, one.operation);
    storage = machine->after_crash([newest](const sim::Pending& pending, std::size_t) {
      return pending.operation == newest ? sim::Fate::kNew : sim::Fate::kOld;
    });
    const Status status = reopen();
    ASSERT_TRUE(status) << "I/O " << io << ": " << status.to_string();
    log.reset();
  }
}

// However often an open is cut off, damage is damage, and stays where it is.
TEST_F(EndOfLog, DamageStaysDamageThroughCrashesInRecovery) {
  ASSERT_TRUE(append(100, 3));
  crash_with_blocks_in_flight(60'000, {true, false});
  const ImageBlock lost = newest_blocks().end()[-2];
  zero_sector(lost);
  for (std::uint64_t io = 1; io <= 8; ++io) {
    storage->crash_at(io);
    EXPECT_FALSE(log::Log::open(kDirectory, manual_options(storage)));
    storage = storage->after_crash(sim::survive_random(io), io);
    const auto report = verify_log(storage->clone());
    ASSERT_EQ(report.damages.size(), 1U) << "I/O " << io;
    EXPECT_EQ(report.damages[0].label, EndLabel::kDamageProvenByWatermark);
    EXPECT_EQ(report.damages[0].begin, lost.lsn);
  }
  EXPECT_EQ(reopen().code(), StatusCode::kCorrupt);
}

// --- after a truncation: the cut changes nothing of what can be proven ---

class EndOfTruncatedLog : public EndOfLog {
 protected:
  void SetUp() override {
    create();
    ASSERT_TRUE(append(100, 6));
    std::vector<Lsn> lsns;
    for (const auto& [lsn, record] : log->model().streams.at("s").records) lsns.push_back(lsn);
    cut_ = lsns.at(3);
    ASSERT_TRUE(log->truncate_after(lsns.at(2)));
    ASSERT_TRUE(append(100, 3));
  }

  Lsn cut_;  // the first record taken away
};

TEST_F(EndOfTruncatedLog, EndsWhereItsLastBlockEnds) {
  crash(sim::survive_none());
  ASSERT_TRUE(reopen());
  EXPECT_EQ(end.label, EndLabel::kEndUnwritten);
  EXPECT_EQ(log->model().streams.at("s").records.size(), 6U);
}

TEST_F(EndOfTruncatedLog, TornLastBlockIsNotDamage) {
  crash_with_blocks_in_flight(3000, {true});
  zero_last_sector(newest_blocks().back());
  EXPECT_TRUE(verify_log(storage->clone()).damages.empty());
  ASSERT_TRUE(reopen());
  EXPECT_EQ(end.label, EndLabel::kTornTail);
}

TEST_F(EndOfTruncatedLog, BlockBehindTheCutThatALaterOneKnewDurableIsDamage) {
  crash(sim::survive_none());
  const ImageBlock lost = newest_blocks().end()[-2];
  zero_sector(lost);
  const auto report = verify_log(storage->clone());
  ASSERT_EQ(report.damages.size(), 1U);
  EXPECT_EQ(report.damages[0].label, EndLabel::kDamageProvenByWatermark);
  EXPECT_EQ(report.damages[0].begin, lost.lsn);
  EXPECT_EQ(reopen().code(), StatusCode::kCorrupt);
}

// What was taken away is no longer the log's content; its bytes were acknowledged all the same, and
// nobody reads over them.
TEST_F(EndOfTruncatedLog, DamageInsideTheCutIsDamageToo) {
  crash(sim::survive_none());
  const std::vector<ImageBlock> blocks = newest_blocks();
  const auto lost =
      std::ranges::find_if(blocks, [&](const ImageBlock& block) { return block.end_lsn() > cut_; });
  ASSERT_NE(lost, blocks.end());
  zero_sector(*lost);
  const auto report = verify_log(storage->clone());
  ASSERT_EQ(report.damages.size(), 1U);
  EXPECT_EQ(report.damages[0].begin, lost->lsn);
  const Status status = reopen();
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(status.detail().lsn_begin, lost->lsn);
}

// A container made ready and not yet entered proves nothing about the one before it.
TEST_F(EndOfLog, ReadyButUnusedContainerIsNoEvidence) {
  ASSERT_TRUE(append(100));
  ASSERT_TRUE(log->log().run_background());
  ASSERT_EQ(read_image(*storage, kDirectory).size(), 2U);
  crash_with_blocks_in_flight(3000, {true});
  zero_last_sector(newest_blocks().back());
  ASSERT_TRUE(reopen());
  EXPECT_EQ(end.label, EndLabel::kTornTail);
}

}  // namespace
}  // namespace cairn::log_test
