// The words for the values of the public enumerations.
#include <cairn/log.h>
#include <cairn/record.h>
#include <cairn/verdict.h>

namespace cairn::log {

std::string_view record_kind_name(RecordKind kind) {
  switch (kind) {
    case RecordKind::kData:
      return "data";
    case RecordKind::kRestart:
      return "restart";
    case RecordKind::kCatalog:
      return "catalog";
  }
  return "unnamed";
}

std::string_view container_state_name(ContainerState state) {
  switch (state) {
    case ContainerState::kFree:
      return "free";
    case ContainerState::kActive:
      return "active";
    case ContainerState::kInactive:
      return "inactive";
    case ContainerState::kPendingArchive:
      return "pending-archive";
  }
  return "unnamed";
}

std::string_view pin_kind_name(PinKind kind) {
  switch (kind) {
    case PinKind::kStream:
      return "stream";
    case PinKind::kReader:
      return "reader";
    case PinKind::kArchive:
      return "archive";
  }
  return "unnamed";
}

std::string_view end_label_name(EndLabel label) {
  switch (label) {
    case EndLabel::kCleanClose:
      return "clean-close";
    case EndLabel::kEndAtMark:
      return "end-at-mark";
    case EndLabel::kEndUnwritten:
      return "end-unwritten";
    case EndLabel::kTornTail:
      return "torn-tail";
    case EndLabel::kDamageProvenByWatermark:
      return "damage-proven-by-watermark";
    case EndLabel::kDamageProvenBySeal:
      return "damage-proven-by-seal";
    case EndLabel::kDamageProvenByBaseLog:
      return "damage-proven-by-base-log";
  }
  return "unnamed";
}

}  // namespace cairn::log
