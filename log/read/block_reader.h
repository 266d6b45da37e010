// BlockReader: checked blocks, read ahead in large pieces, and by threads for those who go on.
#ifndef CAIRN_LOG_READ_BLOCK_READER_H_
#define CAIRN_LOG_READ_BLOCK_READER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <variant>

#include <cairn/lsn.h>
#include <cairn/result.h>

#include "aligned_buffer.h"
#include "format/block.h"
#include "read/block_stream.h"
#include "read/read_source.h"

namespace cairn::log {

// Not thread-safe.
class BlockReader {
 public:
  using Block = CheckedBlock;  // its bytes are valid until the next call
  using Outcome = std::variant<Block, format::BlockFault>;

  explicit BlockReader(ReadSource& source);

  // Reads and checks the block at `lsn`. A fault is taken from the storage, never from bytes read
  // ahead. Errors: of ReadSource::container() and of reading.
  [[nodiscard]] Result<Outcome> read(Lsn lsn);
  // The same for one who goes forward: when he has come some way, a stream reads and checks ahead
  // of him what lies before `limit`, where the source allows that. What he gets is what read()
  // gives.
  [[nodiscard]] Result<Outcome> read_forward(Lsn lsn, Lsn limit);
  // The same for one who goes backward: reads ahead what lies before `end`, where the block ends at
  // the latest. REQUIRES: end > lsn.
  [[nodiscard]] Result<Outcome> read_ending_at(Lsn lsn, Lsn end);
  // Whoever goes forward stops here, for now or for good, and nobody reads ahead of him any more.
  // The bytes of the last block are not valid any more.
  void rest();

  // The header of a block of this log at `lsn`, if there is a valid one, whatever its records are;
  // nothing otherwise. `epoch_min`: older ones do not count.
  [[nodiscard]] Result<std::optional<format::BlockHeader>> probe_header(Lsn lsn,
                                                                        std::uint32_t epoch_min);

 private:
  // Bytes at `lsn`, at least `want` unless the file ends before.
  [[nodiscard]] Result<std::span<const std::byte>> bytes_at(Lsn lsn, std::size_t want, bool fresh);

  ReadSource* source_;
  AlignedBuffer buffer_;
  std::shared_ptr<const OpenContainer> container_;
  std::uint64_t container_number_ = 0;
  std::uint64_t buffer_offset_ = 0;  // of the buffer's first byte in the container
  std::size_t buffer_length_ = 0;
  std::uint64_t backward_to_ = 0;  // going backward: where the next fill ends, in the container
  bool fresh_ = false;             // the last bytes_at() read from the storage
  std::uint64_t run_ = 0;          // bytes of blocks that read_forward() read by itself
  std::unique_ptr<BlockStream> stream_;
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_READ_BLOCK_READER_H_
