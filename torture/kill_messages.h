// What the child of a kill loop tells its parent over a pipe, and what its records hold.
#ifndef CAIRN_TORTURE_KILL_MESSAGES_H_
#define CAIRN_TORTURE_KILL_MESSAGES_H_

#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <cairn/lsn.h>
#include <cairn/status.h>

namespace cairn::torture {

// One message, written at once: what the pipe holds survives the child.
struct Message {
  enum Kind : std::uint32_t {
    kAcknowledged = 1,  // record `sequence` of the stream is durable at `lsn`
    kMovingBase = 2,    // about to give up all before `lsn`
    kFailed = 3,        // it cannot go on, with status code `sequence`, for what it said before

    // Of a soak. `stream` is a worker, `sequence` one of its transactions.
    kAsking = 4,      // about to ask for the commit, or for the rollback
    kCommitted = 5,   // it was acknowledged
    kRolledBack = 6,  // likewise
    kFound = 7,       // after recovery: the newest one that is committed; `lsn`: the log's end
    kReady =
        8,  // recovered and checked; it took `sequence` us of processor time, `lsn` by the clock
    kSays = 12,      // of that, the next bytes: add_said()
    kArchived = 9,   // `sequence` archives became logs again that are whole; `lsn` were overtaken
    kCameBack = 10,  // a resource manager went away and came back
    kClosed = 11,    // everything was closed in good order
  };
  std::uint32_t kind = 0;
  std::uint32_t stream = 0;
  std::uint64_t sequence = 0;
  std::uint64_t lsn = 0;
};
static_assert(sizeof(Message) <= PIPE_BUF, "written in one piece");

// A text goes in pieces, each in the place of two numbers.
inline constexpr std::size_t kSaidBytes = 16;

[[nodiscard]] inline Message said(const std::string& text) {
  char part[kSaidBytes] = {};
  std::memcpy(part, text.data(), text.size() < kSaidBytes ? text.size() : kSaidBytes);
  Message message{Message::kSays, 0, 0, 0};
  std::memcpy(&message.sequence, part, 8);
  std::memcpy(&message.lsn, part + 8, 8);
  return message;
}

// Adds what was said; false: this is another message.
[[nodiscard]] inline bool add_said(const Message& message, std::string* text) {
  if (message.kind != Message::kSays) return false;
  char part[kSaidBytes];
  std::memcpy(part, &message.sequence, 8);
  std::memcpy(part + 8, &message.lsn, 8);
  text->append(part, ::strnlen(part, kSaidBytes));
  return true;
}

// What that child's end means: the broken promise `what`, or only that the disk is full.
[[nodiscard]] inline Status end_of_child(const Message& failed, const std::string& what) {
  const auto no_space = static_cast<std::uint64_t>(StatusCode::kNoSpace);
  return Status(failed.sequence == no_space ? StatusCode::kNoSpace : StatusCode::kCorrupt, what);
}

[[nodiscard]] inline std::string stream_name(std::uint32_t stream) {
  return "thread" + std::to_string(stream);
}

// The payload of record `sequence` of a stream: the two numbers, then bytes that follow from them.
[[nodiscard]] inline std::vector<std::byte> payload_of(std::uint64_t stream,
                                                       std::uint64_t sequence) {
  std::uint64_t value = stream * 0x9E3779B97F4A7C15ULL + sequence * 0xD1342543DE82EF95ULL + 1;
  std::vector<std::byte> bytes(16 + (value >> 20) % 3000);
  std::memcpy(bytes.data(), &stream, 8);
  std::memcpy(bytes.data() + 8, &sequence, 8);
  for (std::size_t i = 16; i < bytes.size(); ++i) {
    value = value * 6364136223846793005ULL + 1442695040888963407ULL;
    bytes[i] = static_cast<std::byte>(value >> 56);
  }
  return bytes;
}

// The sequence number in a payload, or nothing if it is none of payload_of(stream, ...).
[[nodiscard]] inline std::optional<std::uint64_t> sequence_in(std::uint64_t stream,
                                                              std::span<const std::byte> payload) {
  std::uint64_t sequence = 0;
  if (payload.size() < 16) return std::nullopt;
  std::memcpy(&sequence, payload.data() + 8, 8);
  const std::vector<std::byte> expected = payload_of(stream, sequence);
  const bool equal = expected.size() == payload.size() &&
                     std::memcmp(expected.data(), payload.data(), payload.size()) == 0;
  return equal ? std::optional(sequence) : std::nullopt;
}

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_KILL_MESSAGES_H_
