// ReadSource: the containers of a log as something to read from.
#ifndef CAIRN_LOG_READ_READ_SOURCE_H_
#define CAIRN_LOG_READ_READ_SOURCE_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <cairn/cursor.h>
#include <cairn/record.h>
#include <cairn/result.h>
#include <cairn/storage.h>

#include "aligned_buffer.h"
#include "format/block.h"
#include "format/catalog_record.h"

namespace cairn::log {

// "container-0000000000000007.cairn", and back. parse returns false for every other name.
[[nodiscard]] std::string container_file_name(std::uint64_t number);
[[nodiscard]] bool parse_container_file_name(std::string_view name, std::uint64_t* number);

[[nodiscard]] format::LogGeometry geometry_of(const format::BaseSlot& slot);

// A container opened for reading, its header block checked.
struct OpenContainer {
  std::unique_ptr<File> file;
  std::uint64_t file_size = 0;
  format::ContainerIdentity identity;
  std::uint64_t seed = 0;  // container_seed(identity)
  format::BlockHeader header{};
  format::ContainerHeader content{};
};

// What bounds readers of a log: supplied by the open log or the read-only view. Thread-safe.
class ReadHorizon {
 public:
  virtual ~ReadHorizon() = default;
  [[nodiscard]] virtual Lsn tail() const = 0;
  // The same, looked up anew: another process may have moved it. Containers before it may have been
  // recycled, those from it on were not yet. Errors: those of reading the base log;
  // kIdentityMismatch (it is of another log by now).
  [[nodiscard]] virtual Result<Lsn> tail_now() const = 0;
  // End of the durable prefix; a block boundary.
  [[nodiscard]] virtual Lsn durable_end() const = 0;
  // LSN of the last block before the durable end.
  [[nodiscard]] virtual Lsn last_block() const = 0;
  // Makes the record at `lsn` durable if it is appended and not yet so. Error: kLsnInvalid.
  [[nodiscard]] virtual Status make_durable(Lsn lsn) = 0;
  [[nodiscard]] virtual bool in_gap(Lsn lsn) const = 0;
  // The first gap that ends behind `lsn`. At its end a block begins, or will.
  [[nodiscard]] virtual std::optional<format::Gap> gap_behind(Lsn lsn) const = 0;
  // Another number each time a gap was added: then what was read ahead may be gone.
  [[nodiscard]] virtual std::uint64_t gap_changes() const = 0;
  // Base of a stream; null for one that does not exist.
  [[nodiscard]] virtual Lsn stream_base(StreamId stream) const = 0;
  // What stands at the end: OK, or the damage that keeps a view from going on.
  [[nodiscard]] virtual Status end_status() const = 0;
};

// Thread-safe. Keeps the files of containers it was asked for open.
class ReadSource {
 public:
  // Without `may_thread`, only threads that ask for something read.
  ReadSource(Directory& directory, const format::LogGeometry& geometry, bool may_thread = true)
      : directory_(&directory), geometry_(geometry), may_thread_(may_thread) {}

  [[nodiscard]] const format::LogGeometry& geometry() const { return geometry_; }
  [[nodiscard]] Directory& directory() const { return *directory_; }

  // Errors: kContainerMissing, kCorrupt (the header block is not valid), kIoError.
  [[nodiscard]] Result<std::shared_ptr<const OpenContainer>> container(std::uint64_t number);
  // Closes what is open of containers before `number`; readers in them keep their files.
  void forget_before(std::uint64_t number);
  // Closes one whose header was written anew.
  void forget(std::uint64_t number);

  // Reads the record at exactly `lsn`, checked by its own seeded checksum. `buffer` receives the
  // bytes. Errors: kLsnInvalid (no record there), kContainerMissing, kIoError.
  [[nodiscard]] Result<Record> read_record(Lsn lsn, AlignedBuffer* buffer);

  // Whether there is a record at exactly `lsn`, and then the offset of its header in its block.
  [[nodiscard]] bool record_block_offset(Lsn lsn, AlignedBuffer* buffer, std::uint32_t* offset);

  // A cursor over this source. Errors: kNotFound (stream), kLsnInvalid (chain start).
  [[nodiscard]] Result<Cursor> make_cursor(ReadOptions options, ReadHorizon* horizon);

  // Whether whoever reads in sequence may have threads that read ahead of him (BlockStream).
  [[nodiscard]] bool reads_ahead() const { return may_thread_ && directory_->read_depth() > 1; }
  // One more such reader; false: there are kMostStreams. That bounds memory and threads.
  [[nodiscard]] bool take_stream();
  void give_stream_back() { streams_.fetch_sub(1); }

  // Numbers of all container files in the directory, ascending.
  [[nodiscard]] Result<std::vector<std::uint64_t>> list_containers() const;

 private:
  [[nodiscard]] Result<format::RecordView> read_exact(Lsn lsn, AlignedBuffer* buffer);

  static constexpr unsigned kMostStreams = 4;

  Directory* directory_;
  format::LogGeometry geometry_;
  bool may_thread_;
  std::atomic<unsigned> streams_{0};
  std::mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<const OpenContainer>> open_;
};

// A record of a checked block as the public type. REQUIRES: `view` is of a valid record.
// A restart record too short for its prefix yields kCorrupt.
[[nodiscard]] Result<Record> to_record(const format::RecordView& view, Lsn lsn,
                                       const format::LogGeometry& geometry);

}  // namespace cairn::log

#endif  // CAIRN_LOG_READ_READ_SOURCE_H_
