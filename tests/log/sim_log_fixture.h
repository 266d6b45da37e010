// SimLogTest: a log on a simulated storage, single-threaded, with its model beside it.
#ifndef CAIRN_TESTS_LOG_SIM_LOG_FIXTURE_H_
#define CAIRN_TESTS_LOG_SIM_LOG_FIXTURE_H_

#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include <cairn/sim/sim_storage.h>

#include "log/log_image.h"
#include "log/torture_names.h"

namespace cairn::log_test {

inline const std::string kDirectory = "log";

inline log::AppendOptions durable() {
  log::AppendOptions options;
  options.durability = log::Durability::kDurable;
  return options;
}

// What the log in `storage` is judged to be, without opening it.
[[nodiscard]] inline log::VerifyReport verify_log(std::shared_ptr<sim::SimStorage> storage) {
  return log::verify(kDirectory, {std::move(storage)}).value();
}

class SimLogTest : public testing::Test {
 protected:
  // Makes a log with one stream "s".
  void create(const log::CreateOptions& create_options = small_log(),
              const sim::SimOptions& sim_options = {}) {
    storage = std::make_shared<sim::SimStorage>(sim_options);
    auto made = log::Log::create(kDirectory, create_options, manual_options(storage));
    ASSERT_TRUE(made) << made.status().to_string();
    log = std::make_unique<ModelledLog>(std::move(*made), LogModel());
    ASSERT_TRUE(log->create_stream("s"));
  }

  // Appends `count` records of `size` bytes that differ from each other.
  Status append(std::size_t size, int count = 1, const log::AppendOptions& options = durable()) {
    for (int i = 0; i < count; ++i) {
      const auto byte = static_cast<std::byte>(log->model().highest.value() / 8 % 251);
      CAIRN_RETURN_IF_ERROR(log->append("s", Bytes(size, byte), options));
    }
    return {};
  }

  // The power goes; the log's model is kept, the next boot's storage is `storage`.
  void crash(const sim::CrashChoice& choice, std::uint64_t seed = 0) {
    model = log->model();
    auto next = storage->after_crash(choice, seed);
    storage->crash();
    log.reset();
    storage = std::move(next);
  }

  // Opens the log again, and holds it against what was known. Its label is in `end`.
  Status reopen() {
    auto opened = log::Log::open(kDirectory, manual_options(storage));
    CAIRN_RETURN_IF_ERROR(opened.status());
    end = (*opened)->info().end_of_log;
    CAIRN_ASSIGN_OR_RETURN(const LogContents contents, read_contents(**opened));
    EXPECT_EQ(model.violation(contents), "");
    log = std::make_unique<ModelledLog>(std::move(*opened), model.after_recovery(contents));
    return {};
  }

  void close() {
    ASSERT_TRUE(log->close());
    model = log->model();
    log.reset();
  }

  // The blocks of the newest container that has any, header left out.
  std::vector<ImageBlock> newest_blocks() const {
    std::vector<ImageContainer> containers = read_image(*storage, kDirectory);
    while (containers.back().blocks.size() < 2) containers.pop_back();
    std::vector<ImageBlock> blocks = std::move(containers.back().blocks);
    blocks.erase(blocks.begin());
    return blocks;
  }

  // The sector at `offset` of the block becomes zeros; by default its header.
  void zero_sector(const ImageBlock& block, std::uint64_t offset = 0) {
    storage->overwrite(kDirectory, block.file, block.offset + offset, sim::Sector{});
  }
  void zero_last_sector(const ImageBlock& block) {
    zero_sector(block, block.header.padded_length - sim::kSectorSize);
  }

  std::shared_ptr<sim::SimStorage> storage;
  std::unique_ptr<ModelledLog> log;
  LogModel model;  // while no log is open
  log::EndOfLog end;
};

}  // namespace cairn::log_test

#endif  // CAIRN_TESTS_LOG_SIM_LOG_FIXTURE_H_
