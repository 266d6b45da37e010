// The hash of records is XXH3, whatever instructions compute it: the program's own XXH3 is compiled
// for the least processor, the log's chooses when it runs.
#define XXH_INLINE_ALL
#include "format/hash.h"

#include <random>

#include <gtest/gtest.h>
#include <xxhash.h>

namespace cairn::log::format {
namespace {

class Hash : public testing::Test {
 protected:
  // Bytes at all distances from an aligned address.
  [[nodiscard]] std::span<const std::byte> bytes(std::size_t size) const {
    return std::span(bytes_).subspan(size % 67, size);
  }
  // Around each border between xxHash's ways (16, 128, 240, stripes of 64, blocks of 1024), and
  // far beyond.
  [[nodiscard]] static std::vector<std::size_t> sizes() {
    std::vector<std::size_t> sizes;
    for (std::size_t size = 0; size <= 1500; ++size) sizes.push_back(size);
    for (std::size_t size = 1501; size < kMost; size += size / 7) sizes.push_back(size);
    for (std::size_t size = 2048; size < kMost; size *= 2) {
      for (std::size_t near : {size - 1, size, size + 1}) sizes.push_back(near);
    }
    return sizes;
  }
  static std::uint64_t expected(std::span<const std::byte> bytes, std::uint64_t seed) {
    return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
  }

  static constexpr std::size_t kMost = 200'000;
  static constexpr std::array<std::uint64_t, 4> kSeeds{0, 1, 0x9E37'79B9'7F4A'7C15U,
                                                       ~std::uint64_t{0}};
  std::vector<std::byte> bytes_ = [] {
    std::vector<std::byte> made(kMost + 100);
    std::mt19937_64 random(11);
    for (std::byte& byte : made) byte = static_cast<std::byte>(random());
    return made;
  }();
};

TEST_F(Hash, IsXxh3OfEveryLengthWithEverySeed) {
  for (const std::size_t size : sizes()) {
    for (const std::uint64_t seed : kSeeds) {
      ASSERT_EQ(hash(bytes(size), seed), expected(bytes(size), seed)) << size << " bytes";
    }
  }
}

TEST_F(Hash, OfPiecesIsTheHashOfTheWhole) {
  std::mt19937_64 random(12);
  for (const std::size_t size : sizes()) {
    const std::uint64_t seed = kSeeds[size % kSeeds.size()];
    PieceHash pieces(seed);
    for (auto left = bytes(size); !left.empty();) {
      // Most pieces shorter than what xxHash buffers, some much longer.
      const std::size_t most = random() % 4 == 0 ? left.size() : 300;
      const std::size_t piece = std::min<std::size_t>(left.size(), random() % (most + 1));
      pieces.add(left.first(piece));
      left = left.subspan(piece);
    }
    ASSERT_EQ(pieces.value(), expected(bytes(size), seed)) << size << " bytes";
  }
}

TEST_F(Hash, OfPiecesCanBeAskedForInBetween) {
  PieceHash pieces(7);
  for (std::size_t size = 0; size < 5000; size += 250) {
    ASSERT_EQ(pieces.value(), expected(std::span(bytes_).first(size), 7)) << size << " bytes";
    pieces.add(std::span(bytes_).subspan(size, 250));
  }
}

}  // namespace
}  // namespace cairn::log::format
