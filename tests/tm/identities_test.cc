#include "identities.h"

#include <set>

#include <gtest/gtest.h>

namespace cairn::tm {
namespace {

TEST(Identities, AreAllDifferentAndSayTheirVersion) {
  std::set<Uuid> all;
  constexpr int kEach = 20'000;
  for (int source = 0; source < 3; ++source) {
    Identities identities;
    for (int i = 0; i < kEach; ++i) {
      const Uuid id = identities.next();
      all.insert(id);
      ASSERT_EQ(id.bytes[6] >> 4, 8) << id.to_string();
      ASSERT_EQ(id.bytes[8] >> 6, 2) << id.to_string();
    }
  }
  EXPECT_EQ(all.size(), 3U * kEach);
}

}  // namespace
}  // namespace cairn::tm
