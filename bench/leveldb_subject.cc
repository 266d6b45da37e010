// LevelDB: Put() with sync, which its writers' queue turns into group commit.
#include <atomic>
#include <cstring>

#include <leveldb/db.h>

#include "subject.h"

namespace cairn::bench {
namespace {

constexpr std::size_t kMemtable = std::size_t{64} << 20;

class LevelDbSubject final : public Subject {
 public:
  explicit LevelDbSubject(leveldb::DB* database) : database_(database) {}

  Status append(unsigned /*thread*/, std::span<const std::byte> payload) override {
    leveldb::WriteOptions options;
    options.sync = true;
    const std::uint64_t number = next_.fetch_add(1, std::memory_order_relaxed);
    char key[sizeof number];
    std::memcpy(key, &number, sizeof key);
    const auto status = database_->Put(
        options, leveldb::Slice(key, sizeof key),
        leveldb::Slice(reinterpret_cast<const char*>(payload.data()), payload.size()));
    return status.ok() ? Status() : Status(StatusCode::kIoError, "LevelDB: " + status.ToString());
  }

 private:
  std::unique_ptr<leveldb::DB> database_;
  std::atomic<std::uint64_t> next_{0};
};

}  // namespace

Engine leveldb_engine() {
  return {.name = "leveldb",
          .version =
              std::to_string(leveldb::kMajorVersion) + "." + std::to_string(leveldb::kMinorVersion),
          .open = [](const std::filesystem::path& directory,
                     const Workload& /*workload*/) -> Result<std::unique_ptr<Subject>> {
            leveldb::Options options;
            options.create_if_missing = true;
            options.write_buffer_size = kMemtable;
            leveldb::DB* database = nullptr;
            const auto status = leveldb::DB::Open(options, directory.string(), &database);
            if (!status.ok()) return Status(StatusCode::kIoError, "LevelDB: " + status.ToString());
            return std::unique_ptr<Subject>(std::make_unique<LevelDbSubject>(database));
          }};
}

}  // namespace cairn::bench
