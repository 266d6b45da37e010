// The states of a resource manager: one table.
#ifndef CAIRN_TM_RESOURCE_MANAGER_MACHINE_H_
#define CAIRN_TM_RESOURCE_MANAGER_MACHINE_H_

#include <array>
#include <cstdint>
#include <string_view>

#include <cairn/resource_manager.h>

#include "machine.h"

namespace cairn::tm {

enum class RmEvent : std::uint8_t {
  kBegin,       // a session begins
  kRecover,     // ResourceManager::recover
  kOffered,     // every unfinished enlistment was offered
  kEnlist,      // wants to take part in a transaction
  kDisconnect,  // the session ended
};

enum class RmGuard : std::uint8_t {
  kAlways,
  kDurable,
  kVolatile,
};

enum class RmAction : std::uint8_t {
  kNone,
  kOffer,  // RECOVER for each unfinished enlistment
  kSendLastRecover,
  kJoin,           // add the enlistment
  kDisconnectAll,  // kDisconnect to each unfinished enlistment
};

using RmTransition = Transition<RmState, RmEvent, RmGuard, RmAction>;

// clang-format off
inline constexpr auto kRmTable = [] {
  using S = RmState; using E = RmEvent; using G = RmGuard; using A = RmAction;
  return std::to_array<RmTransition>({
    // from          event           condition      to               action
    {S::kOffline,    E::kBegin,      G::kDurable,   S::kOffline,     A::kNone},
    {S::kOffline,    E::kBegin,      G::kVolatile,  S::kOnline,      A::kNone},
    {S::kOffline,    E::kRecover,    G::kDurable,   S::kRecovering,  A::kOffer},
    {S::kRecovering, E::kOffered,    G::kAlways,    S::kOnline,      A::kSendLastRecover},
    {S::kOnline,     E::kEnlist,     G::kAlways,    S::kOnline,      A::kJoin},
    {S::kOffline,    E::kDisconnect, G::kAlways,    S::kOffline,     A::kDisconnectAll},
    {S::kRecovering, E::kDisconnect, G::kAlways,    S::kOffline,     A::kDisconnectAll},
    {S::kOnline,     E::kDisconnect, G::kAlways,    S::kOffline,     A::kDisconnectAll},
  });
}();

inline constexpr auto kRmStates = std::to_array<RmState>({RmState::kOffline, RmState::kRecovering, RmState::kOnline});
inline constexpr auto kRmEvents = std::to_array<RmEvent>({RmEvent::kBegin, RmEvent::kRecover, RmEvent::kOffered, RmEvent::kEnlist,
                                                          RmEvent::kDisconnect});
// clang-format on

static_assert(is_deterministic(kRmTable));
static_assert(find_transition(kRmTable, RmState::kOffline, RmEvent::kEnlist, RmGuard::kAlways) ==
                      nullptr &&
                  find_transition(kRmTable, RmState::kRecovering, RmEvent::kEnlist,
                                  RmGuard::kAlways) == nullptr,
              "recover before serving");
static_assert(find_transition(kRmTable, RmState::kOnline, RmEvent::kRecover, RmGuard::kDurable) ==
                  nullptr,
              "once per session: enlistments already taken over are not offered again");

// What a verb is answered that the table does not have.
[[nodiscard]] StatusCode illegal_rm_event(RmEvent event, RmGuard guard);

[[nodiscard]] std::string_view rm_event_name(RmEvent event);
[[nodiscard]] std::string_view rm_guard_name(RmGuard guard);
[[nodiscard]] std::string_view rm_action_name(RmAction action);

}  // namespace cairn::tm

#endif  // CAIRN_TM_RESOURCE_MANAGER_MACHINE_H_
