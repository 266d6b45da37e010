#include <utility>

#include <cairn/subordinate_bridge.h>

#include "bridge_core.h"

namespace cairn::tm {

SubordinateBridge::SubordinateBridge(std::unique_ptr<BridgeCore> core) : core_(std::move(core)) {}

SubordinateBridge::~SubordinateBridge() = default;

Result<std::unique_ptr<SubordinateBridge>> SubordinateBridge::create(const BridgeOptions& options) {
  if (options.id.is_null()) {
    return Status(StatusCode::kInvalidArgument, "bridge of null identity");
  }
  if (options.upper.id().is_null() || options.lower.id().is_null()) {
    return Status(StatusCode::kInvalidArgument,
                  "bridge " + options.id.to_string() + ": a transaction manager refers to nothing");
  }
  if (options.upper.id() == options.lower.id()) {
    return Status(StatusCode::kInvalidArgument, "bridge " + options.id.to_string() +
                                                    ": expected two transaction managers, found " +
                                                    options.upper.id().to_string() + " twice");
  }
  auto core = std::make_unique<BridgeCore>(options);
  CAIRN_RETURN_IF_ERROR(core->begin());
  return std::unique_ptr<SubordinateBridge>(new SubordinateBridge(std::move(core)));
}

Uuid SubordinateBridge::id() const { return core_->id(); }

Status SubordinateBridge::recover() { return core_->recover(); }

Result<Transaction> SubordinateBridge::enlist(const Transaction& upper,
                                              const TransactionOptions& options) {
  return core_->enlist(upper, options);
}

Result<bool> SubordinateBridge::pump() { return core_->pump(); }

Status SubordinateBridge::close() { return core_->close(); }

BridgeInformation SubordinateBridge::information() const { return core_->information(); }

}  // namespace cairn::tm
