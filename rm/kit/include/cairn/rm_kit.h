// rm_kit: runs a resource manager through crashes and notification orders, and says which rule for
// resource managers it breaks.
//
// For whoever wrote one, by docs/writing-a-resource-manager.md. The kit is the other side: a real
// transaction manager on a simulated storage, a superior that decides late, early or again, a
// second resource manager that refuses. It takes away power from the manager, from the resource
// manager, from both, at each step and at each I/O of a transaction, opens what is left, and looks.
//
//   class Probe : public cairn::rm_kit::Subject { ... };    // what you wrote, open
//   const auto open = [](const cairn::rm_kit::Surroundings& at)
//       -> cairn::Result<std::unique_ptr<cairn::rm_kit::Subject>> { ... };
//   const auto report = cairn::rm_kit::check(open);
//   std::puts(report.to_string().c_str());
//   return report.violations.empty() ? 0 : 1;
//
// What a crash is depends on where the resource manager keeps its data:
//   kSimulated  in a cairn::log::Storage that the kit gives it (a log of Cairn, or files of its own
//               through that interface). Each sector and name that was not made durable is lost,
//               kept or torn. A crash can strike at each I/O. Shows a missing force.
//   kFiles      in real files. The directory is copied at the moment of the crash, between two
//               steps, while the old object lives on with its old directory, cut off. Shows what a
//               killed process leaves: everything written is there, so it cannot show a missing
//               fsync, nor a crash in the middle of a write. Let your own tests do that.
//   kManagersLog  in a stream of the manager's own log, which the kit gives it. Crashes of the
//               manager are crashes of its data. When the resource manager alone ends, its next
//               opening does not see what was not forced, as a cursor shows durable records only;
//               that may still become durable later.
//   kOutside    in a server, or wherever it lives on without the resource manager. A crash of the
//               resource manager ends its session, and then the object, with its connections; the
//               data stays as it is. Each run gets the name of a place of its own, where nothing is
//               yet. Shows what becomes of promises when either side is gone, and no missing
//               force. Kill the server in tests of your own.
// What neither shows: defects of threads but by chance (rule 8 is raced, not proven), and what your
// data means: the kit sees counts of items.
#ifndef CAIRN_RM_KIT_H_
#define CAIRN_RM_KIT_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/log.h>
#include <cairn/result.h>
#include <cairn/status.h>
#include <cairn/storage.h>
#include <cairn/transaction_manager.h>
#include <cairn/uuid.h>

namespace cairn::rm_kit {

enum class Keeping : std::uint8_t { kSimulated, kFiles, kManagersLog, kOutside };

// What the kit gives to the resource manager under test at each start.
struct Surroundings {
  tm::TransactionManager manager;         // recovered
  Uuid id;                                // of the resource manager, the same at each start
  std::shared_ptr<log::Storage> storage;  // kSimulated, else null
  // Where to keep data: a path in `storage`, or with kFiles a real directory, which exists; with
  // kOutside a name, "run-12"; or "".
  std::string directory;
  std::shared_ptr<log::Log> log;  // kManagersLog: the manager's, else null
};

// The resource manager under test, opened. Thread-safe, as add() and serve() may run at once.
// REQUIRES: whatever it waits for ends when its session ends or its transaction manager is closed;
// the kit does that when its patience is over. Errors of its storage are to be expected.
class Subject {
 public:
  // The end of it, orderly or not: after a crash its session is fenced and its storage dead. With
  // kManagersLog the log lives on, if the manager does: it appends nothing any more.
  virtual ~Subject() = default;
  // One piece of work under `transaction`: adds 1 to the count of `item`. The kit does this once
  // for each item in a transaction, and never for one item in two transactions that are undecided.
  [[nodiscard]] virtual Status add(const tm::Transaction& transaction, const std::string& item) = 0;
  // How often `item` was added by committed transactions, 0 for what is unknown. kLocked is a good
  // answer while a transaction that has it is undecided.
  [[nodiscard]] virtual Result<std::uint64_t> count(const std::string& item) = 0;
  // Takes part in `transaction` and changes nothing. kNotSupported: it cannot; the runs about that
  // are left out.
  [[nodiscard]] virtual Status look(const tm::Transaction& transaction, const std::string& item);
  // For one without a thread: handles one notification if there is one, and says whether there was
  // one. Called again and again while the kit waits.
  [[nodiscard]] virtual Result<bool> serve();
};
// Opens it: its own data, then its session with the manager, recovered: everything that was offered
// is answered, or in doubt. An error says that it cannot.
using Open = std::function<Result<std::unique_ptr<Subject>>(const Surroundings& surroundings)>;

struct Options {
  Keeping keeping = Keeping::kSimulated;
  // With kFiles: a real directory for data, which exists; what the kit makes in it, it removes.
  std::string directory{};
  // Each answer must come within this time; a right one never waits for it. Broken ones cost it
  // for each answer that does not come.
  std::chrono::milliseconds patience{5000};
  std::uint64_t seed = 1;
  // Every so many of the runs of a round; 1: all. For tests that have little time.
  std::uint64_t stride = 1;
  // Rounds with further seeds go on for so long; 0: one round.
  std::chrono::seconds time{0};
  // Runs that break a rule, after which it ends; 0: no bound.
  std::uint64_t at_most = 20;
  // Violation::repeat of an earlier report with the same seed: this run alone. Empty: all.
  std::string only{};
};

// The number of rules, 1 to kRules, as in docs/writing-a-resource-manager.md.
inline constexpr int kRules = 10;
// In one sentence; "" for a number that is none.
[[nodiscard]] std::string_view rule_text(int rule);

struct Violation {
  int rule = 0;
  std::string what;                // expected and found
  std::vector<std::string> steps;  // what was done, in order, the last one shows it
  std::string repeat;              // Options::only for the same run
  std::uint64_t seed = 0;          // and Options::seed
  std::uint64_t runs = 1;          // that ended with a violation of this rule; this is the first
};

struct Report {
  // At most one for each rule, in the order they were found. A run ends with its first.
  std::vector<Violation> violations;
  std::uint64_t runs = 0;
  std::uint64_t crashes = 0;
  std::uint64_t openings = 0;  // of the subject
  // Why the kit could not work: options, its own log, a directory. Then the rest says nothing.
  Status status;

  // For people, a text of lines.
  [[nodiscard]] std::string to_string() const;
};

// Runs everything. For one thread.
[[nodiscard]] Report check(const Open& open, const Options& options = {});

}  // namespace cairn::rm_kit

#endif  // CAIRN_RM_KIT_H_
