#include "system/seeded_uuid.h"

#include <cstring>

#include <cairn/sim/random.h>

namespace cairn::system_test {
namespace {

sim::Random& identities() {
  static sim::Random random(1);
  return random;
}

}  // namespace

void seed_identities(std::uint64_t seed) { identities() = sim::Random(seed ^ 0x75756964); }

}  // namespace cairn::system_test

// Found before libuuid's.
extern "C" void uuid_generate_random(unsigned char* out) {
  for (std::size_t at = 0; at < 16; at += 8) {
    const std::uint64_t part = cairn::system_test::identities().next();
    std::memcpy(out + at, &part, sizeof part);
  }
}
