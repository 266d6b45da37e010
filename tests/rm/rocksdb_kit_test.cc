// The RocksDB adapter before the conformance kit: real files, copied at the moment of a crash.
#include <filesystem>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <cairn/rm_kit.h>
#include <cairn/rm_rocksdb.h>

#include "rm/kit_options.h"
#include "servers/temporary_directory.h"

namespace cairn::rm_kit {
namespace {

class RocksDbSubject : public Subject {
 public:
  static Result<std::unique_ptr<Subject>> open(const Surroundings& at) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.write_buffer_size = 1 << 20;
    options.max_background_jobs = 1;
    rocksdb::TransactionDB* opened = nullptr;
    CAIRN_RETURN_IF_ERROR(
        rm::from_rocksdb(rocksdb::TransactionDB::Open(options, {}, at.directory + "/db", &opened)));
    auto subject = std::make_unique<RocksDbSubject>();
    subject->db_.reset(opened);
    // A copied file shows what was written, synced or not.
    CAIRN_ASSIGN_OR_RETURN(
        subject->adapter_,
        rm::RocksDbResourceManager::open(*opened, at.manager, {.id = at.id, .sync = false}));
    return std::unique_ptr<Subject>(std::move(subject));
  }

  Status add(const tm::Transaction& transaction, const std::string& item) override {
    return adapter_->work(transaction, [&](rocksdb::Transaction& branch) {
      std::string value;
      const rocksdb::Status found = branch.GetForUpdate({}, item, &value);
      if (!found.ok() && !found.IsNotFound()) return found;
      return branch.Put(item, std::to_string(found.ok() ? std::stoi(value) + 1 : 1));
    });
  }
  Result<std::uint64_t> count(const std::string& item) override {
    std::string value;
    const rocksdb::Status found = db_->Get({}, item, &value);
    if (found.IsNotFound()) return 0;
    CAIRN_RETURN_IF_ERROR(rm::from_rocksdb(found));
    return std::stoull(value);
  }
  Status look(const tm::Transaction& transaction, const std::string& item) override {
    return adapter_->work(transaction, [&](rocksdb::Transaction& branch) {
      std::string value;
      const rocksdb::Status found = branch.GetForUpdate({}, item, &value);
      return found.IsNotFound() ? rocksdb::Status::OK() : found;
    });
  }

 private:
  std::unique_ptr<rocksdb::TransactionDB> db_;
  std::unique_ptr<rm::RocksDbResourceManager> adapter_;
};

TEST(KitOnRocksDb, FindsNoRuleBroken) {
  // In memory where there is such a directory: the kit takes no power from files.
  const std::filesystem::path memory = "/dev/shm";
  const TemporaryDirectory directory(
      std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path());
  Options with = options();
  with.keeping = Keeping::kFiles;
  with.directory = directory.path();
  with.stride = sim::test_budget() > 1 ? 1 : 9;  // opening a database takes its time
  const Report report = check(RocksDbSubject::open, with);
  EXPECT_TRUE(report.status.is_ok() && report.violations.empty()) << report.to_string();
  std::printf("[ kit      ] %s", report.to_string().c_str());
}

}  // namespace
}  // namespace cairn::rm_kit
