// One sequence of operations under all options: whatever the storage, the depth, the blocks, the
// alignment, the way to make blocks durable and the pool are, with the page cache or past it, the
// log holds the same. LSNs differ with the alignment, so records are known by their number in the
// order of the appends.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/log.h>
#include <cairn/sim/random.h>
#include <cairn/sim/sim_storage.h>

#include "log/torture_names.h"
#include "sim/test_budget.h"

namespace cairn::log_test {
namespace {

constexpr const char* kStreams[] = {"one", "two", "three"};

struct Setting {
  std::string storage;  // uring, posix, sim
  std::string place;    // the directory that the log's is made in
  std::uint32_t depth = 4;
  std::uint32_t blocks = 8;
  std::uint32_t alignment = 4096;
  bool thread = false;  // Background::kThread
  log::DurableWrites durable_writes = log::DurableWrites::kPerWrite;
  log::DirectIo direct = log::DirectIo::kOn;
  bool recycle = true;
  bool changing =
      false;  // each opening makes blocks durable, and goes past the page cache, the other way

  [[nodiscard]] std::string name() const {
    return storage + " in " + place + ", depth " + std::to_string(depth) + ", blocks " +
           std::to_string(blocks) + ", alignment " + std::to_string(alignment) +
           (thread ? ", with a thread" : "") + ", durable " +
           std::string(log::durable_writes_name(durable_writes)) +
           (direct == log::DirectIo::kOn ? ", direct" : ", buffered") +
           (recycle ? "" : ", nothing recycled") + (changing ? ", changing" : "");
  }
};

// Runs the sequence of one seed on a log, and says what the log then holds, in words without LSNs.
class Run {
 public:
  // `storages`: as the setting says, and the other way.
  Run(std::string path, const Setting& setting,
      std::array<std::shared_ptr<log::Storage>, 2> storages)
      : path_(std::move(path)), setting_(setting), storages_(std::move(storages)), random_(17) {
    open_options_.storage = storages_[0];
    open_options_.durable_writes = setting.durable_writes;
    open_options_.blocks = setting.blocks;
    open_options_.depth = setting.depth;
    open_options_.background = setting.thread ? log::Background::kThread : log::Background::kManual;
    create_options_.container_size = log::kMinContainerSize;
    create_options_.max_size = 6 * log::kMinContainerSize;
    create_options_.alignment = setting.alignment;
    create_options_.calibrate = false;
  }

  Result<std::string> contents() {
    CAIRN_ASSIGN_OR_RETURN(log_, log::Log::create(path_, create_options_, open_options_));
    if (!setting_.recycle) {
      log::Policies policies = log_->policies();
      policies.spare_max = 0;
      CAIRN_RETURN_IF_ERROR(log_->set_policies(policies));
    }
    for (const char* name : kStreams) CAIRN_RETURN_IF_ERROR(log_->create_stream(name).status());
    for (int i = 0; i < 220; ++i) {
      const Status status = step();
      if (!status) return status.with_context("step " + std::to_string(i));
    }
    CAIRN_RETURN_IF_ERROR(reopen());
    return text();
  }

 private:
  Status step() {
    const std::string name = kStreams[random_.below(3)];
    CAIRN_ASSIGN_OR_RETURN(log::Stream stream, log_->open_stream(name));
    std::vector<Lsn>& records = appended_[name];
    const std::uint64_t dice = random_.below(100);
    const std::uint64_t pick = random_.next();
    const Lsn some = records.empty() ? Lsn() : records[pick % records.size()];
    if (dice < 80) return append(stream, dice < 60 ? 300 : 40'000, some, records);
    if (dice < 86) return restart(stream, name, some, records);
    if (dice < 91) return advance(stream, name, some, records);
    if (dice < 96) return log_->flush();
    return reopen();
  }

  Status append(log::Stream& stream, std::uint64_t most, Lsn link, std::vector<Lsn>& records) {
    log::AppendOptions options;
    options.type = static_cast<std::uint16_t>(random_.below(100));
    options.durability = static_cast<log::Durability>(random_.below(3));
    if (random_.chance(30)) options.previous = link;
    if (random_.chance(30)) options.undo_next = link;
    Bytes payload(random_.below(most), static_cast<std::byte>(random_.next()));
    CAIRN_ASSIGN_OR_RETURN(const Lsn lsn, stream.append(payload, options));
    note(lsn, records);
    return drive();
  }
  Status restart(log::Stream& stream, const std::string& name, Lsn base,
                 std::vector<Lsn>& records) {
    const Bytes data(random_.below(200), std::byte{9});
    CAIRN_ASSIGN_OR_RETURN(const Lsn lsn, stream.write_restart_area(data, base));
    note(lsn, records);
    Areas& areas = areas_[name];
    areas = {lsn, areas.advanced, areas.newest < areas.advanced};
    drop_before(base, records);
    return drive();
  }
  Status advance(log::Stream& stream, const std::string& name, Lsn base,
                 std::vector<Lsn>& records) {
    if (base.is_null()) return Status::ok();
    CAIRN_RETURN_IF_ERROR(stream.advance_base(base));
    areas_[name].advanced = std::max(areas_[name].advanced, base);
    drop_before(base, records);
    return drive();
  }
  Status drive() {
    return open_options_.background == log::Background::kManual ? log_->run_background()
                                                                : Status::ok();
  }
  Status reopen() {
    check_that_options_were_kept();
    CAIRN_RETURN_IF_ERROR(log_->close());
    if (setting_.changing) {
      std::swap(storages_[0], storages_[1]);
      open_options_.storage = storages_[0];
      open_options_.durable_writes = open_options_.durable_writes == log::DurableWrites::kPerWrite
                                         ? log::DurableWrites::kPerPrefix
                                         : log::DurableWrites::kPerWrite;
    }
    CAIRN_ASSIGN_OR_RETURN(log_, log::Log::open(path_, open_options_));
    return Status::ok();
  }

  void check_that_options_were_kept() const {
    const log::StorageInfo storage = log_->info().storage;
    const log::LogStatistics statistics = log_->statistics();
    EXPECT_EQ(storage.durable_writes, open_options_.durable_writes);
    if (storage.durable_writes == log::DurableWrites::kPerPrefix) {
      EXPECT_EQ(statistics.durable_writes, 0U);
    }
    if (!setting_.changing) {
      EXPECT_EQ(storage.direct, setting_.direct == log::DirectIo::kOn);
    }
    if (!setting_.recycle) {
      EXPECT_EQ(statistics.containers_recycled, 0U);
    }
  }

  void note(Lsn lsn, std::vector<Lsn>& records) {
    numbers_[lsn] = numbers_.size() + 1;
    records.push_back(lsn);
  }
  static void drop_before(Lsn base, std::vector<Lsn>& records) {
    std::erase_if(records, [&](Lsn lsn) { return lsn < base; });
  }

  // "#12" of a record, "-" of none.
  std::string number(Lsn lsn) const {
    const auto found = numbers_.find(lsn);
    return found == numbers_.end() ? "-" : "#" + std::to_string(found->second);
  }
  std::string restart_text(const std::optional<SeenRestart>& area) const {
    return area ? number(area->lsn) + " of " + std::to_string(area->data.size()) : "none";
  }

  Result<std::string> text() {
    CAIRN_ASSIGN_OR_RETURN(const LogContents contents, read_contents(*log_));
    CAIRN_RETURN_IF_ERROR(check_stream_cursors(*log_, contents));
    std::string out;
    for (const auto& [name, stream] : contents.streams) {
      out += name + " last " + number(stream.last) + " restart " + restart_text(stream.restart) +
             " previous " +
             (areas_[name].previous_given_up ? "given up" : restart_text(stream.previous_restart)) +
             "\n";
      for (const SeenRecord& record : stream.records) {
        out += "  " + number(record.lsn) + " type " + std::to_string(record.type) + " previous " +
               number(record.previous) + " undo " + number(record.undo_next) + " " +
               std::to_string(record.payload.size()) + " bytes of " +
               (record.payload.empty() ? "-"
                                       : std::to_string(static_cast<int>(record.payload.front()))) +
               "\n";
      }
    }
    return out;
  }

  std::string path_;
  Setting setting_;
  std::array<std::shared_ptr<log::Storage>, 2> storages_;
  log::OpenOptions open_options_;
  log::CreateOptions create_options_;
  sim::Random random_;
  std::unique_ptr<log::Log> log_;
  std::map<std::string, std::vector<Lsn>> appended_;  // from the base on
  std::map<Lsn, std::size_t> numbers_;
  // The restart areas of a stream. If the base was advanced beyond the newest one, that is given up
  // when the next is written; an opening between the two may keep it a while longer, as snapshots
  // of the catalog fall (read_previous_restart_area()).
  struct Areas {
    Lsn newest;
    Lsn advanced;
    bool previous_given_up = false;
  };
  std::map<std::string, Areas> areas_;
};

// Where logs can be made here: on a disk, and in memory, where there is no O_DIRECT.
std::vector<std::string> places() {
  std::vector<std::string> places{std::filesystem::path(testing::TempDir())};
  if (::access("/dev/shm", W_OK) == 0) places.emplace_back("/dev/shm");
  return places;
}

Result<std::shared_ptr<log::Storage>> storage_for(const Setting& setting, log::DirectIo direct) {
  log::StorageOptions options;
  options.kind = setting.storage == "uring" ? log::StorageKind::kUring : log::StorageKind::kPosix;
  options.direct = direct;
  return log::make_storage(options);
}

// A place for a log, with nothing in it before and after.
class Place {
 public:
  explicit Place(const std::string& in)
      : path(in + "/cairn-differential-" + std::to_string(::getpid())) {
    std::filesystem::remove_all(path);
  }
  ~Place() { std::filesystem::remove_all(path); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  const std::string path;
};

// Error: kNotSupported where the setting cannot be had.
Result<std::string> contents_of(const Setting& setting) {
  const Place place(setting.place);
  std::array<std::shared_ptr<log::Storage>, 2> storages;
  if (setting.storage == "sim") {
    storages[0] = storages[1] = std::make_shared<sim::SimStorage>();
  } else {
    for (const std::size_t i : {0U, 1U}) {
      const bool direct = (setting.direct == log::DirectIo::kOn) == (i == 0);
      if (i == 1 && !setting.changing) break;
      CAIRN_ASSIGN_OR_RETURN(
          storages[i], storage_for(setting, direct ? log::DirectIo::kOn : log::DirectIo::kOff));
      CAIRN_ASSIGN_OR_RETURN(const auto directory, storages[i]->open_directory(place.path, true));
      if (storages[i]->describe(*directory).alignment > setting.alignment) {
        return Status(StatusCode::kNotSupported, "the device asks for a larger alignment");
      }
    }
  }
  return Run(place.path, setting, std::move(storages)).contents();
}

// All ways to make blocks durable, of the page cache and of the pool, each with another depth and
// number of blocks at each place; and one where they change from opening to opening.
std::vector<Setting> settings_of(const std::string& storage, const std::string& place,
                                 unsigned shift) {
  std::vector<Setting> settings;
  for (unsigned i = 0; i < 8; ++i) {
    const unsigned turned = (i + shift) % 8;
    Setting setting{storage, place};
    setting.depth = 1U << turned / 2;
    setting.blocks = turned % 2 == 0 ? 4 : 16;
    setting.alignment = (setting.depth + setting.blocks) % 8 == 4 ? 512U : 4096U;
    setting.thread = setting.depth == 2;
    setting.durable_writes = i & 1 ? log::DurableWrites::kPerPrefix : log::DurableWrites::kPerWrite;
    setting.direct = i & 2 && storage != "sim" ? log::DirectIo::kOff : log::DirectIo::kOn;
    setting.recycle = (i & 4) == 0;
    settings.push_back(setting);
  }
  settings.push_back({storage, place});
  settings.back().changing = true;
  return settings;
}

class Differential : public testing::TestWithParam<const char*> {};

TEST_P(Differential, SameContentUnderAllOptions) {
  const auto expected = contents_of({"sim", "memory"});
  ASSERT_TRUE(expected) << expected.status().to_string();
  ASSERT_GT(expected->size(), 2000U);
  const std::string storage = GetParam();
  std::size_t compared = 0;
  unsigned shift = 0;
  for (const std::string& place :
       storage == "sim" ? std::vector<std::string>{"memory"} : places()) {
    const std::vector<Setting> settings = settings_of(storage, place, shift);
    for (std::size_t i = 0; i < settings.size(); i += sim::sweep_stride(4)) {
      const Setting& setting = settings[i];
      SCOPED_TRACE(setting.name());
      const auto found = contents_of(setting);
      if (found.code() == StatusCode::kNotSupported) continue;
      ASSERT_TRUE(found) << found.status().to_string();
      ASSERT_EQ(*found, *expected);
      ++compared;
    }
    shift += 3;
  }
  if (compared == 0) GTEST_SKIP() << storage << " is not allowed here";
}

INSTANTIATE_TEST_SUITE_P(Storages, Differential, testing::Values("sim", "posix", "uring"),
                         [](const auto& storage) { return std::string(storage.param); });

}  // namespace
}  // namespace cairn::log_test
