// IdTable against a map, over every kind of crowding.
#include "id_table.h"

#include <map>
#include <random>

#include "tm/harness.h"

namespace cairn::tm {
namespace {

struct Named {
  explicit Named(const Uuid& its_id) : id(its_id) {}
  const Uuid id;
};

Uuid id_of(std::uint32_t number) {
  Uuid id{};
  for (int i = 0; i < 4; ++i) id.bytes[12 + i] = static_cast<std::uint8_t>(number >> (8 * i));
  return id;
}

TEST(IdTable, HoldsWhatAMapHolds) {
  std::mt19937 random(7);
  for (const std::uint32_t names : {3u, 40u, 3000u}) {
    IdTable<Named> table;
    std::map<Uuid, std::shared_ptr<Named>> model;
    for (int step = 0; step < 20'000; ++step) {
      const Uuid id = id_of(static_cast<std::uint32_t>(random()) % names);
      // Fills for a while, then empties.
      if (random() % 8 < (step / 4000 % 2 == 0 ? 6u : 2u)) {
        const auto added = std::make_shared<Named>(id);
        EXPECT_EQ(table.insert(added), model.emplace(id, added).second);
      } else {
        table.erase(id);
        model.erase(id);
      }
      const Uuid asked = id_of(static_cast<std::uint32_t>(random()) % names);
      const auto found = model.find(asked);
      ASSERT_EQ(table.find(asked), found == model.end() ? nullptr : found->second) << step;
      ASSERT_EQ(table.size(), model.size());
    }
    std::map<Uuid, std::shared_ptr<Named>> seen;
    table.for_each([&](const auto& named) { seen.emplace(named->id, named); });
    EXPECT_EQ(seen, model);
    EXPECT_EQ(table.ids().size(), model.size());
  }
}

TEST(IdTable, MayBeAskedToEraseByTheObjectsOwnName) {
  IdTable<Named> table;
  EXPECT_EQ(table.find(id_of(1)), nullptr);
  table.erase(id_of(1));
  table.insert(std::make_shared<Named>(id_of(1)));
  table.erase(table.find(id_of(1))->id);
  EXPECT_TRUE(table.empty());
}

}  // namespace
}  // namespace cairn::tm
