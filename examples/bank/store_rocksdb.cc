#include <utility>

#include <cairn/rm_rocksdb.h>

#include "bank/store.h"

namespace cairn::examples::bank {
namespace {

// A resource manager chooses its identity once, for ever.
constexpr std::string_view kRocksDbId = "6d1f3c0e-8f55-4b52-9f0e-2b1c6f3f6a01";

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

  Result<PartContents> contents() const override {
    PartContents contents;
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

  Result<std::uint64_t> prepared() const override {
    std::vector<rocksdb::Transaction*> all;
    db_->GetAllPreparedTransactions(&all);
    return all.size();
  }

 private:
  std::unique_ptr<rocksdb::TransactionDB> db_;
  std::unique_ptr<rm::RocksDbResourceManager> rm_;  // goes before its database
};

Result<std::unique_ptr<Store>> open_rocksdb(const StoreSurroundings& at) {
  auto store = std::make_unique<RocksDbStore>();
  CAIRN_RETURN_IF_ERROR(store->open(at.directory + "/rocksdb", at.manager));
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace

StoreKind rocksdb_kind() { return {"rocksdb", open_rocksdb, nullptr}; }

}  // namespace cairn::examples::bank
