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

// For each state, event and condition the row that holds; the table's size where there is none.
template <const auto& kTable>
inline constexpr auto kRows = [] {
  constexpr auto count = [](auto member) {
    std::size_t most = 0;
    for (const auto& row : kTable) most = std::max(most, static_cast<std::size_t>(row.*member));
    return most + 1;
  };
  using Row = typename std::remove_cvref_t<decltype(kTable)>::value_type;
  constexpr std::size_t kGuards = count(&Row::guard);
  constexpr auto kNone = static_cast<std::uint8_t>(kTable.size());
  static_assert(kTable.size() < 256);
  std::array<std::array<std::array<std::uint8_t, kGuards>, count(&Row::event)>, count(&Row::from)>
      rows{};
  for (auto& of_state : rows) {
    for (auto& of_event : of_state) of_event.fill(kNone);
  }
  for (std::size_t i = kTable.size(); i-- > 0;) {
    auto& of_event =
        rows[static_cast<std::size_t>(kTable[i].from)][static_cast<std::size_t>(kTable[i].event)];
    for (std::size_t guard = 0; guard < kGuards; ++guard) {
      const bool holds = kTable[i].guard == decltype(kTable[i].guard)::kAlways ||
                         static_cast<std::size_t>(kTable[i].guard) == guard;
      if (holds) of_event[guard] = static_cast<std::uint8_t>(i);
    }
  }
  return rows;
}();

// The same as find_transition(), for the commit path: in one step. A condition that no row names is
// as good as none.
template <const auto& kTable, typename State, typename Event, typename Guard>
constexpr auto find_row(State state, Event event, Guard guard) {
  const auto& rows = kRows<kTable>;
  const auto from = static_cast<std::size_t>(state);
  const auto on = static_cast<std::size_t>(event);
  const auto when = static_cast<std::size_t>(guard);
  using Found = decltype(kTable.data());
  if (from >= rows.size() || on >= rows[0].size()) return Found{nullptr};
  const auto& of_event = rows[from][on];
  const std::size_t row = of_event[when < of_event.size() ? when : 0];
  return row < kTable.size() ? Found{&kTable[row]} : Found{nullptr};
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
