#include "pg_pool.h"

#include <utility>

namespace cairn::rm {
namespace {

constexpr int kOldestServer = 130000;  // pg_xact_status() of 64-bit numbers

// Of both identities (FNV-1a). Two resource managers of one lock would end each other's
// connections, and nothing more.
std::uint64_t lock_of(const Uuid& manager, const Uuid& resource_manager) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const Uuid& id : {manager, resource_manager}) {
    for (const std::uint8_t byte : id.bytes) hash = (hash ^ byte) * 0x100000001b3;
  }
  return hash;
}

}  // namespace

PgPool::PgPool(const Uuid& manager, const PostgresOptions& options)
    : SqlPool(options.idle_connections),
      lock_(lock_of(manager, options.id)),
      conninfo_(options.conninfo) {}

// Without its text, which may hold a password.
Status PgPool::check_conninfo() const {
  char* raw = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(conninfo_.c_str(), &raw), &PQconninfoFree);
  const std::unique_ptr<char, decltype(&PQfreemem)> error(raw, &PQfreemem);
  if (options) return Status::ok();
  std::string words = error ? error.get() : "out of memory";
  while (!words.empty() && words.back() == '\n') words.pop_back();
  return Status(StatusCode::kInvalidArgument,
                "PostgreSQL adapter: expected a connection string of libpq: " + words);
}

std::unique_ptr<PgConnection> PgPool::make() const {
  return std::make_unique<PgConnection>(conninfo_, greeting());
}

// Promises and commits of two phases are flushed whatever the setting, a commit alone is not.
std::string PgPool::greeting() const {
  return "SELECT pg_advisory_lock_shared(" + std::to_string(static_cast<std::int64_t>(lock_)) +
         "), (SELECT system_identifier FROM pg_control_system()), "
         "(SELECT oid FROM pg_database WHERE datname = current_database()), "
         "current_setting('max_prepared_transactions')::int > 0, "
         "current_setting('fsync')::bool, "
         "CASE current_setting('synchronous_commit') WHEN 'off' "
         "THEN set_config('synchronous_commit', 'on', false) END, " +
         kEpoch;
}

Status PgPool::welcome(PgConnection& connection, const PgReply& greeting) {
  // First, as an older server may not understand the greeting.
  if (connection.server_version() != 0 && connection.server_version() < kOldestServer) {
    return Status(StatusCode::kNotSupported,
                  "PostgreSQL: expected a server of version 13 or later, found " +
                      connection.server_version_text());
  }
  if (!greeting.status) return greeting.status;
  enum : std::size_t { kSystem = 1, kDatabase, kPrepares, kSyncs, kSetting, kEpochNow, kColumns };
  if (greeting.row.size() != kColumns) {
    return Status(StatusCode::kInvalidState, "PostgreSQL: the greeting has no row");
  }
  const auto is = [&](std::size_t column) { return greeting.row[column] == "t"; };
  const auto refuse = [](const std::string& expected) {
    return Status(StatusCode::kNotSupported, "PostgreSQL: expected " + expected);
  };
  if (!is(kPrepares)) return refuse("max_prepared_transactions above 0, found 0");
  if (!is(kSyncs)) return refuse("fsync = on, found off: a promise would not survive a crash");
  connection.set_epoch(greeting.row[kEpochNow].value_or(""));
  const PgIdentity found{greeting.row[kSystem].value_or(""), greeting.row[kDatabase].value_or("")};
  const std::lock_guard lock(mutex_);
  if (identity_.system.empty()) identity_ = found;
  if (found == identity_) return Status::ok();
  return Status(StatusCode::kIdentityMismatch, "PostgreSQL: expected server and database " +
                                                   identity_.to_string() + ", found " +
                                                   found.to_string());
}

PgIdentity PgPool::identity() const {
  const std::lock_guard lock(mutex_);
  return identity_;
}

std::string PgPool::fence(std::uint64_t pid) const {
  return "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND "
         "database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND "
         "classid = " +
         std::to_string(lock_ >> 32) + "::oid AND objid = " + std::to_string(lock_ & 0xffffffff) +
         "::oid AND objsubid = 1 AND pid <> pg_backend_pid()" +
         (pid == 0 ? "" : " AND pid = " + std::to_string(pid));
}

}  // namespace cairn::rm
