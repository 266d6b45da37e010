// What the parts of Protocol share: how objects are called in messages, and what an enlistment
// takes in a record.
#ifndef CAIRN_TM_PROTOCOL_PARTS_H_
#define CAIRN_TM_PROTOCOL_PARTS_H_

#include <string>

#include "protocol.h"

namespace cairn::tm {

inline std::string name_of(const TransactionObject& transaction) {
  return "transaction " + transaction.id.to_string();
}

inline std::string name_of(const EnlistmentObject& enlistment) {
  return "enlistment " + enlistment.id.to_string() + " of resource manager " +
         enlistment.resource_manager->id.to_string();
}

// What the newest record of a transaction takes in the log besides its payload, roughly.
inline constexpr std::size_t kPinFraming = 64;

// Behind a sentence: what was said of its cause. Nothing was: nothing.
inline std::string text_of(const Status& because) {
  return because.is_ok() ? "" : ": " + because.to_string();
}

// The bit of EnlistmentObject::accepted that stands for this answer.
constexpr std::uint32_t accepted_bit(EnlistmentEvent event) {
  return std::uint32_t{1} << static_cast<unsigned>(event);
}

// Payload bytes of a decision record that this enlistment takes.
inline std::size_t record_bytes(const EnlistmentObject& enlistment) {
  return recovery::kEnlistmentFixedBytes + enlistment.recovery_information.size();
}

}  // namespace cairn::tm

#endif  // CAIRN_TM_PROTOCOL_PARTS_H_
