#include <algorithm>
#include <cassert>
#include <ctime>
#include <optional>
#include <utility>

#include <cairn/tm_record.h>

#include "bytes.h"

namespace cairn::recovery {
namespace {

constexpr std::uint32_t kRestartMagic = 0x314D5443;  // "CTM1"

// A refusal of the record at `lsn`.
Status corrupt(Lsn lsn, const std::string& what) {
  return Status(StatusCode::kCorrupt,
                "transaction manager's record at LSN " + lsn.to_string() + ": " + what, place(lsn));
}

Status too_short(Lsn lsn, std::string_view kind, std::size_t found) {
  return corrupt(lsn, std::string(kind) + " ends within its fields, after " +
                          std::to_string(found) + " bytes");
}

Status check_version(Lsn lsn, std::string_view kind, std::uint16_t version,
                     std::uint16_t newest = kSchemaVersion) {
  if (version >= 1 && version <= newest) return Status::ok();
  const std::string text = std::string(kind) + " of schema version " + std::to_string(version) +
                           ", this program reads versions 1 to " + std::to_string(newest);
  if (version == 0) return corrupt(lsn, text);
  return Status(StatusCode::kNewerVersion,
                "transaction manager's record at LSN " + lsn.to_string() + ": " + text, place(lsn));
}

// What must hold of every record once its fields are read.
Status check_common(Lsn lsn, std::string_view kind, const ByteReader& in, const Uuid& id,
                    std::uint64_t clock, std::uint64_t zeros) {
  if (in.left() != 0) {
    return corrupt(lsn, std::string(kind) + " with " + std::to_string(in.left()) +
                            " bytes behind its last field");
  }
  if (id.is_null()) return corrupt(lsn, std::string(kind) + " with a null identity");
  if (clock == 0 || clock > kMaxRecordClock) {
    return corrupt(lsn, std::string(kind) + " with virtual clock " + std::to_string(clock) +
                            ", expected 1 to " + std::to_string(kMaxRecordClock));
  }
  if (zeros != 0) return corrupt(lsn, std::string(kind) + " with reserved bytes that are not zero");
  return Status::ok();
}

Result<EnlistmentRecord> decode_enlistment(Lsn lsn, const std::string& kind, ByteReader& in) {
  EnlistmentRecord enlistment;
  enlistment.enlistment = in.uuid();
  enlistment.resource_manager = in.uuid();
  const std::uint32_t size = in.u32();
  if (in.truncated() || size > in.left()) {
    return corrupt(lsn, kind + " ends within an enlistment: " + std::to_string(size) +
                            " bytes of recovery information named, " + std::to_string(in.left()) +
                            " left");
  }
  if (size > kMaxRecoveryInformationBytes) {
    return corrupt(lsn, kind + " with " + std::to_string(size) +
                            " bytes of recovery information, expected at most " +
                            std::to_string(kMaxRecoveryInformationBytes));
  }
  if (enlistment.enlistment.is_null() || enlistment.resource_manager.is_null()) {
    return corrupt(lsn, kind + " with an enlistment of null identity");
  }
  const auto data = in.take(size);
  enlistment.recovery_information.assign(data.begin(), data.end());
  return enlistment;
}

Status check_enlistments_differ(Lsn lsn, const std::string& kind, const TransactionRecord& record) {
  std::vector<Uuid> ids;
  ids.reserve(record.enlistments.size() + 1);
  for (const auto& enlistment : record.enlistments) ids.push_back(enlistment.enlistment);
  if (record.superior) ids.push_back(record.superior->enlistment);
  std::sort(ids.begin(), ids.end());
  const auto twice = std::adjacent_find(ids.begin(), ids.end());
  if (twice == ids.end()) return Status::ok();
  return corrupt(lsn, kind + " names enlistment " + twice->to_string() + " twice");
}

std::string kind_name(RecordType type) {
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

// The version that a record of this content has.
std::uint16_t version_of(const TransactionRecord& record) {
  if (!record.acts.empty()) return kActSchemaVersion;
  return record.superior ? kSuperiorSchemaVersion : kSchemaVersion;
}

// A prepare record without a superior would wait for nobody; the other two are acts.
Status check_transaction_version(Lsn lsn, RecordType type, std::uint16_t version) {
  const std::string kind = kind_name(type);
  if (version == 0 || version > kActSchemaVersion) {
    return check_version(lsn, kind, version, kActSchemaVersion);
  }
  if (type == RecordType::kPrepare && version != kSuperiorSchemaVersion) {
    return corrupt(lsn, "prepare record of schema version " + std::to_string(version) +
                            (version == kSchemaVersion ? ", which names no superior"
                                                       : ", of which none are written"));
  }
  const bool is_act = type == RecordType::kRollback || type == RecordType::kAmended;
  if (is_act && version != kActSchemaVersion) {
    return corrupt(lsn,
                   kind + " of schema version " + std::to_string(version) + ", which names no act");
  }
  return Status::ok();
}

Result<Act> decode_act(Lsn lsn, const std::string& kind, ByteReader& in) {
  Act act;
  act.enlistment = in.uuid();
  act.wall_clock_ns = in.u64();
  const std::size_t who = in.u16();
  const std::size_t why = in.u16();
  if (in.truncated() || who + why > in.left()) return corrupt(lsn, kind + " ends within an act");
  if (who > kMaxWhoBytes || why > kMaxWhyBytes) {
    return corrupt(lsn, kind + " with an act of " + std::to_string(who) + " and " +
                            std::to_string(why) + " bytes, expected at most " +
                            std::to_string(kMaxWhoBytes) + " and " + std::to_string(kMaxWhyBytes));
  }
  const auto take = [&in](std::size_t size) {
    const auto bytes = in.take(size);
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  act.who = take(who);
  act.why = take(why);
  return act;
}

// An act concerns the transaction, or one of its enlistments. A rollback decides for a superior; an
// amendment gives up an enlistment.
Status check_acts(Lsn lsn, const std::string& kind, const TransactionRecord& record) {
  const auto is_decision = [](const Act& act) { return act.enlistment.is_null(); };
  if (record.type == RecordType::kRollback &&
      (!record.superior || std::none_of(record.acts.begin(), record.acts.end(), is_decision))) {
    return corrupt(lsn, kind + " without a superior, or without the act that decided it");
  }
  if (record.type == RecordType::kAmended &&
      std::all_of(record.acts.begin(), record.acts.end(), is_decision)) {
    return corrupt(lsn, kind + " without an act that gives up an enlistment");
  }
  for (const Act& act : record.acts) {
    if (act.enlistment.is_null()) continue;
    const bool named = std::any_of(
        record.enlistments.begin(), record.enlistments.end(),
        [&](const auto& enlistment) { return enlistment.enlistment == act.enlistment; });
    if (!named) {
      return corrupt(lsn, kind + " with an act on enlistment " + act.enlistment.to_string() +
                              ", which it does not name");
    }
  }
  return Status::ok();
}

Result<TmRecord> decode_transaction(Lsn lsn, RecordType type, std::span<const std::byte> payload) {
  const std::string kind = kind_name(type);
  ByteReader in(payload);
  const std::uint16_t version = in.u16();
  if (in.truncated()) return too_short(lsn, kind, payload.size());
  CAIRN_RETURN_IF_ERROR(check_transaction_version(lsn, type, version));
  const std::uint16_t description_size = in.u16();
  const std::uint32_t count = in.u32();
  TransactionRecord record;
  record.type = type;
  record.transaction = in.uuid();
  record.clock = in.u64();
  record.wall_clock_ns = in.u64();
  record.original = Lsn(in.u64());
  if (in.truncated()) return too_short(lsn, kind, payload.size());
  if (description_size > kMaxDescriptionBytes) {
    return corrupt(lsn, kind + " with a description of " + std::to_string(description_size) +
                            " bytes, expected at most " + std::to_string(kMaxDescriptionBytes));
  }
  const auto description = in.take(description_size);
  if (in.truncated()) return too_short(lsn, kind, payload.size());
  record.description.assign(reinterpret_cast<const char*>(description.data()), description.size());
  std::uint16_t superiors = version == kSuperiorSchemaVersion ? 1 : 0;
  std::uint16_t acts = 0;
  if (version == kActSchemaVersion) {
    superiors = in.u16();
    acts = in.u16();
    if (in.truncated()) return too_short(lsn, kind, payload.size());
    if (superiors > 1 || acts == 0 || acts > kMaxActs) {
      return corrupt(lsn, kind + " with " + std::to_string(superiors) + " superiors and " +
                              std::to_string(acts) + " acts, expected at most 1, and 1 to " +
                              std::to_string(kMaxActs));
    }
  }
  if (superiors == 1) {
    CAIRN_ASSIGN_OR_RETURN(record.superior, decode_enlistment(lsn, kind, in));
  }
  // Before memory is taken for them: that many cannot be there.
  if (count == 0 || count > in.left() / kEnlistmentFixedBytes) {
    return corrupt(lsn, kind + " with " + std::to_string(count) + " enlistments in " +
                            std::to_string(in.left()) + " bytes");
  }
  record.enlistments.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    CAIRN_ASSIGN_OR_RETURN(EnlistmentRecord enlistment, decode_enlistment(lsn, kind, in));
    record.enlistments.push_back(std::move(enlistment));
  }
  for (std::uint16_t i = 0; i < acts; ++i) {
    CAIRN_ASSIGN_OR_RETURN(Act act, decode_act(lsn, kind, in));
    record.acts.push_back(std::move(act));
  }
  CAIRN_RETURN_IF_ERROR(check_acts(lsn, kind, record));
  CAIRN_RETURN_IF_ERROR(check_common(lsn, kind, in, record.transaction, record.clock, 0));
  CAIRN_RETURN_IF_ERROR(check_enlistments_differ(lsn, kind, record));
  if (!record.original.is_null() && record.original >= lsn) {
    return corrupt(lsn, "copy of a " + kind + " at LSN " + record.original.to_string() +
                            ", which is not before it");
  }
  return TmRecord(std::move(record));
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
  std::string text = kind_name(record.type) + (record.original.is_null() ? "" : " (copy)");
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
          return decode_transaction(record.lsn, type, record.payload);
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
