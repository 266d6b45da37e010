// Cursors: the four orders, what filters leave, what damage and recycling do to one that is under
// way.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/log.h>

#include "format/block.h"
#include "log/sim_log_fixture.h"

namespace cairn::log_test {
namespace {

using log::Cursor;
using log::ReadOptions;
using log::ReadOrder;
using log::Record;

class CursorTest : public SimLogTest {
 protected:
  static std::vector<Lsn> lsns(Result<Cursor> cursor) {
    std::vector<Lsn> found;
    EXPECT_TRUE(cursor) << cursor.status().to_string();
    while (cursor) {
      const auto record = cursor->next();
      EXPECT_TRUE(record) << record.status().to_string();
      if (!record || !*record) break;
      found.push_back((*record)->lsn);
    }
    return found;
  }
  static std::vector<Lsn> reversed(std::vector<Lsn> list) {
    std::reverse(list.begin(), list.end());
    return list;
  }
  // The first error of the cursor, or OK at its end.
  static Status error_of(Cursor& cursor) {
    for (;;) {
      const auto record = cursor.next();
      if (!record) return record.status();
      if (!*record) return Status::ok();
    }
  }
  std::vector<Lsn> read(const ReadOptions& options) { return lsns(log->log().read(options)); }
  log::StreamId id(const std::string& stream) { return log->log().open_stream(stream)->id(); }

  // Two streams with records of three types over several containers, a torn tail's gap in the
  // middle.
  void make_long_log() {
    create(small_log(32));
    ASSERT_TRUE(log->create_stream("t"));
    for (int half = 0; half < 2; ++half) {
      for (int i = 0; i < 150; ++i) {
        log::AppendOptions options;
        options.type = static_cast<std::uint16_t>(i % 3);
        options.durability = i % 7 == 0 ? log::Durability::kDurable : log::Durability::kNone;
        ASSERT_TRUE(log->append(i % 2 == 0 ? "s" : "t",
                                Bytes(static_cast<std::size_t>(i) * 97 % 20'000), options));
      }
      ASSERT_TRUE(log->flush());
      ASSERT_TRUE(log->write_restart_area("s", Bytes(10), {}));
      if (half == 1) break;
      ASSERT_TRUE(append(100, 3, {}));
      crash(sim::survive_none());
      ASSERT_TRUE(reopen());
      ASSERT_EQ(log->model().streams.at("s").records.size(), 76U);
    }
  }
};

TEST_F(CursorTest, BackwardShowsForwardReversedOverSealsAndGapsWithEveryFilter) {
  make_long_log();
  ASSERT_GT(log->log().end_lsn().container(log::kMinContainerSize), 1U);
  std::vector<ReadOptions> filters(6);
  filters[1].stream = id("s");
  filters[2].stream = id("t");
  filters[2].types = {1};
  filters[3].types = {0, 2};
  filters[4].catalog = true;
  filters[5].types = {77};
  for (ReadOptions options : filters) {
    const std::vector<Lsn> forward = read(options);
    EXPECT_EQ(forward.empty(), options.types == std::vector<std::uint16_t>{77});
    options.order = ReadOrder::kBackward;
    EXPECT_EQ(read(options), reversed(forward));
  }
}

TEST_F(CursorTest, BackwardBeginsAtEveryRecordAndBetweenThem) {
  make_long_log();
  const std::vector<Lsn> all = read({});
  for (std::size_t i = 0; i < all.size(); i += 3) {
    const std::vector<Lsn> expected(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    for (const std::uint64_t beside : {0, 8}) {
      auto cursor = log->log().read({.order = ReadOrder::kBackward, .start = all[i] + beside});
      ASSERT_EQ((*cursor->next())->lsn, all[i]) << beside;
      if (i % 30 == 0) {
        EXPECT_EQ(lsns(std::move(cursor)).size(), i);
      }
    }
  }
}

TEST_F(CursorTest, BackwardFromAGapBeginsBeforeIt) {
  create();
  ASSERT_TRUE(append(100, 3));
  const std::vector<Lsn> before = read({});
  ASSERT_TRUE(append(100, 3, {}));
  crash(sim::survive_none());
  ASSERT_TRUE(reopen());
  ASSERT_TRUE(append(100, 2));
  const Lsn in_gap(log->log().end_lsn().value() - 70'000);
  EXPECT_EQ(read({.order = ReadOrder::kBackward, .start = in_gap}), reversed(before));
}

TEST_F(CursorTest, BackwardStepsOverWhatATruncationTookAway) {
  create();
  ASSERT_TRUE(append(100, 9, {}));  // one block, cut in its middle
  ASSERT_TRUE(log->flush());
  ASSERT_TRUE(append(3000, 5));
  const std::vector<Lsn> before = read({});
  ASSERT_TRUE(log->log().truncate_after(before[3]));
  ASSERT_TRUE(append(100, 3));
  std::vector<Lsn> kept(before.begin(), before.begin() + 4);
  EXPECT_EQ(read({.order = ReadOrder::kBackward, .start = before[6]}), reversed(kept));
  EXPECT_EQ(read({.order = ReadOrder::kBackward, .start = before[12]}), reversed(kept));
  const std::vector<Lsn> after = read({});
  ASSERT_EQ(after.size(), 7U);
  EXPECT_EQ(read({.order = ReadOrder::kBackward}), reversed(after));
}

TEST_F(CursorTest, BackwardStopsAtTheEndThatWasGivenAndAtTheBase) {
  create();
  ASSERT_TRUE(append(100, 9));
  const std::vector<Lsn> all = read({});
  EXPECT_EQ(read({.order = ReadOrder::kBackward, .start = all[6], .end = all[4]}),
            (std::vector<Lsn>{all[6], all[5], all[4]}));
  ASSERT_TRUE(log->advance_base("s", all[7]));
  EXPECT_EQ(read({.order = ReadOrder::kBackward, .stream = id("s")}),
            (std::vector<Lsn>{all[8], all[7]}));
}

TEST_F(CursorTest, BackwardStartOutsideTheLogIsRefused) {
  create();
  ASSERT_TRUE(append(100, 3));
  ASSERT_TRUE(log->advance_base("s", read({})[2]));
  const auto refused = [&](Lsn start) {
    auto cursor =
        log->log().read({.order = ReadOrder::kBackward, .start = start, .stream = id("s")});
    return cursor ? cursor->next().code() : cursor.code();
  };
  EXPECT_EQ(refused(log->log().end_lsn() + 8), StatusCode::kLsnInvalid);
  EXPECT_EQ(refused(Lsn::invalid()), StatusCode::kLsnInvalid);
  EXPECT_EQ(refused(Lsn(8)), StatusCode::kLsnInvalid);
}

TEST_F(CursorTest, BackwardStartThatIsNotDurableYetBecomesSo) {
  create();
  ASSERT_TRUE(append(100, 2));
  ASSERT_TRUE(append(100, 1, {}));
  const Lsn last = log->model().highest;
  EXPECT_EQ(read({.order = ReadOrder::kBackward}).size(), 2U);
  EXPECT_EQ(read({.order = ReadOrder::kBackward, .start = last}).size(), 3U);
}

TEST_F(CursorTest, BackwardMeetsDamageAsAnErrorWithItsRange) {
  create();
  ASSERT_TRUE(append(3000, 6));
  const std::vector<Lsn> all = read({});
  const ImageBlock bad = [&] {
    for (const ImageBlock& block : newest_blocks()) {
      if (!block.records.empty() && block.records[0].lsn == all[2]) return block;
    }
    return ImageBlock{};
  }();
  storage->flip_bit(kDirectory, bad.file, bad.records[0].offset + 60, 3);
  auto cursor = log->log().read({.order = ReadOrder::kBackward});
  for (const std::size_t i : {5U, 4U, 3U}) EXPECT_EQ((*cursor->next())->lsn, all[i]);
  const Status status = cursor->next().status();
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_EQ(status.detail().lsn_begin, all[2]);
  EXPECT_EQ(status.detail().lsn_end, bad.end_lsn());
  EXPECT_EQ(status.detail().file, "log/" + bad.file);
  EXPECT_EQ(cursor->next().code(), StatusCode::kCorrupt) << "an error is repeated";
}

TEST_F(CursorTest, BackwardFollowsNoForgedLink) {
  create();
  ASSERT_TRUE(append(3000, 6));
  const std::vector<Lsn> all = read({});
  const std::vector<ImageBlock> blocks = newest_blocks();
  const auto bad = std::find_if(blocks.begin(), blocks.end(), [&](const ImageBlock& block) {
    return !block.records.empty() && block.records[0].lsn == all[4];
  });
  const ImageBlock& good = *(bad - 1);
  const auto image = storage->read_image(kDirectory, bad->file);
  for (const Lsn forged : {good.lsn + 8, Lsn(log::kMinContainerSize), bad->lsn, bad->lsn + 512,
                           good.lsn + 512, Lsn(good.header.previous_block)}) {
    Bytes block(image.begin() + static_cast<std::ptrdiff_t>(bad->offset),
                image.begin() + static_cast<std::ptrdiff_t>(bad->end()));
    log::format::BlockFields fields;
    fields.lsn = bad->lsn;
    fields.previous_block = forged;
    fields.watermark = Lsn(bad->header.watermark);
    fields.epoch = bad->header.epoch;
    fields.record_count = bad->header.record_count;
    fields.window = bad->header.window;
    log::format::seal_block(block, bad->header.used_length, 512, fields,
                            {log->log().info().id, bad->header.incarnation});
    storage->overwrite(kDirectory, bad->file, bad->offset, block);
    auto cursor = log->log().read({.order = ReadOrder::kBackward});
    EXPECT_EQ((*cursor->next())->lsn, all[5]);
    EXPECT_EQ((*cursor->next())->lsn, all[4]);
    EXPECT_EQ(cursor->next().code(), StatusCode::kCorrupt) << forged.to_string();
  }
}

TEST_F(CursorTest, BackwardFromADamagedEndSaysSoAndFromARecordReadsOn) {
  create();
  ASSERT_TRUE(append(3000, 6));
  const std::vector<Lsn> all = read({});
  close();
  const std::vector<ImageBlock> blocks = newest_blocks();
  zero_sector(blocks[blocks.size() - 2]);
  auto view = log::LogView::open(kDirectory, manual_options(storage));
  ASSERT_TRUE(view) << view.status().to_string();
  EXPECT_EQ((*view)->read({.order = ReadOrder::kBackward})->next().code(), StatusCode::kCorrupt);
  EXPECT_EQ(lsns((*view)->read({.order = ReadOrder::kBackward, .start = all[4]})),
            reversed({all.begin(), all.begin() + 5}));
}

TEST_F(CursorTest, EveryOrderHonoursStreamAndTypes) {
  create();
  ASSERT_TRUE(log->create_stream("t"));
  Lsn last;
  std::vector<Lsn> wanted;
  for (int i = 0; i < 12; ++i) {
    log::AppendOptions options = durable();
    options.type = static_cast<std::uint16_t>(i % 4);
    options.previous = options.undo_next = last;
    ASSERT_TRUE(log->append("s", Bytes(10), options));
    last = log->model().highest;
    if (i % 4 == 1 || i % 4 == 2) wanted.push_back(last);
    ASSERT_TRUE(append(10, 1));
    ASSERT_TRUE(log->append("t", Bytes(10), {.type = 1}));
  }
  ASSERT_TRUE(log->flush());
  ReadOptions options{.stream = id("s"), .types = {1, 2}};
  EXPECT_EQ(read(options), wanted);
  for (const ReadOrder order : {ReadOrder::kBackward, ReadOrder::kPrevious, ReadOrder::kUndoNext}) {
    options.order = order;
    options.start = last;
    EXPECT_EQ(read(options), reversed(wanted)) << static_cast<int>(order);
  }
}

// The promise of a cursor that is overtaken: kStartOfLog with the place, never other bytes, never
// kCorrupt. Only a chain that knows the new base ends there, as every chain does at the base.
TEST_F(CursorTest, CursorThatRecyclingOvertakesIsToldSoInEveryOrder) {
  create();
  Lsn last;
  for (int i = 0; i < 400; ++i) {  // more than a cursor reads ahead
    ASSERT_TRUE(
        log->append("s", Bytes(6000, std::byte{7}),
                    {.previous = last, .undo_next = last, .durability = durable().durability}));
    last = log->model().highest;
  }
  auto view = *log::LogView::open(kDirectory, manual_options(storage));
  std::vector<Cursor> cursors;
  for (const ReadOrder order :
       {ReadOrder::kForward, ReadOrder::kBackward, ReadOrder::kPrevious, ReadOrder::kUndoNext}) {
    const Lsn start = order == ReadOrder::kForward ? Lsn() : last;
    cursors.push_back(*view->read({.order = order, .start = start}));
    if (order == ReadOrder::kPrevious || order == ReadOrder::kUndoNext) continue;
    cursors.push_back(*log->log().read({.order = order, .start = start}));
  }
  auto chain = log->log().read({.order = ReadOrder::kPrevious, .start = last});
  ASSERT_TRUE(*chain->next());
  for (Cursor& cursor : cursors) ASSERT_TRUE(*cursor.next());
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(append(6000, 1, {}));
    if (i % 100 == 0) {
      ASSERT_TRUE(log->advance_base("s", log->model().highest));
    }
  }
  ASSERT_GT(log->log().info().tail, last);
  for (Cursor& cursor : cursors) {
    const Status status = error_of(cursor);
    EXPECT_EQ(status.code(), StatusCode::kStartOfLog) << status.to_string();
    EXPECT_LE(status.detail().lsn_begin, last);
    EXPECT_GT(status.detail().lsn_end, last);
  }
  EXPECT_FALSE(*chain->next());
}

// Each payload repeats one byte, which its first says too.
TEST_F(CursorTest, IndependentCursorsOnThreadsSeeTrueRecordsWhileContainersAreRecycled) {
  create(small_log(6));
  close();
  log::OpenOptions options = manual_options(storage);
  options.background = log::Background::kThread;
  auto shared = *log::Log::open(kDirectory, options);
  log::Stream stream = *shared->open_stream("s");
  std::atomic<bool> stop{false};
  std::atomic<int> overtaken{0};
  std::atomic<int> shown{0};
  std::vector<std::thread> readers;
  for (const ReadOrder order : {ReadOrder::kForward, ReadOrder::kBackward, ReadOrder::kForward}) {
    readers.emplace_back([&, order] {
      while (!stop.load()) {
        auto cursor = shared->read({.order = order});
        for (;;) {
          const auto record = cursor->next();
          if (!record) {
            EXPECT_EQ(record.code(), StatusCode::kStartOfLog) << record.status().to_string();
            ++overtaken;
            break;
          }
          if (!*record) break;
          const auto payload = (*record)->payload;
          EXPECT_EQ(std::memcmp(payload.data(), payload.data() + 1, payload.size() - 1), 0);
          ++shown;
        }
      }
    });
  }
  // For as long as the readers need to have seen records and the log to come round; how many that
  // are is the scheduler's.
  Status status;
  for (int i = 0; status && i < 2'000'000; ++i) {
    if (i >= 2000 && shown.load() > 0 && shared->statistics().containers_recycled > 4) break;
    const auto lsn = stream.append(Bytes(4000, static_cast<std::byte>(i)));
    status = lsn.status();
    if (status && i % 100 == 99) status = stream.advance_base(*lsn);
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_TRUE(status) << status.to_string();
  EXPECT_GT(shown.load(), 0);
  EXPECT_GT(shared->statistics().containers_recycled, 4U);
}

}  // namespace
}  // namespace cairn::log_test
