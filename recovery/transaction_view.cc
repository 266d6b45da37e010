#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <cairn/transaction_view.h>

#include "bytes.h"
#include "record_checks.h"

namespace cairn::recovery {
namespace {

// A prepare record without a superior would wait for nobody; the other two are acts.
Status check_transaction_version(Lsn lsn, RecordType type, std::uint16_t version) {
  if (version == 0 || version > kActSchemaVersion) {
    return check_version(lsn, record_type_name(type), version, kActSchemaVersion);
  }
  if (type == RecordType::kPrepare && version != kSuperiorSchemaVersion) {
    return corrupt(lsn, "prepare record of schema version " + std::to_string(version) +
                            (version == kSchemaVersion ? ", which names no superior"
                                                       : ", of which none are written"));
  }
  const bool is_act = type == RecordType::kRollback || type == RecordType::kAmended;
  if (is_act && version != kActSchemaVersion) {
    return corrupt(lsn, std::string(record_type_name(type)) + " of schema version " +
                            std::to_string(version) + ", which names no act");
  }
  return Status::ok();
}

Status check_member(Lsn lsn, std::string_view kind, ByteReader& in) {
  const Uuid enlistment = in.uuid();
  const Uuid resource_manager = in.uuid();
  const std::uint32_t size = in.u32();
  if (in.truncated() || size > in.left()) {
    return corrupt(lsn, std::string(kind) + " ends within an enlistment: " + std::to_string(size) +
                            " bytes of recovery information named, " + std::to_string(in.left()) +
                            " left");
  }
  if (size > kMaxRecoveryInformationBytes) {
    return corrupt(lsn, std::string(kind) + " with " + std::to_string(size) +
                            " bytes of recovery information, expected at most " +
                            std::to_string(kMaxRecoveryInformationBytes));
  }
  if (enlistment.is_null() || resource_manager.is_null()) {
    return corrupt(lsn, std::string(kind) + " with an enlistment of null identity");
  }
  static_cast<void>(in.take(size));
  return Status::ok();
}

Result<Act> read_act(Lsn lsn, std::string_view kind, ByteReader& in) {
  Act act;
  act.enlistment = in.uuid();
  act.wall_clock_ns = in.u64();
  const std::size_t who = in.u16();
  const std::size_t why = in.u16();
  if (in.truncated() || who + why > in.left()) {
    return corrupt(lsn, std::string(kind) + " ends within an act");
  }
  if (who > kMaxWhoBytes || why > kMaxWhyBytes) {
    return corrupt(lsn, std::string(kind) + " with an act of " + std::to_string(who) + " and " +
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

EnlistmentRecord member_at(std::span<const std::byte> payload, std::size_t offset) {
  const MemberView member(payload.data(), offset);
  const auto information = member.recovery_information();
  return {member.enlistment(), member.resource_manager(), {information.begin(), information.end()}};
}

// An act concerns the transaction, or one of its enlistments. A rollback decides for a superior; an
// amendment gives up an enlistment.
Status check_acts(Lsn lsn, std::string_view kind, const TransactionView& view,
                  const std::vector<Act>& acts) {
  const auto is_decision = [](const Act& act) { return act.enlistment.is_null(); };
  if (view.type == RecordType::kRollback &&
      (view.superiors == 0 || std::none_of(acts.begin(), acts.end(), is_decision))) {
    return corrupt(lsn,
                   std::string(kind) + " without a superior, or without the act that decided it");
  }
  if (view.type == RecordType::kAmended && std::all_of(acts.begin(), acts.end(), is_decision)) {
    return corrupt(lsn, std::string(kind) + " without an act that gives up an enlistment");
  }
  for (const Act& act : acts) {
    if (act.enlistment.is_null()) continue;
    bool named = false;
    std::uint32_t at = 0;
    view.for_each_member([&](std::size_t offset) {
      const bool subordinate = at++ >= view.superiors;
      named = named || (subordinate &&
                        MemberView(view.payload.data(), offset).enlistment() == act.enlistment);
    });
    if (!named) {
      return corrupt(lsn, std::string(kind) + " with an act on enlistment " +
                              act.enlistment.to_string() + ", which it does not name");
    }
  }
  return Status::ok();
}

// Of few, as most have: each against each, without memory.
bool few_differ(const TransactionView& view) {
  constexpr std::size_t kFew = 8;
  if (view.members() > kFew) return false;
  std::array<Uuid, kFew> ids{};
  std::size_t count = 0;
  bool differ = true;
  view.for_each_member([&](std::size_t offset) {
    const Uuid id = MemberView(view.payload.data(), offset).enlistment();
    for (std::size_t i = 0; i < count; ++i) differ = differ && ids[i] != id;
    ids[count++] = id;
  });
  return differ;
}

Status check_members_differ(Lsn lsn, std::string_view kind, const TransactionView& view) {
  if (few_differ(view)) return Status::ok();
  std::vector<Uuid> ids;
  ids.reserve(view.members());
  view.for_each_member([&](std::size_t offset) {
    ids.push_back(MemberView(view.payload.data(), offset).enlistment());
  });
  std::sort(ids.begin(), ids.end());
  const auto twice = std::adjacent_find(ids.begin(), ids.end());
  if (twice == ids.end()) return Status::ok();
  return corrupt(lsn, std::string(kind) + " names enlistment " + twice->to_string() + " twice");
}

// The counts behind the description; before version 3 the version says them.
Status read_counts(Lsn lsn, std::string_view kind, std::uint16_t version, ByteReader& in,
                   TransactionView& view) {
  view.superiors = version == kSuperiorSchemaVersion ? 1 : 0;
  if (version != kActSchemaVersion) return Status::ok();
  view.superiors = in.u16();
  view.acts = in.u16();
  if (in.truncated()) return too_short(lsn, kind, view.payload.size());
  if (view.superiors > 1 || view.acts == 0 || view.acts > kMaxActs) {
    return corrupt(lsn, std::string(kind) + " with " + std::to_string(view.superiors) +
                            " superiors and " + std::to_string(view.acts) +
                            " acts, expected at most 1, and 1 to " + std::to_string(kMaxActs));
  }
  return Status::ok();
}

}  // namespace

Result<TransactionView> view_transaction(Lsn lsn, RecordType type,
                                         std::span<const std::byte> payload) {
  const std::string_view kind = record_type_name(type);
  ByteReader in(payload);
  const std::uint16_t version = in.u16();
  if (in.truncated()) return too_short(lsn, kind, payload.size());
  CAIRN_RETURN_IF_ERROR(check_transaction_version(lsn, type, version));
  const std::uint16_t description_size = in.u16();
  TransactionView view;
  view.type = type;
  view.payload = payload;
  view.enlistments = in.u32();
  view.transaction = in.uuid();
  view.clock = in.u64();
  view.wall_clock_ns = in.u64();
  view.original = Lsn(in.u64());
  if (in.truncated()) return too_short(lsn, kind, payload.size());
  if (description_size > kMaxDescriptionBytes) {
    return corrupt(lsn, std::string(kind) + " with a description of " +
                            std::to_string(description_size) + " bytes, expected at most " +
                            std::to_string(kMaxDescriptionBytes));
  }
  const auto description = in.take(description_size);
  if (in.truncated()) return too_short(lsn, kind, payload.size());
  view.description = {reinterpret_cast<const char*>(description.data()), description.size()};
  CAIRN_RETURN_IF_ERROR(read_counts(lsn, kind, version, in, view));
  view.members_begin = payload.size() - in.left();
  if (view.superiors == 1) CAIRN_RETURN_IF_ERROR(check_member(lsn, kind, in));
  if (view.enlistments == 0 || view.enlistments > in.left() / kEnlistmentFixedBytes) {
    return corrupt(lsn, std::string(kind) + " with " + std::to_string(view.enlistments) +
                            " enlistments in " + std::to_string(in.left()) + " bytes");
  }
  for (std::uint32_t i = 0; i < view.enlistments; ++i) {
    CAIRN_RETURN_IF_ERROR(check_member(lsn, kind, in));
  }
  view.acts_begin = payload.size() - in.left();
  std::vector<Act> acts;
  for (std::uint32_t i = 0; i < view.acts; ++i) {
    CAIRN_ASSIGN_OR_RETURN(Act act, read_act(lsn, kind, in));
    acts.push_back(std::move(act));
  }
  CAIRN_RETURN_IF_ERROR(check_acts(lsn, kind, view, acts));
  CAIRN_RETURN_IF_ERROR(check_common(lsn, kind, in, view.transaction, view.clock, 0));
  CAIRN_RETURN_IF_ERROR(check_members_differ(lsn, kind, view));
  if (!view.original.is_null() && view.original >= lsn) {
    return corrupt(lsn, "copy of a " + std::string(kind) + " at LSN " + view.original.to_string() +
                            ", which is not before it");
  }
  return view;
}

TransactionRecord copy_of(const TransactionView& view) {
  TransactionRecord record;
  record.type = view.type;
  record.transaction = view.transaction;
  record.clock = view.clock;
  record.wall_clock_ns = view.wall_clock_ns;
  record.original = view.original;
  record.description = view.description;
  record.enlistments.reserve(view.enlistments);
  view.for_each_member([&](std::size_t offset) {
    EnlistmentRecord member = member_at(view.payload, offset);
    if (view.superiors == 1 && !record.superior) {
      record.superior = std::move(member);
    } else {
      record.enlistments.push_back(std::move(member));
    }
  });
  ByteReader in(view.payload.subspan(view.acts_begin));
  for (std::uint32_t i = 0; i < view.acts; ++i) {
    Result<Act> act = read_act(Lsn(), {}, in);  // checked before
    record.acts.push_back(std::move(*act));
  }
  return record;
}

}  // namespace cairn::recovery
