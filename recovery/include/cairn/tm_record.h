// The records a transaction manager keeps in its stream: what they say, and their bytes.
//
// All integers are little-endian. Each payload begins with its schema version, and must end where
// its fields end.
//
//   decision (record type 1),          forget (record type 2)        restart area
//   prepare (3), rollback (4),
//   amended decision (5)
//    0  u16 version = 1, 2 or 3         0  u16 version = 1            0  u32 magic "CTM1"
//    2  u16 bytes of description        2  u16 zero                   4  u16 version = 1 or 2
//    4  u32 count of enlistments        4  u32 zero                   6  u16 zero, or a count
//    8  u8[16] transaction              8  u8[16] transaction         8  u8[16] manager
//   24  u64 virtual clock, >= 1        24  u64 virtual clock, >= 1   24  u64 virtual clock, >= 1
//   32  u64 time of day                32  u64 LSN of the decision   32  u64 time of day
//   40  u64 LSN of the original,       40                            40
//       if this is a copy, else 0
//   48  description
//    +  in version 3: u16 count of superiors (0 or 1), u16 count of acts, at least 1
//    +  in version 2, and as version 3 counts: the superior enlistment
//    +  enlistments, at least one; these and the superior each:
//       u8[16] enlistment, u8[16] resource manager, u32 bytes, recovery information
//    +  in version 3: acts, each: u8[16] enlistment, u64 time of day, u16 bytes of who,
//       u16 bytes of why, who, why
//
// The version is the lowest that can say what is said: 3 with an act, else 2 with a superior, else
// 1. A prepare record and a rollback name a superior. A rollback has an act that decided it (its
// enlistment is null), an amended decision one that gave up an enlistment. A virtual clock is at
// most 2^63 + 2^62.
//
// A restart area has version 2, and its u16 at 6 counts former identities, if there are any; they
// follow: u8[16] manager, u64 LSN before which its records lie.
//
// Times of day are nanoseconds since 1970 UTC, for people; nothing is decided by them.
#ifndef CAIRN_TM_RECORD_H_
#define CAIRN_TM_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <cairn/lsn.h>
#include <cairn/record.h>
#include <cairn/result.h>
#include <cairn/uuid.h>

namespace cairn::recovery {

// The client type of a data record. Persisted; values never change.
enum class RecordType : std::uint16_t {
  kDecision = 1,  // the transaction is committed
  kForget = 2,   // nothing is left to do: all know of the commit, or a prepared one was rolled back
  kPrepare = 3,  // the transaction is prepared; its superior decides
  kRollback = 4,  // an administrator rolled a prepared transaction back
  kAmended = 5,   // a decision again, with an administrator's act added to it
};

// For people: "decision", "amended decision".
[[nodiscard]] std::string_view record_type_name(RecordType type);

inline constexpr std::uint16_t kSchemaVersion = 1;
inline constexpr std::uint16_t kSuperiorSchemaVersion = 2;  // of a record that names a superior
inline constexpr std::uint16_t kActSchemaVersion = 3;       // of a record that names an act
inline constexpr std::uint16_t kRenamedSchemaVersion = 2;   // of a restart area
// Nobody can set a clock above 2^63, and no decisions take it this much further: it never wraps.
inline constexpr std::uint64_t kMaxRecordClock =
    (std::uint64_t{1} << 63) + (std::uint64_t{1} << 62);
inline constexpr std::size_t kMaxDescriptionBytes = 256;
inline constexpr std::size_t kMaxWhoBytes = 64;
inline constexpr std::size_t kMaxWhyBytes = 256;
inline constexpr std::size_t kMaxActs = 64;              // of one transaction
inline constexpr std::size_t kMaxFormerIdentities = 64;  // of one restart area
inline constexpr std::size_t kMaxRecoveryInformationBytes = 65536;
// Payload bytes of a decision or prepare record without description and enlistments, of one
// enlistment without recovery information, of a forget record, and of a restart area.
inline constexpr std::size_t kDecisionFixedBytes = 48;
inline constexpr std::size_t kEnlistmentFixedBytes = 36;
inline constexpr std::size_t kForgetBytes = 40;
inline constexpr std::size_t kRestartBytes = 40;
inline constexpr std::size_t kActFixedBytes = 28;

struct EnlistmentRecord {
  Uuid enlistment{};
  Uuid resource_manager{};
  std::vector<std::byte> recovery_information{};

  friend bool operator==(const EnlistmentRecord&, const EnlistmentRecord&) = default;
};

// What an administrator did to a transaction, by hand: decided it in its superior's place, or gave
// up waiting for one enlistment.
struct Act {
  Uuid enlistment{};  // that is no longer waited for; null: the transaction was decided
  std::uint64_t wall_clock_ns = 0;
  std::string who{};
  std::string why{};

  friend bool operator==(const Act&, const Act&) = default;
};

// What is known of a transaction: every type but kForget. Complete in itself: recovery needs no
// other record of the transaction.
struct TransactionRecord {
  RecordType type = RecordType::kDecision;
  Uuid transaction{};
  std::uint64_t clock = 0;
  std::uint64_t wall_clock_ns = 0;
  // Null: this is the first. Else this is a copy, written so that the log's tail could move, and
  // equal otherwise.
  Lsn original{};
  std::string description{};
  std::optional<EnlistmentRecord> superior{};   // who decides; always there in a prepare record
  std::vector<EnlistmentRecord> enlistments{};  // those that must be told: durable, not read-only
  std::vector<Act> acts{};                      // in the order they were done

  friend bool operator==(const TransactionRecord&, const TransactionRecord&) = default;
};

struct ForgetRecord {
  Uuid transaction{};
  std::uint64_t clock = 0;
  Lsn decision{};  // the newest copy of its decision; rolled back: of its prepare record

  friend bool operator==(const ForgetRecord&, const ForgetRecord&) = default;
};

// An identity that the manager had before it was renamed.
struct FormerIdentity {
  Uuid transaction_manager{};
  Lsn until{};  // records of this name lie before

  friend bool operator==(const FormerIdentity&, const FormerIdentity&) = default;
};

struct RestartRecord {
  Uuid transaction_manager{};
  std::uint64_t clock = 0;
  std::uint64_t wall_clock_ns = 0;
  std::vector<FormerIdentity> former{};  // those of which records may still be read

  friend bool operator==(const RestartRecord&, const RestartRecord&) = default;
};

using TmRecord = std::variant<TransactionRecord, ForgetRecord, RestartRecord>;

// REQUIRES: lengths are within the limits above. The size is known beforehand: see the constants.
[[nodiscard]] std::vector<std::byte> encode(const TransactionRecord& record);
// Changes the clock of an encoded TransactionRecord.
void set_clock(std::span<std::byte> encoded, std::uint64_t clock);
[[nodiscard]] std::vector<std::byte> encode(const ForgetRecord& record);
[[nodiscard]] std::vector<std::byte> encode(const RestartRecord& record);

// Payload bytes of an act.
[[nodiscard]] std::size_t act_bytes(const Act& act);

// Reads a record of a manager's stream: by its kind and type, then its bytes, none of which is
// trusted. Errors, with the record's LSN in text and detail: kCorrupt (unknown type; a field that
// cannot be), kNewerVersion.
[[nodiscard]] Result<TmRecord> decode(const log::Record& record);

// Whether a restart area is a transaction manager's, whatever its version. Streams of others in the
// log are told by it.
[[nodiscard]] bool is_restart_record(std::span<const std::byte> payload);

// One line for people: kind and every field; recovery information only by its size. Of bytes that
// decode() refuses: why.
[[nodiscard]] std::string describe(const TmRecord& record);
[[nodiscard]] std::string describe(const log::Record& record);

}  // namespace cairn::recovery

#endif  // CAIRN_TM_RECORD_H_
