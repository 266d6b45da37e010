// Stage: what all actors of one seed share: chance, time, the machine's storage, the model, and the
// trace.
#ifndef CAIRN_TESTS_SYSTEM_STAGE_H_
#define CAIRN_TESTS_SYSTEM_STAGE_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <memory>
#include <set>
#include <string>

#include <cairn/sim/random.h>
#include <cairn/sim/sim_storage.h>
#include <cairn/status.h>
#include <cairn/uuid.h>

#include "sim/test_counters.h"
#include "system/model.h"
#include "system/tally.h"

namespace cairn::system_test {

struct Stage {
  Stage(std::uint64_t seed, Tally& counts, bool prints)
      : random(seed * 0x9E3779B97F4A7C15ULL + 17), tally(counts), trace(prints) {}

  // The power is gone: nothing that a call says from now on was heard by anyone.
  [[nodiscard]] bool dead() const { return storage->crashed(); }

  // One line of the trace; also part of the digest of the seed.
  void say(const std::string& line) {
    digest.add(line);
    if (trace) std::printf("  %s\n", line.c_str());
  }

  // Whether a call may say this: OK, or one of these. Else it is a violation. Of a dead machine
  // everything may be said.
  bool allowed(const std::string& call, const Status& status,
               std::initializer_list<StatusCode> codes) {
    say(call + ": " + (status ? "OK" : std::string(status_code_name(status.code()))));
    if (dead() || status.is_ok()) return status.is_ok() && !dead();
    if (std::find(codes.begin(), codes.end(), status.code()) == codes.end()) {
      model.violate("error: " + call + " may not answer " + status.to_string());
    }
    return false;
  }

  sim::Random random;
  Tally& tally;
  bool trace;
  std::chrono::nanoseconds now{std::chrono::seconds(1)};  // of the managers' clocks
  std::shared_ptr<sim::SimStorage> storage;
  Model model;
  std::set<Uuid> with_last;        // transactions in which someone votes last
  std::set<Uuid> read_only_votes;  // of these, in which another one answered PREPARE with ReadOnly
  sim::Digest digest;
};

}  // namespace cairn::system_test

#endif  // CAIRN_TESTS_SYSTEM_STAGE_H_
