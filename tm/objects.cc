#include "objects.h"

namespace cairn::tm {

bool EnlistmentObject::is_logged() const {
  return !superior && resource_manager->kind == RmKind::kDurable &&
         wants(NotificationKind::kCommit);
}

}  // namespace cairn::tm
