// Reading ahead by threads changes how fast a long stretch of the log is read, and nothing else:
// what is read, what is said of damage, and what a short look reads are the same without.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "format/hash.h"
#include "log/sim_log_fixture.h"
#include "read/block_stream.h"
#include "read/end_of_log.h"
#include "read/read_source.h"
#include "sim/sanitizer.h"
#include "sim/test_budget.h"

namespace cairn::log_test {
namespace {

namespace format = log::format;
using log::BlockStream;
using log::Cursor;
using log::LogView;
using log::ReadSource;

constexpr std::uint64_t kContainer = log::kMinContainerSize;
constexpr std::uint64_t kPiece = kContainer / 16;

// A log of several containers on a storage that asks for reading ahead, and the same bytes on one
// that does not.
class ReadAhead : public SimLogTest {
 protected:
  void SetUp() override {
    create(small_log(16), {.read_depth = 3});
    // Of many sizes, so that blocks begin everywhere in the pieces that are read.
    for (int round = 0; round < 3; ++round) {
      for (const std::size_t size : {40'000U, 100U, 61'000U, 0U, 7'777U}) {
        ASSERT_TRUE(append(size, 12));
      }
      // A gap within the log: an epoch block that leads over it.
      crash(sim::survive_all());
      ASSERT_TRUE(reopen());
    }
    close();
  }

  // The same machine with another depth of reading.
  [[nodiscard]] static std::shared_ptr<sim::SimStorage> with_depth(
      const std::shared_ptr<sim::SimStorage>& from, unsigned depth) {
    auto copy = std::make_shared<sim::SimStorage>(sim::SimOptions{.read_depth = depth});
    for (const std::string& name : from->list(kDirectory)) {
      copy->add_file(kDirectory, name, from->read_image(kDirectory, name));
    }
    return copy;
  }

  // All that a forward cursor over the log says, the error at its end included.
  [[nodiscard]] static std::string read_all(const std::shared_ptr<sim::SimStorage>& machine) {
    const auto view = LogView::open(kDirectory, {.storage = machine});
    if (!view.is_ok()) return view.status().to_string();
    auto cursor = (*view)->read({.catalog = true});
    if (!cursor.is_ok()) return cursor.status().to_string();
    std::string all;
    for (;;) {
      const auto record = cursor->next();
      if (!record.is_ok()) return all + record.status().to_string();
      if (!*record) return all;
      const auto payload = (*record)->payload;
      all += (*record)->lsn.to_string() + " " +
             std::to_string(format::hash(payload, (*record)->type)) + "\n";
    }
  }

  // All that verify says.
  [[nodiscard]] static std::string judge(const std::shared_ptr<sim::SimStorage>& machine) {
    const auto report = log::verify(kDirectory, {machine});
    if (!report.is_ok()) return report.status().to_string();
    std::string said = std::to_string(report->blocks) + " blocks, " +
                       std::to_string(report->records) + " records, " +
                       std::to_string(report->bytes) + " bytes, " +
                       std::string(end_label_name(report->end_of_log.label)) + " at " +
                       report->end_of_log.end.to_string() + ": " + report->end_of_log.reason;
    for (const log::Damage& damage : report->damages) {
      said +=
          "\n" + damage.begin.to_string() + " to " + damage.end.to_string() + ": " + damage.reason;
    }
    for (const std::string& note : report->notes) said += "\n" + note;
    return said;
  }

  // Holds what is said with reading ahead against what is said without.
  void compare(const std::shared_ptr<sim::SimStorage>& machine) {
    const auto without = with_depth(machine, 1);
    const std::string expected = judge(without);
    EXPECT_EQ(judge(machine), expected);
    EXPECT_EQ(read_all(machine), read_all(without));
  }

  [[nodiscard]] format::LogGeometry geometry() const {
    return log::geometry_of(read_base_slot(*storage, kDirectory));
  }
};

TEST_F(ReadAhead, YieldsTheSameRecords) {
  ASSERT_GT(read_image(*storage, kDirectory).size(), 3U);
  compare(storage);
}

TEST_F(ReadAhead, SaysTheSameOfDamageAnywhere) {
  const auto containers = read_image(*storage, kDirectory);
  int tried = 0;
  for (const ImageContainer& container : containers) {
    for (const ImageBlock& block : container.blocks) {
      if (++tried % (5 * sim::sweep_stride(4)) != 0) continue;
      const auto damaged = storage->clone();
      // In its header, in the middle, in its trailer.
      const std::uint64_t offsets[] = {8, block.header.padded_length / 2,
                                       block.header.padded_length - 1};
      damaged->flip_bit(kDirectory, block.file, block.offset + offsets[tried / 5 % 3], 3);
      SCOPED_TRACE(block.file + " @" + std::to_string(block.offset));
      compare(damaged);
    }
  }
  EXPECT_GT(tried, 50);
}

TEST_F(ReadAhead, SaysTheSameOfShortAndMissingContainers) {
  const auto containers = read_image(*storage, kDirectory);
  for (std::size_t i = 0; i < containers.size(); ++i) {
    SCOPED_TRACE(containers[i].file);
    const auto cut = storage->clone();
    cut->truncate(kDirectory, containers[i].file, (3 + i) * kPiece / 2);
    compare(cut);
    const auto missing = storage->clone();
    missing->remove_file(kDirectory, containers[i].file);
    compare(missing);
  }
}

TEST_F(ReadAhead, TakesAReadThatFailsForNoDamage) {
  const std::string sound = judge(storage);
  for (std::uint64_t nth = 1; nth < 100; nth += 7) {
    const auto machine = storage->clone();
    machine->inject({.on = sim::IoKind::kRead, .nth = nth});
    const auto report = log::verify(kDirectory, {machine});
    // What was read ahead in vain is read again when it is asked for.
    if (!report.is_ok()) {
      EXPECT_EQ(report.code(), StatusCode::kIoError) << report.status().to_string();
    } else {
      EXPECT_TRUE(report->damages.empty()) << "read " << nth << ": " << report->damages[0].reason;
    }
  }
  EXPECT_EQ(judge(storage), sound);
}

// --- the stream by itself ---

TEST_F(ReadAhead, StreamYieldsEachBlockAndItsBytesLastUntilTheNext) {
  const auto directory = storage->open_directory(kDirectory, false).value();
  ReadSource source(*directory, geometry());
  const auto containers = read_image(*storage, kDirectory);
  std::size_t yielded = 0;
  std::unique_ptr<BlockStream> stream;
  for (const ImageContainer& container : containers) {
    const Bytes file = storage->read_image(kDirectory, container.file);
    for (const ImageBlock& block : container.blocks) {
      if (block.kind() == format::BlockKind::kContainerHeader) continue;
      if (stream == nullptr) stream = BlockStream::start(source, block.lsn, Lsn::invalid());
      auto found = stream->next(block.lsn);
      if (!found) {  // a stream does not go over a long gap
        stream = nullptr;
        stream = BlockStream::start(source, block.lsn, Lsn::invalid());
        found = stream->next(block.lsn);
      }
      ASSERT_TRUE(found) << block.lsn.to_string();
      // Others fetch meanwhile; not over these bytes.
      std::this_thread::yield();
      EXPECT_TRUE(std::equal(found->bytes.begin(), found->bytes.end(),
                             file.begin() + static_cast<std::ptrdiff_t>(block.offset)))
          << block.lsn.to_string();
      ++yielded;
    }
  }
  EXPECT_GT(yielded, 150U);
}

TEST_F(ReadAhead, StreamReadsNothingBehindItsLimit) {
  const auto directory = storage->open_directory(kDirectory, false).value();
  ReadSource source(*directory, geometry());
  const auto container = source.container(0);
  ASSERT_TRUE(container.is_ok());
  const Lsn first((*container)->content.first_block);
  const std::uint64_t before = storage->bytes_read();
  {
    const auto stream = BlockStream::start(source, first, Lsn(3 * kPiece));
    Lsn at = first;
    while (const auto block = stream->next(at)) at = at + block->header.padded_length;
    EXPECT_LE(at, Lsn(3 * kPiece));
    EXPECT_GT(at, Lsn(2 * kPiece));
  }
  EXPECT_EQ(storage->bytes_read() - before, 3 * kPiece);
}

TEST_F(ReadAhead, StreamsAreFewWhateverTheNumberOfReaders) {
  const auto directory = storage->open_directory(kDirectory, false).value();
  ReadSource source(*directory, geometry());
  const Lsn first((*source.container(0))->content.first_block);
  std::vector<std::unique_ptr<BlockStream>> streams;
  while (auto stream = BlockStream::start(source, first, Lsn::invalid())) {
    streams.push_back(std::move(stream));
    ASSERT_LE(streams.size(), 4U);
  }
  EXPECT_EQ(streams.size(), 4U);
  streams.pop_back();
  EXPECT_NE(BlockStream::start(source, first, Lsn::invalid()), nullptr);
}

// In a process of its own, of which no more memory is to be had than this. What is left free in it
// is used up.
void allow_memory(std::uint64_t more) {
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const rlim_t limit = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + more;
  const rlimit bound{limit, limit};
  if (::setrlimit(RLIMIT_AS, &bound) != 0) ::_exit(10);
  if (more != 0) return;
  for (std::size_t size = std::size_t{1} << 20; size >= 128 * 1024; size /= 2) {
    while (const void* volatile taken = std::malloc(size)) (void)taken;
  }
}

TEST_F(ReadAhead, WithoutRoomForItsThreadsOrItsRingThereIsNoStream) {
  if (sim::kSanitizer) GTEST_SKIP() << "a sanitizer needs more memory than is left";
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto directory = storage->open_directory(kDirectory, false).value();
    const Lsn first((*ReadSource(*directory, geometry()).container(0))->content.first_block);
    allow_memory(std::uint64_t{100} << 20);
    std::deque<ReadSource> sources;
    std::vector<std::unique_ptr<BlockStream>> streams;
    // Those for which there is room work, if with fewer threads than they want.
    do {
      streams.push_back(
          BlockStream::start(sources.emplace_back(*directory, geometry()), first, Lsn::invalid()));
      if (streams.back() != nullptr && !streams.back()->next(first)) ::_exit(11);
    } while (streams.back() != nullptr && streams.size() < 100);
    if (streams.size() == 1 || streams.size() == 100) ::_exit(12);
    allow_memory(0);
    ReadSource& last = sources.back();
    if (BlockStream::start(last, first, Lsn::invalid()) != nullptr) ::_exit(13);
    // What was refused is not counted.
    for (int i = 0; i < 4; ++i) {
      if (!last.take_stream()) ::_exit(14);
    }
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// --- what reads ahead, and what does not ---

// What `work` reads of `machine`.
std::uint64_t bytes_read(const std::shared_ptr<sim::SimStorage>& machine,
                         const std::function<void(LogView&)>& work) {
  const auto view = LogView::open(kDirectory, {.storage = machine}).value();
  const std::uint64_t before = machine->bytes_read();
  work(*view);
  return machine->bytes_read() - before;
}

// Alone, a reader reads the rest of a piece again that holds the beginning of a block.
TEST_F(ReadAhead, ReadsALongStretchOnce) {
  create(small_log(16), {.read_depth = 3});
  ASSERT_TRUE(append(61'000, 40));
  close();
  const auto whole = [](LogView& view) {
    Cursor cursor = view.read().value();
    while (cursor.next()->has_value()) {
    }
  };
  EXPECT_LT(bytes_read(storage, whole), bytes_read(with_depth(storage, 1), whole));
}

// Whoever has come to his end holds none of the few streams, however long he keeps his cursor.
TEST_F(ReadAhead, IsLeftToOthersByAReaderWhoHasStopped) {
  create(small_log(16), {.read_depth = 3});
  ASSERT_TRUE(append(61'000, 40));
  close();
  const Lsn middle = Lsn(kContainer + kContainer / 2);
  for (const Lsn until : {Lsn(), middle}) {
    const auto read = [&](Cursor& cursor) {
      while (cursor.next()->has_value()) {
      }
    };
    const auto by_the_last = [&](const std::shared_ptr<sim::SimStorage>& machine, int stopped) {
      const auto view = LogView::open(kDirectory, {.storage = machine}).value();
      std::vector<Cursor> kept;
      for (int i = 0; i < stopped; ++i) {
        kept.push_back(view->read({.end = until}).value());
        read(kept.back());
      }
      Cursor last = view->read({.end = until}).value();
      const std::uint64_t before = machine->bytes_read();
      read(last);
      EXPECT_FALSE(last.next()->has_value()) << "asked again";
      return machine->bytes_read() - before;
    };
    const std::uint64_t first = by_the_last(storage, 0);
    EXPECT_EQ(by_the_last(storage, 6), first);
    if (!until.is_valid()) {
      EXPECT_LT(first, by_the_last(with_depth(storage, 1), 6)) << "read ahead";
    }
  }
}

TEST_F(ReadAhead, GoesNotFarBehindTheEndThatWasAskedFor) {
  create(small_log(16), {.read_depth = 3});
  ASSERT_TRUE(append(61'000, 60));
  close();
  const Lsn until(2 * kContainer);
  const std::uint64_t most = until.value() + 4 * kPiece;
  const auto view = LogView::open(kDirectory, {.storage = storage}).value();
  const std::uint64_t before = storage->bytes_read();
  Cursor cursor = view->read({.end = until}).value();
  while ((*cursor.next())->lsn + kPiece < until) {
  }
  // Others would go on now, if they wanted to.
  for (int i = 0; i < 300 && storage->bytes_read() - before <= most; ++i) {
    std::this_thread::yield();
  }
  EXPECT_LE(storage->bytes_read() - before, most);
}

TEST_F(ReadAhead, IsNotForAShortLook) {
  const auto first_record = [](LogView& view) {
    Cursor cursor = view.read().value();
    ASSERT_TRUE(cursor.next()->has_value());
  };
  EXPECT_EQ(bytes_read(storage, first_record), bytes_read(with_depth(storage, 1), first_record));
}

TEST_F(ReadAhead, IsNotForReadingBackward) {
  const auto backward = [](LogView& view) {
    Cursor cursor = view.read({.order = log::ReadOrder::kBackward}).value();
    while (cursor.next()->has_value()) {
    }
  };
  EXPECT_EQ(bytes_read(storage, backward), bytes_read(with_depth(storage, 1), backward));
}

TEST_F(ReadAhead, IsNotForALogWithoutThreads) {
  const auto without = with_depth(storage, 1);
  const auto read_whole = [](const std::shared_ptr<sim::SimStorage>& machine) {
    const auto opened = log::Log::open(kDirectory, manual_options(machine)).value();
    const std::uint64_t before = machine->bytes_read();
    Cursor cursor = opened->read().value();
    while (cursor.next()->has_value()) {
    }
    return machine->bytes_read() - before;
  };
  EXPECT_EQ(read_whole(storage), read_whole(without));
}

}  // namespace
}  // namespace cairn::log_test
