#include <cstdio>

#include <cairn/notification.h>

namespace cairn::tm {
namespace {

constexpr NotificationMask kSuperiorBits =
    NotificationKind::kPrePrepareComplete | NotificationKind::kPrepareComplete |
    NotificationKind::kCommitComplete | NotificationKind::kRollbackComplete |
    NotificationKind::kRecoverQuery | NotificationKind::kCommitRequest |
    NotificationKind::kRequestOutcome;
constexpr NotificationMask kNeverSentBits = NotificationKind::kDelegateCommit |
                                            NotificationKind::kEnlistPrePrepare |
                                            NotificationKind::kTmOnline;
// What only a subordinate is asked or told.
constexpr NotificationMask kAnsweredBits =
    NotificationKind::kPrePrepare | NotificationKind::kPrepare | NotificationKind::kCommit |
    NotificationKind::kSinglePhaseCommit | NotificationKind::kCommitFinalize;
constexpr NotificationMask kSubordinateBits =
    NotificationKind::kPrePrepare | NotificationKind::kPrepare | NotificationKind::kCommit |
    NotificationKind::kRollback | NotificationKind::kSinglePhaseCommit |
    NotificationKind::kRecover | NotificationKind::kLastRecover | NotificationKind::kInDoubt |
    NotificationKind::kRmDisconnected | NotificationKind::kCommitFinalize;

constexpr bool has(NotificationMask mask, NotificationKind kind) { return (mask & bit(kind)) != 0; }

Status refuse(StatusCode code, NotificationMask mask, const char* why) {
  char hex[11];
  std::snprintf(hex, sizeof hex, "0x%x", mask);
  return Status(code, std::string("notification mask ") + hex + ": " + why);
}

}  // namespace

Status check_mask(NotificationMask mask) {
  if ((mask & ~(kSuperiorBits | kNeverSentBits | kSubordinateBits)) != 0) {
    return refuse(StatusCode::kInvalidArgument, mask, "has a bit that is no notification");
  }
  if ((mask & kSuperiorBits) != 0) {
    return refuse(StatusCode::kNotSuperior, mask, "has a bit that only a superior can ask for");
  }
  if ((mask & kNeverSentBits) != 0) {
    return refuse(StatusCode::kNotSupported, mask, "has a bit that is never sent");
  }
  if (!has(mask, NotificationKind::kRollback)) {
    return refuse(StatusCode::kInvalidArgument, mask, "lacks ROLLBACK");
  }
  if (has(mask, NotificationKind::kPrepare) && !has(mask, NotificationKind::kCommit)) {
    return refuse(StatusCode::kInvalidArgument, mask, "has PREPARE without COMMIT");
  }
  if (has(mask, NotificationKind::kSinglePhaseCommit) && !has(mask, NotificationKind::kPrepare)) {
    return refuse(StatusCode::kInvalidArgument, mask,
                  "has SINGLE_PHASE_COMMIT without PREPARE and COMMIT");
  }
  if (!has(mask, NotificationKind::kCommit) && !has(mask, NotificationKind::kPrePrepare)) {
    return refuse(StatusCode::kInvalidArgument, mask, "has neither COMMIT nor PREPREPARE");
  }
  return Status::ok();
}

Status check_superior_mask(NotificationMask mask) {
  if ((mask & ~(kSuperiorBits | kNeverSentBits | kSubordinateBits)) != 0) {
    return refuse(StatusCode::kInvalidArgument, mask, "has a bit that is no notification");
  }
  if ((mask & kNeverSentBits) != 0) {
    return refuse(StatusCode::kNotSupported, mask, "has a bit that is never sent");
  }
  if ((mask & kAnsweredBits) != 0) {
    return refuse(StatusCode::kInvalidArgument, mask,
                  "has a bit that only a subordinate can ask for");
  }
  if (!has(mask, NotificationKind::kRollback)) {
    return refuse(StatusCode::kInvalidArgument, mask, "lacks ROLLBACK");
  }
  return Status::ok();
}

std::string Notification::to_string() const {
  return std::string(notification_kind_name(kind)) + " enlistment " + enlistment.to_string() +
         " transaction " + transaction.to_string() + " key " + std::to_string(key) + " clock " +
         std::to_string(clock);
}

}  // namespace cairn::tm
