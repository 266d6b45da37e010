#include "file_stream.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

namespace cairn::rm {
namespace {

constexpr std::byte kLayout{1};  // of records and restart areas
constexpr std::size_t kUuidSize = 16;
constexpr std::size_t kRestartSize = 1 + 2 * kUuidSize;  // layout, resource manager, incarnation
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

}  // namespace

FileStream::FileStream(std::shared_ptr<log::Log> log, std::string name, const Uuid& id)
    : log_(std::move(log)), name_(std::move(name)), id_(id) {}

// ---- Reading

Result<std::vector<FilePromise>> FileStream::replay() {
  CAIRN_ASSIGN_OR_RETURN(stream_, log_->open_or_create_stream(name_));
  Promises promises;
  const Result<log::RestartArea> restart = stream_.read_restart_area();
  if (restart.code() == StatusCode::kNoRestartArea && stream_.last_lsn().is_null()) {
    incarnation_ = Uuid::generate();
    CAIRN_RETURN_IF_ERROR(write_snapshot({}));  // the first thing in it says whose it is
    return promises;
  }
  CAIRN_RETURN_IF_ERROR(restart.status());
  CAIRN_RETURN_IF_ERROR(read_identity(*restart));
  // An earlier session in this process may have appended ends that nobody forced: a cursor would
  // not show them yet, and they would turn up behind what is appended now.
  if (stream_.last_lsn().is_valid()) CAIRN_RETURN_IF_ERROR(log_->wait_durable(stream_.last_lsn()));
  CAIRN_ASSIGN_OR_RETURN(log::Cursor cursor, stream_.read());
  while (true) {
    CAIRN_ASSIGN_OR_RETURN(const std::optional<log::Record> record, cursor.next());
    if (!record) return promises;
    if (record->kind != log::RecordKind::kData) continue;
    bytes_ += record->payload.size();
    Result<FileRecord> decoded = decode(record->payload);
    const Status done =
        decoded ? replay(FileRecordType{record->type}, record->lsn, std::move(*decoded), promises)
                : decoded.status();
    if (!done) {
      return done.with_context("stream " + name_ + ", LSN " + record->lsn.to_string());
    }
  }
}

Status FileStream::read_identity(const log::RestartArea& restart) {
  const std::span<const std::byte> data(restart.data);
  if (data.size() != kRestartSize || data[0] != kLayout) {
    return Status(StatusCode::kCorrupt,
                  "stream " + name_ + ", LSN " + restart.lsn.to_string() +
                      ": expected the restart area of a resource manager for files, found " +
                      std::to_string(data.size()) + " other bytes");
  }
  const Uuid found = to_uuid(data.subspan(1));
  incarnation_ = to_uuid(data.subspan(1 + kUuidSize));
  if (found == id_) return Status::ok();
  return Status(StatusCode::kIdentityMismatch, "stream " + name_ + ": expected resource manager " +
                                                   id_.to_string() + ", found " +
                                                   found.to_string());
}

// A crash in the middle of a snapshot leaves promises behind that repeat what is known by then.
Status FileStream::replay(FileRecordType type, Lsn lsn, FileRecord record, Promises& promises) {
  const Uuid transaction = record.transaction;
  const auto found = std::find_if(
      promises.begin(), promises.end(),
      [&](const FilePromise& promise) { return promise.record.transaction == transaction; });
  switch (type) {
    case FileRecordType::kPromise:
    case FileRecordType::kAtOnce: {
      FilePromise promise{std::move(record), lsn, {}, type == FileRecordType::kAtOnce};
      CAIRN_ASSIGN_OR_RETURN(promise.end, stream_.reserve(1, kFileHeaderSize));
      if (found != promises.end()) {
        *found = std::move(promise);
      } else {
        promises.push_back(std::move(promise));
      }
      return Status::ok();
    }
    case FileRecordType::kDone:
    case FileRecordType::kRollback:
      if (found == promises.end()) {
        return Status(StatusCode::kCorrupt,
                      "unit of work " + transaction.to_string() +
                          ": expected its promise before its end, found none");
      }
      if (type == FileRecordType::kDone) committed_.insert(transaction);
      promises.erase(found);
      return Status::ok();
  }
  return Status(StatusCode::kCorrupt,
                "expected a record of a resource manager for files, found type " +
                    std::to_string(static_cast<unsigned>(type)));
}

// The incarnation of the stream, then the LSN.
std::vector<std::byte> FileStream::place_of(const FilePromise& promise) const {
  std::vector<std::byte> place;
  append_uuid(place, incarnation_);
  for (int shift = 0; shift < 64; shift += 8) {
    place.push_back(static_cast<std::byte>(promise.lsn.value() >> shift));
  }
  return place;
}

Status FileStream::check_settled(const Uuid& transaction, std::span<const std::byte> place) const {
  if (committed_.contains(transaction)) return Status::ok();
  std::uint64_t lsn = 0;
  for (std::size_t i = place.size(); i-- > kUuidSize;) {
    lsn = lsn << 8 | std::to_integer<std::uint64_t>(place[i]);
  }
  const bool is_here = place.size() == kPlaceSize && to_uuid(place) == incarnation_;
  if (is_here && Lsn(lsn) < stream_.base()) return Status::ok();
  return Status(StatusCode::kCorrupt,
                "stream " + name_ + ": unit of work " + transaction.to_string() +
                    " is decided; expected its promise at LSN " + Lsn(lsn).to_string() +
                    (is_here ? "" : " of another stream of this name") +
                    ", found no trace of it from the base " + stream_.base().to_string() + " on");
}

// ---- Writing

Status FileStream::append_promise(FilePromise& promise, FileRecordType type) {
  // Taken before the promise: a full log must not be able to break it.
  CAIRN_ASSIGN_OR_RETURN(log::Reservation end, stream_.reserve(1, kFileHeaderSize));
  log::Reservation none;
  const bool at_once = type == FileRecordType::kAtOnce;
  CAIRN_ASSIGN_OR_RETURN(
      promise.lsn, append(type, promise.record,
                          at_once ? log::Durability::kDurable : log::Durability::kNone, none));
  promise.end = std::move(end);
  promise.is_decided = at_once;
  return Status::ok();
}

Status FileStream::append_end(FilePromise& promise, FileRecordType type) {
  const FileRecord end{promise.record.transaction_manager, promise.record.transaction, {}};
  CAIRN_RETURN_IF_ERROR(append(type, end, log::Durability::kNone, promise.end).status());
  if (type == FileRecordType::kDone) committed_.insert(end.transaction);
  return Status::ok();
}

Result<Lsn> FileStream::append(FileRecordType type, const FileRecord& record,
                               log::Durability durability, log::Reservation& reservation) {
  const std::vector<std::byte> bytes = encode(record);
  const std::span<const std::byte> piece(bytes);
  log::AppendOptions options;
  options.type = static_cast<std::uint16_t>(type);
  options.durability = durability;
  CAIRN_ASSIGN_OR_RETURN(const Lsn lsn, stream_.append({&piece, 1}, options, reservation));
  bytes_ += bytes.size();
  return lsn;
}

// The restart area moves the base to the first of the repeated promises, in one step with itself.
Status FileStream::write_snapshot(std::span<FilePromise* const> promises) {
  Lsn first = Lsn::invalid();  // as a base: the restart area itself
  for (FilePromise* const promise : promises) {
    log::Reservation none;
    const auto type = promise->is_decided ? FileRecordType::kAtOnce : FileRecordType::kPromise;
    const auto again = append(type, promise->record, log::Durability::kNone, none);
    if (again.code() == StatusCode::kLogFull) return Status::ok();
    CAIRN_RETURN_IF_ERROR(again.status());
    promise->lsn = *again;
    first = std::min(first, *again);
  }
  std::vector<std::byte> restart{kLayout};
  append_uuid(restart, id_);
  append_uuid(restart, incarnation_);
  CAIRN_RETURN_IF_ERROR(stream_.write_restart_area(restart, first).status());
  bytes_ = 0;
  committed_.clear();
  return Status::ok();
}

}  // namespace cairn::rm
