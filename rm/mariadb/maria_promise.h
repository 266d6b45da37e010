// MariaPromise: what the adapter leaves with the manager when it promises, and gets back at
// recovery: who made the promise, and which branch it is.
//
//   mariadb:1:<identity of the table>:<branch>      two GUIDs, 36 characters each
//
// The identity lies in the comment of the adapter's table and goes where the table goes.
#ifndef CAIRN_RM_MARIADB_MARIA_PROMISE_H_
#define CAIRN_RM_MARIADB_MARIA_PROMISE_H_

#include <optional>
#include <string>
#include <string_view>

#include <cairn/uuid.h>

namespace cairn::rm {

struct MariaPromise {
  Uuid place;
  Uuid branch;

  friend bool operator==(const MariaPromise&, const MariaPromise&) = default;

  [[nodiscard]] std::string to_string() const;
  // Nothing for any text that to_string() does not give.
  [[nodiscard]] static std::optional<MariaPromise> parse(std::string_view text);
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_MARIADB_MARIA_PROMISE_H_
