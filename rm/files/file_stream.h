// FileStream: the records of the resource manager for files in a stream of a log of Cairn.
#ifndef CAIRN_RM_FILES_FILE_STREAM_H_
#define CAIRN_RM_FILES_FILE_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <cairn/log.h>

#include "file_record.h"

namespace cairn::rm {

// What the stream holds of one transaction that has not ended.
struct FilePromise {
  FileRecord record;
  Lsn lsn;                  // null: nothing is promised
  log::Reservation end;     // room for the record that ends it
  bool is_decided = false;  // by kAtOnce
};

// One thread at a time. The log outlives it.
class FileStream {
 public:
  // `id`: of the resource manager the stream belongs to.
  FileStream(std::shared_ptr<log::Log> log, std::string name, const Uuid& id);

  // Opens the stream, or makes it, and returns what has not ended as of its last record. Called
  // first, once. Errors: kIdentityMismatch, kCorrupt with the LSN, and those of the log.
  [[nodiscard]] Result<std::vector<FilePromise>> replay();

  // Appends one record, sets `promise.lsn` and `promise.end`. A promise is durable when its LSN is;
  // kAtOnce is on return. kLogFull and kRecordTooLong say that nothing was appended.
  [[nodiscard]] Status append_promise(FilePromise& promise, FileRecordType type);
  // kDone or kRollback. Not forced, and need not be: without it recovery does the same again. Never
  // meets a full log. REQUIRES: `promise` was appended.
  [[nodiscard]] Status append_end(FilePromise& promise, FileRecordType type);
  [[nodiscard]] Status wait_durable(Lsn lsn) { return log_->wait_durable(lsn); }

  // The recovery information that goes with a promise.
  [[nodiscard]] std::vector<std::byte> place_of(const FilePromise& promise) const;
  // Whether the stream accounts for a decided unit of work that has ended here and was promised at
  // `place`. Error: kCorrupt.
  [[nodiscard]] Status check_settled(const Uuid& transaction,
                                     std::span<const std::byte> place) const;

  // Bytes appended since the last snapshot.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  // Writes these, all that have not ended, again and moves the base to the first of them. Durable
  // on return. A full log is no error: the snapshot is then due again.
  [[nodiscard]] Status write_snapshot(std::span<FilePromise* const> promises);

 private:
  using Promises = std::vector<FilePromise>;
  [[nodiscard]] Status read_identity(const log::RestartArea& restart);
  [[nodiscard]] Status replay(FileRecordType type, Lsn lsn, FileRecord record, Promises& promises);
  [[nodiscard]] Result<Lsn> append(FileRecordType type, const FileRecord& record,
                                   log::Durability durability, log::Reservation& reservation);

  std::shared_ptr<log::Log> log_;
  std::string name_;
  Uuid id_;
  Uuid incarnation_;  // of the stream: one that was deleted and made again is another
  log::Stream stream_;
  std::set<Uuid> committed_;  // whose kDone no snapshot has let go of yet
  std::uint64_t bytes_ = 0;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_FILES_FILE_STREAM_H_
