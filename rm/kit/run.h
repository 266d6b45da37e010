// Run: one plan carried out on a machine, and the first rule that the subject broke in it.
#ifndef CAIRN_RM_KIT_RUN_H_
#define CAIRN_RM_KIT_RUN_H_

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include <cairn/rm_kit.h>

#include "machine.h"
#include "plan.h"

namespace cairn::rm_kit {

// An item that every run finds committed.
inline constexpr char kOldItem[] = "old";

// One transaction with the subject, as the kit knows it.
struct Work {
  enum class Kind : std::uint8_t {
    kBelow,   // the kit is its superior
    kBeside,  // the kit's own resource manager takes part
    kAlone,   // only the subject does
  };
  enum class Phase : std::uint8_t {
    kActive,
    kFlushing,  // kBelow: asked to preprepare
    kFlushed,   // kBelow: all have answered that
    kAsked,     // to prepare, or the client asked for the commit
    kPromised,  // kBelow: the kit decides
    kOrdered,   // kBelow: it did
    kDone,      // answered by the subject, as far as an answer is owed
  };
  enum class End : std::uint8_t { kOpen, kCommitted, kAborted, kEither };

  std::string item;
  Kind kind = Kind::kBelow;
  bool commit = true;   // how it ends where that is up to the kit
  bool changes = true;  // else the subject only looks
  std::uint64_t key = 0;
  Uuid id{};
  tm::Transaction transaction{};
  tm::Enlistment enlistment{};  // the kit's
  Phase phase = Phase::kActive;
  End end = End::kOpen;
  bool is_offered = false;           // to the kit, since the manager came back
  bool was_promised = false;         // the subject's promise was seen
  bool promised_on_failure = false;  // while its storage did nothing, or had failed
  bool was_done = false;        // the subject answered the outcome once; any more is a repetition
  bool lost_something = false;  // the subject crashed since it promised, and not all survived
  bool is_unknown = false;      // its manager cannot say how it ended, and keeps it so
  bool was_away = false;        // promised while the subject was open under another manager
  unsigned promised_in = 0;     // opening of the subject
  unsigned done_in = 0;
};

struct Finding {
  int rule = 0;
  std::string what;
};

// How many I/Os a step took, of a run without a crash.
struct StepIo {
  std::uint64_t subject = 0;
  std::uint64_t manager = 0;
};

class Run {
 public:
  Run(const Environment& environment, Disks disks, const Plan& plan, std::uint64_t seed,
      std::uint64_t number);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  // Once. An error is the kit's own.
  [[nodiscard]] Status execute();
  // Makes the disks that the others begin with, instead of execute().
  [[nodiscard]] Result<Disks> prepare_disks();

  [[nodiscard]] const std::optional<Finding>& finding() const { return finding_; }
  [[nodiscard]] const std::vector<std::string>& steps() const { return steps_; }
  [[nodiscard]] const std::vector<StepIo>& io() const { return io_; }
  // What plan asks for does not exist, or the subject cannot do it.
  [[nodiscard]] bool is_void() const { return is_void_; }

 private:
  // Of each of these, false: the run is over, by a finding or by error_.
  [[nodiscard]] bool begin();
  [[nodiscard]] bool do_script();
  [[nodiscard]] bool do_step(unsigned step);
  [[nodiscard]] bool conclude();

  // Steps.
  [[nodiscard]] bool add(Work& work);
  [[nodiscard]] bool ask_to_pre_prepare(Work& work);
  [[nodiscard]] bool ask_to_prepare(Work& work);
  [[nodiscard]] bool order(Work& work);
  [[nodiscard]] bool roll_back(Work& work);
  [[nodiscard]] bool commit(Work& work);
  [[nodiscard]] bool commit_new(const std::string& item);
  [[nodiscard]] bool open_under_another_manager();
  [[nodiscard]] bool roll_back_early();
  [[nodiscard]] bool race_once();

  // Crashes.
  void arm();
  [[nodiscard]] bool crash();
  [[nodiscard]] bool crash_subject(Fate fate);
  [[nodiscard]] bool crash_data();
  void note_losses(Fate fate);
  [[nodiscard]] bool recover(bool manager_was_down);
  [[nodiscard]] bool boot_manager();
  [[nodiscard]] bool conclude_from_silence();
  [[nodiscard]] bool settle();
  [[nodiscard]] bool order_all();
  [[nodiscard]] bool finish_all();
  [[nodiscard]] bool open_subject();

  // The kit's side.
  void hear(const tm::Notification& notification);
  // `rule`: broken if it does not come; 0: rule_of_silence().
  [[nodiscard]] bool wait(const std::function<bool()>& done, int rule, const std::string& for_what);
  [[nodiscard]] Work& new_work(const std::string& item, Work::Kind kind, bool commit);
  void look_at_outcome(Work& work);
  // As far as it can be.
  [[nodiscard]] bool is_forgotten(const Work& work);
  [[nodiscard]] bool is_all_forgotten();
  [[nodiscard]] bool is_interrupted() const;

  // Checks.
  [[nodiscard]] bool check_hidden();
  [[nodiscard]] bool check_counts();
  [[nodiscard]] bool check_count(Work& work);
  [[nodiscard]] bool check_locks();

  // outcome.cc: which rule explains what was seen.
  [[nodiscard]] int rule_of_lost(const Work& work);
  [[nodiscard]] int rule_of_silence() const;
  [[nodiscard]] int rule_of_opening(const Status& status);
  [[nodiscard]] int rule_of(const Plan& plan);  // that this run breaks; 0: none
  [[nodiscard]] int rule_of_lost_by_crash();
  [[nodiscard]] bool another_survived(const Work& work);
  [[nodiscard]] bool writes_more_in_doubt();

  [[nodiscard]] bool find(int rule, const std::string& what);  // false
  [[nodiscard]] bool fail(const Status& status);               // false
  void note(const std::string& step) { steps_.push_back(step); }

  Environment environment_;
  Plan plan_;
  std::uint64_t seed_;
  std::uint64_t number_;
  Machine machine_;
  std::list<Work> works_;
  Work* main_ = nullptr;  // what the script is about
  std::uint64_t next_key_ = 1;
  unsigned opening_ = 0;  // of the subject, counted
  bool last_recover_ = false;
  bool is_armed_ = false;  // a crash is to strike in this step
  bool has_crashed_ = false;
  bool is_void_ = false;
  bool keeps_files_ = false;
  // What diagnosis needs: the subject's storage before its last opening, and I/Os of that.
  std::shared_ptr<sim::SimStorage> before_opening_;
  std::uint64_t io_in_doubt_ = 0;

  std::optional<Finding> finding_;
  Status error_;
  std::vector<std::string> steps_;
  std::vector<StepIo> io_;
};

}  // namespace cairn::rm_kit

#endif  // CAIRN_RM_KIT_RUN_H_
