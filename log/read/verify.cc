#include <algorithm>
#include <utility>

#include <cairn/verdict.h>

#include "base_log.h"
#include "catalog.h"
#include "read/end_of_log.h"
#include "read/read_source.h"

namespace cairn::log {
namespace {

// Lengths of the containers that the log needs. A short one is judged by what is missing; the note
// says why.
Status note_sizes(ReadSource& source, const std::vector<std::uint64_t>& numbers,
                  VerifyReport* report) {
  for (const std::uint64_t number : numbers) {
    const auto container = source.container(number);
    if (!container.is_ok()) {
      if (container.code() != StatusCode::kCorrupt) return container.status();
      continue;  // the scan says what that means
    }
    if ((*container)->file_size != source.geometry().container_size) {
      report->notes.push_back((*container)->file->name() + ": expected " +
                              std::to_string(source.geometry().container_size) + " bytes, found " +
                              std::to_string((*container)->file_size));
    }
  }
  return Status::ok();
}

// `contradiction`: what the engine's own records, from the scan start on, have against each other,
// if nothing is damaged.
Status scan_all(ReadSource& source, const format::BaseSlot& slot, Lsn start, Lsn limit,
                VerifyReport* report, Status* contradiction) {
  Catalog catalog;
  bool folding = false;  // the block at the scan start was there
  const std::uint64_t size = source.geometry().container_size;
  LogScanner scanner(source, slot, start);
  for (;;) {
    CAIRN_ASSIGN_OR_RETURN(const auto block, scanner.next());
    if (block) {
      ++report->blocks;
      report->records += block->header.record_count;
      report->bytes += block->header.padded_length;
      folding = folding || block->header.lsn == slot.scan_start;
      if (folding && contradiction->is_ok()) {
        *contradiction = fold_catalog(scanner, *block, source.geometry(), &catalog);
      }
      continue;
    }
    report->end_of_log = scanner.end();
    if (!end_label_is_damage(scanner.end().label)) {
      if (contradiction->is_ok()) *contradiction = catalog.finish_recovery();
      return Status::ok();
    }
    Damage damage{scanner.end().damage_begin, scanner.end().damage_end,
                  container_file_name(scanner.end().end.container(size)),
                  std::string(end_label_name(scanner.end().label)) + ": " + scanner.end().reason,
                  scanner.end().label};
    CAIRN_ASSIGN_OR_RETURN(const bool more, scanner.skip_damage(limit));
    if (more) damage.end = std::min(damage.end, std::max(scanner.position(), damage.begin + 1));
    report->damages.push_back(std::move(damage));
    if (!more) return Status::ok();
  }
}

Result<VerifyReport> verify_once(Directory& directory, const BaseLog& base) {
  const std::string& path = directory.path();
  ReadSource source(directory, geometry_of(base.slot()));

  VerifyReport report;
  if (!base.both_valid()) {
    report.notes.push_back(
        path + "/" + format::kBaseFileName +
        ": only one of the two slots is valid, as after a crash while it was written");
  }
  if (!base.calibration_fault().empty()) {
    report.notes.push_back(path + "/" + format::kBaseFileName +
                           ": how the device was calibrated is lost, and the log does without: " +
                           base.calibration_fault());
  }
  const std::uint64_t size = base.slot().container_size;
  const std::uint64_t first = Lsn(base.slot().tail).container(size);
  CAIRN_ASSIGN_OR_RETURN(std::vector<std::uint64_t> numbers, source.list_containers());
  std::erase_if(numbers, [&](std::uint64_t number) { return number < first; });
  report.containers = numbers.size();
  CAIRN_RETURN_IF_ERROR(note_sizes(source, numbers, &report));

  Lsn start(base.slot().scan_start);
  if (const auto container = source.container(first); container.is_ok()) {
    start = Lsn((*container)->content.first_block);
  } else if (container.code() == StatusCode::kContainerMissing ||
             container.code() == StatusCode::kCorrupt) {
    // The oldest container is acknowledged bytes as a whole: the base log's tail lies in it. The
    // rest is checked from its first block on.
    constexpr EndLabel kProof = EndLabel::kDamageProvenByBaseLog;
    report.damages.push_back(
        {Lsn(base.slot().tail), Lsn((first + 1) * size), container_file_name(first),
         std::string(end_label_name(kProof)) + ": " + container.status().message(), kProof});
    if (Lsn(base.slot().scan_start).container(size) == first) {
      // Without its header nothing in it can be read: said once is enough.
      if (numbers.empty() || numbers.back() == first) return report;
      start = Lsn((first + 1) * size + base.slot().alignment);
    }
  } else {
    return container.status();
  }
  const Lsn limit((numbers.empty() ? first + 1 : numbers.back() + 1) * size);
  Status contradiction;
  CAIRN_RETURN_IF_ERROR(scan_all(source, base.slot(), start, limit, &report, &contradiction));
  if (!report.damages.empty() || contradiction.is_ok()) return report;
  // Every byte is as it was written, and the engine's own records do not agree with each other.
  if (contradiction.code() != StatusCode::kCorrupt) return contradiction;
  report.damages.push_back({contradiction.detail().lsn_begin, contradiction.detail().lsn_end, "",
                            contradiction.message(), std::nullopt});
  return report;
}

}  // namespace

Result<VerifyReport> verify(const std::string& path, const VerifyOptions& options) {
  std::shared_ptr<Storage> storage = options.storage;
  if (storage == nullptr) {
    CAIRN_ASSIGN_OR_RETURN(storage, make_storage());
  }
  CAIRN_ASSIGN_OR_RETURN(const auto directory, storage->open_directory(path, false));
  for (;;) {
    CAIRN_ASSIGN_OR_RETURN(const BaseLog base, BaseLog::open(*directory, OpenMode::kRead));
    CAIRN_RETURN_IF_ERROR(base.check_created());
    auto report = verify_once(*directory, base);
    if (report.is_ok() && report->damages.empty()) return report;
    // A process that writes the log may have recycled what was being read. Then the base log says
    // so by now.
    CAIRN_ASSIGN_OR_RETURN(const BaseLog again, BaseLog::open(*directory, OpenMode::kRead));
    if (again.slot().generation == base.slot().generation) return report;
  }
}

}  // namespace cairn::log
