// Walk: what the orders of reading have in common. Each order is one class behind Cursor.
#ifndef CAIRN_LOG_READ_WALK_H_
#define CAIRN_LOG_READ_WALK_H_

#include <cstdint>
#include <memory>
#include <optional>

#include <cairn/cursor.h>
#include <cairn/record.h>
#include <cairn/result.h>

#include "format/block.h"
#include "format/catalog_record.h"
#include "read/block_reader.h"
#include "read/read_source.h"

namespace cairn::log {

// Not thread-safe.
class Walk {
 public:
  Walk(ReadSource& source, ReadHorizon& horizon, ReadOptions options);
  virtual ~Walk() = default;
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;

  // As Cursor::next(): an error is repeated by each later call.
  [[nodiscard]] Result<std::optional<Record>> next();

 protected:
  [[nodiscard]] virtual Result<std::optional<Record>> step() = 0;

  // Whether the filters let the record through.
  [[nodiscard]] bool wanted(const format::RecordHeader& header) const;
  // The oldest LSN that may be shown: of the log, and of the stream that is read.
  [[nodiscard]] Lsn lowest() const;
  // The gap that `lsn` lies in. For LSNs that rise: gaps are looked for again only behind the one
  // that is known, and when one was added since.
  [[nodiscard]] std::optional<format::Gap> gap_at(Lsn lsn);

  // What to tell of an error at `lsn`: that the log's tail passed it by now, or the error itself.
  // Bytes of a container that is used again never validate, so this is all there is to ask.
  [[nodiscard]] Status overtaken_or(Lsn lsn, const Status& error) const;
  // Of a block at `lsn` below the durable end that cannot be read, as Status; `end` is where the
  // bytes concerned end.
  [[nodiscard]] Status fault_at(Lsn lsn, const Result<BlockReader::Outcome>& outcome,
                                Lsn end) const;
  // kLsnInvalid: the place to start from is not what the order needs.
  [[nodiscard]] static Status bad_start(Lsn lsn, const std::string& expected);

  ReadSource* source_;
  ReadHorizon* horizon_;
  ReadOptions options_;

 private:
  Status error_;
  std::optional<format::Gap> gap_;  // the next one
  bool gap_known_ = false;
  std::uint64_t gap_changes_ = 0;  // when gap_ was looked up
};

// By ascending LSN, block by block.
class ForwardWalk final : public Walk {
 public:
  ForwardWalk(ReadSource& source, ReadHorizon& horizon, ReadOptions options);

  // Everything before was shown or passed over: where reading goes on.
  [[nodiscard]] Lsn position() const;
  // Loses what was read ahead and goes on at `lsn`, whatever error there was.
  static void restart(std::unique_ptr<ForwardWalk>& walk, Lsn lsn);

 protected:
  [[nodiscard]] Result<std::optional<Record>> step() override;

 private:
  // Sets from_ (first LSN wanted) and position_ (first block to read).
  [[nodiscard]] Status seek();
  // Loads the block at position_ and moves position_ behind it. False at the durable end.
  [[nodiscard]] Result<bool> next_block();
  // What lies from here on is not wanted now: behind the durable end, or whole blocks behind
  // options_.end.
  [[nodiscard]] Lsn limit() const;

  BlockReader reader_;
  Lsn from_;
  Lsn position_;       // of the next block
  bool over_ = false;  // options_.end was reached
  BlockReader::Block block_;
  std::uint32_t offset_ = 0;
  std::uint32_t records_left_ = 0;
};

// By descending LSN: blocks along `previous_block`, within a block by an index of its records.
class BackwardWalk final : public Walk {
 public:
  BackwardWalk(ReadSource& source, ReadHorizon& horizon, ReadOptions options);

 protected:
  [[nodiscard]] Result<std::optional<Record>> step() override;

 private:
  // Sets from_ (newest LSN wanted), lowest_ and next_ (first block to read).
  [[nodiscard]] Status seek();
  // The newest block that begins before `lsn`, found from the beginning of its container. Null:
  // there is none.
  [[nodiscard]] Result<Lsn> block_before(Lsn lsn);
  // Loads the block at next_ and sets next_ to the one before it.
  [[nodiscard]] Status load();
  // That a block can begin at `at`, and that the one that does leads to where this walk came from.
  [[nodiscard]] Status check_place(Lsn at) const;
  [[nodiscard]] Status check_successor(const format::BlockHeader& header) const;

  BlockReader reader_;
  bool sought_ = false;
  Lsn from_;
  Lsn lowest_;
  Lsn next_;       // block to read next; null: none
  Lsn above_;      // where the block at next_ ends, at the latest
  Lsn successor_;  // the block that names next_ as the one before it; null: none does
  BlockReader::Block block_;
  std::optional<format::Gap> block_gap_;  // the one that may reach into the block
  std::vector<std::uint32_t> offsets_;    // of the block's records that were not shown yet
};

// Along the links of records.
class ChainWalk final : public Walk {
 public:
  ChainWalk(ReadSource& source, ReadHorizon& horizon, ReadOptions options);

 protected:
  [[nodiscard]] Result<std::optional<Record>> step() override;

 private:
  [[nodiscard]] Result<Record> record_at(Lsn lsn);

  AlignedBuffer buffer_;
  bool started_ = false;
  Lsn next_;
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_READ_WALK_H_
