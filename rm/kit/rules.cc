#include <array>

#include <cairn/rm_kit.h>

namespace cairn::rm_kit {

// The texts are those of docs/writing-a-resource-manager.md, which a test compares.
std::string_view rule_text(int rule) {
  static constexpr std::array<std::string_view, kRules> kTexts{
      "Recover before you serve: your own data first, then what the manager offers.",
      "At PREPARE force what you need to commit and to roll back, then answer.",
      "Answer COMMIT only when your commit is durable, or can be redone.",
      "An outcome may be told again: answer again, and change nothing.",
      "After the promise decide nothing alone, and show nothing, until you are told.",
      "Roll back what was not offered after LAST_RECOVER, and not before.",
      "What you promised to another manager is not yours to decide.",
      "The key is good before you call enlist().",
      "Ask for SINGLE_PHASE_COMMIT only if you can decide alone, durably, in one step.",
      "Answer everything you are asked, then let go of locks and enlistment.",
  };
  if (rule < 1 || rule > kRules) return {};
  return kTexts[static_cast<std::size_t>(rule - 1)];
}

Status Subject::look(const tm::Transaction&, const std::string&) {
  return Status(StatusCode::kNotSupported, "the subject cannot take part without a change");
}

Result<bool> Subject::serve() { return false; }

std::string Report::to_string() const {
  std::string text = std::to_string(runs) + " runs, " + std::to_string(crashes) + " crashes, " +
                     std::to_string(openings) + " openings: ";
  if (!status) return text + "the kit could not work: " + status.to_string() + "\n";
  text += violations.empty() ? "no rule broken\n"
                             : std::to_string(violations.size()) + " of the rules broken\n";
  for (const Violation& violation : violations) {
    text += "\nrule " + std::to_string(violation.rule) + ": " +
            std::string(rule_text(violation.rule)) + "\n  " + violation.what + "\n  seen in " +
            std::to_string(violation.runs) + " runs; the first, only = \"" + violation.repeat +
            "\", seed = " + std::to_string(violation.seed) + ":\n";
    for (const std::string& step : violation.steps) text += "    " + step + "\n";
  }
  return text;
}

}  // namespace cairn::rm_kit
