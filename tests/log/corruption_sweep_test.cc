// Every byte of small logs, and every sector of a larger one, damaged one after the other. What
// must be said of each is worked out beforehand (damage_oracle.h): the label of the decision table,
// the place, whether the log opens. Nothing is a sample.
#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/log.h>
#include <cairn/sim/random.h>

#include "log/damage_oracle.h"
#include "log/sim_log_fixture.h"
#include "sim/test_budget.h"
#include "sim/test_counters.h"
#include "sim/test_heap.h"

namespace cairn::log_test {
namespace {

namespace format = log::format;
using sim::kSectorSize;

constexpr std::uint64_t kContainerBytes = log::kMinContainerSize;

// Under a sanitizer every so many of the corruptions: each costs ten times as much.
std::uint64_t sweep_stride() { return sim::test_budget() < 1 ? 37 * sim::sweep_stride(3) : 1; }

class CorruptionSweep : public SimLogTest {
 protected:
  ~CorruptionSweep() override {
    auto& counters = sim::TestCounters::get();
    counters.add("corruptions tried", tried_);
    counters.add("corruptions with a wrong verdict", wrong_);
  }

  // A log with every kind of block in one container: two closed epochs, one that a crash ended and
  // a gap, restart areas; then closed, or left as a power cut leaves it.
  void make_small_log(bool closed) {
    create();
    ASSERT_TRUE(append(10, 2));
    close();
    ASSERT_TRUE(reopen());
    ASSERT_TRUE(append(700));
    crash(sim::survive_none());
    ASSERT_TRUE(reopen());
    ASSERT_TRUE(append(30, 2));
    ASSERT_TRUE(log->write_restart_area("s", Bytes(50, std::byte{1}), Lsn()));
    ASSERT_TRUE(append(0));
    if (closed) {
      close();
    } else {
      crash(sim::survive_none());
    }
    finish_making();
  }

  // A log of two containers, the first one sealed.
  void make_large_log(bool closed) {
    create();
    ASSERT_TRUE(append(60'000, 18));
    ASSERT_TRUE(append(100, 3));
    if (closed) {
      close();
    } else {
      crash(sim::survive_none());
    }
    finish_making();
  }

  void finish_making() {
    oracle_ = std::make_unique<DamageOracle>(*storage, kDirectory);
    for (const ImageContainer& container : oracle_->containers()) {
      files_.push_back(storage->read_image(kDirectory, container.file));
    }
  }

  const std::vector<ImageContainer>& containers() const { return oracle_->containers(); }

  // Puts `bytes` at `offset` of the container's file and compares all that is said with what must
  // be.
  void damage(std::size_t container, std::uint64_t offset, const Bytes& bytes,
              const std::string& what) {
    const Bytes& file = files_[container];
    std::uint64_t first = 0;
    while (first < bytes.size() && file[offset + first] == bytes[first]) ++first;
    if (first == bytes.size()) return;  // nothing changed
    const ExpectedVerdict expected = oracle_->at(container, offset + first);
    const auto damaged = storage->clone();
    damaged->overwrite(kDirectory, containers()[container].file, offset, bytes);
    std::string wrong = wrong_about(damaged, expected, container);
    if (wrong.empty()) return;
    ++wrong_;
    ADD_FAILURE() << what << " at " << containers()[container].file << " @" << offset << "+"
                  << first << ": " << wrong;
  }

  // What is said wrongly of the damaged log; empty: nothing.
  std::string wrong_about(const std::shared_ptr<sim::SimStorage>& damaged,
                          const ExpectedVerdict& expected, std::size_t container) {
    ++tried_;
    const log::VerifyReport report = verify_log(damaged);
    const std::string label(log::end_label_name(expected.label));
    if (expected.is_damage()) {
      if (report.damages.size() != 1) {
        return "verify: one damage expected, found " + std::to_string(report.damages.size());
      }
      const log::Damage& found = report.damages[0];
      const bool right_place = expected.whole_container ? found.begin.container(kContainerBytes) ==
                                                              containers()[container].number
                                                        : found.begin == expected.begin;
      if (!right_place || found.end <= found.begin) {
        return "verify: damage at " + expected.begin.to_string() + " expected, found " +
               found.begin.to_string();
      }
      if (!expected.whole_container && !found.reason.starts_with(label)) {
        return "verify: " + label + " expected, found " + found.reason;
      }
      count(expected.whole_container ? "damaged container header" : label);
    } else {
      if (!report.damages.empty()) return "verify: damage found: " + report.damages[0].reason;
      const std::string found(log::end_label_name(report.end_of_log.label));
      if (found != label) return "verify: " + label + " expected, found " + found;
      count(label);
    }
    return wrong_about_open(damaged, expected);
  }

  std::string wrong_about_open(const std::shared_ptr<sim::SimStorage>& damaged,
                               const ExpectedVerdict& expected) {
    const auto opened = log::Log::open(kDirectory, manual_options(damaged));
    if (expected.open_refuses) {
      if (opened.code() != StatusCode::kCorrupt) {
        return "open: corrupt expected, found " + opened.status().to_string();
      }
      const Lsn named = opened.status().detail().lsn_begin;
      if (!expected.whole_container && named != expected.begin) {
        return "open: LSN " + expected.begin.to_string() + " expected, found " + named.to_string();
      }
      return {};
    }
    if (!opened) return "open: " + opened.status().to_string();
    const auto contents = read_contents(**opened);
    if (expected.is_damage() && !expected.readable) {
      return contents.code() == StatusCode::kCorrupt ? "" : "the damage was read over";
    }
    if (!contents) return "read: " + contents.status().to_string();
    // A torn last block takes what it held along; a closed log loses nothing.
    if (!expected.is_damage() && expected.label == log::EndLabel::kCleanClose) {
      return model.violation(*contents);
    }
    return {};
  }

  void count(const std::string& label) {
    sim::TestCounters::get().add("corruptions judged " + label);
  }

  // Calls with every offset at which a block has bytes.
  void for_each_byte(const std::function<void(std::size_t container, std::uint64_t offset)>& run) {
    std::uint64_t number = 0;
    for (std::size_t c = 0; c < containers().size(); ++c) {
      for (const ImageBlock& block : containers()[c].blocks) {
        for (std::uint64_t at = block.offset; at < block.end() && !HasFailure(); ++at) {
          if (number++ % sweep_stride() == 0) run(c, at);
        }
      }
    }
    EXPECT_GT(number, 5000U);
  }

  // Every bit of every block header, record header and trailer.
  void flip_every_framing_bit() {
    std::uint64_t number = 0;
    for (std::size_t c = 0; c < containers().size(); ++c) {
      for (const ImageBlock& block : containers()[c].blocks) {
        std::vector<std::uint64_t> offsets;
        const auto add = [&](std::uint64_t from, std::uint64_t size) {
          for (std::uint64_t i = 0; i < size; ++i) offsets.push_back(from + i);
        };
        add(block.offset, sizeof(format::BlockHeader));
        for (const ImageRecord& record : block.records) {
          add(record.offset, sizeof(format::RecordHeader));
        }
        add(block.end() - format::kBlockTrailerSize, format::kBlockTrailerSize);
        for (const std::uint64_t offset : offsets) {
          for (unsigned bit = 0; bit < 8 && !HasFailure(); ++bit) {
            if (number++ % sweep_stride() != 0) continue;
            const Bytes byte{files_[c][offset] ^ std::byte{1} << bit};
            damage(c, offset, byte, "bit " + std::to_string(bit));
          }
        }
      }
    }
    EXPECT_GT(number, 10'000U);
  }

  // Every sector that holds bytes of the log, and a few behind its end.
  using Content = std::function<Bytes(std::size_t container, std::uint64_t offset)>;
  void replace_every_sector(const std::string& what, const Content& content) {
    std::uint64_t number = 0;
    for (std::size_t c = 0; c < containers().size(); ++c) {
      const std::uint64_t until =
          std::min(containers()[c].end() + 4 * kSectorSize, kContainerBytes);
      for (std::uint64_t at = 0; at < until && !HasFailure(); at += kSectorSize) {
        if (number++ % sweep_stride() == 0) damage(c, at, content(c, at), what);
      }
    }
  }
  Bytes sector(std::size_t container, std::uint64_t offset) const {
    const auto from = files_[container].begin() + static_cast<std::ptrdiff_t>(offset);
    return Bytes(from, from + kSectorSize);
  }

 private:
  std::unique_ptr<DamageOracle> oracle_;
  std::vector<Bytes> files_;
  std::uint64_t tried_ = 0;
  std::uint64_t wrong_ = 0;
};

// --- a small log that was closed: the base log proves every byte ---

TEST_F(CorruptionSweep, EveryByteOfAClosedLog) {
  make_small_log(true);
  for_each_byte([&](std::size_t container, std::uint64_t offset) {
    const Bytes byte{sector(container, offset / kSectorSize * kSectorSize)[offset % kSectorSize] ^
                     std::byte{0xFF}};
    damage(container, offset, byte, "a byte");
  });
}

TEST_F(CorruptionSweep, EveryBitOfEveryHeaderOfAClosedLog) {
  make_small_log(true);
  flip_every_framing_bit();
}

// --- the same, and the power went: later blocks prove all but the last ---

TEST_F(CorruptionSweep, EveryByteOfALogThatWasNotClosed) {
  make_small_log(false);
  for_each_byte([&](std::size_t container, std::uint64_t offset) {
    const Bytes byte{sector(container, offset / kSectorSize * kSectorSize)[offset % kSectorSize] ^
                     std::byte{0xFF}};
    damage(container, offset, byte, "a byte");
  });
}

TEST_F(CorruptionSweep, EveryBitOfEveryHeaderOfALogThatWasNotClosed) {
  make_small_log(false);
  flip_every_framing_bit();
}

// --- every sector of two containers ---

TEST_F(CorruptionSweep, EverySectorZeroedOfAClosedLog) {
  make_large_log(true);
  replace_every_sector("zeros", [](std::size_t, std::uint64_t) { return Bytes(kSectorSize); });
}

TEST_F(CorruptionSweep, EverySectorOfOnesOfAClosedLog) {
  make_large_log(true);
  replace_every_sector(
      "ones", [](std::size_t, std::uint64_t) { return Bytes(kSectorSize, std::byte{0xFF}); });
}

TEST_F(CorruptionSweep, EverySectorRandomOfAClosedLog) {
  make_large_log(true);
  sim::Random random(1);
  replace_every_sector("random bytes", [&](std::size_t, std::uint64_t) {
    Bytes bytes(kSectorSize);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next());
    return bytes;
  });
}

// What the file held in its former life lies at the same place: whole blocks of this log, of
// another container.
TEST_F(CorruptionSweep, EverySectorOfTheOldIncarnationInAClosedLog) {
  make_large_log(true);
  replace_every_sector("old incarnation", [&](std::size_t container, std::uint64_t offset) {
    return sector(1 - container, offset);
  });
}

TEST_F(CorruptionSweep, EverySectorOfANeighbourInAClosedLog) {
  make_large_log(true);
  replace_every_sector("neighbour", [&](std::size_t container, std::uint64_t offset) {
    return sector(container, (offset + kSectorSize) % kContainerBytes);
  });
}

TEST_F(CorruptionSweep, EverySectorZeroedOfALogThatWasNotClosed) {
  make_large_log(false);
  replace_every_sector("zeros", [](std::size_t, std::uint64_t) { return Bytes(kSectorSize); });
}

// --- cut short ---

// A container is never of another size while it is in use: the open says so, verify says what is
// missing.
TEST_F(CorruptionSweep, CutAtEveryByte) {
  make_small_log(true);
  const ImageContainer& container = containers()[0];
  std::uint64_t tried = 0;
  for_each_byte([&](std::size_t, std::uint64_t cut) {
    const auto damaged = storage->clone();
    damaged->truncate(kDirectory, container.file, cut);
    const auto block = std::ranges::find_if(container.blocks,
                                            [&](const ImageBlock& one) { return cut < one.end(); });
    const bool mark_only = block->lsn == container.blocks.back().lsn;
    const log::VerifyReport report = verify_log(damaged);
    ++tried;
    ASSERT_EQ(report.damages.empty(), mark_only) << "cut at " << cut;
    if (!mark_only && block != container.blocks.begin()) {
      ASSERT_EQ(report.damages[0].begin, block->lsn) << "cut at " << cut;
    }
    const Status opened = log::Log::open(kDirectory, manual_options(damaged)).status();
    ASSERT_EQ(opened.code(), StatusCode::kContainerSize) << "cut at " << cut << opened.to_string();
  });
  sim::TestCounters::get().add("corruptions tried", tried);
  sim::TestCounters::get().add("corruptions judged container cut short", tried);
}

TEST_F(CorruptionSweep, BaseLogCutAtEveryByte) {
  make_small_log(true);
  std::uint64_t tried = 0;
  for (std::uint64_t size = 0; size < format::kBaseFileSize; size += 1 + 3 * (sweep_stride() - 1)) {
    const auto damaged = storage->clone();
    damaged->truncate(kDirectory, format::kBaseFileName, size);
    const bool one_left = size >= sizeof(format::BaseSlot);
    ASSERT_EQ(log::verify(kDirectory, {damaged}).code(),
              one_left ? StatusCode::kOk : StatusCode::kBaseLogDamaged)
        << size;
    ++tried;
  }
  sim::TestCounters::get().add("corruptions tried", tried);
  sim::TestCounters::get().add("corruptions judged base log cut short", tried);
}

TEST_F(CorruptionSweep, EveryBitOfBothBaseSlots) {
  make_small_log(true);
  std::uint64_t tried = 0;
  for (const std::uint64_t slot : {std::uint64_t{0}, std::uint64_t{format::kBaseSlotStride}}) {
    for (std::uint64_t bit = 0; bit < sizeof(format::BaseSlot) * 8; bit += sweep_stride()) {
      const auto damaged = storage->clone();
      damaged->flip_bit(kDirectory, format::kBaseFileName, slot + bit / 8,
                        static_cast<unsigned>(bit % 8));
      const auto opened = log::Log::open(kDirectory, manual_options(damaged));
      ++tried;
      ASSERT_TRUE(opened) << "slot @" << slot << " bit " << bit << ": "
                          << opened.status().to_string();
      ASSERT_EQ(model.violation(read_contents(**opened).value()), "");
    }
  }
  sim::TestCounters::get().add("corruptions tried", tried);
  sim::TestCounters::get().add("corruptions judged one base slot lost", tried);
}

}  // namespace
}  // namespace cairn::log_test
