// CrashExplorer: tries the ways in which a crash can end, and checks what each recovery makes of
// it.
#ifndef CAIRN_TESTS_LOG_CRASH_EXPLORER_H_
#define CAIRN_TESTS_LOG_CRASH_EXPLORER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <cairn/sim/crash_states.h>
#include <cairn/sim/sim_storage.h>

#include "log/torture_names.h"
#include "sim/test_counters.h"

namespace cairn::log_test {

struct ExplorerOptions {
  std::uint64_t seed = 1;
  sim::CrashStateOptions states;
  // Of so many images one is recovered with a crash at each of recovery's own I/Os, with
  // `recovery_states` ways for each to end. 0: none.
  std::uint64_t recovery_crash_every = 40;
  std::size_t recovery_states = 2;
  // Of so many images one is appended to after recovery, crashes again and is recovered again. 0:
  // none.
  std::uint64_t append_crash_every = 3;
};

struct ExplorerCounts {
  std::uint64_t crash_points = 0;
  std::uint64_t images = 0;
  std::uint64_t recovery_crash_images = 0;
  std::uint64_t append_crash_images = 0;

  // Everything that a crash left and that was recovered from.
  [[nodiscard]] std::uint64_t states() const {
    return images + recovery_crash_images + append_crash_images;
  }
};

// For one thread. The log lies in the directory "log" of the storage.
class CrashExplorer {
 public:
  explicit CrashExplorer(const ExplorerOptions& options) : options_(options) {}

  // Everything that can be left when the power goes at `frozen`, where `model` is what was known.
  // `place` names the crash point for messages. Returns the first violation in words, with all it
  // takes to get there again; or empty.
  [[nodiscard]] std::string explore(const sim::SimStorage& frozen, const LogModel& model,
                                    const std::string& place);

  [[nodiscard]] const ExplorerCounts& counts() const { return counts_; }
  // How the end of the log was judged, over all states.
  [[nodiscard]] const std::map<std::string, std::uint64_t>& labels() const { return labels_; }
  // Of all states and what was recovered from each, in order: the same again from the same seed.
  [[nodiscard]] std::string digest() const { return digest_.to_string(); }

 private:
  using MakeImage = std::function<std::shared_ptr<sim::SimStorage>()>;
  // recover_and_check(), noted in labels and digest.
  std::string recover(std::shared_ptr<sim::SimStorage> storage, const LogModel& model,
                      LogContents* contents, std::unique_ptr<log::Log>* log = nullptr);
  // `make_image` gives the same image each time.
  std::string check_image(const MakeImage& make_image, const LogModel& model);
  std::string crash_in_recovery(const std::shared_ptr<sim::SimStorage>& storage,
                                const LogModel& model, const LogContents& first);
  std::string append_and_crash(std::shared_ptr<sim::SimStorage> image,
                               std::unique_ptr<log::Log> log, const LogModel& model,
                               const LogContents& contents);

  ExplorerOptions options_;
  ExplorerCounts counts_;
  std::map<std::string, std::uint64_t> labels_;
  sim::Digest digest_;
};

// Opens the log of `storage` and reads all of it, which must keep `model`. On success `*contents`
// (and `*log`, if wanted) are set and the answer is empty; otherwise the violation.
[[nodiscard]] std::string recover_and_check(std::shared_ptr<sim::SimStorage> storage,
                                            const LogModel& model, LogContents* contents,
                                            std::unique_ptr<log::Log>* log = nullptr);

}  // namespace cairn::log_test

#endif  // CAIRN_TESTS_LOG_CRASH_EXPLORER_H_
