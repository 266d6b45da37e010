// End of log: where the valid bytes end, and what the first invalid byte means.
//
// A scan walks from block to block. At the first place P without a valid successor block the
// decision table below is asked, top row first. It holds for a log with several block writes in
// flight, after a crash inside an earlier recovery, and for a container that was cut short (bytes
// that are not there are invalid bytes).
//
//  row  evidence                                                        label
//   1   the base log was written when every byte before D > P was        damage-proven-by-base-log
//       durable
//   2   a valid block of this or a newer epoch in (P, P + window], in    damage-proven-by-watermark
//       P's container, carries a watermark beyond P
//   3   the log went on in a later container than P's                    damage-proven-by-seal
//   4   a block of this log begins at P, or one lies in the window       torn-tail
//   5   nothing of this log at P; the last block is the closing mark     clean-close
//   6   nothing of this log at P; the last block is an idle mark         end-at-mark
//   7   nothing of this log at P                                         end-unwritten
//
// Why each row may say what it says:
//  1: the base log is written only after the writes it speaks of were acknowledged by the storage.
//  2: a block takes its watermark when it is built, from the durable prefix. W > P: the block at P
//     was durable then. The window is the most that can be in flight, so if anything was
//     acknowledged behind P, its first block lies in there.
//  3: a block is written into the next container only after everything in this one, seal included,
//     was durable; and a seal (or an epoch block that leads into another container) only after the
//     next container's header was. A container is made ready only when everything before its
//     predecessor is durable. So a later container of this log with a block in it, a container two
//     or more on, or a seal before a container without a valid header proves it.
//  4: writes are never acknowledged out of order, so what is behind P was not acknowledged either,
//     and rows 1 to 3 found no proof that P was. (What was acknowledged in the very last group
//     before a crash cannot be proven by anyone: the marks written when the log goes idle and at
//     close keep that to the last few milliseconds of a busy log.)
//  5 to 7: the same, and nothing was begun.
#ifndef CAIRN_LOG_READ_END_OF_LOG_H_
#define CAIRN_LOG_READ_END_OF_LOG_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <cairn/result.h>
#include <cairn/verdict.h>

#include "catalog.h"
#include "format/layout.h"
#include "read/block_reader.h"
#include "read/read_source.h"

namespace cairn::log {

// The facts the decision table asks for, apart from how they were found. Pure, so that a test walks
// every combination.
struct EndEvidence {
  bool base_log_beyond = false;   // row 1
  bool watermark_beyond = false;  // row 2
  bool later_container = false;   // row 3
  bool block_begun = false;       // row 4
  bool last_is_closing_mark = false;
  bool last_is_idle_mark = false;
};
[[nodiscard]] EndLabel judge_end(const EndEvidence& evidence);

// Walks the blocks of a log in order. Not thread-safe.
class LogScanner {
 public:
  // `start`: the LSN of a block that is not a container header.
  LogScanner(ReadSource& source, const format::BaseSlot& slot, Lsn start);

  // The next valid block, or nothing at the first place without one; end() then says what that
  // means. Errors: the storage's; kContainerMissing and kCorrupt are not errors here but evidence.
  [[nodiscard]] Result<std::optional<BlockReader::Block>> next();

  // REQUIRES: next() returned nothing.
  [[nodiscard]] const EndOfLog& end() const { return end_; }

  // For verify, after damage: goes on behind it at the next block that can be trusted to be a
  // block. False: there is none before `limit`.
  [[nodiscard]] Result<bool> skip_damage(Lsn limit);

  // Where the next block is looked for.
  [[nodiscard]] Lsn position() const { return position_; }
  // Of the last valid block: its LSN and header. REQUIRES: next() returned a block.
  [[nodiscard]] Lsn last_block() const { return last_block_; }
  [[nodiscard]] const format::BlockHeader& last_header() const { return last_header_; }
  [[nodiscard]] std::uint32_t epoch() const { return epoch_; }
  // The largest window that any block seen so far carried.
  [[nodiscard]] std::uint32_t window() const { return window_; }
  // An epoch block was just returned: the gap it leaves.
  [[nodiscard]] std::optional<format::Gap> gap() const { return gap_; }

 private:
  [[nodiscard]] Result<std::optional<BlockReader::Block>> try_next();
  // Whether `header` may follow the last block.
  [[nodiscard]] std::optional<format::BlockFault> check_order(
      const format::BlockHeader& header) const;
  // After a seal, or into another container: checks that its header is there. A fault ends the
  // scan.
  [[nodiscard]] Result<std::optional<format::BlockFault>> enter_container(std::uint64_t number,
                                                                          Lsn* first_block);
  [[nodiscard]] Status accept(const BlockReader::Block& block);
  [[nodiscard]] Status judge(const format::BlockFault& fault);
  [[nodiscard]] Status look_on(EndEvidence* evidence);
  [[nodiscard]] Status look_at_later_containers(EndEvidence* evidence);

  ReadSource* source_;
  format::BaseSlot slot_;
  BlockReader reader_;
  Lsn position_;
  Lsn last_block_;
  format::BlockHeader last_header_{};
  bool order_known_ = false;  // last_header_ precedes position_
  bool last_is_closing_mark_ = false;
  bool last_is_idle_mark_ = false;
  std::uint32_t epoch_ = 0;
  std::uint32_t window_ = 0;
  std::optional<format::Gap> gap_;
  std::optional<format::BlockFault> pending_fault_;  // found while entering a container
  bool container_lost_ =
      false;  // a seal or epoch block led into a container that has no valid header
  EndOfLog end_;
  std::optional<format::BlockHeader> fault_header_;  // of the faulty block, if it is whole
};

// Applies the engine's records of a block, and the gap it leaves, to a catalog that knows what lies
// before it. REQUIRES: `scanner` has just returned `block`. Error: kCorrupt.
[[nodiscard]] Status fold_catalog(const LogScanner& scanner, const BlockReader::Block& block,
                                  const format::LogGeometry& geometry, Catalog* catalog);

// What recovery learns from a whole scan.
struct FoundEnd {
  EndOfLog end;
  Catalog catalog;
  Lsn last_block;
  std::uint32_t window = 0;
  std::uint64_t scanned_bytes = 0;
};
// Scans from the base log's scan start and folds the catalog. A damaged log is a success with a
// damage label, its catalog then holds what was read before the damage. Errors: the storage's;
// kCorrupt if the catalog contradicts itself.
[[nodiscard]] Result<FoundEnd> find_end(ReadSource& source, const format::BaseSlot& slot);

// The damage as an error that names file, LSN range, expected and found. REQUIRES: end is damage.
[[nodiscard]] Status damage_status(const EndOfLog& end, ReadSource& source);

}  // namespace cairn::log

#endif  // CAIRN_LOG_READ_END_OF_LOG_H_
