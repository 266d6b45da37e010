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

Status check_version(Lsn lsn, std::string_view kind, std::uint16_t version) {
  if (version == kSchemaVersion) return Status::ok();
  const std::string text = std::string(kind) + " of schema version " + std::to_string(version) +
                           ", this program reads version " + std::to_string(kSchemaVersion);
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
  if (clock == 0)
    return corrupt(lsn, std::string(kind) + " with virtual clock 0, expected 1 or more");
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
  return type == RecordType::kPrepare ? "prepare" : "decision";
}

// The version says whether a superior is named; a prepare record without one would wait for nobody.
Status check_transaction_version(Lsn lsn, RecordType type, std::uint16_t version) {
  if (version == kSuperiorSchemaVersion) return Status::ok();
  if (version == kSchemaVersion && type == RecordType::kPrepare) {
    return corrupt(lsn, "prepare record of schema version 1, which names no superior");
  }
  return check_version(lsn, kind_name(type), version);
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
  if (version == kSuperiorSchemaVersion) {
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
  CAIRN_RETURN_IF_ERROR(check_version(lsn, "restart area", version));
  const std::uint64_t zeros = in.u16();
  RestartRecord restart;
  restart.transaction_manager = in.uuid();
  restart.clock = in.u64();
  restart.wall_clock_ns = in.u64();
  if (in.truncated()) return too_short(lsn, "restart area", payload.size());
  CAIRN_RETURN_IF_ERROR(
      check_common(lsn, "restart area", in, restart.transaction_manager, restart.clock, zeros));
  return TmRecord(restart);
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
  return text;
}

std::string text_of(const ForgetRecord& record) {
  return "forget transaction " + record.transaction.to_string() + " clock " +
         std::to_string(record.clock) + " decision " + record.decision.to_string();
}

std::string text_of(const RestartRecord& record) {
  return "restart area of transaction manager " + record.transaction_manager.to_string() +
         " clock " + std::to_string(record.clock) + " time " + time_text(record.wall_clock_ns);
}

}  // namespace

std::vector<std::byte> encode(const TransactionRecord& record) {
  assert(record.description.size() <= kMaxDescriptionBytes);
  assert(record.superior || record.type == RecordType::kDecision);
  const auto size_of = [](const EnlistmentRecord& enlistment) {
    assert(enlistment.recovery_information.size() <= kMaxRecoveryInformationBytes);
    return kEnlistmentFixedBytes + enlistment.recovery_information.size();
  };
  std::size_t size = kDecisionFixedBytes + record.description.size();
  if (record.superior) size += size_of(*record.superior);
  for (const auto& enlistment : record.enlistments) size += size_of(enlistment);
  ByteWriter out(size);
  out.u16(record.superior ? kSuperiorSchemaVersion : kSchemaVersion);
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
  if (record.superior) add(*record.superior);
  for (const auto& enlistment : record.enlistments) add(enlistment);
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
  ByteWriter out(kRestartBytes);
  out.u32(kRestartMagic);
  out.u16(kSchemaVersion);
  out.u16(0);
  out.uuid(record.transaction_manager);
  out.u64(record.clock);
  out.u64(record.wall_clock_ns);
  return std::move(out).take();
}

Result<TmRecord> decode(const log::Record& record) {
  switch (record.kind) {
    case log::RecordKind::kRestart:
      return decode_restart(record.lsn, record.payload);
    case log::RecordKind::kData:
      for (const RecordType type : {RecordType::kDecision, RecordType::kPrepare}) {
        if (record.type == static_cast<std::uint16_t>(type)) {
          return decode_transaction(record.lsn, type, record.payload);
        }
      }
      if (record.type == static_cast<std::uint16_t>(RecordType::kForget)) {
        return decode_forget(record.lsn, record.payload);
      }
      return corrupt(record.lsn, "type " + std::to_string(record.type) +
                                     ", expected 1 (decision), 2 (forget) or 3 (prepare)");
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
