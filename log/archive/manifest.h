// Manifest: what an archive holds. ARCHIVE.md beside this file specifies the bytes.
#ifndef CAIRN_LOG_ARCHIVE_MANIFEST_H_
#define CAIRN_LOG_ARCHIVE_MANIFEST_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <cairn/archive.h>
#include <cairn/result.h>
#include <cairn/storage.h>

namespace cairn::log {

inline constexpr std::uint32_t kManifestMagic = 0x4D41'5243;  // "CRAM"
inline constexpr std::uint16_t kManifestVersion = 1;
inline constexpr char kArchiveLockName[] = "lock.cairn";
inline constexpr char kNewManifestName[] = "new-manifest.tmp";

struct ManifestHeader {
  std::uint32_t magic;    // kManifestMagic
  std::uint16_t version;  // kManifestVersion
  std::uint16_t zero;     // 0
  std::uint8_t log_id[16];
  std::uint64_t generation;      // as in the file's name
  std::uint64_t container_size;  // bytes
  std::uint64_t max_size;        // bytes; 0: none
  std::uint32_t block_size;      // bytes
  std::uint32_t alignment;       // bytes
  std::uint64_t extents;         // how many follow
  std::uint64_t complete;        // the first so many are of runs that came to their end
  std::uint64_t tail;            // LSN: of the log, as of the last such run
  std::uint64_t checksum;        // XXH3-64 of the 80 bytes before and of all extents
};
static_assert(sizeof(ManifestHeader) == 88);
static_assert(offsetof(ManifestHeader, generation) == 24);
static_assert(offsetof(ManifestHeader, block_size) == 48);
static_assert(offsetof(ManifestHeader, checksum) == 80);
static_assert(std::has_unique_object_representations_v<ManifestHeader>, "no padding");

struct ManifestExtent {
  std::uint64_t container;
  std::uint64_t begin;  // LSNs
  std::uint64_t end;
  std::uint64_t next;
  std::uint64_t last_block;
  std::uint64_t incarnation;
  std::uint64_t checksum;  // XXH3-64 of the bytes
  std::uint32_t epoch;
  std::uint32_t sealed;  // 0 or 1
};
static_assert(sizeof(ManifestExtent) == 64);
static_assert(offsetof(ManifestExtent, checksum) == 48);
static_assert(std::has_unique_object_representations_v<ManifestExtent>, "no padding");

struct Manifest {
  std::uint64_t generation = 0;  // 0: none was written yet
  ArchiveMetadata metadata;      // `tail` and `end` as of the last run that came to its end
  std::vector<ArchiveExtent> extents;
  std::uint64_t complete = 0;

  // Where the archive as a whole begins and goes on.
  [[nodiscard]] Lsn begin() const { return extents.empty() ? Lsn() : extents.front().begin; }
  [[nodiscard]] Lsn next() const { return extents.empty() ? Lsn() : extents.back().next; }
};

[[nodiscard]] std::vector<std::byte> encode_manifest(const Manifest& manifest);
// Every field is checked against the bytes in hand, and the extents against each other. Errors:
// kCorrupt, kNewerVersion; `file` is for messages.
[[nodiscard]] Result<Manifest> decode_manifest(std::span<const std::byte> bytes,
                                               std::uint64_t generation, const std::string& file);

// The newest manifest of an archive; generation 0 if there is none. A manifest gets its name when
// it is whole and durable, so that a damaged one is damage, and never gives way to an older one.
// Errors: kCorrupt, kNewerVersion, kIoError.
[[nodiscard]] Result<Manifest> read_manifest(Directory& directory);
// Writes it as the next generation, durable, and then removes older ones.
[[nodiscard]] Status write_manifest(Directory& directory, Manifest* manifest);

[[nodiscard]] bool parse_manifest_name(std::string_view name, std::uint64_t* generation);

}  // namespace cairn::log

#endif  // CAIRN_LOG_ARCHIVE_MANIFEST_H_
