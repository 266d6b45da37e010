// QueueTable: the messages of committed producers in memory, and who has taken which.
//
// Knows neither log nor manager. Not thread-safe.
#ifndef CAIRN_RM_QUEUE_QUEUE_TABLE_H_
#define CAIRN_RM_QUEUE_QUEUE_TABLE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/rm_queue.h>
#include <cairn/status.h>

#include "queue_record.h"

namespace cairn::rm {

class QueueTable {
 public:
  struct Entry {
    StoredMessage message;
    std::uint64_t taken_by = 0;  // a work's key; 0: nobody's
  };
  using Entries = std::map<std::uint64_t, Entry>;  // by number

  // At the end of its queue, with the next number.
  void add(std::string_view queue, std::string_view body);
  // As a snapshot has it; the same again changes nothing.
  void put(const StoredMessage& message);

  // The first message of the queue that nobody has.
  [[nodiscard]] std::optional<std::uint64_t> first_ready(std::string_view queue) const;
  // For `work`, which may have it already. Errors: kNotFound, kLocked (another work has it).
  [[nodiscard]] Status take(std::uint64_t number, std::uint64_t work);
  // Counts a delivery. Error: kNotFound.
  [[nodiscard]] Status count_delivery(std::uint64_t number);
  // REQUIRES, for these three: it is there.
  void give_back(std::uint64_t number);
  void erase(std::uint64_t number);
  [[nodiscard]] const StoredMessage& at(std::uint64_t number) const;

  [[nodiscard]] const Entries& entries() const { return entries_; }
  [[nodiscard]] std::uint64_t next_number() const { return next_number_; }
  // Does nothing where it is beyond `number`.
  void advance_next_number(std::uint64_t number);

  [[nodiscard]] std::vector<QueueMessage> browse(std::string_view queue) const;
  [[nodiscard]] QueueDepth depth(std::string_view queue) const;
  [[nodiscard]] std::vector<std::string> queues() const;

 private:
  struct Queue {
    std::set<std::uint64_t> ready;
    std::uint64_t taken = 0;
  };

  Entries entries_;
  std::map<std::string, Queue, std::less<>> queues_;  // those that have messages
  std::uint64_t next_number_ = 1;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_QUEUE_QUEUE_TABLE_H_
