// The parsers of log/archive: the manifest alone, and a whole archive that is made a log again.
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cairn/archive.h>
#include <cairn/log.h>
#include <cairn/sim/sim_storage.h>

#include "archive/manifest.h"
#include "fuzz/fuzz_target.h"
#include "fuzz/golden_log.h"

namespace cairn::fuzz {

namespace {

constexpr std::uint64_t kGeneration = 3;

std::uint64_t manifest_sum(std::span<const std::byte> used) {
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, used.data(), offsetof(log::ManifestHeader, checksum));
  XXH3_64bits_update(&state, used.data() + sizeof(log::ManifestHeader),
                     used.size() - sizeof(log::ManifestHeader));
  return XXH3_64bits_digest(&state);
}

// How many extents of a manifest lie in `bytes`.
std::uint64_t extents_in(std::span<const std::byte> bytes, const log::ManifestHeader& header) {
  return std::min<std::uint64_t>(header.extents,
                                 (bytes.size() - sizeof header) / sizeof(log::ManifestExtent));
}

// Makes the checksum of a manifest right, and what a reader looks at before it.
void repair_manifest(std::vector<std::byte>& bytes) {
  log::ManifestHeader header;
  if (bytes.size() < sizeof header) return;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.magic = log::kManifestMagic;
  header.version = log::kManifestVersion;
  header.extents = extents_in(bytes, header);
  std::memcpy(bytes.data(), &header, sizeof header);
  const std::size_t used = sizeof header + header.extents * sizeof(log::ManifestExtent);
  header.checksum = manifest_sum(std::span(bytes).first(used));
  std::memcpy(bytes.data(), &header, sizeof header);
}

void read_manifest_bytes(Input bytes) {
  const auto manifest = log::decode_manifest(bytes, kGeneration, "manifest");
  if (!manifest.is_ok()) {
    return expect(manifest.status().message().starts_with("manifest: "),
                  "a refusal names the file and says why");
  }
  expect(manifest->complete <= manifest->extents.size(), "no more extents count than there are");
  Lsn before;
  for (const log::ArchiveExtent& extent : manifest->extents) {
    expect(extent.begin >= before && extent.begin < extent.end && extent.end <= extent.next,
           "extents lie one behind the other");
    expect(extent.begin.container(manifest->metadata.container_size) == extent.container,
           "an extent lies in its container");
    before = extent.next;
  }
  expect(std::ranges::equal(log::encode_manifest(*manifest), bytes),
         "what is taken is written back as it was");
}

const sim::SimStorage& golden_archive() {
  static const auto storage = [] {
    auto made = golden_log().clone();
    log::ArchiveOptions options;
    options.storage = made;
    expect(log::archive("log", "archive", options).is_ok(), "the golden log can be archived");
    return made;
  }();
  return *storage;
}

std::string manifest_of(const sim::SimStorage& storage) {
  std::uint64_t generation;
  for (const std::string& name : storage.list("archive")) {
    if (log::parse_manifest_name(name, &generation)) return name;
  }
  expect(false, "an archive has a manifest");
  return {};
}

// Makes the checksums of the extents fit the archived bytes, and then the manifest's own.
void repair_archive(sim::SimStorage& storage, const std::string& manifest) {
  std::vector<std::byte> bytes = storage.read_image("archive", manifest);
  const std::vector<std::byte> container = storage.read_image("archive", kGoldenContainer);
  log::ManifestHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  for (std::uint64_t i = 0; i < extents_in(bytes, header); ++i) {
    log::ManifestExtent extent;
    std::byte* const at = bytes.data() + sizeof header + i * sizeof extent;
    std::memcpy(&extent, at, sizeof extent);
    if (extent.begin > extent.end || extent.end > container.size()) continue;
    extent.checksum = XXH3_64bits(container.data() + extent.begin, extent.end - extent.begin);
    std::memcpy(at, &extent, sizeof extent);
  }
  repair_manifest(bytes);
  storage.overwrite("archive", manifest, 0, bytes);
}

}  // namespace

void fuzz_manifest(Input input) {
  read_manifest_bytes(input);
  std::vector<std::byte> bytes(input.begin(), input.end());
  // A manifest is written in whole pages.
  bytes.resize((bytes.size() + 4095) / 4096 * 4096);
  repair_manifest(bytes);
  read_manifest_bytes(bytes);
}

void fuzz_restore(Input input) {
  const auto storage = golden_archive().clone();
  const std::string manifest = manifest_of(*storage);
  const bool repaired = take_byte(input) % 2 == 1;
  apply_edits(*storage, "archive", {manifest, kGoldenContainer}, input);
  if (repaired) {
    repair_blocks(*storage, "archive", kGoldenContainer);
    repair_archive(*storage, manifest);
  }
  log::ArchiveOptions options;
  options.storage = storage;
  const auto restored = log::restore("archive", "restored", options);
  auto opened = log::Log::open("restored", manual_options(storage));
  if (!restored.is_ok()) {
    expect(!restored.status().message().empty(), "a refusal says why");
    return expect(!opened.is_ok(), "what was refused left no log");
  }
  expect(opened.is_ok(), "what was restored is a log that opens");
  read_all(**opened);
}

}  // namespace cairn::fuzz
