// The states of a transaction manager: one table.
#ifndef CAIRN_TM_TM_MACHINE_H_
#define CAIRN_TM_TM_MACHINE_H_

#include <array>
#include <cstdint>
#include <string_view>

#include <cairn/status.h>
#include <cairn/transaction_manager.h>

#include "machine.h"

namespace cairn::tm {

enum class TmEvent : std::uint8_t {
  kBegin,        // create or open
  kRecover,      // TransactionManager::recover
  kRollForward,  // TransactionManager::roll_forward, of which more is left to read
  kRecovered,    // everything is rebuilt, and a restart area says so
  kFailed,       // the log is damaged, contradicts itself or cannot be used
  kWork,         // anything but a query
  kStop,         // a write's outcome is unknown
  kClose,
};

enum class TmGuard : std::uint8_t {
  kAlways,
  kDurable,
  kVolatile,
};

enum class TmAction : std::uint8_t {
  kNone,
  kRead,      // fold the log
  kServe,     // timeouts and checkpoints begin
  kRollBack,  // what is not decided; sessions end
};

using TmTransition = Transition<TmState, TmEvent, TmGuard, TmAction>;

// clang-format off
inline constexpr auto kTmTable = [] {
  using S = TmState; using E = TmEvent; using G = TmGuard; using A = TmAction;
  return std::to_array<TmTransition>({
    // from              event          condition      to                   action
    {S::kInitialized,    E::kBegin,     G::kVolatile,  S::kOnline,          A::kServe},
    {S::kInitialized,    E::kBegin,     G::kDurable,   S::kInitialized,     A::kNone},
    {S::kInitialized,    E::kRollForward, G::kDurable, S::kInitialized,     A::kNone},
    {S::kInitialized,    E::kRecover,   G::kDurable,   S::kRecovering,      A::kRead},
    {S::kRecovering,     E::kRecovered, G::kAlways,    S::kOnline,          A::kServe},
    {S::kRecovering,     E::kFailed,    G::kAlways,    S::kRecoveryFailed,  A::kNone},
    {S::kOnline,         E::kWork,      G::kAlways,    S::kOnline,          A::kNone},
    {S::kOnline,         E::kStop,      G::kAlways,    S::kOffline,         A::kRollBack},
    {S::kOnline,         E::kClose,     G::kAlways,    S::kOffline,         A::kRollBack},
    {S::kInitialized,    E::kClose,     G::kAlways,    S::kOffline,         A::kNone},
    {S::kRecoveryFailed, E::kClose,     G::kAlways,    S::kOffline,         A::kNone},
    {S::kOffline,        E::kClose,     G::kAlways,    S::kOffline,         A::kNone},
  });
}();

inline constexpr auto kTmStates = std::to_array<TmState>({TmState::kInitialized, TmState::kRecovering, TmState::kOnline,
                                                          TmState::kRecoveryFailed, TmState::kOffline});
inline constexpr auto kTmEvents = std::to_array<TmEvent>({TmEvent::kBegin, TmEvent::kRollForward, TmEvent::kRecover, TmEvent::kRecovered, TmEvent::kFailed,
                                                          TmEvent::kWork, TmEvent::kStop, TmEvent::kClose});
// clang-format on

static_assert(is_deterministic(kTmTable));
static_assert(leads_only_to(kTmTable, TmState::kOffline), "the way back is to open it anew");
static_assert(leads_only_to(kTmTable, TmState::kRecoveryFailed, TmState::kOffline),
              "half a recovery serves nobody");

// What a call is answered that the table does not have.
[[nodiscard]] StatusCode illegal_tm_event(TmEvent event, TmGuard guard);

[[nodiscard]] std::string_view tm_event_name(TmEvent event);
[[nodiscard]] std::string_view tm_guard_name(TmGuard guard);
[[nodiscard]] std::string_view tm_action_name(TmAction action);

}  // namespace cairn::tm

#endif  // CAIRN_TM_TM_MACHINE_H_
