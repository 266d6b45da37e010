// Deadlines: which transactions run out of time, and when.
#ifndef CAIRN_TM_DEADLINES_H_
#define CAIRN_TM_DEADLINES_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace cairn::tm {

struct TransactionObject;

// What a transaction has of the list that it is in.
struct DeadlineLinks {
  TransactionObject* previous = nullptr;
  TransactionObject* next = nullptr;
  std::uint8_t list = 0;
};

// Sets and takes back in O(1). A deadline waits in the list of the highest bit in which it differs
// from the time that was looked at last; when time has come so far that this bit is the same, it
// moves to the list of a lower one, at most once per bit. So one that is taken back in time, as
// most are, is hardly ever touched in between.
//
//   now 0100'0000   list of bit 3: 0100'1000 to 0100'1111   list of bit 5: 0110'0000 to 0111'1111
//
// The transactions outlive their time here.
class Deadlines {
 public:
  using Time = std::chrono::nanoseconds;

  // REQUIRES: the transaction has a deadline, and is not in here.
  void add(TransactionObject& transaction);
  // REQUIRES: it is in here.
  void remove(TransactionObject& transaction);
  // Nobody's time has run out before; nobody's may have then. Null: there are none.
  [[nodiscard]] std::optional<Time> next() const;
  // Those whose time has run out, the earliest first. They stay in here.
  [[nodiscard]] std::vector<TransactionObject*> due(Time now);

 private:
  static constexpr std::size_t kDue = 0;  // the list of those whose time has run out
  [[nodiscard]] std::size_t list_of(Time deadline) const;
  void put_first(std::size_t list, TransactionObject* transaction);

  std::uint64_t looked_at_ = 0;  // nanoseconds
  // Of those that are due, and of each bit.
  std::array<TransactionObject*, 65> first_{};
  std::uint64_t used_ = 0;  // bit n: list n + 1 is not empty
};

}  // namespace cairn::tm

#endif  // CAIRN_TM_DEADLINES_H_
