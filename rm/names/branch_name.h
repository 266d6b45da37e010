// BranchName: the name under which a database keeps a prepared transaction, and how it is read
// back.
//
// A database knows nothing of managers: all its prepared transactions lie in one list, with one
// name each. The name says in full which manager, which resource manager and which unit of work a
// branch belongs to. It is compared as a whole and never by a part, so no manager resolves what
// another one prepared.
//
//   cairn:1:<transaction manager>:<resource manager>:<unit of work>      GUIDs, 36 characters each
#ifndef CAIRN_RM_NAMES_BRANCH_NAME_H_
#define CAIRN_RM_NAMES_BRANCH_NAME_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/status.h>
#include <cairn/uuid.h>

namespace cairn::rm {

struct BranchName {
  Uuid transaction_manager;
  Uuid resource_manager;
  Uuid transaction;

  friend bool operator==(const BranchName&, const BranchName&) = default;

  // Where the manager stands in it.
  static constexpr std::size_t kManagerBegin = 8;
  static constexpr std::size_t kManagerEnd = kManagerBegin + 36;

  [[nodiscard]] std::string to_string() const;
  // Nothing for any text that to_string() does not give, letter for letter.
  [[nodiscard]] static std::optional<BranchName> parse(std::string_view text);
};

// One use of a unit of work: it can be used again before the record of its end is durable, and what
// the manager then orders again must not meet what the next use has promised.
//
//   <name>:<the first eight digits of the enlistment>
struct BranchUse {
  BranchName branch;
  std::string use;

  [[nodiscard]] static BranchUse of(const BranchName& branch, const Uuid& enlistment);
  [[nodiscard]] std::string to_string() const { return branch.to_string() + ":" + use; }
  [[nodiscard]] static std::optional<BranchUse> parse(std::string_view text);
};

// Whether `name`, which is decided and under which nothing is prepared, can have ended before. Not
// if `others`, what is prepared there for other managers, has the same branch: then this manager
// was renamed, in a copy of the log of the one that was promised it. Error: kIdentityMismatch.
[[nodiscard]] Status check_ended_before(const BranchName& name,
                                        const std::vector<BranchName>& others);

}  // namespace cairn::rm

#endif  // CAIRN_RM_NAMES_BRANCH_NAME_H_
