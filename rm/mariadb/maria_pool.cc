#include "maria_pool.h"

#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include "names/xa_name.h"

namespace cairn::rm {
namespace {

constexpr std::string_view kComment = "cairn:1:";  // and a GUID

}  // namespace

bool is_fit_server(const std::string& version) {
  if (version.find("MariaDB") == std::string::npos) return false;
  char* rest = nullptr;
  const long major = std::strtol(version.c_str(), &rest, 10);
  const long minor = *rest == '.' ? std::strtol(rest + 1, nullptr, 10) : 0;
  return major > 10 || (major == 10 && minor >= 5);
}

MariaPool::MariaPool(const Uuid& manager, const MariaDbOptions& options)
    : SqlPool(options.idle_connections),
      options_(options),
      prefix_(hex(manager) + hex(options.id)),
      table_("`" + options.table + "`") {}

std::unique_ptr<MariaConnection> MariaPool::make() const {
  std::uint64_t id = 0;
  const Uuid random = Uuid::generate();
  std::memcpy(&id, random.bytes.data(), sizeof id);
  return std::make_unique<MariaConnection>(options_, greeting(id), id);
}

std::string MariaPool::greeting(std::uint64_t id) const {
  return "SELECT GET_LOCK(CONCAT('cairn:" + prefix_ + ":c', CONNECTION_ID()), 0), " +
         "GET_LOCK('cairn:" + prefix_ + ":r" + std::to_string(id) + "', 0), " +
         "@@GLOBAL.innodb_flush_log_at_trx_commit, @@GLOBAL.log_bin, @@GLOBAL.sync_binlog, " +
         "(SELECT CONCAT(ENGINE, ' ', TABLE_COMMENT) FROM information_schema.TABLES " +
         "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '" + options_.table + "')";
}

Status MariaPool::welcome(MariaConnection& connection, const MariaReply& greeting) {
  const auto refuse = [](const std::string& expected) {
    return Status(StatusCode::kNotSupported, "MariaDB: expected " + expected);
  };
  // First, as another server may not understand the greeting.
  if (const std::string server = connection.server(); !server.empty() && !is_fit_server(server)) {
    return refuse("a MariaDB server of version 10.5 or later, found " + server);
  }
  if (!greeting.status) return greeting.status;
  enum : std::size_t { kLock, kOther, kFlush, kBinlog, kSync, kTable, kColumns };
  if (greeting.rows.size() != 1 || greeting.rows[0].size() != kColumns) {
    return Status(StatusCode::kInvalidState, "MariaDB: the greeting has no row");
  }
  const auto at = [&](std::size_t column) { return greeting.rows[0][column].value_or(""); };
  if (at(kLock) != "1" || at(kOther) != "1") {
    return Status(StatusCode::kLocked, "MariaDB: expected to get a lock of the connection's own");
  }
  if (at(kFlush) != "1" && at(kFlush) != "3") {
    return refuse("innodb_flush_log_at_trx_commit = 1, found " + at(kFlush) +
                  ": a promise would not survive a crash");
  }
  if (at(kBinlog) != "0" && at(kSync) != "1") {
    return refuse("sync_binlog = 1 where log_bin is on, found " + at(kSync) +
                  ": a commit would not survive a crash");
  }
  if (at(kTable).empty()) {
    return Status(StatusCode::kNotFound, "MariaDB: expected table " + table_ + ", found none");
  }
  const std::string expected = "InnoDB " + std::string(kComment);
  const auto found = at(kTable).starts_with(expected)
                         ? Uuid::parse(at(kTable).substr(expected.size()))
                         : std::nullopt;
  if (!found) {
    return refuse("of table " + table_ + " engine and comment '" + expected + "<GUID>', found '" +
                  at(kTable) + "'");
  }
  const std::lock_guard lock(mutex_);
  if (identity_.is_null()) identity_ = *found;
  if (*found == identity_) return Status::ok();
  return Status(StatusCode::kIdentityMismatch, "MariaDB: expected the database of table " +
                                                   identity_.to_string() + ", found that of " +
                                                   found->to_string());
}

std::string MariaPool::create_table() const {
  return "CREATE TABLE IF NOT EXISTS " + table_ +
         " (branch CHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY) "
         "ENGINE=InnoDB COMMENT='" +
         std::string(kComment) + Uuid::generate().to_string() + "'";
}

MariaIdentity MariaPool::identity() const {
  const std::lock_guard lock(mutex_);
  return {identity_};
}

std::string MariaPool::find_connection(std::uint64_t id) const {
  return "SELECT IS_USED_LOCK('cairn:" + prefix_ + ":r" + std::to_string(id) + "')";
}

std::string MariaPool::find_connections() const {
  return "SELECT ID FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND "
         "IS_USED_LOCK(CONCAT('cairn:" +
         prefix_ + ":c', ID)) = ID";
}

}  // namespace cairn::rm
