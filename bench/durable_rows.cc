#include "closed_loop.h"

namespace cairn::bench {

void register_durable_rows(Run& run) {
  for (const unsigned threads : {1U, 4U, 16U, 64U, 256U}) {
    for (const std::size_t payload : {std::size_t{128}, std::size_t{4096}}) {
      if (run.quick && payload != 128) continue;
      const std::string prefix =
          "A" + std::to_string(threads) + "/" + std::to_string(payload) + "B/";
      for (const Engine& engine : engines()) {
        register_subject(run, prefix + engine.name, engine,
                         {.threads = threads, .payload = payload});
      }
      // What one flush takes, in the same minute: the physical limit is the threads divided by it.
      if (threads > 1) {
        register_subject(run, prefix + "floor_1_thread", floor_engine(),
                         {.threads = 1, .payload = payload});
        register_subject(run, prefix + "wakeups", wakeups_engine(),
                         {.threads = threads, .payload = payload});
      }
    }
  }
}

}  // namespace cairn::bench
