#include <errmsg.h>
#include <mysqld_error.h>

#include <array>

#include <cairn/rm_mariadb.h>

#include "maria_connection.h"

namespace cairn::rm {
namespace {

struct Meaning {
  unsigned error;
  StatusCode code;
};
constexpr std::array kMeanings{
    Meaning{ER_LOCK_DEADLOCK, StatusCode::kLocked},
    Meaning{ER_LOCK_WAIT_TIMEOUT, StatusCode::kLocked},
    Meaning{ER_XA_RBDEADLOCK, StatusCode::kLocked},
    Meaning{ER_XA_RBTIMEOUT, StatusCode::kLocked},
    Meaning{ER_DUP_ENTRY, StatusCode::kAlreadyExists},
    Meaning{ER_ACCESS_DENIED_ERROR, StatusCode::kPermissionDenied},
    Meaning{ER_DBACCESS_DENIED_ERROR, StatusCode::kPermissionDenied},
    Meaning{ER_TABLEACCESS_DENIED_ERROR, StatusCode::kPermissionDenied},
    Meaning{ER_SPECIFIC_ACCESS_DENIED_ERROR, StatusCode::kPermissionDenied},
    Meaning{ER_NO_SUCH_TABLE, StatusCode::kNotFound},
    Meaning{ER_XAER_NOTA, StatusCode::kNotFound},
    Meaning{ER_BAD_DB_ERROR, StatusCode::kNotFound},
    Meaning{ER_DISK_FULL, StatusCode::kNoSpace},
    Meaning{ER_RECORD_FILE_FULL, StatusCode::kNoSpace},
    Meaning{ER_QUERY_INTERRUPTED, StatusCode::kTimeout},
    Meaning{ER_CON_COUNT_ERROR, StatusCode::kResourceExhausted},
    Meaning{ER_TOO_MANY_USER_CONNECTIONS, StatusCode::kResourceExhausted},
    Meaning{ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION, StatusCode::kNotSupported},
    Meaning{ER_PARSE_ERROR, StatusCode::kInvalidArgument},
};

}  // namespace

// What the client library says by itself, and what a server says that is about to hang up.
bool is_connection_lost(unsigned error) {
  return (error >= CR_MIN_ERROR && error <= CR_MAX_ERROR) || error >= CER_MIN_ERROR ||
         error == ER_CONNECTION_KILLED || error == ER_SERVER_SHUTDOWN;
}

Status from_mariadb(MYSQL* connection) {
  const unsigned error = mysql_errno(connection);
  if (error == 0) return Status::ok();
  StatusCode code = is_connection_lost(error) ? StatusCode::kIoError : StatusCode::kInvalidState;
  for (const Meaning& meaning : kMeanings) {
    if (meaning.error == error) code = meaning.code;
  }
  return Status(code, "MariaDB " + std::to_string(error) + ": " + mysql_error(connection));
}

Status execute(MYSQL* connection, const std::string& statement) {
  if (mysql_real_query(connection, statement.data(), statement.size()) != 0) {
    return from_mariadb(connection);
  }
  // All results, of a procedure for example.
  do {
    MYSQL_RES* const result = mysql_store_result(connection);
    if (result != nullptr) mysql_free_result(result);
    if (result == nullptr && mysql_errno(connection) != 0) return from_mariadb(connection);
  } while (mysql_next_result(connection) == 0);
  return from_mariadb(connection);
}

}  // namespace cairn::rm
