#include "archive/manifest.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "aligned_buffer.h"
#include "format/base_slot.h"
#include "format/hash.h"
#include "format/layout.h"

namespace cairn::log {
namespace {

constexpr std::string_view kManifestPrefix = "manifest-";
constexpr std::string_view kManifestSuffix = ".cairn";
constexpr std::size_t kManifestDigits = 16;
constexpr std::size_t kManifestPage = 4096;
// 64 bytes for each container of a log that is read in one piece: far beyond any archive.
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 32;

std::string manifest_name(std::uint64_t generation) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string digits(kManifestDigits, '0');
  for (std::size_t i = kManifestDigits; i-- > 0; generation >>= 4)
    digits[i] = kHex[generation & 15];
  return std::string(kManifestPrefix) + digits + std::string(kManifestSuffix);
}

Status manifest_damage(const std::string& file, Lsn lsn, const std::string& text) {
  StatusDetail detail;
  detail.file = file;
  detail.lsn_begin = lsn;
  return Status(StatusCode::kCorrupt, file + ": " + text, detail);
}

std::string manifest_mismatch(const char* what, std::uint64_t expected, std::uint64_t found) {
  return std::string(what) + ": expected " + std::to_string(expected) + ", found " +
         std::to_string(found);
}

std::uint64_t manifest_checksum(std::span<const std::byte> bytes) {
  format::PieceHash sum;
  sum.add(bytes.first(offsetof(ManifestHeader, checksum)));
  sum.add(bytes.subspan(sizeof(ManifestHeader)));
  return sum.value();
}

ArchiveExtent from_disk(const ManifestExtent& disk) {
  ArchiveExtent extent;
  extent.container = disk.container;
  extent.begin = Lsn(disk.begin);
  extent.end = Lsn(disk.end);
  extent.next = Lsn(disk.next);
  extent.last_block = Lsn(disk.last_block);
  extent.incarnation = disk.incarnation;
  extent.checksum = disk.checksum;
  extent.epoch = disk.epoch;
  extent.sealed = disk.sealed != 0;
  return extent;
}

ManifestExtent to_disk(const ArchiveExtent& extent) {
  ManifestExtent disk{};
  disk.container = extent.container;
  disk.begin = extent.begin.value();
  disk.end = extent.end.value();
  disk.next = extent.next.value();
  disk.last_block = extent.last_block.value();
  disk.incarnation = extent.incarnation;
  disk.checksum = extent.checksum;
  disk.epoch = extent.epoch;
  disk.sealed = extent.sealed ? 1 : 0;
  return disk;
}

// Whether extents lie one behind the other in a log of these sizes.
Status check_extents(const Manifest& manifest, const std::string& file) {
  const std::uint64_t size = manifest.metadata.container_size;
  const std::uint64_t step = manifest.metadata.alignment;
  const ArchiveExtent* before = nullptr;
  for (const ArchiveExtent& extent : manifest.extents) {
    const Lsn start(extent.container * size);
    const Lsn limit = start + size;
    const bool follows = before == nullptr ? extent.begin == start
                                           : extent.begin == before->next &&
                                                 (extent.begin == start ||
                                                  extent.incarnation == before->incarnation);
    const bool in_place =
        extent.container < ~std::uint64_t{0} / size - 1 && extent.begin >= start &&
        extent.begin < extent.end && extent.end <= limit && extent.begin.value() % step == 0 &&
        extent.end.value() % step == 0 && extent.next == (extent.sealed ? limit : extent.end);
    if (!follows || !in_place) {
      return manifest_damage(
          file, extent.begin,
          "LSN " + extent.begin.to_string() + " to " + extent.end.to_string() +
              ": expected an extent that follows " +
              (before == nullptr ? "the start of a container" : before->next.to_string()) +
              ", found one that contradicts the others");
    }
    before = &extent;
  }
  return Status::ok();
}

}  // namespace

bool parse_manifest_name(std::string_view name, std::uint64_t* generation) {
  if (name.size() != kManifestPrefix.size() + kManifestDigits + kManifestSuffix.size() ||
      !name.starts_with(kManifestPrefix) || !name.ends_with(kManifestSuffix)) {
    return false;
  }
  const std::string_view digits = name.substr(kManifestPrefix.size(), kManifestDigits);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + kManifestDigits, *generation, 16);
  return error == std::errc() && end == digits.data() + kManifestDigits &&
         manifest_name(*generation) == name;
}

std::vector<std::byte> encode_manifest(const Manifest& manifest) {
  const std::size_t used =
      sizeof(ManifestHeader) + manifest.extents.size() * sizeof(ManifestExtent);
  std::vector<std::byte> bytes(format::align_up(used, kManifestPage));
  ManifestHeader header{};
  header.magic = kManifestMagic;
  header.version = kManifestVersion;
  std::memcpy(header.log_id, manifest.metadata.log_id.bytes.data(), sizeof header.log_id);
  header.generation = manifest.generation;
  header.container_size = manifest.metadata.container_size;
  header.max_size = manifest.metadata.max_size;
  header.block_size = manifest.metadata.block_size;
  header.alignment = manifest.metadata.alignment;
  header.extents = manifest.extents.size();
  header.complete = manifest.complete;
  header.tail = manifest.metadata.tail.value();
  std::size_t at = sizeof header;
  for (const ArchiveExtent& extent : manifest.extents) {
    const ManifestExtent disk = to_disk(extent);
    std::memcpy(bytes.data() + at, &disk, sizeof disk);
    at += sizeof disk;
  }
  std::memcpy(bytes.data(), &header, sizeof header);
  header.checksum = manifest_checksum(std::span(bytes).first(used));
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

Result<Manifest> decode_manifest(std::span<const std::byte> bytes, std::uint64_t generation,
                                 const std::string& file) {
  ManifestHeader header;
  if (bytes.size() < sizeof header) {
    return manifest_damage(file, {},
                           manifest_mismatch("bytes of a manifest", kManifestPage, bytes.size()));
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != kManifestMagic) {
    return manifest_damage(file, {}, manifest_mismatch("magic", kManifestMagic, header.magic));
  }
  if (header.version > kManifestVersion) {
    return Status(StatusCode::kNewerVersion,
                  file + ": written by manifest version " + std::to_string(header.version) +
                      ", this code reads up to version " + std::to_string(kManifestVersion));
  }
  const std::uint64_t room = (bytes.size() - sizeof header) / sizeof(ManifestExtent);
  if (header.extents > room) {
    return manifest_damage(
        file, {}, manifest_mismatch("extents that fit into the file", room, header.extents));
  }
  const std::size_t used = sizeof header + header.extents * sizeof(ManifestExtent);
  const std::uint64_t sum = manifest_checksum(bytes.first(used));
  if (sum != header.checksum) {
    return manifest_damage(file, {}, manifest_mismatch("manifest checksum", header.checksum, sum));
  }
  if (bytes.size() != format::align_up(used, kManifestPage)) {
    return manifest_damage(file, {},
                           manifest_mismatch("bytes of the manifest",
                                             format::align_up(used, kManifestPage), bytes.size()));
  }
  const auto padding = bytes.subspan(used);
  const auto unused =
      std::find_if(padding.begin(), padding.end(), [](std::byte b) { return b != std::byte{0}; });
  if (unused != padding.end()) {
    return manifest_damage(
        file, {},
        "byte " + std::to_string(used + static_cast<std::size_t>(unused - padding.begin())) +
            " of the manifest: expected 0 behind the extents, found " +
            std::to_string(std::to_integer<unsigned>(*unused)));
  }
  format::BaseSlot geometry{};
  geometry.container_size = header.container_size;
  geometry.block_size = header.block_size;
  geometry.alignment = header.alignment;
  if (header.version != kManifestVersion || header.zero != 0 || header.generation != generation ||
      header.complete > header.extents || !format::geometry_ok(geometry)) {
    return manifest_damage(file, {},
                           "the manifest's fields contradict each other or the file's name");
  }
  Manifest manifest;
  manifest.generation = header.generation;
  std::memcpy(manifest.metadata.log_id.bytes.data(), header.log_id, sizeof header.log_id);
  manifest.metadata.container_size = header.container_size;
  manifest.metadata.max_size = header.max_size;
  manifest.metadata.block_size = header.block_size;
  manifest.metadata.alignment = header.alignment;
  manifest.metadata.tail = Lsn(header.tail);
  manifest.complete = header.complete;
  for (std::uint64_t i = 0; i < header.extents; ++i) {
    ManifestExtent disk;
    std::memcpy(&disk, bytes.data() + sizeof header + i * sizeof disk, sizeof disk);
    if (disk.sealed > 1) {
      return manifest_damage(file, Lsn(disk.begin),
                             "LSN " + std::to_string(disk.begin) +
                                 ": extent: sealed: expected 0 or 1, found " +
                                 std::to_string(disk.sealed));
    }
    manifest.extents.push_back(from_disk(disk));
  }
  CAIRN_RETURN_IF_ERROR(check_extents(manifest, file));
  if (manifest.complete > 0) {
    manifest.metadata.end = manifest.extents[manifest.complete - 1].end;
    if (manifest.metadata.tail < manifest.begin() ||
        manifest.metadata.tail > manifest.metadata.end) {
      return manifest_damage(file, manifest.metadata.tail,
                             "tail: expected an LSN from " + manifest.begin().to_string() + " to " +
                                 manifest.metadata.end.to_string() + ", found " +
                                 manifest.metadata.tail.to_string());
    }
  }
  return manifest;
}

Result<Manifest> read_manifest(Directory& directory) {
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> names, directory.list());
  std::uint64_t newest = 0;
  for (const std::string& name : names) {
    std::uint64_t generation;
    if (parse_manifest_name(name, &generation)) newest = std::max(newest, generation);
  }
  if (newest == 0) return Manifest();
  const std::string name = manifest_name(newest);
  const std::string shown = directory.path() + "/" + name;
  CAIRN_ASSIGN_OR_RETURN(const auto file, directory.open(name, OpenMode::kRead));
  CAIRN_ASSIGN_OR_RETURN(const std::uint64_t size, file->size());
  if (size == 0 || size > kMostBytes) {
    return manifest_damage(shown, {},
                           manifest_mismatch("bytes of a manifest", kManifestPage, size));
  }
  AlignedBuffer buffer(format::align_up(size, kManifestPage));
  CAIRN_ASSIGN_OR_RETURN(const std::size_t got, file->read(0, buffer.bytes()));
  return decode_manifest(std::as_const(buffer).bytes().first(got), newest, shown);
}

Status write_manifest(Directory& directory, Manifest* manifest) {
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> names, directory.list());
  if (std::find(names.begin(), names.end(), kNewManifestName) != names.end()) {
    CAIRN_RETURN_IF_ERROR(directory.remove(kNewManifestName));
  }
  Manifest next = *manifest;
  ++next.generation;
  const std::vector<std::byte> bytes = encode_manifest(next);
  AlignedBuffer buffer(bytes.size());
  std::memcpy(buffer.data(), bytes.data(), bytes.size());
  {
    CAIRN_ASSIGN_OR_RETURN(const auto file, directory.open(kNewManifestName, OpenMode::kCreate));
    CAIRN_RETURN_IF_ERROR(file->write(0, std::as_const(buffer).bytes()));
    CAIRN_RETURN_IF_ERROR(file->sync());
  }
  CAIRN_RETURN_IF_ERROR(directory.rename(kNewManifestName, manifest_name(next.generation)));
  CAIRN_RETURN_IF_ERROR(directory.sync_directory());
  *manifest = std::move(next);
  for (const std::string& name : names) {
    std::uint64_t generation;
    if (parse_manifest_name(name, &generation)) CAIRN_RETURN_IF_ERROR(directory.remove(name));
  }
  return Status::ok();
}

}  // namespace cairn::log
