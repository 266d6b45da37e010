#include "interrupt.h"

#include <csignal>

namespace cairn::tools {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;

void remember(int) { g_interrupted = 1; }

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = remember;
  // Without SA_RESTART a sleeping poll() ends at once.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return g_interrupted != 0; }

}  // namespace cairn::tools
