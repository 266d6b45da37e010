#include "bank/store.h"

#include <utility>

#include <cairn/rm_rocksdb.h>

#include "kv/kv_store.h"

namespace cairn::examples::bank {
namespace {

// A resource manager chooses its identity once, for ever.
constexpr std::string_view kRocksDbId = "6d1f3c0e-8f55-4b52-9f0e-2b1c6f3f6a01";
constexpr std::string_view kKvStoreId = "6d1f3c0e-8f55-4b52-9f0e-2b1c6f3f6a02";

class RocksDbStore : public Store {
 public:
  Status open(const std::string& directory, const tm::TransactionManager& manager) {
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::TransactionDB* db = nullptr;
    CAIRN_RETURN_IF_ERROR(
        rm::from_rocksdb(rocksdb::TransactionDB::Open(options, {}, directory, &db)));
    db_.reset(db);
    CAIRN_ASSIGN_OR_RETURN(rm_, rm::RocksDbResourceManager::open(
                                    *db_, manager, {.id = Uuid::parse(kRocksDbId).value()}));
    return Status::ok();
  }

  Result<std::optional<std::string>> get(const tm::Transaction& transaction,
                                         const std::string& key) override {
    std::string value;
    const Status got = rm_->work(transaction, [&](rocksdb::Transaction& branch) {
      return branch.GetForUpdate({}, key, &value);
    });
    if (got.code() == StatusCode::kNotFound) return std::optional<std::string>();
    CAIRN_RETURN_IF_ERROR(got);
    return std::optional(std::move(value));
  }

  Status put(const tm::Transaction& transaction, const std::string& key,
             const std::string& value) override {
    return rm_->work(transaction,
                     [&](rocksdb::Transaction& branch) { return branch.Put(key, value); });
  }

  Result<HalfContents> contents() const override {
    HalfContents contents;
    const std::unique_ptr<rocksdb::Iterator> entry(db_->NewIterator({}));
    for (entry->SeekToFirst(); entry->Valid(); entry->Next()) {
      CAIRN_RETURN_IF_ERROR(
          contents.add(entry->key().ToStringView(), entry->value().ToStringView()));
    }
    CAIRN_RETURN_IF_ERROR(rm::from_rocksdb(entry->status()));
    return contents;
  }

  InDoubt in_doubt() const override {
    const rm::RocksDbRecovery& recovery = rm_->recovery();
    return {recovery.committed, recovery.aborted, recovery.redelivered};
  }

 private:
  std::unique_ptr<rocksdb::TransactionDB> db_;
  std::unique_ptr<rm::RocksDbResourceManager> rm_;  // goes before its database
};

class KvHalf : public Store {
 public:
  explicit KvHalf(std::unique_ptr<KvStore> store) : store_(std::move(store)) {}

  Result<std::optional<std::string>> get(const tm::Transaction& transaction,
                                         const std::string& key) override {
    return store_->get(transaction, key);
  }
  Status put(const tm::Transaction& transaction, const std::string& key,
             const std::string& value) override {
    return store_->put(transaction, key, value);
  }

  Result<HalfContents> contents() const override {
    HalfContents contents;
    for (const auto& [key, value] : store_->entries()) {
      CAIRN_RETURN_IF_ERROR(contents.add(key, value));
    }
    return contents;
  }

  InDoubt in_doubt() const override {
    const KvRecovery& recovery = store_->recovery();
    return {recovery.committed, recovery.aborted, recovery.redelivered};
  }

 private:
  std::unique_ptr<KvStore> store_;
};

}  // namespace

Result<std::unique_ptr<Store>> open_rocksdb_store(const std::string& directory,
                                                  const tm::TransactionManager& tm) {
  auto store = std::make_unique<RocksDbStore>();
  CAIRN_RETURN_IF_ERROR(store->open(directory, tm));
  return std::unique_ptr<Store>(std::move(store));
}

Result<std::unique_ptr<Store>> open_kv_store(std::shared_ptr<log::Log> log,
                                             const tm::TransactionManager& tm) {
  const KvOptions options{.id = Uuid::parse(kKvStoreId).value(),
                          .stream = "accounts",
                          .snapshot_bytes = std::uint64_t{512} << 10};
  CAIRN_ASSIGN_OR_RETURN(auto store, KvStore::open(std::move(log), tm, options));
  return std::unique_ptr<Store>(std::make_unique<KvHalf>(std::move(store)));
}

}  // namespace cairn::examples::bank
