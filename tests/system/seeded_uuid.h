// Identities that follow from the seed: the managers order what they hold by identity, so with
// identities by chance the same seed would not give the same run.
#ifndef CAIRN_TESTS_SYSTEM_SEEDED_UUID_H_
#define CAIRN_TESTS_SYSTEM_SEEDED_UUID_H_

#include <cstdint>

namespace cairn::system_test {

// From now on Uuid::generate() of this program goes by this seed.
void seed_identities(std::uint64_t seed);

}  // namespace cairn::system_test

#endif  // CAIRN_TESTS_SYSTEM_SEEDED_UUID_H_
