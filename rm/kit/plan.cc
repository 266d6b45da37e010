#include "plan.h"

#include <sstream>

namespace cairn::rm_kit {

std::string_view script_name(Script script) {
  switch (script) {
    case Script::kCommit:
      return "commit below a superior";
    case Script::kTakeBack:
      return "rollback of a promise";
    case Script::kRollback:
      return "rollback before PREPARE";
    case Script::kSinglePhase:
      return "single phase";
    case Script::kTogether:
      return "commit with another resource manager";
    case Script::kRefused:
      return "another resource manager refuses";
    case Script::kLook:
      return "nothing changed";
    case Script::kOtherManager:
      return "opened under another manager";
    case Script::kEarly:
      return "ROLLBACK before enlist() returned";
    case Script::kInPhases:
      return "commit in three phases";
    case Script::kCalledOff:
      return "rollback after PREPREPARE";
    case Script::kCount_:
      break;
  }
  return {};
}

std::string_view side_name(Side side) {
  switch (side) {
    case Side::kNone:
      return "nothing";
    case Side::kSubject:
      return "the resource manager";
    case Side::kManager:
      return "the transaction manager";
    case Side::kBoth:
      return "both managers";
    case Side::kFence:
      return "the session of the resource manager";
    case Side::kFault:
      return "a fault of the storage of the resource manager";
    case Side::kCount_:
      break;
  }
  return {};
}

std::string_view fate_name(Fate fate) {
  switch (fate) {
    case Fate::kAll:
      return "nothing written is lost";
    case Fate::kNone:
      return "all that was not made durable is lost";
    case Fate::kChance:
      return "chance decides what survives of that which was not made durable";
    case Fate::kCount_:
      break;
  }
  return {};
}

std::string Plan::to_string() const {
  std::ostringstream text;
  text << static_cast<unsigned>(script) << '.' << static_cast<unsigned>(side) << '.' << step << '.'
       << io << '.' << static_cast<unsigned>(fate) << '.' << (while_down ? 1 : 0);
  return text.str();
}

bool Plan::parse(const std::string& text, Plan& plan) {
  std::istringstream in(text);
  std::array<std::uint64_t, 6> parts{};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0 && in.get() != '.') return false;
    if (!(in >> parts[i])) return false;
  }
  if (in.get() != std::istringstream::traits_type::eof()) return false;
  if (parts[0] >= kScripts || parts[1] >= static_cast<unsigned>(Side::kCount_) || parts[2] > 100 ||
      parts[4] >= static_cast<unsigned>(Fate::kCount_) || parts[5] > 1) {
    return false;
  }
  plan = {.script = static_cast<Script>(parts[0]),
          .side = static_cast<Side>(parts[1]),
          .step = static_cast<unsigned>(parts[2]),
          .io = parts[3],
          .fate = static_cast<Fate>(parts[4]),
          .while_down = parts[5] != 0};
  return true;
}

std::string Plan::describe() const {
  std::string text(script_name(script));
  if (side == Side::kNone) return text + "; no crash";
  text += side == Side::kFault ? "; " : "; the crash of ";
  text += std::string(side_name(side)) + " comes ";
  text += io == 0 ? "before step " + std::to_string(step)
                  : "in step " + std::to_string(step) + " at I/O " + std::to_string(io);
  if (side != Side::kFence) text += ", " + std::string(fate_name(fate));
  return text + (while_down ? "; outcomes are ordered while it is down" : "");
}

}  // namespace cairn::rm_kit
