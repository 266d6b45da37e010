// Readers that have the log read ahead of them, beside a writer who appends, cuts records off again
// and recycles containers: what they are shown is true, and nobody is told of damage.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/archive.h>

#include "log/sim_log_fixture.h"

namespace cairn::log_test {
namespace {

using log::Cursor;
using log::Log;
using log::LogView;

class ReadBeside : public testing::Test {
 protected:
  void SetUp() override {
    options_ = manual_options(storage_);
    options_.background = log::Background::kThread;
    options_.lock_wait = std::chrono::seconds(10);
    auto made = Log::create(kDirectory, small_log(16), options_);
    ASSERT_TRUE(made) << made.status().to_string();
    log_ = std::move(*made);
    stream_ = log_->create_stream("s").value();
  }

  // Record `number`: repeats its number, so that bytes of two records are told from one.
  static Bytes payload_of(std::uint64_t number) {
    Bytes payload(kWords * sizeof number);
    for (std::size_t i = 0; i < kWords; ++i) {
      std::memcpy(payload.data() + i * sizeof number, &number, sizeof number);
    }
    return payload;
  }

  // One who reads: each record whole, none twice, none out of order.
  class Witness {
   public:
    void see(const log::Record& record) {
      ASSERT_EQ(record.payload.size(), kWords * sizeof(std::uint64_t));
      std::uint64_t number = 0;
      std::memcpy(&number, record.payload.data(), sizeof number);
      EXPECT_EQ(std::memcmp(record.payload.data(), record.payload.data() + sizeof number,
                            record.payload.size() - sizeof number),
                0)
          << record.lsn.to_string();
      EXPECT_GT(number, last_) << record.lsn.to_string();
      last_ = number;
      ++seen;
    }
    std::uint64_t seen = 0;

   private:
    std::uint64_t last_ = 0;
  };

  // Reads from where the log begins up to its end, or until the tail has passed.
  static void read_through(Cursor cursor) {
    Witness witness;
    for (;;) {
      const auto record = cursor.next();
      if (!record) {
        EXPECT_EQ(record.code(), StatusCode::kStartOfLog) << record.status().to_string();
        return;
      }
      if (!*record) return;
      witness.see(**record);
    }
  }

  // Runs `once` again and again in a thread of its own while the log is written.
  void beside(std::function<void()> once) {
    readers_.emplace_back([this, once = std::move(once), rounds = &rounds_.emplace_back(0)] {
      while (!stop_.load()) {
        once();
        ++*rounds;
      }
    });
  }

  // Writes until each reader has come to an end twice and the log has come round.
  void write() {
    std::vector<Lsn> lsns;
    for (std::uint64_t number = 1; number < 400'000; ++number) {
      const auto lsn = stream_.append(payload_of(number));
      ASSERT_TRUE(lsn) << lsn.status().to_string();
      lsns.push_back(*lsn);
      if (number % 100 != 0) continue;
      // About half of the log is there to be read.
      if (lsns.size() > 2000) {
        ASSERT_TRUE(stream_.advance_base(lsns[lsns.size() - 2000]));
      }
      if (number % 1000 == 0) {
        ASSERT_TRUE(log_->truncate_after(lsns[lsns.size() - 30]));
        lsns.resize(lsns.size() - 29);
      }
      const bool enough =
          std::ranges::all_of(rounds_, [](const auto& rounds) { return rounds > 1; });
      if (enough && log_->statistics().containers_recycled > 8) return;
    }
  }

  void end() {
    stop_ = true;
    for (std::thread& reader : readers_) reader.join();
  }

  static constexpr std::size_t kWords = 500;
  std::shared_ptr<sim::SimStorage> storage_ =
      std::make_shared<sim::SimStorage>(sim::SimOptions{.read_depth = 3});
  log::OpenOptions options_;
  std::unique_ptr<Log> log_;
  log::Stream stream_;
  std::atomic<bool> stop_{false};
  std::deque<std::atomic<int>> rounds_;
  std::vector<std::thread> readers_;
};

TEST_F(ReadBeside, CursorsAndViewsSeeTrueRecordsAndVerifySeesNoDamage) {
  beside([&] { read_through(log_->read({.stream = stream_.id()}).value()); });
  beside([&] {
    const auto view = LogView::open(kDirectory, {.storage = storage_});
    ASSERT_TRUE(view) << view.status().to_string();
    read_through((*view)->read({.stream = stream_.id()}).value());
  });
  beside([&] {
    const auto report = log::verify(kDirectory, {storage_});
    ASSERT_TRUE(report) << report.status().to_string();
    for (const log::Damage& damage : report->damages) ADD_FAILURE() << damage.reason;
  });
  write();
  end();
}

// Without an archive tail: what the log recycles under the archiver is left out of the archive.
TEST_F(ReadBeside, ArchivesAreWholeLogs) {
  const auto clear = [&](const std::string& path) {
    const auto directory = storage_->open_directory(path, true).value();
    for (const std::string& name : storage_->list(path)) ASSERT_TRUE(directory->remove(name));
  };
  const auto archive_once = [&](const std::string& path, auto&& archive) {
    log::ArchiveOptions options;
    options.storage = storage_;
    for (;;) {
      clear(path);
      const auto report = archive(path, options);
      if (report.is_ok()) break;
      ASSERT_EQ(report.code(), StatusCode::kStartOfLog) << report.status().to_string();
      if (stop_.load()) return;
    }
    const std::string restored = path + "-restored";
    clear(restored);
    const auto report = log::restore(path, restored, options);
    ASSERT_TRUE(report) << report.status().to_string();
    const auto view = LogView::open(restored, {.storage = storage_});
    ASSERT_TRUE(view) << view.status().to_string();
    Witness witness;
    auto cursor = (*view)->read({.stream = stream_.id()}).value();
    for (auto record = cursor.next();; record = cursor.next()) {
      ASSERT_TRUE(record) << record.status().to_string();
      if (!*record) break;
      witness.see(**record);
    }
  };
  beside([&] {
    archive_once("of-the-log", [&](const std::string& path, const log::ArchiveOptions& options) {
      return log::archive(*log_, path, options);
    });
  });
  beside([&] {
    archive_once("of-files", [&](const std::string& path, const log::ArchiveOptions& options) {
      return log::archive(kDirectory, path, options);
    });
  });
  write();
  end();
}

TEST_F(ReadBeside, ATailReaderSeesEachRecordThatStaysAndNoneTwice) {
  Witness witness;
  auto followed = log_->follow({.stream = stream_.id()});
  ASSERT_TRUE(followed) << followed.status().to_string();
  log::TailReader reader = std::move(*followed);
  // Far behind, then at the end, and again.
  beside([&] {
    for (;;) {
      const auto record = reader.next(std::chrono::nanoseconds(0));
      if (record.code() == StatusCode::kStartOfLog) {
        ASSERT_TRUE(reader.resume());
        continue;
      }
      ASSERT_TRUE(record) << record.status().to_string();
      if (!*record) return;
      witness.see(**record);
    }
  });
  write();
  end();
  EXPECT_GT(witness.seen, 1000U);
}

}  // namespace
}  // namespace cairn::log_test
