// Archives: PrepareLogArchive and what follows it, the archive tail and mode.
//
// The client copies the metadata to a file named as the base log, and each extent to a file named
// as its container, as long as a container; the directory they lie in is a log then.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <cairn/archive.h>
#include <cairn/clfsw32.h>

#include "log_containers.h"
#include "log_file.h"
#include "text.h"

namespace cairn::win32 {
namespace {

class ArchiveContext final : public Object {
 public:
  static constexpr HandleType kType = HandleType::kArchiveContext;

  // REQUIRES: of->begin_archive() was true.
  ArchiveContext(std::shared_ptr<LogFile> of, std::shared_ptr<log::Log> in)
      : Object(kType), file(std::move(of)), log(std::move(in)) {
    file->physical().begin_archive();
  }
  ~ArchiveContext() override {
    pin.reset();
    cursor.reset();
    // The tail was checked when it was asked for; what else can fail shows with the next call.
    (void)file->physical().end_archive();
    file->end_archive();
  }
  [[nodiscard]] bool is_handle() const override { return false; }

  const std::shared_ptr<LogFile> file;
  const std::shared_ptr<log::Log> log;
  Lsn low;   // extents wholly before it are left out
  Lsn high;  // those that begin at it or behind it, too
  std::optional<log::ArchiveCursor> cursor;
  std::optional<log::TailReader> pin;  // keeps the containers
  std::string metadata;                // the bytes of the base log

  std::mutex in_use;
};

// Keeps all containers from here on, unless an append meets a full log otherwise.
bool pin_containers(ArchiveContext& context) {
  log::FollowOptions options;
  options.max_pinned_bytes = ~std::uint64_t{0} >> 1;
  options.name = "archive";
  auto reader = context.log->follow(std::move(options));
  if (!reader) return fail(reader.status());
  context.pin.emplace(std::move(*reader));
  return true;
}

bool read_metadata(ArchiveContext& context, const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  context.metadata.assign(std::istreambuf_iterator<char>(in), {});
  if (in.bad() || context.metadata.empty()) {
    return fail(ERROR_IO_DEVICE, path + ": the base log cannot be read");
  }
  return true;
}

// The range that is asked for; the default is from the archive tail to the end.
bool choose_range(ArchiveContext& context, const CLFS_LSN* low, const CLFS_LSN* high) {
  const LsnCodec codec = context.file->physical().codec();
  const auto value = [&](const CLFS_LSN* lsn, Lsn otherwise, Lsn* out) {
    *out = otherwise;
    if (lsn == nullptr) return true;
    const auto decoded = codec.decode(*lsn);
    if (!decoded || decoded->is_invalid()) return false;
    *out = *decoded;
    return true;
  };
  const Lsn end = context.log->end_lsn();
  if (!value(low, context.log->archive_tail(), &context.low) || !value(high, end, &context.high) ||
      context.high < context.low || context.high > end) {
    return fail(ERROR_LOG_INVALID_RANGE, "expected a range of LSNs of the active log");
  }
  return true;
}

// Fills one descriptor; false without an error: there are no more.
Result<bool> next_extent(ArchiveContext& context, CLFS_ARCHIVE_DESCRIPTOR* out) {
  const std::uint64_t size = context.file->physical().container_size();
  for (;;) {
    CAIRN_ASSIGN_OR_RETURN(const auto extent, context.cursor->next());
    if (!extent || extent->begin >= context.high) return false;
    if (extent->end <= context.low) continue;
    *out = {};
    out->coffLow = extent->begin.offset(size);
    out->coffHigh = out->coffLow + (extent->end - extent->begin);
    log::ContainerScan scan;
    scan.from = extent->container;
    scan.to = extent->container;
    for (const log::ContainerInfo& container : context.log->scan_containers(scan)) {
      if (container.state == log::ContainerState::kFree) continue;
      PhysicalLog& physical = context.file->physical();
      const std::lock_guard lock(physical.container_mutex());
      out->infoContainer = describe_container(physical, container, kMaxLogContainers);
    }
    return true;
  }
}

}  // namespace
}  // namespace cairn::win32

using cairn::win32::all_given;
using cairn::win32::ArchiveContext;
using cairn::win32::choose_range;
using cairn::win32::fail;
using cairn::win32::HandleTable;
using cairn::win32::LogHandle;
using cairn::win32::next_extent;
using cairn::win32::object_of;
using cairn::win32::pin_containers;
using cairn::win32::read_metadata;

BOOL SetLogArchiveMode(HANDLE hLog, CLFS_LOG_ARCHIVE_MODE eMode) {
  const auto handle = object_of<LogHandle>(hLog);
  if (handle == nullptr || !handle->file->allows(GENERIC_WRITE)) return FALSE;
  if (eMode != ClfsLogArchiveEnabled && eMode != ClfsLogArchiveDisabled) {
    return fail(ERROR_INVALID_PARAMETER);
  }
  auto& physical = handle->file->physical();
  const auto log = physical.need_log();
  if (log == nullptr) return FALSE;
  const bool is_on = log->archive_tail().is_valid();
  if (eMode == ClfsLogArchiveEnabled) {
    return is_on ? TRUE : cairn::win32::succeed_log_if(log->set_archive_tail());
  }
  if (!cairn::win32::succeed_log_if(log->stop_archiving())) return FALSE;
  physical.clients.settle(physical);
  return TRUE;
}

BOOL SetLogArchiveTail(HANDLE hLog, PCLFS_LSN plsnArchiveTail, LPVOID pReserved) {
  const auto handle = object_of<LogHandle>(hLog);
  if (handle == nullptr || !cairn::win32::is_null_reserved(pReserved)) return FALSE;
  if (!all_given(plsnArchiveTail) || !handle->file->allows(GENERIC_WRITE)) return FALSE;
  auto& physical = handle->file->physical();
  const auto log = physical.need_log();
  if (log == nullptr) return FALSE;
  if (!log->archive_tail().is_valid()) return fail(ERROR_LOG_EPHEMERAL);
  const auto lsn = physical.codec().decode(*plsnArchiveTail);
  if (!lsn || !lsn->is_valid()) return fail(ERROR_INVALID_PARAMETER, "no LSN of this log");
  if (!cairn::win32::succeed_log_if(physical.set_archive_tail(*lsn))) return FALSE;
  physical.clients.settle(physical);
  return TRUE;
}

BOOL PrepareLogArchive(HANDLE hLog, PWSTR pszBaseLogFileName, ULONG cLen, PCLFS_LSN plsnLow,
                       PCLFS_LSN plsnHigh, PULONG pcActualLength, PULONGLONG poffBaseLogFileData,
                       PULONGLONG pcbBaseLogFileLength, PCLFS_LSN plsnBase, PCLFS_LSN plsnLast,
                       PCLFS_LSN plsnCurrentArchiveTail,
                       PCLFS_LOG_ARCHIVE_CONTEXT ppvArchiveContext) {
  const auto handle = object_of<LogHandle>(hLog);
  if (handle == nullptr) return FALSE;
  if (!all_given(poffBaseLogFileData, pcbBaseLogFileLength, plsnBase, plsnLast,
                 plsnCurrentArchiveTail, ppvArchiveContext) ||
      (cLen != 0 && !all_given(pszBaseLogFileName))) {
    return FALSE;
  }
  auto& physical = handle->file->physical();
  const auto log = physical.need_log();
  if (log == nullptr) return FALSE;
  const std::string path = physical.path() + "/base.cairn";
  const std::wstring name = cairn::win32::wide_of(path);
  const bool fits = cLen > name.size();
  if (pcActualLength != nullptr) {
    // Where it does not fit: what it needs, with the terminating 0.
    *pcActualLength = static_cast<ULONG>(name.size() + (fits ? 0 : 1));
  }
  if (cLen != 0) {
    const std::size_t length = std::min<std::size_t>(name.size(), cLen - 1);
    std::copy_n(name.data(), length, pszBaseLogFileName);
    pszBaseLogFileName[length] = L'\0';
  }
  if (!fits) return fail(ERROR_BUFFER_OVERFLOW);
  if (!handle->file->begin_archive()) return fail(ERROR_LOG_ARCHIVE_IN_PROGRESS);
  const auto context = std::make_shared<ArchiveContext>(handle->file, log);
  // The metadata first: they know of nothing that the extents do not have.
  if (const auto flushed = log->flush(); !flushed) return cairn::win32::fail_log(flushed);
  if (!pin_containers(*context) || !choose_range(*context, plsnLow, plsnHigh)) return FALSE;
  if (!read_metadata(*context, path)) return FALSE;
  auto cursor = cairn::log::ArchiveCursor::over(*log);
  if (!cursor) return fail(cursor.status());
  context->cursor.emplace(std::move(*cursor));
  const auto codec = physical.codec();
  const auto archive = cairn::win32::handle_of(context);
  if (archive == INVALID_HANDLE_VALUE) return FALSE;
  *poffBaseLogFileData = 0;
  *pcbBaseLogFileLength = context->metadata.size();
  *plsnBase = codec.encode(context->cursor->metadata().tail);
  *plsnLast = codec.encode(context->cursor->metadata().end);
  *plsnCurrentArchiveTail = codec.encode_link(log->archive_tail());
  *ppvArchiveContext = archive;
  return TRUE;
}

BOOL ReadLogArchiveMetadata(CLFS_LOG_ARCHIVE_CONTEXT pvArchiveContext, ULONG cbOffset,
                            ULONG cbBytesToRead, PBYTE pbReadBuffer, PULONG pcbBytesRead) {
  const auto context = object_of<ArchiveContext>(pvArchiveContext);
  if (context == nullptr || !all_given(pbReadBuffer, pcbBytesRead)) return FALSE;
  const std::string& bytes = context->metadata;
  if (cbOffset > bytes.size()) return fail(ERROR_HANDLE_EOF);
  const std::size_t count = std::min<std::size_t>(cbBytesToRead, bytes.size() - cbOffset);
  std::copy_n(bytes.data() + cbOffset, count, reinterpret_cast<char*>(pbReadBuffer));
  *pcbBytesRead = static_cast<ULONG>(count);
  return TRUE;
}

BOOL GetNextLogArchiveExtent(CLFS_LOG_ARCHIVE_CONTEXT pvArchiveContext,
                             CLFS_ARCHIVE_DESCRIPTOR rgadExtent[], ULONG cDescriptors,
                             PULONG pcDescriptorsReturned) {
  const auto context = object_of<ArchiveContext>(pvArchiveContext);
  if (context == nullptr || !all_given(rgadExtent, pcDescriptorsReturned)) return FALSE;
  if (cDescriptors == 0) return fail(ERROR_INVALID_PARAMETER);
  const std::unique_lock lock(context->in_use, std::try_to_lock);
  if (!lock.owns_lock()) return fail(ERROR_BUSY);
  *pcDescriptorsReturned = 0;
  while (*pcDescriptorsReturned < cDescriptors) {
    const auto found = next_extent(*context, &rgadExtent[*pcDescriptorsReturned]);
    if (!found) return cairn::win32::fail_log(found.status());
    if (!*found) break;
    ++*pcDescriptorsReturned;
  }
  return *pcDescriptorsReturned == 0 ? fail(ERROR_NO_MORE_ITEMS) : TRUE;
}

BOOL TerminateLogArchive(CLFS_LOG_ARCHIVE_CONTEXT pvArchiveContext) {
  auto context = HandleTable::get().take<ArchiveContext>(pvArchiveContext);
  if (context == nullptr) return fail(ERROR_INVALID_HANDLE);
  const auto file = context->file;
  context.reset();  // the archive tail may move with it
  file->physical().clients.settle(file->physical());
  return TRUE;
}
