#include <utility>

#include "bank/store.h"
#include "kv/kv_store.h"

namespace cairn::examples::bank {
namespace {

constexpr std::string_view kKvStoreId = "6d1f3c0e-8f55-4b52-9f0e-2b1c6f3f6a02";

class KvPart : public Store {
 public:
  explicit KvPart(std::unique_ptr<KvStore> store) : store_(std::move(store)) {}

  Result<std::optional<std::string>> get(const tm::Transaction& transaction,
                                         const std::string& key) override {
    return store_->get(transaction, key);
  }
  Status put(const tm::Transaction& transaction, const std::string& key,
             const std::string& value) override {
    return store_->put(transaction, key, value);
  }

  Result<PartContents> contents() const override {
    PartContents contents;
    for (const auto& [key, value] : store_->entries()) {
      CAIRN_RETURN_IF_ERROR(contents.add(key, value));
    }
    return contents;
  }

  InDoubt in_doubt() const override {
    const KvRecovery& recovery = store_->recovery();
    return {recovery.committed, recovery.aborted, recovery.redelivered};
  }

  // It keeps no list of its own. What it found and could not end is another manager's.
  Result<std::uint64_t> prepared() const override { return store_->recovery().foreign.size(); }

 private:
  std::unique_ptr<KvStore> store_;
};

Result<std::unique_ptr<Store>> open_kv(const StoreSurroundings& at) {
  const KvOptions options{.id = Uuid::parse(kKvStoreId).value(),
                          .stream = "accounts",
                          .snapshot_bytes = std::uint64_t{512} << 10};
  CAIRN_ASSIGN_OR_RETURN(auto store, KvStore::open(at.log, at.manager, options));
  return std::unique_ptr<Store>(std::make_unique<KvPart>(std::move(store)));
}

}  // namespace

StoreKind kv_kind() { return {"kv", open_kv, nullptr}; }

}  // namespace cairn::examples::bank
