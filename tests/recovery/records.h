// Records for the tests of recovery, made by hand.
#ifndef CAIRN_TESTS_RECOVERY_RECORDS_H_
#define CAIRN_TESTS_RECOVERY_RECORDS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <cairn/recovered_state.h>
#include <cairn/tm_record.h>

namespace cairn::recovery {

// The same number gives the same identity.
inline Uuid numbered_id(std::uint8_t number) {
  Uuid id;
  id.bytes[0] = 0x70;
  id.bytes[15] = number;
  return id;
}

inline EnlistmentRecord enlistment(std::uint8_t number, std::size_t information = 0) {
  return {numbered_id(number), numbered_id(static_cast<std::uint8_t>(number + 100)),
          std::vector<std::byte>(information, std::byte{number})};
}

// A decision for transaction `number` with one enlistment of the same number.
inline TransactionRecord decision(std::uint8_t number, std::uint64_t clock, Lsn original = {}) {
  TransactionRecord record;
  record.transaction = numbered_id(number);
  record.clock = clock;
  record.wall_clock_ns = 1'700'000'000'000'000'000;
  record.original = original;
  record.description = "transfer";
  record.enlistments = {enlistment(number, 3)};
  return record;
}

// The same, prepared below a superior of the number above 200; and the commit that this ordered.
inline TransactionRecord prepare(std::uint8_t number, std::uint64_t clock, Lsn original = {}) {
  TransactionRecord record = decision(number, clock, original);
  record.type = RecordType::kPrepare;
  record.superior = enlistment(static_cast<std::uint8_t>(number + 200), 2);
  return record;
}
inline TransactionRecord ordered(std::uint8_t number, std::uint64_t clock, Lsn original = {}) {
  TransactionRecord record = prepare(number, clock, original);
  record.type = RecordType::kDecision;
  return record;
}

// What an administrator made of them.
inline TransactionRecord rolled_back(std::uint8_t number, std::uint64_t clock) {
  TransactionRecord record = prepare(number, clock);
  record.type = RecordType::kRollback;
  record.acts = {{{}, 7, "me", "burnt down"}};
  return record;
}
inline TransactionRecord amended(std::uint8_t number, std::uint64_t clock) {
  TransactionRecord record = decision(number, clock);
  record.type = RecordType::kAmended;
  record.acts = {{numbered_id(number), 7, "me", "lost"}};
  return record;
}

// A record as the log would yield it, with its bytes.
struct LogRecord {
  std::vector<std::byte> bytes;
  log::Record record;

  LogRecord(std::uint64_t lsn, log::RecordKind kind, RecordType type,
            std::vector<std::byte> payload)
      : bytes(std::move(payload)) {
    record.lsn = Lsn(lsn);
    record.kind = kind;
    record.type =
        kind == log::RecordKind::kData ? static_cast<std::uint16_t>(type) : std::uint16_t{0};
    record.payload = bytes;
  }
  LogRecord(std::uint64_t lsn, const TransactionRecord& of)
      : LogRecord(lsn, log::RecordKind::kData, of.type, encode(of)) {}
  LogRecord(std::uint64_t lsn, const ForgetRecord& of)
      : LogRecord(lsn, log::RecordKind::kData, RecordType::kForget, encode(of)) {}
  LogRecord(std::uint64_t lsn, const RestartRecord& of)
      : LogRecord(lsn, log::RecordKind::kRestart, RecordType::kDecision, encode(of)) {}
  LogRecord(const LogRecord&) = delete;
  LogRecord& operator=(const LogRecord&) = delete;
};

inline ForgetRecord forget(std::uint8_t number, std::uint64_t clock, std::uint64_t of) {
  return {numbered_id(number), clock, Lsn(of)};
}
inline RestartRecord restart(std::uint64_t clock, std::uint8_t manager = 1) {
  return {numbered_id(manager), clock, 5, {}};
}
// The restart area of manager 2, which was manager 1 until LSN 900.
inline RestartRecord renamed(std::uint64_t clock) {
  return {numbered_id(2), clock, 5, {{numbered_id(1), Lsn(900)}}};
}

}  // namespace cairn::recovery

#endif  // CAIRN_TESTS_RECOVERY_RECORDS_H_
