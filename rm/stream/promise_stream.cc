#include "stream/promise_stream.h"

#include <array>
#include <optional>
#include <utility>

#include "stream/record_bytes.h"

namespace cairn::rm {
namespace {

constexpr std::byte kLayout{1};                          // of records and restart areas
constexpr std::size_t kRestartSize = 1 + 2 * kUuidSize;  // layout, resource manager, incarnation
constexpr std::size_t kPlaceSize = kUuidSize + sizeof(std::uint64_t);

std::vector<std::byte> header_of(const Promise& promise) {
  std::vector<std::byte> header;
  put_uuid(header, promise.transaction_manager);
  put_uuid(header, promise.transaction);
  return header;
}

}  // namespace

PromiseStream::PromiseStream(std::shared_ptr<log::Log> log, std::string name, const Uuid& id,
                             std::string owner)
    : log_(std::move(log)), name_(std::move(name)), id_(id), owner_(std::move(owner)) {}

// ---- Reading

Status PromiseStream::replay(PromiseReader& reader) {
  CAIRN_ASSIGN_OR_RETURN(stream_, log_->open_or_create_stream(name_));
  const Result<log::RestartArea> restart = stream_.read_restart_area();
  if (restart.code() == StatusCode::kNoRestartArea && stream_.last_lsn().is_null()) {
    incarnation_ = Uuid::generate();
    return finish_snapshot(Lsn::invalid(), 0);  // the first thing in it says whose it is
  }
  CAIRN_RETURN_IF_ERROR(restart.status());
  CAIRN_RETURN_IF_ERROR(read_identity(*restart));
  // An earlier session in this process may have appended ends that nobody forced: a cursor would
  // not show them yet, and they would turn up behind what is appended now.
  if (stream_.last_lsn().is_valid()) CAIRN_RETURN_IF_ERROR(log_->wait_durable(stream_.last_lsn()));
  CAIRN_ASSIGN_OR_RETURN(log::Cursor cursor, stream_.read());
  while (true) {
    CAIRN_ASSIGN_OR_RETURN(const std::optional<log::Record> record, cursor.next());
    if (!record) return Status::ok();
    if (record->kind != log::RecordKind::kData) continue;
    bytes_ += record->payload.size();
    if (const Status done = read_one(*record, reader); !done) {
      return done.with_context("stream " + name_ + ", LSN " + record->lsn.to_string());
    }
  }
}

Status PromiseStream::read_identity(const log::RestartArea& restart) {
  const std::span<const std::byte> data(restart.data);
  if (data.size() != kRestartSize || data[0] != kLayout) {
    return Status(StatusCode::kCorrupt, "stream " + name_ + ", LSN " + restart.lsn.to_string() +
                                            ": expected the restart area of " + owner_ +
                                            ", found " + std::to_string(data.size()) +
                                            " other bytes");
  }
  RecordReader reader(data.subspan(1));
  CAIRN_ASSIGN_OR_RETURN(const Uuid found, reader.take_uuid("resource manager"));
  CAIRN_ASSIGN_OR_RETURN(incarnation_, reader.take_uuid("incarnation"));
  if (found == id_) return Status::ok();
  return Status(StatusCode::kIdentityMismatch, "stream " + name_ + ": expected resource manager " +
                                                   id_.to_string() + ", found " +
                                                   found.to_string());
}

Status PromiseStream::read_one(const log::Record& record, PromiseReader& reader) {
  if (record.type >= kOwnRecords) return reader.read_own(record.type, record.payload);
  RecordReader bytes(record.payload);
  Promise promise;
  CAIRN_ASSIGN_OR_RETURN(promise.transaction_manager, bytes.take_uuid("transaction manager"));
  CAIRN_ASSIGN_OR_RETURN(promise.transaction, bytes.take_uuid("unit of work"));
  const auto type = PromiseRecordType{record.type};
  switch (type) {
    case PromiseRecordType::kPromise:
    case PromiseRecordType::kAtOnce: {
      promise.lsn = record.lsn;
      promise.is_decided = type == PromiseRecordType::kAtOnce;
      CAIRN_ASSIGN_OR_RETURN(promise.end, stream_.reserve(1, kPromiseHeaderSize));
      return reader.read_promise(std::move(promise), bytes.rest());
    }
    case PromiseRecordType::kDone:
    case PromiseRecordType::kRollback:
      CAIRN_RETURN_IF_ERROR(reader.read_end(promise.transaction, type));
      if (type == PromiseRecordType::kDone) committed_.insert(promise.transaction);
      return Status::ok();
  }
  return Status(StatusCode::kCorrupt,
                "expected a record of " + owner_ + ", found type " + std::to_string(record.type));
}

// The incarnation of the stream, then the LSN.
std::vector<std::byte> PromiseStream::place_of(const Promise& promise) const {
  std::vector<std::byte> place;
  put_uuid(place, incarnation_);
  put_number(place, promise.lsn.value(), sizeof(std::uint64_t));
  return place;
}

Status PromiseStream::check_settled(const Uuid& transaction,
                                    std::span<const std::byte> place) const {
  if (committed_.contains(transaction)) return Status::ok();
  RecordReader reader(place);
  const auto incarnation = reader.take_uuid("incarnation");
  const auto value = reader.take_number(sizeof(std::uint64_t), "LSN");
  const Lsn lsn(value ? *value : 0);
  const bool is_here = place.size() == kPlaceSize && *incarnation == incarnation_;
  if (is_here && lsn < stream_.base()) return Status::ok();
  return Status(StatusCode::kCorrupt,
                "stream " + name_ + ": unit of work " + transaction.to_string() +
                    " is decided; expected its promise at LSN " + lsn.to_string() +
                    (is_here ? "" : " of another stream of this name") +
                    ", found no trace of it from the base " + stream_.base().to_string() + " on");
}

// ---- Writing

Status PromiseStream::append_promise(Promise& promise, PromiseRecordType type,
                                     std::span<const std::byte> changes) {
  // Taken before the promise: a full log must not be able to break it.
  CAIRN_ASSIGN_OR_RETURN(log::Reservation end, stream_.reserve(1, kPromiseHeaderSize));
  CAIRN_ASSIGN_OR_RETURN(promise.lsn, append_changes(promise, type, changes));
  promise.end = std::move(end);
  promise.is_decided = type == PromiseRecordType::kAtOnce;
  return promise.is_decided ? log_->wait_durable(promise.lsn) : Status::ok();
}

Status PromiseStream::append_end(Promise& promise, PromiseRecordType type) {
  const std::vector<std::byte> header = header_of(promise);
  const std::span<const std::byte> piece(header);
  CAIRN_RETURN_IF_ERROR(append_gathered(static_cast<std::uint16_t>(type), {&piece, 1},
                                        log::Durability::kNone, promise.end)
                            .status());
  if (type == PromiseRecordType::kDone) committed_.insert(promise.transaction);
  return Status::ok();
}

Result<Lsn> PromiseStream::append(std::uint16_t type, std::span<const std::byte> bytes,
                                  log::Durability durability) {
  log::Reservation none;
  return append_gathered(type, {&bytes, 1}, durability, none);
}

Result<Lsn> PromiseStream::append_changes(const Promise& promise, PromiseRecordType type,
                                          std::span<const std::byte> changes) {
  const std::vector<std::byte> header = header_of(promise);
  const std::array<std::span<const std::byte>, 2> pieces{header, changes};
  log::Reservation none;
  return append_gathered(static_cast<std::uint16_t>(type), pieces, log::Durability::kNone, none);
}

Result<Lsn> PromiseStream::append_gathered(std::uint16_t type, log::Gather pieces,
                                           log::Durability durability,
                                           log::Reservation& reservation) {
  log::AppendOptions options;
  options.type = type;
  options.durability = durability;
  CAIRN_ASSIGN_OR_RETURN(const Lsn lsn, stream_.append(pieces, options, reservation));
  for (const auto& piece : pieces) bytes_ += piece.size();
  return lsn;
}

// ---- Snapshots

Result<Lsn> PromiseStream::append_again(Promise& promise, std::span<const std::byte> changes) {
  const auto type = promise.is_decided ? PromiseRecordType::kAtOnce : PromiseRecordType::kPromise;
  CAIRN_ASSIGN_OR_RETURN(promise.lsn, append_changes(promise, type, changes));
  return promise.lsn;
}

// The restart area moves the base, in one step with itself.
Status PromiseStream::finish_snapshot(Lsn first, std::uint64_t bytes_before) {
  std::vector<std::byte> restart{kLayout};
  put_uuid(restart, id_);
  put_uuid(restart, incarnation_);
  CAIRN_RETURN_IF_ERROR(stream_.write_restart_area(restart, first).status());
  snapshot_bytes_ = bytes_ - bytes_before;
  bytes_ = 0;
  committed_.clear();
  return Status::ok();
}

}  // namespace cairn::rm
