// LogImage: where what lies in the files of a log that is known to be whole. For tests that damage
// it on purpose.
#ifndef CAIRN_TESTS_LOG_LOG_IMAGE_H_
#define CAIRN_TESTS_LOG_LOG_IMAGE_H_

#include <cstdint>
#include <string>
#include <vector>

#include <cairn/lsn.h>
#include <cairn/sim/sim_storage.h>

#include "format/layout.h"

namespace cairn::log_test {

struct ImageRecord {
  Lsn lsn;
  std::uint64_t offset = 0;  // of its header in the file
  std::uint32_t size = 0;    // with header and rounding
  log::format::RecordHeader header{};
};

struct ImageBlock {
  Lsn lsn;
  std::string file;
  std::uint64_t offset = 0;  // in the file
  log::format::BlockHeader header{};
  std::vector<ImageRecord> records;

  [[nodiscard]] std::uint64_t end() const { return offset + header.padded_length; }
  [[nodiscard]] Lsn end_lsn() const { return lsn + header.padded_length; }
  [[nodiscard]] log::format::BlockKind kind() const {
    return static_cast<log::format::BlockKind>(header.kind);
  }
};

struct ImageContainer {
  std::string file;
  std::uint64_t number = 0;
  std::vector<ImageBlock> blocks;  // the header first, in LSN order

  [[nodiscard]] std::uint64_t end() const { return blocks.back().end(); }  // of what is used
};

// The containers of the log in `directory` by number, spares left out. REQUIRES: the log is whole.
[[nodiscard]] std::vector<ImageContainer> read_image(const sim::SimStorage& storage,
                                                     const std::string& directory);

// The valid base slot with the higher generation. REQUIRES: there is one.
[[nodiscard]] log::format::BaseSlot read_base_slot(const sim::SimStorage& storage,
                                                   const std::string& directory);

// Both slots as code of this format version wrote them. REQUIRES: both are valid.
void write_slots_as_version(sim::SimStorage& storage, const std::string& directory,
                            std::uint16_t version);

}  // namespace cairn::log_test

#endif  // CAIRN_TESTS_LOG_LOG_IMAGE_H_
