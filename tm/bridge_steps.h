// What a bridge does next with a branch: one table over what is known above and below.
//
// It goes by what is, not by what just happened: a notification, a lost session, a branch found by
// recovery only change what is known, and the step follows from that alone. So the order of things
// does not matter, nor whether a thing is told twice.
#ifndef CAIRN_TM_BRIDGE_STEPS_H_
#define CAIRN_TM_BRIDGE_STEPS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <cairn/subordinate_bridge.h>

namespace cairn::tm {

enum class BridgeStep : std::uint8_t {
  kWait,
  // orders below
  kOrderPrePrepare,
  kOrderPrepare,
  kOrderCommit,
  kOrderRollback,
  // answers above
  kPrePrepared,
  kVote,
  kReadOnly,
  kCommitted,
  kRolledBack,
  kRefuse,  // roll back above
  kGiveUp,  // let go of the enlistment that is to decide alone: nobody can say what was decided
  // neither
  kForget,      // nothing is left to do
  kContradict,  // the sides ended differently, which the protocol never does: answer nothing
};
[[nodiscard]] std::string_view bridge_step_name(BridgeStep step);

inline constexpr std::size_t kBranchAboves = 9;
inline constexpr std::size_t kBranchBelows = 12;

// clang-format off
inline constexpr auto kBridgeSteps = [] {
  using S = BridgeStep;
  constexpr auto wait = S::kWait, pre = S::kOrderPrePrepare, prep = S::kOrderPrepare, comm = S::kOrderCommit, roll = S::kOrderRollback,
                 PRE = S::kPrePrepared, VOTE = S::kVote, READ = S::kReadOnly, COMM = S::kCommitted, ROLL = S::kRolledBack, REFU = S::kRefuse,
                 GIVE = S::kGiveUp, forg = S::kForget, bad_ = S::kContradict;
  return std::array<std::array<S, kBranchBelows>, kBranchAboves>{{
    // below:     Unknown Absent Active PrePre- PrePre- Prepar- Prepared Read- Commit- Commit- Abort- Abort-
    // above                            paring  pared   ing              Only  ting    ted     ing    ed
    // Not voted below: then it did not vote above, and nothing can have been decided but rollback.
    /* Unknown     */ {forg, forg,  roll,  roll,   roll,   roll,   wait,    wait, wait,   forg,   wait,  forg},
    /* Absent      */ {forg, forg,  roll,  roll,   roll,   roll,   roll,    comm, wait,   forg,   wait,  forg},
    // Lost below, or rolled back: it can no longer commit above.
    /* Working     */ {REFU, REFU,  wait,  wait,   wait,   wait,   wait,    wait, wait,   bad_,   REFU,  REFU},
    /* PrePrepare  */ {REFU, REFU,  pre,   wait,   PRE,    wait,   wait,    wait, wait,   bad_,   REFU,  REFU},
    /* Prepare     */ {REFU, REFU,  prep,  wait,   prep,   wait,   VOTE,    READ, wait,   bad_,   REFU,  REFU},
    // Absent: it is volatile, or has finished what it was told before a crash. COMMIT is on its way.
    /* Voted       */ {wait, wait,  wait,  wait,   wait,   wait,   wait,    wait, wait,   wait,   wait,  wait},
    /* SinglePhase */ {GIVE, REFU,  comm,  wait,   comm,   wait,   wait,    wait, wait,   COMM,   REFU,  REFU},
    // Absent: it has committed and forgotten, for it was prepared when the bridge voted.
    /* Commit      */ {wait, COMM,  bad_,  bad_,   bad_,   bad_,   comm,    comm, wait,   COMM,   bad_,  bad_},
    // Unknown: when it is back it asks, is not known here, and is rolled back.
    /* Rollback    */ {ROLL, ROLL,  roll,  roll,   roll,   roll,   roll,    roll, bad_,   bad_,   wait,  ROLL},
  }};
}();
// clang-format on

constexpr BridgeStep bridge_step(BranchAbove above, BranchBelow below) {
  return kBridgeSteps[static_cast<std::size_t>(above)][static_cast<std::size_t>(below)];
}

static_assert(
    [] {
      for (std::size_t above = 0; above < kBranchAboves; ++above) {
        for (std::size_t below = 0; below < kBranchBelows; ++below) {
          const BridgeStep step = kBridgeSteps[above][below];
          if (step == BridgeStep::kVote && BranchBelow(below) != BranchBelow::kPrepared)
            return false;
          if (step == BridgeStep::kReadOnly && BranchBelow(below) != BranchBelow::kReadOnly) {
            return false;
          }
          if (step == BridgeStep::kCommitted && BranchBelow(below) != BranchBelow::kCommitted &&
              BranchBelow(below) != BranchBelow::kAbsent) {
            return false;
          }
          if (step == BridgeStep::kOrderRollback && BranchBelow(below) == BranchBelow::kPrepared &&
              BranchAbove(above) != BranchAbove::kAbsent &&
              BranchAbove(above) != BranchAbove::kRollback) {
            return false;
          }
        }
      }
      return true;
    }(),
    "votes for what is prepared, answers for what has committed, and takes no promise back");

// What is known once the session with that side has ended. Not promised: it was rolled back by
// that. Promised: a durable manager will offer it again, a volatile one never.
constexpr BranchAbove after_losing_above(BranchAbove above) {
  switch (above) {
    case BranchAbove::kUnknown:
    case BranchAbove::kVoted:
    case BranchAbove::kCommit:
      return BranchAbove::kUnknown;
    case BranchAbove::kAbsent:
    case BranchAbove::kWorking:
    case BranchAbove::kPrePrepare:
    case BranchAbove::kPrepare:
    case BranchAbove::kSinglePhase:
    case BranchAbove::kRollback:
      return BranchAbove::kAbsent;
  }
  return BranchAbove::kUnknown;
}
constexpr BranchBelow after_losing_below(BranchBelow below) {
  switch (below) {
    case BranchBelow::kUnknown:
    case BranchBelow::kPrepared:
    case BranchBelow::kCommitting:
      return BranchBelow::kUnknown;
    case BranchBelow::kAbsent:
    case BranchBelow::kActive:
    case BranchBelow::kPrePreparing:
    case BranchBelow::kPrePrepared:
    case BranchBelow::kPreparing:  // if it is prepared after all, it will ask
    case BranchBelow::kReadOnly:
    case BranchBelow::kAborting:
      return BranchBelow::kAbsent;
    case BranchBelow::kCommitted:
    case BranchBelow::kAborted:
      return below;  // it has finished
  }
  return BranchBelow::kUnknown;
}

}  // namespace cairn::tm

#endif  // CAIRN_TM_BRIDGE_STEPS_H_
