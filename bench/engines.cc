#include "subject.h"

namespace cairn::bench {

std::vector<Engine> engines() {
  std::vector<Engine> all{floor_engine(), cairn_engine()};
#ifdef CAIRN_BENCH_BERKELEY_DB
  all.push_back(berkeley_db_engine());
#endif
#ifdef CAIRN_BENCH_LEVELDB
  all.push_back(leveldb_engine());
#endif
#ifdef CAIRN_BENCH_ROCKSDB
  all.push_back(rocksdb_engine());
#endif
#ifdef CAIRN_BENCH_SQLITE
  all.push_back(sqlite_engine());
#endif
  return all;
}

}  // namespace cairn::bench
