// KvStream: the key-value store's records in a stream of a Cairn log: writing them, and rebuilding
// the table.
#ifndef CAIRN_EXAMPLES_KV_KV_STREAM_H_
#define CAIRN_EXAMPLES_KV_KV_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <cairn/log.h>

#include "kv/kv_record.h"
#include "kv/kv_table.h"

namespace cairn::examples {

// One thread at a time. The log outlives it.
class KvStream {
 public:
  // `id`: of the store the stream belongs to.
  KvStream(std::shared_ptr<log::Log> log, std::string name, const Uuid& id);

  // Opens the stream, or makes it, and rebuilds the table as of its last record: what is committed,
  // and what is prepared. REQUIRES: the table is empty; called first, once. Errors:
  // kIdentityMismatch (the stream is another store's), kCorrupt with the LSN, and those of the log.
  [[nodiscard]] Status replay(KvTable& table);

  // Each appends one record; force() makes it durable. kLogFull and kRecordTooLong say that nothing
  // was appended. Sets `work.prepared`, and `work.outcome`: room for the record that ends it.
  [[nodiscard]] Status append_prepare(KvWork& work);
  [[nodiscard]] Status append_single_phase(const KvWork& work);
  // Never meets a full log. REQUIRES: `work` is prepared.
  [[nodiscard]] Status append_commit(KvWork& work);
  [[nodiscard]] Status append_rollback(KvWork& work);

  // Makes what was appended durable, but for rollbacks at the end: they may be lost.
  [[nodiscard]] Status force();

  // Where a prepared work's record lies: the recovery information that goes with the promise.
  [[nodiscard]] std::vector<std::byte> place_of(const KvWork& work) const;
  // Whether the stream accounts for a decided unit of work that is not prepared any more and whose
  // prepare record was at `place`: its commit record is here, or the prepare record lies before a
  // snapshot that holds the result. Error: kCorrupt.
  [[nodiscard]] Status check_settled(const Uuid& transaction,
                                     std::span<const std::byte> place) const;

  // Bytes appended since the last snapshot, and in that.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t snapshot_bytes() const { return snapshot_bytes_; }
  // Writes the whole table again and moves the base to it, so that the log can let go of what lies
  // before. Durable on return. A full log is no error: the snapshot is then due again.
  [[nodiscard]] Status write_snapshot(KvTable& table);

 private:
  [[nodiscard]] Status read_identity(const log::RestartArea& restart);
  [[nodiscard]] Status replay(KvRecordType type, Lsn lsn, KvRecord record, KvTable& table);
  [[nodiscard]] Status replay_prepare(Lsn lsn, KvRecord record, KvTable& table);
  [[nodiscard]] Result<Lsn> append_snapshot(KvTable& table);
  [[nodiscard]] Result<Lsn> append(KvRecordType type, const KvRecord& record);
  [[nodiscard]] Result<Lsn> append_outcome(KvRecordType type, KvWork& work);

  std::shared_ptr<log::Log> log_;
  std::string name_;
  Uuid id_;
  Uuid incarnation_;  // of the stream: one that was deleted and made again is another
  log::Stream stream_;
  Lsn force_to_;              // the newest record that force() is to make durable
  std::set<Uuid> committed_;  // whose commit records no snapshot has replaced yet
  std::uint64_t bytes_ = 0;
  std::uint64_t snapshot_bytes_ = 0;
};

}  // namespace cairn::examples

#endif  // CAIRN_EXAMPLES_KV_KV_STREAM_H_
