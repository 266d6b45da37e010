// Plan: one run of the kit. What the transaction goes through, and what crashes when.
#ifndef CAIRN_RM_KIT_PLAN_H_
#define CAIRN_RM_KIT_PLAN_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::rm_kit {

enum class Script : std::uint8_t {
  kCommit,        // below the kit's superior: prepare, commit
  kTakeBack,      // below it: prepare, roll back
  kRollback,      // rolled back by the client before PREPARE
  kSinglePhase,   // the subject decides alone
  kTogether,      // with the kit's own resource manager; the transaction manager decides
  kRefused,       // the same, and the kit's votes no
  kLook,          // below the superior, committed; the subject changes nothing
  kOtherManager,  // promised to one manager, opened under another, and again under the first
  kEarly,         // ROLLBACK comes while add() still enlists
  kInPhases,      // below the superior: preprepare, prepare, commit
  kCalledOff,     // below it: preprepare, roll back
  kCount_,
};
inline constexpr auto kScripts = static_cast<unsigned>(Script::kCount_);
[[nodiscard]] std::string_view script_name(Script script);

enum class Side : std::uint8_t {
  kNone,
  kSubject,
  kManager,
  kBoth,
  kFence,  // the subject loses its session and nothing else
  kFault,  // an I/O of the subject fails; it may answer what it can, and is opened again
  kCount_,
};
[[nodiscard]] std::string_view side_name(Side side);

// What survives of that which was not durable.
enum class Fate : std::uint8_t { kAll, kNone, kChance, kCount_ };
[[nodiscard]] std::string_view fate_name(Fate fate);

struct Plan {
  Script script = Script::kCommit;
  Side side = Side::kNone;
  unsigned step = 0;     // before which it crashes, or in which
  std::uint64_t io = 0;  // of the crashing side, counted from the begin of the step; 0: before it
  Fate fate = Fate::kAll;
  bool while_down = false;  // outcomes are ordered before the subject is open again

  // "0.2.1.3.0.1", and back. False: not such a text.
  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] static bool parse(const std::string& text, Plan& plan);
  // For people.
  [[nodiscard]] std::string describe() const;
};

}  // namespace cairn::rm_kit

#endif  // CAIRN_RM_KIT_PLAN_H_
