// What a log says of itself: GetLogFileInformation, GetLogIoStatistics, ValidateLog.
#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>

#include <cairn/clfsw32.h>
#include <cairn/verdict.h>

#include "log_file.h"
#include "text.h"

namespace cairn::win32 {
namespace {

ULONG count_of(std::uint64_t value) {
  return static_cast<ULONG>(std::min<std::uint64_t>(value, ~ULONG{0}));
}

std::uint64_t base_file_size(const std::string& path) {
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(path + "/base.cairn", error);
  return error ? 0 : size;
}

// What is the physical log's.
CLFS_INFORMATION information_of(const log::LogInfo& info) {
  const LsnCodec codec(info.container_size);
  CLFS_INFORMATION out{};
  out.TotalAvailable = static_cast<LONGLONG>(info.containers.size() * info.container_size);
  out.CurrentAvailable = static_cast<LONGLONG>(info.space.left);
  out.TotalReservation = static_cast<LONGLONG>(info.space.reserved.bytes);
  out.BaseFileSize = base_file_size(info.path);
  out.ContainerSize = info.container_size;
  out.TotalContainers = count_of(info.containers.size());
  out.FreeContainers = count_of(static_cast<std::uint64_t>(
      std::ranges::count(info.containers, log::ContainerState::kFree, &log::ContainerInfo::state)));
  out.TotalClients = count_of(info.streams.size());
  out.FlushThreshold = info.block_size;
  out.SectorSize = info.alignment;
  if (info.archive_tail.is_valid()) out.Attributes |= FILE_ATTRIBUTE_ARCHIVE;
  out.MinArchiveTailLsn = codec.encode_link(info.archive_tail);
  out.BaseLsn = codec.encode(info.tail);
  out.LastFlushedLsn = codec.encode(info.durable);
  out.LastLsn = codec.encode(info.end);
  out.RestartLsn = CLFS_LSN_INVALID;
  out.Identity = guid_of(info.id);
  return out;
}

void add_stream_facts(const log::LogInfo& info, std::string_view stream, CLFS_INFORMATION* out) {
  const LsnCodec codec(info.container_size);
  const auto found = std::ranges::find(info.streams, stream, &log::StreamInfo::name);
  if (found == info.streams.end()) return;
  out->TotalReservation = static_cast<LONGLONG>(found->reserved.bytes);
  out->BaseLsn = codec.encode(found->base);
  out->RestartLsn = codec.encode_link(found->restart);
}

// The size is checked first, so that nothing is written beyond the buffer.
bool accept_information_buffer(const CLFS_INFORMATION* buffer, const ULONG* size) {
  if (size == nullptr || (buffer == nullptr && *size != 0)) return fail(ERROR_INVALID_PARAMETER);
  return true;
}

BOOL give_information(const CLFS_INFORMATION& information, PCLFS_INFORMATION buffer, PULONG size) {
  const ULONG room = *size;
  *size = sizeof information;
  if (room < sizeof information) return fail(ERROR_MORE_DATA);
  *buffer = information;
  return TRUE;
}

BOOL validate(const ClfsName& name, CLFS_INFORMATION* information) {
  const std::string path = canonical_log_path(name.path);
  if (const auto report = log::verify(path); !report) {
    return fail(report.status(), {{StatusCode::kBaseLogDamaged, ERROR_LOG_METADATA_CORRUPT}});
  } else if (!report->damages.empty()) {
    const log::Damage& damage = report->damages.front();
    return fail(ERROR_LOG_METADATA_CORRUPT, damage.file + ": LSN " + damage.begin.to_string() +
                                                " to " + damage.end.to_string() + ": " +
                                                damage.reason);
  }
  const auto view = log::LogView::open(path);
  if (!view) return fail(view.status());
  const log::LogInfo info = (*view)->info();
  *information = information_of(info);
  const bool dedicated = std::ranges::any_of(
      info.streams, [](const auto& stream) { return stream.name == kDedicatedStream; });
  if (dedicated) information->Attributes |= FILE_ATTRIBUTE_DEDICATED;
  const std::string stream = dedicated ? std::string(kDedicatedStream) : name.stream;
  if (!stream.empty()) add_stream_facts(info, stream, information);
  return TRUE;
}

}  // namespace
}  // namespace cairn::win32

using cairn::win32::LogHandle;
using cairn::win32::object_of;

BOOL GetLogFileInformation(HANDLE hLog, PCLFS_INFORMATION pinfoBuffer, PULONG cbBuffer) {
  const auto handle = object_of<LogHandle>(hLog);
  if (handle == nullptr) return FALSE;
  if (!cairn::win32::accept_information_buffer(pinfoBuffer, cbBuffer)) return FALSE;
  CLFS_INFORMATION information{};
  information.RestartLsn = CLFS_LSN_INVALID;
  information.MinArchiveTailLsn = CLFS_LSN_INVALID;
  const auto& file = *handle->file;
  if (const auto log = file.physical().log(); log != nullptr) {
    const cairn::log::LogInfo info = log->info();
    information = cairn::win32::information_of(info);
    if (file.is_stream()) {
      cairn::win32::add_stream_facts(info, file.log_stream().name, &information);
    }
  }
  if (file.physical().is_dedicated()) information.Attributes |= FILE_ATTRIBUTE_DEDICATED;
  return cairn::win32::give_information(information, pinfoBuffer, cbBuffer);
}

BOOL GetLogIoStatistics(HANDLE hLog, PVOID pvStatsBuffer, ULONG cbStatsBuffer,
                        CLFS_IOSTATS_CLASS eStatsClass, PULONG pcbStatsWritten) {
  const auto handle = object_of<LogHandle>(hLog);
  if (handle == nullptr || !cairn::win32::all_given(pvStatsBuffer)) return FALSE;
  if (eStatsClass != ClfsIoStatsDefault) return cairn::win32::fail(ERROR_INVALID_PARAMETER);
  if (pcbStatsWritten != nullptr) *pcbStatsWritten = sizeof(CLFS_IO_STATISTICS);
  if (cbStatsBuffer < sizeof(CLFS_IO_STATISTICS)) return cairn::win32::fail(ERROR_MORE_DATA);
  CLFS_IO_STATISTICS out{};
  out.hdrIoStats.ubMajorVersion = 1;
  out.hdrIoStats.eStatsClass = ClfsIoStatsDefault;
  out.hdrIoStats.cbLength = sizeof out;
  out.hdrIoStats.coffData = sizeof out.hdrIoStats;
  if (const auto log = handle->file->physical().log(); log != nullptr) {
    const cairn::log::LogStatistics statistics = log->statistics();
    out.cFlush = statistics.durable_writes + statistics.syncs;
    out.cbFlush = statistics.block_bytes;
  }
  *static_cast<PCLFS_IO_STATISTICS>(pvStatsBuffer) = out;
  return TRUE;
}

BOOL ValidateLog(LPCWSTR pszLogFileName, LPSECURITY_ATTRIBUTES psaLogFile,
                 PCLFS_INFORMATION pinfoBuffer, PULONG pcbBuffer) {
  const auto name = cairn::win32::parse_clfs_name(pszLogFileName);
  if (!name || !cairn::win32::accept_security(psaLogFile)) return FALSE;
  const bool wanted = pinfoBuffer != nullptr || pcbBuffer != nullptr;
  if (wanted && !cairn::win32::accept_information_buffer(pinfoBuffer, pcbBuffer)) return FALSE;
  CLFS_INFORMATION information{};
  if (!cairn::win32::validate(*name, &information)) return FALSE;
  return wanted ? cairn::win32::give_information(information, pinfoBuffer, pcbBuffer) : TRUE;
}
