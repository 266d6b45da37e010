// Promise: what the adapter leaves with the manager when it promises, and gets back at recovery:
// who made the promise, and by which number the server can tell what became of it.
//
//   postgres:1:<system identifier>:<oid of the database>:<transaction id>     three decimal numbers
//
// The transaction id is PostgreSQL's 64-bit one, which is never used again.
#ifndef CAIRN_RM_POSTGRES_PROMISE_H_
#define CAIRN_RM_POSTGRES_PROMISE_H_

#include <optional>
#include <string>
#include <string_view>

namespace cairn::rm {

// One database of one server. PostgreSQL gives the system identifier at initdb.
struct PgIdentity {
  std::string system;
  std::string database;

  friend bool operator==(const PgIdentity&, const PgIdentity&) = default;
  [[nodiscard]] std::string to_string() const { return system + ":" + database; }
};

// Decimal, of at most 64 bits.
[[nodiscard]] bool is_number(std::string_view text);

struct Promise {
  PgIdentity place;
  std::string transaction_id;

  friend bool operator==(const Promise&, const Promise&) = default;

  [[nodiscard]] std::string to_string() const;
  // Nothing for any text that to_string() does not give.
  [[nodiscard]] static std::optional<Promise> parse(std::string_view text);
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_POSTGRES_PROMISE_H_
