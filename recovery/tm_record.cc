#include <algorithm>
#include <cassert>
#include <ctime>
#include <optional>
#include <utility>

#include <cairn/tm_record.h>
#include <cairn/transaction_view.h>

#include "bytes.h"
#include "record_checks.h"

namespace cairn::recovery {
namespace {

constexpr std::uint32_t kRestartMagic = 0x314D5443;  // "CTM1"

// The version that a record of this content has.
std::uint16_t version_of(const TransactionRecord& record) {
  if (!record.acts.empty()) return kActSchemaVersion;
  return record.superior ? kSuperiorSchemaVersion : kSchemaVersion;
}

Result<TmRecord> decode_forget(Lsn lsn, std::span<const std::byte> payload) {
  ByteReader in(payload);
  const std::uint16_t version = in.u16();
  if (in.truncated()) return too_short(lsn, "forget", payload.size());
  CAIRN_RETURN_IF_ERROR(check_version(lsn, "forget", version));
  const std::uint64_t zeros = std::uint64_t{in.u16()} | in.u32();
  ForgetRecord forget;
  forget.transaction = in.uuid();
  forget.clock = in.u64();
  forget.decision = Lsn(in.u64());
  if (in.truncated()) return too_short(lsn, "forget", payload.size());
  CAIRN_RETURN_IF_ERROR(check_common(lsn, "forget", in, forget.transaction, forget.clock, zeros));
  if (!forget.decision.is_valid() || forget.decision >= lsn) {
    return corrupt(lsn, "forget of a decision at LSN " + forget.decision.to_string() +
                            ", which is not before it");
  }
  return TmRecord(forget);
}

Result<TmRecord> decode_restart(Lsn lsn, std::span<const std::byte> payload) {
  ByteReader in(payload);
  const std::uint32_t magic = in.u32();
  const std::uint16_t version = in.u16();
  if (in.truncated()) return too_short(lsn, "restart area", payload.size());
  if (magic != kRestartMagic) {
    return corrupt(lsn, "restart area without the magic of a transaction manager's");
  }
  CAIRN_RETURN_IF_ERROR(check_version(lsn, "restart area", version, kRenamedSchemaVersion));
  const std::uint16_t count = in.u16();
  RestartRecord restart;
  restart.transaction_manager = in.uuid();
  restart.clock = in.u64();
  restart.wall_clock_ns = in.u64();
  if (in.truncated()) return too_short(lsn, "restart area", payload.size());
  if (version == kRenamedSchemaVersion && (count == 0 || count > kMaxFormerIdentities)) {
    return corrupt(lsn, "restart area with " + std::to_string(count) +
                            " former identities, expected 1 to " +
                            std::to_string(kMaxFormerIdentities));
  }
  for (std::uint16_t i = 0; version == kRenamedSchemaVersion && i < count; ++i) {
    FormerIdentity former;
    former.transaction_manager = in.uuid();
    former.until = Lsn(in.u64());
    if (in.truncated()) return too_short(lsn, "restart area", payload.size());
    if (former.transaction_manager.is_null()) {
      return corrupt(lsn, "restart area with a former null identity");
    }
    restart.former.push_back(former);
  }
  const std::uint64_t zeros = version == kRenamedSchemaVersion ? 0 : count;
  CAIRN_RETURN_IF_ERROR(
      check_common(lsn, "restart area", in, restart.transaction_manager, restart.clock, zeros));
  return TmRecord(std::move(restart));
}

// "2026-01-31T12:00:00Z". Any 64-bit value has one.
std::string time_text(std::uint64_t wall_clock_ns) {
  const auto seconds = static_cast<std::time_t>(wall_clock_ns / 1'000'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return std::string(text, size);
}

// The description comes from outside: what is no printable ASCII is shown as \xNN.
std::string quoted(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
      out += c;
    } else {
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out + '"';
}

std::string text_of(const EnlistmentRecord& enlistment) {
  return enlistment.enlistment.to_string() + " rm " + enlistment.resource_manager.to_string() +
         " information " + std::to_string(enlistment.recovery_information.size()) + " bytes]";
}

std::string text_of(const TransactionRecord& record) {
  std::string text(record_type_name(record.type));
  text += record.original.is_null() ? "" : " (copy)";
  text += " transaction " + record.transaction.to_string() + " clock " +
          std::to_string(record.clock) + " time " + time_text(record.wall_clock_ns);
  if (!record.original.is_null()) text += " original " + record.original.to_string();
  text += " description " + quoted(record.description);
  if (record.superior) text += " [superior " + text_of(*record.superior);
  for (const auto& enlistment : record.enlistments) {
    text += " [enlistment " + text_of(enlistment);
  }
  for (const Act& act : record.acts) {
    text += " [act by " + quoted(act.who) + " time " + time_text(act.wall_clock_ns) + " why " +
            quoted(act.why);
    if (!act.enlistment.is_null()) text += " given up " + act.enlistment.to_string();
    text += "]";
  }
  return text;
}

std::string text_of(const ForgetRecord& record) {
  return "forget transaction " + record.transaction.to_string() + " clock " +
         std::to_string(record.clock) + " decision " + record.decision.to_string();
}

std::string text_of(const RestartRecord& record) {
  std::string text = "restart area of transaction manager " +
                     record.transaction_manager.to_string() + " clock " +
                     std::to_string(record.clock) + " time " + time_text(record.wall_clock_ns);
  for (const FormerIdentity& former : record.former) {
    text += " [formerly " + former.transaction_manager.to_string() + " until " +
            former.until.to_string() + "]";
  }
  return text;
}

}  // namespace

std::string_view record_type_name(RecordType type) {
  switch (type) {
    case RecordType::kDecision:
      return "decision";
    case RecordType::kForget:
      return "forget";
    case RecordType::kPrepare:
      return "prepare";
    case RecordType::kRollback:
      return "rollback";
    case RecordType::kAmended:
      return "amended decision";
  }
  return "";
}

std::size_t act_bytes(const Act& act) { return kActFixedBytes + act.who.size() + act.why.size(); }

std::vector<std::byte> encode(const TransactionRecord& record) {
  assert(record.description.size() <= kMaxDescriptionBytes);
  const bool is_act = record.type == RecordType::kRollback || record.type == RecordType::kAmended;
  assert(record.type != RecordType::kForget);
  assert(record.superior || record.type != RecordType::kPrepare);
  assert(!is_act || !record.acts.empty());
  assert(record.acts.size() <= kMaxActs);
  const auto size_of = [](const EnlistmentRecord& enlistment) {
    assert(enlistment.recovery_information.size() <= kMaxRecoveryInformationBytes);
    return kEnlistmentFixedBytes + enlistment.recovery_information.size();
  };
  std::size_t size = kDecisionFixedBytes + record.description.size();
  if (record.superior) size += size_of(*record.superior);
  for (const auto& enlistment : record.enlistments) size += size_of(enlistment);
  for (const Act& act : record.acts) size += act_bytes(act);
  const std::uint16_t version = version_of(record);
  if (version == kActSchemaVersion) size += 4;
  ByteWriter out(size);
  out.u16(version);
  out.u16(static_cast<std::uint16_t>(record.description.size()));
  out.u32(static_cast<std::uint32_t>(record.enlistments.size()));
  out.uuid(record.transaction);
  out.u64(record.clock);
  out.u64(record.wall_clock_ns);
  out.u64(record.original.value());
  out.text(record.description);
  const auto add = [&out](const EnlistmentRecord& enlistment) {
    out.uuid(enlistment.enlistment);
    out.uuid(enlistment.resource_manager);
    out.u32(static_cast<std::uint32_t>(enlistment.recovery_information.size()));
    out.append(enlistment.recovery_information);
  };
  if (version == kActSchemaVersion) {
    out.u16(record.superior ? 1 : 0);
    out.u16(static_cast<std::uint16_t>(record.acts.size()));
  }
  if (record.superior) add(*record.superior);
  for (const auto& enlistment : record.enlistments) add(enlistment);
  for (const Act& act : record.acts) {
    assert(act.who.size() <= kMaxWhoBytes && act.why.size() <= kMaxWhyBytes);
    out.uuid(act.enlistment);
    out.u64(act.wall_clock_ns);
    out.u16(static_cast<std::uint16_t>(act.who.size()));
    out.u16(static_cast<std::uint16_t>(act.why.size()));
    out.text(act.who);
    out.text(act.why);
  }
  return std::move(out).take();
}

void set_clock(std::span<std::byte> encoded, std::uint64_t clock) {
  static_assert(std::endian::native == std::endian::little, "integers are written as they lie");
  constexpr std::size_t kClockOffset = 24;  // behind version, lengths and unit of work
  assert(encoded.size() >= kDecisionFixedBytes);
  std::memcpy(encoded.data() + kClockOffset, &clock, sizeof clock);
}

std::vector<std::byte> encode(const ForgetRecord& record) {
  ByteWriter out(kForgetBytes);
  out.u16(kSchemaVersion);
  out.u16(0);
  out.u32(0);
  out.uuid(record.transaction);
  out.u64(record.clock);
  out.u64(record.decision.value());
  return std::move(out).take();
}

std::vector<std::byte> encode(const RestartRecord& record) {
  assert(record.former.size() <= kMaxFormerIdentities);
  ByteWriter out(kRestartBytes + 24 * record.former.size());
  out.u32(kRestartMagic);
  out.u16(record.former.empty() ? kSchemaVersion : kRenamedSchemaVersion);
  out.u16(static_cast<std::uint16_t>(record.former.size()));
  out.uuid(record.transaction_manager);
  out.u64(record.clock);
  out.u64(record.wall_clock_ns);
  for (const FormerIdentity& former : record.former) {
    out.uuid(former.transaction_manager);
    out.u64(former.until.value());
  }
  return std::move(out).take();
}

Result<TmRecord> decode(const log::Record& record) {
  switch (record.kind) {
    case log::RecordKind::kRestart:
      return decode_restart(record.lsn, record.payload);
    case log::RecordKind::kData:
      for (const RecordType type : {RecordType::kDecision, RecordType::kPrepare,
                                    RecordType::kRollback, RecordType::kAmended}) {
        if (record.type == static_cast<std::uint16_t>(type)) {
          CAIRN_ASSIGN_OR_RETURN(const TransactionView view,
                                 view_transaction(record.lsn, type, record.payload));
          return TmRecord(copy_of(view));
        }
      }
      if (record.type == static_cast<std::uint16_t>(RecordType::kForget)) {
        return decode_forget(record.lsn, record.payload);
      }
      return corrupt(record.lsn, "type " + std::to_string(record.type) +
                                     ", expected 1 (decision), 2 (forget), 3 (prepare), "
                                     "4 (rollback) or 5 (amended decision)");
    case log::RecordKind::kCatalog:
      break;
  }
  return corrupt(record.lsn, "not a record of a client's stream");
}

bool is_restart_record(std::span<const std::byte> payload) {
  return ByteReader(payload).u32() == kRestartMagic;
}

std::string describe(const TmRecord& record) {
  return std::visit([](const auto& kind) { return text_of(kind); }, record);
}

std::string describe(const log::Record& record) {
  const Result<TmRecord> decoded = decode(record);
  return decoded ? describe(*decoded) : decoded.status().to_string();
}

}  // namespace cairn::recovery
