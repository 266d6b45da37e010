// One server for all tests of a program: to make one takes longer than most of them.
#ifndef CAIRN_RM_SERVERS_SHARED_PG_SERVER_H_
#define CAIRN_RM_SERVERS_SHARED_PG_SERVER_H_

#include <memory>

#include "servers/pg_server.h"

namespace cairn::rm {

// Made at the first call, gone at the end of the program.
inline Result<std::unique_ptr<PgServer>>& shared_pg_server() {
  static Result<std::unique_ptr<PgServer>> server = PgServer::create();
  return server;
}

}  // namespace cairn::rm

#endif  // CAIRN_RM_SERVERS_SHARED_PG_SERVER_H_
