// QueueChanges: what a transaction does to queues, and its bytes in a record of a PromiseStream
// (stream/promise_stream.h); and the records that are the queues' own. All little-endian.
//   changes, each: kind (1), and for
//     kProduce  length of the queue's name (1), length of the body (4), name, body
//     kConsume  number of the message (8)
//   kNumbers    the number that the next message gets (8); the first record of each snapshot
//   kMessage    number (8), deliveries (4), length of the queue's name (1), name, body to the end
//   kDelivered  number (8) of a message that was given to a consumer once more
// A message gets its number when the end of its producer is written or read, one after the other in
// the order of the log, and in that of the changes.
#ifndef CAIRN_RM_QUEUE_QUEUE_RECORD_H_
#define CAIRN_RM_QUEUE_QUEUE_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/result.h>

#include "stream/promise_stream.h"

namespace cairn::rm {

// The record's type in the log. Persisted; values never change.
enum class QueueRecordType : std::uint16_t {
  kNumbers = kOwnRecords,
  kMessage = kOwnRecords + 1,
  kDelivered = kOwnRecords + 2,
};

// Persisted; values never change.
enum class QueueChangeKind : std::uint8_t { kProduce = 1, kConsume = 2 };

struct ProducedMessage {
  std::string queue;
  std::string body;

  friend bool operator==(const ProducedMessage&, const ProducedMessage&) = default;
};

struct QueueChanges {
  std::vector<ProducedMessage> produced;  // in this order
  std::vector<std::uint64_t> consumed;    // numbers

  [[nodiscard]] bool is_empty() const { return produced.empty() && consumed.empty(); }
  friend bool operator==(const QueueChanges&, const QueueChanges&) = default;
};

// Bytes that one change takes.
[[nodiscard]] constexpr std::size_t size_of_produce(std::string_view queue, std::string_view body) {
  return 6 + queue.size() + body.size();
}
inline constexpr std::size_t kSizeOfConsume = 9;

// What a message is in a snapshot. REQUIRES: the name has at most 255 bytes. Never longer than the
// promise that it came with.
struct StoredMessage {
  std::uint64_t number = 0;
  std::uint32_t deliveries = 0;
  std::string queue;
  std::string body;

  friend bool operator==(const StoredMessage&, const StoredMessage&) = default;
};

[[nodiscard]] std::vector<std::byte> encode(const QueueChanges& changes);
[[nodiscard]] std::vector<std::byte> encode(const StoredMessage& message);
// Of kNumbers and kDelivered.
[[nodiscard]] std::vector<std::byte> encode_number(std::uint64_t number);
// Errors: kCorrupt, with what was expected and found.
[[nodiscard]] Result<QueueChanges> decode_queue_changes(std::span<const std::byte> bytes);
[[nodiscard]] Result<StoredMessage> decode_stored_message(std::span<const std::byte> bytes);
[[nodiscard]] Result<std::uint64_t> decode_number(std::span<const std::byte> bytes);

}  // namespace cairn::rm

#endif  // CAIRN_RM_QUEUE_QUEUE_RECORD_H_
