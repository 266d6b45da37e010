// LogBlock: a block in memory on its way from the first record to stable storage.
//
//         open_block         close             submit            completion         sync
//   kFree ----------> kOpen -------> kClosed --------> kWriting -----------> kWritten --+
//     ^                 |                                 |                             v
//     | container end   |                                 +-- with its own flush --> kDurable
//     +-----------------+                                                               |
//     +---------------------------- all older blocks are durable -----------------------+
#ifndef CAIRN_LOG_APPEND_LOG_BLOCK_H_
#define CAIRN_LOG_APPEND_LOG_BLOCK_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include <cairn/log.h>
#include <cairn/lsn.h>
#include <cairn/storage.h>

#include "append/wake_word.h"
#include "format/block.h"

namespace cairn::log {

enum class BlockState : std::uint8_t {
  kFree,     // holds nothing
  kOpen,     // takes records; the newest block
  kClosed,   // takes no more; its records may still be being copied
  kWriting,  // submitted to the storage
  kWritten,  // survives the process; waits for a sync
  kDurable,  // survives a power cut; waits for older blocks to become so
};

struct BlockTransition {
  BlockState from;
  BlockState to;
};
inline constexpr BlockTransition kBlockTransitions[] = {
    {BlockState::kFree, BlockState::kOpen},
    {BlockState::kOpen,
     BlockState::kFree},  // opened too near to the container's end, no record taken
    {BlockState::kOpen, BlockState::kClosed},
    {BlockState::kClosed, BlockState::kWriting},
    {BlockState::kWriting, BlockState::kWritten},
    {BlockState::kWriting, BlockState::kDurable},
    {BlockState::kWritten, BlockState::kDurable},
    {BlockState::kDurable, BlockState::kFree},
};
[[nodiscard]] constexpr bool block_transition_is_legal(BlockState from, BlockState to) {
  for (const BlockTransition& t : kBlockTransitions) {
    if (t.from == from && t.to == to) return true;
  }
  return false;
}
static_assert(!block_transition_is_legal(BlockState::kWritten, BlockState::kFree),
              "a block's memory is not given up before its bytes are durable");
static_assert(!block_transition_is_legal(BlockState::kDurable, BlockState::kOpen),
              "a durable block is never written again");
static_assert(!block_transition_is_legal(BlockState::kOpen, BlockState::kWriting),
              "a block that still takes records is never written");

// Guarded by the block writer's mutex, except `data` (a record's bytes belong to the thread that
// took them) and `arrived`.
struct LogBlock {
  std::span<std::byte> data;  // of the writer's one piece of memory

  Lsn lsn;
  format::BlockKind kind = format::BlockKind::kData;
  std::shared_ptr<File> file;  // of its container
  format::ContainerIdentity identity;
  std::uint64_t seed = 0;      // container_seed(identity)
  std::uint32_t capacity = 0;  // bytes of the block that records may reach, without the trailer
  std::uint32_t fill = 0;      // where the next record goes
  std::uint32_t record_count = 0;
  std::uint32_t padded = 0;  // once closed
  Lsn previous_block;        // once closed
  bool barrier = false;      // not submitted before everything older is durable
  bool own_flush = false;    // submitted as a durable write
  std::chrono::steady_clock::time_point submitted;  // kWriting: when
  bool stalled = false;                             // kWriting: told as such

  // Bytes of records that are in their place, less, once closed, those of all its records: 0 then
  // says that every copy has ended, and whoever makes it 0 lets the block go. (An addition to an
  // open block never gives 0.) Taking a place leaves it alone: one atomic addition per record.
  // Memory order: an addition releases the bytes of its record, and whoever finds 0 in a closed
  // block acquires those of all, as additions to an atomic continue the release of earlier ones.
  std::atomic<std::int64_t> arrived{0};

  // Threads that sleep until this block has moved on, or until one of them shall drive.
  WakeWord changed;
  std::uint32_t sleepers = 0;              // those that count themselves out, unless all were since
  std::uint64_t wakings = 0;               // how often all of them were counted out and woken
  std::uint32_t awaited = 0;               // records in it whose appending threads wait for it
  std::vector<DurableCallback> callbacks;  // to be run once it is durable, or cannot become so

  [[nodiscard]] BlockState state() const { return state_; }
  void set_state(BlockState to) {
    if (!block_transition_is_legal(state_, to)) std::abort();
    state_ = to;
  }

 private:
  BlockState state_ = BlockState::kFree;
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_APPEND_LOG_BLOCK_H_
