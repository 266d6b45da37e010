// RocksDB: Put() with sync; pipelined writes, and write-ahead log files used again.
#include <atomic>
#include <cstring>

#include <rocksdb/db.h>
#include <rocksdb/version.h>

#include "subject.h"

namespace cairn::bench {
namespace {

constexpr std::size_t kMemtable = std::size_t{64} << 20;

class RocksDbSubject final : public Subject {
 public:
  explicit RocksDbSubject(rocksdb::DB* database) : database_(database) {}

  Status append(unsigned /*thread*/, std::span<const std::byte> payload) override {
    rocksdb::WriteOptions options;
    options.sync = true;
    const std::uint64_t number = next_.fetch_add(1, std::memory_order_relaxed);
    char key[sizeof number];
    std::memcpy(key, &number, sizeof key);
    const auto status = database_->Put(
        options, rocksdb::Slice(key, sizeof key),
        rocksdb::Slice(reinterpret_cast<const char*>(payload.data()), payload.size()));
    return status.ok() ? Status() : Status(StatusCode::kIoError, "RocksDB: " + status.ToString());
  }

 private:
  std::unique_ptr<rocksdb::DB> database_;
  std::atomic<std::uint64_t> next_{0};
};

rocksdb::Options options_for_the_log() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.enable_pipelined_write = true;
  options.recycle_log_file_num = 4;
  options.write_buffer_size = kMemtable;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

}  // namespace

Engine rocksdb_engine() {
  return {.name = "rocksdb",
          .version = rocksdb::GetRocksVersionAsString(),
          .open = [](const std::filesystem::path& directory,
                     const Workload& /*workload*/) -> Result<std::unique_ptr<Subject>> {
            rocksdb::DB* database = nullptr;
            const auto status =
                rocksdb::DB::Open(options_for_the_log(), directory.string(), &database);
            if (!status.ok()) return Status(StatusCode::kIoError, "RocksDB: " + status.ToString());
            return std::unique_ptr<Subject>(std::make_unique<RocksDbSubject>(database));
          }};
}

}  // namespace cairn::bench
