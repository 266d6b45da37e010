// What the child of a kill loop tells its parent over a pipe, and what its records hold.
#ifndef CAIRN_TORTURE_KILL_MESSAGES_H_
#define CAIRN_TORTURE_KILL_MESSAGES_H_

#include <climits>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <cairn/lsn.h>

namespace cairn::torture {

// One message, written at once: what the pipe holds survives the child.
struct Message {
  enum Kind : std::uint32_t {
    kAcknowledged = 1,  // record `sequence` of the stream is durable at `lsn`
    kMovingBase = 2,    // about to give up all before `lsn`
    kFailed = 3,        // the log answered an error; the text is on standard error
  };
  std::uint32_t kind = 0;
  std::uint32_t stream = 0;
  std::uint64_t sequence = 0;
  std::uint64_t lsn = 0;
};
static_assert(sizeof(Message) <= PIPE_BUF, "written in one piece");

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
