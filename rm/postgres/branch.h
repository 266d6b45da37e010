// Branch: the part of one Cairn transaction that lies in the database.
#ifndef CAIRN_RM_POSTGRES_BRANCH_H_
#define CAIRN_RM_POSTGRES_BRANCH_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <cairn/enlistment.h>
#include <cairn/notification.h>
#include <cairn/status.h>
#include <cairn/uuid.h>

#include "pg_connection.h"

namespace cairn::rm {

// A client has it while it is in use, the server thread whenever it is not.
struct PgBranch {
  std::uint64_t key = 0;  // by which the manager names it
  Uuid transaction;
  std::string name;  // of the prepared transaction
  tm::Enlistment enlistment;
  std::unique_ptr<PgConnection> own;  // null: promised, ended, or found at recovery
  std::string transaction_id;         // "" until the server has told it, and when it says nothing
  std::string epoch;                  // of the server that told it (PgPool::kEpoch)
  int lost_pid = 0;      // of the backend of `own`, which was lost; 0: none, or known to be gone
  Status failure;        // why its transaction has failed; OK while it has not
  bool is_open = false;  // takes more work; written with the mutex held
  std::atomic<bool> in_use = false;  // by a client; set with the mutex held, while it is open
  bool may_be_prepared = false;      // PREPARE TRANSACTION was sent, or found
  bool is_offered = false;           // the manager offered it at recovery
  bool is_in_doubt = false;          // offered, and the manager itself waits for the outcome
  bool is_orphan = false;            // prepared, not offered: rolled back after LAST_RECOVER
  std::optional<tm::NotificationKind> next{};  // came while an order was under way
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_POSTGRES_BRANCH_H_
