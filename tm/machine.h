// What the four state machines share: a table of transitions, how a row is found, and what is
// proven of a table when it is compiled.
#ifndef CAIRN_TM_MACHINE_H_
#define CAIRN_TM_MACHINE_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <type_traits>

namespace cairn::tm {

// Of the conditions that an event can come with, exactly one holds; a row with kAlways takes any.
template <typename State, typename Event, typename Guard, typename Action>
struct Transition {
  State from;
  Event event;
  Guard guard;
  State to;
  Action action;
};

// The row for this event, or null: the event is illegal in this state.
template <typename Table, typename State, typename Event, typename Guard>
constexpr auto find_transition(const Table& table, State state, Event event, Guard guard) ->
    typename Table::const_pointer {
  for (const auto& row : table) {
    if (row.from == state && row.event == event &&
        (row.guard == Guard::kAlways || row.guard == guard)) {
      return &row;
    }
  }
  return nullptr;
}

// For each state and event the first row about them; the table's size where there is none.
template <const auto& kTable>
inline constexpr auto kFirstRows = [] {
  constexpr auto count = [](auto member) {
    std::size_t most = 0;
    for (const auto& row : kTable) most = std::max(most, static_cast<std::size_t>(row.*member));
    return most + 1;
  };
  using Row = typename std::remove_cvref_t<decltype(kTable)>::value_type;
  std::array<std::array<std::uint8_t, count(&Row::event)>, count(&Row::from)> first{};
  static_assert(kTable.size() < 256);
  for (auto& of_state : first) of_state.fill(static_cast<std::uint8_t>(kTable.size()));
  for (std::size_t i = kTable.size(); i-- > 0;) {
    first[static_cast<std::size_t>(kTable[i].from)][static_cast<std::size_t>(kTable[i].event)] =
        static_cast<std::uint8_t>(i);
  }
  return first;
}();

// The same as find_transition(), for the commit path: begins at the first row that can hold.
template <const auto& kTable, typename State, typename Event, typename Guard>
constexpr auto find_row(State state, Event event, Guard guard) {
  const auto& first = kFirstRows<kTable>;
  const auto from = static_cast<std::size_t>(state);
  const auto on = static_cast<std::size_t>(event);
  using Found = decltype(kTable.data());
  if (from >= first.size() || on >= first[0].size()) return Found{nullptr};
  for (std::size_t i = first[from][on]; i < kTable.size(); ++i) {
    const auto& row = kTable[i];
    if (row.from == state && row.event == event &&
        (row.guard == Guard::kAlways || row.guard == guard)) {
      return Found{&row};
    }
  }
  return Found{nullptr};
}

// No two rows can hold for the same state, event and condition.
template <typename Table>
constexpr bool is_deterministic(const Table& table) {
  using Guard = decltype(table[0].guard);
  for (std::size_t i = 0; i < table.size(); ++i) {
    for (std::size_t j = i + 1; j < table.size(); ++j) {
      const bool same = table[i].from == table[j].from && table[i].event == table[j].event;
      const bool overlap = table[i].guard == table[j].guard || table[i].guard == Guard::kAlways ||
                           table[j].guard == Guard::kAlways;
      if (same && overlap) return false;
    }
  }
  return true;
}

template <typename Table, typename State>
constexpr bool has_edge(const Table& table, State from, State to) {
  for (const auto& row : table) {
    if (row.from == from && row.to == to && from != to) return true;
  }
  return false;
}

// Whether `to` can be reached over edges from one of `sources`.
template <typename Table, typename Sources, typename State>
constexpr bool is_reachable(const Table& table, const Sources& sources, State to) {
  bool seen[64] = {};
  for (const State state : sources) seen[static_cast<std::size_t>(state)] = true;
  for (std::size_t round = 0; round < table.size(); ++round) {
    for (const auto& row : table) {
      if (seen[static_cast<std::size_t>(row.from)]) seen[static_cast<std::size_t>(row.to)] = true;
    }
  }
  return seen[static_cast<std::size_t>(to)];
}

// Edges out of `from` lead to `allowed` only.
template <typename Table, typename State, typename... Allowed>
constexpr bool leads_only_to(const Table& table, State from, Allowed... allowed) {
  for (const auto& row : table) {
    if (row.from == from && row.to != from && !((row.to == allowed) || ...)) return false;
  }
  return true;
}

// A broken invariant of this library's own code: says so and stops the program, in every build.
inline void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "cairn: broken invariant of the transaction manager: %s\n", what);
  std::abort();
}

}  // namespace cairn::tm

#endif  // CAIRN_TM_MACHINE_H_
