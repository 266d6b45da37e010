// BlockStream: the blocks of a log in their order, read and checked ahead by threads of their own.
//
//   files --fetch--> ring of pieces --check--> batches of blocks --next()--> one reader
//            several at once           one at a time           zero copy
//
// Any of the stream's threads does whatever is next to be done: it checks the blocks that have
// arrived, unless another does, or else fetches the next piece. So the device has several reads to
// do while one piece is checked and the reader is at an older one.
//
// What cannot be read or is not valid is no answer here: the stream ends before it, and whoever
// wants to know why reads it himself. So the verdict on a bad place is always made of bytes that
// were read when it was asked for, and never depends on how far threads had come.
#ifndef CAIRN_LOG_READ_BLOCK_STREAM_H_
#define CAIRN_LOG_READ_BLOCK_STREAM_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include <cairn/lsn.h>

#include "aligned_buffer.h"
#include "format/block.h"
#include "read/read_source.h"

namespace cairn::log {

// A valid block.
struct CheckedBlock {
  format::BlockHeader header{};
  std::span<const std::byte> bytes;  // padded length
};

// next() is for one thread at a time.
class BlockStream {
 public:
  // A stream from the block at `start` on that reads nothing from `limit` on; null when there are
  // as many streams as the source allows (ReadSource::take_stream), or there is no room for the
  // ring or for a single thread.
  // REQUIRES: source.reads_ahead(). The source outlives the stream.
  [[nodiscard]] static std::unique_ptr<BlockStream> start(ReadSource& source, Lsn start, Lsn limit);
  // Waits for the reads that are in flight.
  ~BlockStream();
  BlockStream(const BlockStream&) = delete;
  BlockStream& operator=(const BlockStream&) = delete;

  // The block at `lsn`; its bytes are valid until the next call. Nothing: the stream has ended, or
  // goes on elsewhere; it is of no more use then.
  [[nodiscard]] std::optional<CheckedBlock> next(Lsn lsn);

  // Of what is read in one request, and of what is fetched before the first block is wanted.
  [[nodiscard]] static std::uint64_t piece_size(const format::LogGeometry& geometry);

 private:
  using Lock = std::unique_lock<std::mutex>;
  using Batch = std::vector<CheckedBlock>;
  enum class Step { kGoOn, kWait, kEnd };

  BlockStream(ReadSource& source, Lsn start, Lsn limit);

  void work();
  // Reads the next piece into the ring.
  [[nodiscard]] bool can_fetch() const;
  void fetch(Lock& lock);
  void arrived(std::uint64_t piece, std::size_t bytes);
  // Checks the blocks of about one piece and hands them over.
  [[nodiscard]] bool can_check() const;
  void check(Lock& lock);
  // The block at check_at_, of which everything before `loaded` is there.
  [[nodiscard]] Step check_block(Lsn loaded, Batch* batch);
  // Moves check_at_ behind `header`'s block. False: the stream does not go there.
  [[nodiscard]] bool step_behind(const format::BlockHeader& header);
  [[nodiscard]] std::span<const std::byte> ring_bytes(Lsn lsn, std::size_t length);

  [[nodiscard]] std::uint64_t piece_of(Lsn lsn) const { return lsn.value() / piece_size_; }
  [[nodiscard]] std::byte* place_of(std::uint64_t piece) {
    return buffer_.data() + head_room_ + piece % kPieces * piece_size_;
  }

  static constexpr std::uint64_t kPieces = 8;
  // The least that may be fetched beyond the piece in which the reader is. A seal leads over the
  // unused rest of a container, at most a block: so the block behind it lies within.
  static constexpr std::uint64_t kLeastAhead = 4;

  ReadSource* source_;
  const std::uint64_t piece_size_;
  const std::uint64_t first_piece_;
  // Before the ring: where the beginning of a block goes that wraps around.
  const std::size_t head_room_;
  AlignedBuffer buffer_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable work_;
  std::condition_variable ready_;
  bool stopping_ = false;
  bool checking_ = false;
  bool ended_ = false;         // nothing more is checked
  Lsn end_;                    // no byte from here on is to be had
  std::uint64_t next_fetch_;   // piece
  std::uint64_t released_;     // pieces before are not needed any more
  std::uint64_t loaded_;       // pieces before have arrived
  std::vector<bool> arrived_;  // of the pieces from loaded_ on, in their places in the ring
  std::deque<Batch> batches_;

  // Of the thread that checks.
  Lsn check_at_;
  std::uint64_t needed_;  // bytes of the block at check_at_ without which there is no going on
  std::shared_ptr<const OpenContainer> container_;
  std::uint64_t container_number_ = 0;

  // Of the reader.
  Batch batch_;
  std::size_t taken_ = 0;

  std::vector<std::thread> threads_;
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_READ_BLOCK_STREAM_H_
