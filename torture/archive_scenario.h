// ArchiveScenario: a client that archives its log; the archive must be there after a crash.
#ifndef CAIRN_TORTURE_ARCHIVE_SCENARIO_H_
#define CAIRN_TORTURE_ARCHIVE_SCENARIO_H_

#include <memory>
#include <string>

#include <cairn/sim/random.h>
#include <cairn/torture/modelled_log.h>

namespace cairn::torture {

inline constexpr char kArchivedLogDirectory[] = "archived";
inline constexpr char kArchiveDirectory[] = "archive";

// A value, known from outside.
struct ArchiveKnowledge {
  LogModel log;
  // The log as it was when the newest archive() that returned was called; null: none returned yet.
  std::shared_ptr<const LogModel> archived;
  bool is_archiving = false;  // another one runs: the archive may also be what `log` is
};

// An archive rests on the directory alone: its manifest is made durable under another name, and
// nothing is written into it once it has its own. So what a lost name does shows here on every file
// system. For one thread.
class ArchiveScenario {
 public:
  ArchiveScenario(std::shared_ptr<log::Storage> storage, ArchiveKnowledge known);

  // Opens the log, or makes it if nobody was told that it is there, and restores its archive into
  // memory. `*violation`: the first of I1 to I4 and I8 that the log, or the log that the archive
  // becomes, breaks; or empty. Once.
  [[nodiscard]] Status recover(std::string* violation);
  // Appends, archives, and appends what is written and not flushed.
  [[nodiscard]] Status step(sim::Random& random);

  // Also from within a call.
  [[nodiscard]] ArchiveKnowledge knowledge() const;

 private:
  [[nodiscard]] Status append(sim::Random& random, log::Durability durability);
  [[nodiscard]] Status archive();
  [[nodiscard]] Status make_room();
  [[nodiscard]] std::string check_archive();

  std::shared_ptr<log::Storage> storage_;
  ArchiveKnowledge known_;  // its log: until there is one here
  std::unique_ptr<ModelledLog> log_;
};

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_ARCHIVE_SCENARIO_H_
