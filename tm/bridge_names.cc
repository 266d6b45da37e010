// The names of what a bridge knows and does.
#include "bridge_steps.h"

namespace cairn::tm {

std::string_view branch_above_name(BranchAbove above) {
  switch (above) {
    case BranchAbove::kUnknown:
      return "Unknown";
    case BranchAbove::kAbsent:
      return "Absent";
    case BranchAbove::kWorking:
      return "Working";
    case BranchAbove::kPrePrepare:
      return "PrePrepare";
    case BranchAbove::kPrepare:
      return "Prepare";
    case BranchAbove::kVoted:
      return "Voted";
    case BranchAbove::kSinglePhase:
      return "SinglePhase";
    case BranchAbove::kCommit:
      return "Commit";
    case BranchAbove::kRollback:
      return "Rollback";
  }
  return "";
}

std::string_view branch_below_name(BranchBelow below) {
  switch (below) {
    case BranchBelow::kUnknown:
      return "Unknown";
    case BranchBelow::kAbsent:
      return "Absent";
    case BranchBelow::kActive:
      return "Active";
    case BranchBelow::kPrePreparing:
      return "PrePreparing";
    case BranchBelow::kPrePrepared:
      return "PrePrepared";
    case BranchBelow::kPreparing:
      return "Preparing";
    case BranchBelow::kPrepared:
      return "Prepared";
    case BranchBelow::kReadOnly:
      return "ReadOnly";
    case BranchBelow::kCommitting:
      return "Committing";
    case BranchBelow::kCommitted:
      return "Committed";
    case BranchBelow::kAborting:
      return "Aborting";
    case BranchBelow::kAborted:
      return "Aborted";
  }
  return "";
}

std::string_view bridge_step_name(BridgeStep step) {
  switch (step) {
    case BridgeStep::kWait:
      return "wait";
    case BridgeStep::kOrderPrePrepare:
      return "order PREPREPARE";
    case BridgeStep::kOrderPrepare:
      return "order PREPARE";
    case BridgeStep::kOrderCommit:
      return "order COMMIT";
    case BridgeStep::kOrderRollback:
      return "order ROLLBACK";
    case BridgeStep::kPrePrepared:
      return "answer PREPREPARE";
    case BridgeStep::kVote:
      return "vote yes";
    case BridgeStep::kReadOnly:
      return "vote read-only";
    case BridgeStep::kCommitted:
      return "answer COMMIT";
    case BridgeStep::kRolledBack:
      return "answer ROLLBACK";
    case BridgeStep::kRefuse:
      return "roll back above";
    case BridgeStep::kGiveUp:
      return "give up";
    case BridgeStep::kForget:
      return "forget";
    case BridgeStep::kContradict:
      return "contradiction";
  }
  return "";
}

}  // namespace cairn::tm
