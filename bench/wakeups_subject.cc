// The ceiling of closed loops on this machine: threads that block and are woken, and do nothing
// else. The last of all to come wakes the others with one call, as a log does for a group that
// became durable in no time. No engine whose callers block makes more appends than this.
#include <atomic>
#include <chrono>

#include "append/wake_word.h"
#include "subject.h"

namespace cairn::bench {
namespace {

// At the end of a round threads leave one by one, and nobody is the last any more.
constexpr std::chrono::milliseconds kLongest{5};

class WakeupsSubject final : public Subject {
 public:
  explicit WakeupsSubject(unsigned threads) : threads_(threads) {}

  Status append(unsigned /*thread*/, std::span<const std::byte> /*payload*/) override {
    const std::uint32_t seen = word_.value();
    if (arrived_.fetch_add(1) + 1 == threads_) {
      arrived_ = 0;
      word_.change();
      word_.wake_all();
      return {};
    }
    const auto until = std::chrono::steady_clock::now() + kLongest;
    while (word_.value() == seen && std::chrono::steady_clock::now() < until) {
      word_.wait_for(seen, kLongest);
    }
    return {};
  }
  Status end_round() override {
    arrived_ = 0;
    return {};
  }

 private:
  const unsigned threads_;
  std::atomic<unsigned> arrived_{0};
  log::WakeWord word_;
};

}  // namespace

Engine wakeups_engine() {
  return {.name = "wakeups",
          .version = "",
          .open = [](const std::filesystem::path& /*directory*/,
                     const Workload& workload) -> Result<std::unique_ptr<Subject>> {
            return std::unique_ptr<Subject>(std::make_unique<WakeupsSubject>(workload.threads));
          },
          .durable = false};
}

}  // namespace cairn::bench
