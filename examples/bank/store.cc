#include "bank/store.h"

namespace cairn::examples::bank {

std::vector<StorePlace> default_places() { return {{"rocksdb", ""}, {"kv", ""}}; }

const std::vector<StoreKind>& store_kinds() {
  static const std::vector<StoreKind> kinds{
      rocksdb_kind(),  kv_kind(),
#ifdef CAIRN_BANK_POSTGRES
      postgres_kind(),
#endif
#ifdef CAIRN_BANK_MARIADB
      mariadb_kind(),
#endif
#ifdef CAIRN_BANK_SQLITE
      sqlite_kind(),
#endif
  };
  return kinds;
}

Result<StoreKind> find_store_kind(const std::string& name) {
  std::string names;
  for (const StoreKind& kind : store_kinds()) {
    if (kind.name == name) return kind;
    names += (names.empty() ? "" : ", ") + kind.name;
  }
  return Status(StatusCode::kInvalidArgument, "store \"" + name + "\": expected one of " + names);
}

}  // namespace cairn::examples::bank
