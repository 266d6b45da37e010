// SqlBranch: the part of one Cairn transaction that lies in a database.
#ifndef CAIRN_RM_SQL_SQL_BRANCH_H_
#define CAIRN_RM_SQL_SQL_BRANCH_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <cairn/enlistment.h>
#include <cairn/notification.h>
#include <cairn/status.h>
#include <cairn/uuid.h>

namespace cairn::rm {

// A client has it while it is in use, the server thread whenever it is not. Adapters add what their
// databases need.
template <class Connection>
struct SqlBranch {
  std::uint64_t key = 0;  // by which the manager names it
  Uuid transaction;
  std::string name;  // under which the database keeps it prepared
  tm::Enlistment enlistment;
  std::unique_ptr<Connection> own;   // null: given back, lost, or found at recovery
  std::uint64_t lost_id = 0;         // of `own`, which was lost; 0: none, or known to be gone
  Status failure;                    // why its transaction has failed; OK while it has not
  bool is_open = false;              // takes more work; written with the mutex held
  std::atomic<bool> in_use = false;  // by a client; set with the mutex held, while it is open
  bool may_be_prepared = false;      // the database was asked to prepare it, or lists it
  bool is_offered = false;           // the manager offered it at recovery
  bool is_in_doubt = false;          // offered, and the manager itself waits for the outcome
  bool is_orphan = false;            // prepared, not offered: rolled back after LAST_RECOVER
  std::optional<tm::NotificationKind> next{};  // came while an order was under way
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_SQL_SQL_BRANCH_H_
