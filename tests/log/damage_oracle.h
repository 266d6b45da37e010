// DamageOracle: what must be said of damage at a place of a log that was whole, worked out from
// where the bytes lie.
#ifndef CAIRN_TESTS_LOG_DAMAGE_ORACLE_H_
#define CAIRN_TESTS_LOG_DAMAGE_ORACLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include <cairn/log.h>
#include <cairn/sim/sim_storage.h>

#include "format/layout.h"
#include "log/log_image.h"

namespace cairn::log_test {

struct ExpectedVerdict {
  log::EndLabel label =
      log::EndLabel::kCleanClose;  // of verify: of the damage, or of the end where there is none
  Lsn begin;                       // damage: the block or record concerned
  bool whole_container =
      false;  // damage of a container's header: which LSN in it is named is left open
  bool open_refuses = false;  // with kCorrupt
  bool readable = true;       // all that is left of the streams can be read once it is open

  [[nodiscard]] bool is_damage() const { return log::end_label_is_damage(label); }
};

// For a log that nobody writes. A value.
class DamageOracle {
 public:
  // REQUIRES: the log in `directory` is whole, up to a torn tail of nothing.
  DamageOracle(const sim::SimStorage& storage, const std::string& directory);

  // In LSN order, containers that hold nothing but a header left out.
  [[nodiscard]] const std::vector<ImageContainer>& containers() const { return containers_; }
  // What must be said when the first byte that differs is the one at `offset` of that container's
  // file.
  [[nodiscard]] ExpectedVerdict at(std::size_t container, std::uint64_t offset) const;

 private:
  // Row by row as log/read/end_of_log.h has them, for a block that is no longer valid.
  [[nodiscard]] log::EndLabel judge(std::size_t container, std::size_t block,
                                    bool header_is_whole) const;
  [[nodiscard]] log::EndLabel sound_end(const ImageBlock& last) const;

  std::uint64_t size_;
  log::format::BaseSlot slot_;
  std::vector<ImageContainer> containers_;
};

}  // namespace cairn::log_test

#endif  // CAIRN_TESTS_LOG_DAMAGE_ORACLE_H_
