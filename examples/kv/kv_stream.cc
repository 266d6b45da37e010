#include "kv/kv_stream.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

namespace cairn::examples {
namespace {

constexpr std::size_t kSnapshotRecord = 32'768;  // bytes of entries, unless a single one is larger
constexpr std::byte kLayout{1};                  // of records and restart areas

constexpr std::size_t kUuidSize = 16;
constexpr std::size_t kRestartSize = 1 + 2 * kUuidSize;  // layout, store, incarnation
constexpr std::size_t kPlaceSize = kUuidSize + sizeof(std::uint64_t);

void append_uuid(std::vector<std::byte>& out, const Uuid& id) {
  for (const std::uint8_t byte : id.bytes) out.push_back(std::byte{byte});
}

// REQUIRES: at least kUuidSize bytes.
Uuid to_uuid(std::span<const std::byte> bytes) {
  Uuid id;
  std::memcpy(id.bytes.data(), bytes.data(), kUuidSize);
  return id;
}

KvRecord record_of(const KvWork& work, KvWrites writes) {
  return {.transaction_manager = work.transaction_manager,
          .transaction = work.transaction,
          .enlistment = work.enlistment_id,
          .writes = std::move(writes)};
}

}  // namespace

KvStream::KvStream(std::shared_ptr<log::Log> log, std::string name, const Uuid& id)
    : log_(std::move(log)), name_(std::move(name)), id_(id) {}

// ---- Reading

Status KvStream::replay(KvTable& table) {
  CAIRN_ASSIGN_OR_RETURN(stream_, log_->open_or_create_stream(name_));
  const Result<log::RestartArea> restart = stream_.read_restart_area();
  if (restart.code() == StatusCode::kNoRestartArea && stream_.last_lsn().is_null()) {
    incarnation_ = Uuid::generate();
    return write_snapshot(table);  // the first thing in a new stream says whose it is
  }
  CAIRN_RETURN_IF_ERROR(restart.status());
  CAIRN_RETURN_IF_ERROR(read_identity(*restart));
  CAIRN_ASSIGN_OR_RETURN(log::Cursor cursor, stream_.read());
  while (true) {
    CAIRN_ASSIGN_OR_RETURN(const std::optional<log::Record> record, cursor.next());
    if (!record) return Status::ok();
    if (record->kind != log::RecordKind::kData) continue;
    bytes_ += record->payload.size();
    Result<KvRecord> decoded = decode(record->payload);
    const Status done =
        decoded ? replay(KvRecordType{record->type}, record->lsn, std::move(*decoded), table)
                : decoded.status();
    if (!done) {
      return done.with_context("stream " + name_ + ", LSN " + record->lsn.to_string());
    }
  }
}

Status KvStream::read_identity(const log::RestartArea& restart) {
  const std::span<const std::byte> data(restart.data);
  if (data.size() != kRestartSize || data[0] != kLayout) {
    return Status(StatusCode::kCorrupt,
                  "stream " + name_ + ", LSN " + restart.lsn.to_string() +
                      ": expected the restart area of a key-value store, found " +
                      std::to_string(data.size()) + " other bytes");
  }
  const Uuid found = to_uuid(data.subspan(1));
  incarnation_ = to_uuid(data.subspan(1 + kUuidSize));
  if (found == id_) return Status::ok();
  return Status(
      StatusCode::kIdentityMismatch,
      "stream " + name_ + ": expected store " + id_.to_string() + ", found " + found.to_string());
}

// A crash in the middle of a snapshot leaves some of its records behind. They repeat what is known
// by then, so reading them changes nothing.
Status KvStream::replay(KvRecordType type, Lsn lsn, KvRecord record, KvTable& table) {
  switch (type) {
    case KvRecordType::kSnapshot:
    case KvRecordType::kSinglePhase:
      table.apply(record.writes);
      return Status::ok();
    case KvRecordType::kPrepare:
      return replay_prepare(lsn, std::move(record), table);
    case KvRecordType::kCommit:
    case KvRecordType::kRollback: {
      const KvWork* const work = table.find(record.transaction);
      if (work == nullptr) {
        return Status(
            StatusCode::kCorrupt,
            describe(type, record) + ": expected its prepare record before it, found none");
      }
      if (type == KvRecordType::kCommit) {
        table.apply(work->writes);
        committed_.insert(record.transaction);
      }
      table.forget(*work);
      return Status::ok();
    }
  }
  return Status(StatusCode::kCorrupt, "expected a record of a key-value store, found type " +
                                          std::to_string(static_cast<unsigned>(type)));
}

Status KvStream::replay_prepare(Lsn lsn, KvRecord record, KvTable& table) {
  KvWork* work = table.find(record.transaction);
  if (work == nullptr) work = &table.add(record.transaction);
  work->transaction_manager = record.transaction_manager;
  work->enlistment_id = record.enlistment;
  work->prepared = lsn;
  for (const auto& [key, value] : record.writes) CAIRN_RETURN_IF_ERROR(table.lock(key, *work));
  work->writes = std::move(record.writes);
  CAIRN_ASSIGN_OR_RETURN(work->outcome, stream_.reserve(1, kKvHeaderSize));
  return Status::ok();
}

// The incarnation of the stream, then the LSN.
std::vector<std::byte> KvStream::place_of(const KvWork& work) const {
  std::vector<std::byte> place;
  append_uuid(place, incarnation_);
  for (int shift = 0; shift < 64; shift += 8) {
    place.push_back(static_cast<std::byte>(work.prepared.value() >> shift));
  }
  return place;
}

Status KvStream::check_settled(const Uuid& transaction, std::span<const std::byte> place) const {
  if (committed_.contains(transaction)) return Status::ok();
  std::uint64_t lsn = 0;
  for (std::size_t i = place.size(); i-- > kUuidSize;) {
    lsn = lsn << 8 | std::to_integer<std::uint64_t>(place[i]);
  }
  const bool is_here = place.size() == kPlaceSize && to_uuid(place) == incarnation_;
  if (is_here && Lsn(lsn) < stream_.base()) return Status::ok();
  return Status(StatusCode::kCorrupt,
                "stream " + name_ + ": unit of work " + transaction.to_string() +
                    " is decided; expected its prepare record at LSN " + Lsn(lsn).to_string() +
                    (is_here ? "" : " of another stream of this name") +
                    ", found no trace of it from the base " + stream_.base().to_string() + " on");
}

// ---- Writing

Status KvStream::append_prepare(KvWork& work) {
  // Taken before the promise: a full log must not be able to break it.
  CAIRN_ASSIGN_OR_RETURN(log::Reservation outcome, stream_.reserve(1, kKvHeaderSize));
  CAIRN_ASSIGN_OR_RETURN(work.prepared,
                         append(KvRecordType::kPrepare, record_of(work, work.writes)));
  work.outcome = std::move(outcome);
  force_to_ = work.prepared;
  return Status::ok();
}

Status KvStream::append_single_phase(const KvWork& work) {
  CAIRN_ASSIGN_OR_RETURN(force_to_,
                         append(KvRecordType::kSinglePhase, record_of(work, work.writes)));
  return Status::ok();
}

Status KvStream::append_commit(KvWork& work) {
  CAIRN_ASSIGN_OR_RETURN(force_to_, append_outcome(KvRecordType::kCommit, work));
  committed_.insert(work.transaction);
  return Status::ok();
}

Status KvStream::append_rollback(KvWork& work) {
  return append_outcome(KvRecordType::kRollback, work).status();
}

Status KvStream::force() {
  const Lsn lsn = std::exchange(force_to_, Lsn());
  return lsn.is_null() ? Status::ok() : log_->wait_durable(lsn);
}

Result<Lsn> KvStream::append(KvRecordType type, const KvRecord& record) {
  const std::vector<std::byte> bytes = encode(record);
  const log::AppendOptions options{
      .type = static_cast<std::uint16_t>(type), .previous = {}, .undo_next = {}};
  CAIRN_ASSIGN_OR_RETURN(const Lsn lsn, stream_.append(bytes, options));
  bytes_ += bytes.size();
  return lsn;
}

Result<Lsn> KvStream::append_outcome(KvRecordType type, KvWork& work) {
  const std::vector<std::byte> bytes = encode(record_of(work, {}));
  const std::span<const std::byte> piece(bytes);
  const log::AppendOptions options{
      .type = static_cast<std::uint16_t>(type), .previous = work.prepared, .undo_next = {}};
  CAIRN_ASSIGN_OR_RETURN(const Lsn lsn, stream_.append({&piece, 1}, options, work.outcome));
  bytes_ += bytes.size();
  return lsn;
}

// ---- Snapshots

// Entries, then what is prepared, again; the restart area then moves the base to the first of these
// records, in one step with itself.
Status KvStream::write_snapshot(KvTable& table) {
  const std::uint64_t bytes_before = bytes_;
  const Result<Lsn> first = append_snapshot(table);
  if (first.code() == StatusCode::kLogFull) return Status::ok();
  CAIRN_RETURN_IF_ERROR(first.status());
  std::vector<std::byte> restart{kLayout};
  append_uuid(restart, id_);
  append_uuid(restart, incarnation_);
  CAIRN_RETURN_IF_ERROR(stream_.write_restart_area(restart, *first).status());
  snapshot_bytes_ = bytes_ - bytes_before;
  bytes_ = 0;
  committed_.clear();
  return Status::ok();
}

// The first record's LSN; invalid if there is nothing to write, which as a base means the restart
// area itself.
Result<Lsn> KvStream::append_snapshot(KvTable& table) {
  Lsn first = Lsn::invalid();
  KvRecord record;
  std::size_t size = 0;
  const auto append_entries = [&]() -> Status {
    if (record.writes.empty()) return Status::ok();
    CAIRN_ASSIGN_OR_RETURN(const Lsn lsn, append(KvRecordType::kSnapshot, record));
    first = std::min(first, lsn);
    record.writes.clear();
    size = 0;
    return Status::ok();
  };
  for (const auto& [key, value] : table.entries()) {
    const std::size_t entry_size = kKvWriteHeaderSize + key.size() + value.size();
    if (size + entry_size > kSnapshotRecord) CAIRN_RETURN_IF_ERROR(append_entries());
    record.writes.emplace(key, value);
    size += entry_size;
  }
  CAIRN_RETURN_IF_ERROR(append_entries());
  for (auto& [key, work] : table.works()) {
    if (work.prepared.is_null()) continue;
    CAIRN_ASSIGN_OR_RETURN(work.prepared,
                           append(KvRecordType::kPrepare, record_of(work, work.writes)));
    first = std::min(first, work.prepared);
  }
  return first;
}

}  // namespace cairn::examples
