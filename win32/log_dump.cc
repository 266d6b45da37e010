// DumpLogRecords: the records of a log as text.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <optional>
#include <string>

#include <cairn/clfsw32.h>

#include "log_file.h"

namespace cairn::win32 {
namespace {

struct DumpRequest {
  CLFS_RECORD_TYPE types = ClfsDataRecord;
  std::optional<CLFS_LSN> start;
  std::optional<CLFS_LSN> end;
  PFILE out = nullptr;
  CLFS_PRINT_RECORD_ROUTINE print = nullptr;
  std::size_t longest = 0;
};

void print_bytes(PFILE out, std::span<const std::byte> bytes) {
  constexpr std::size_t kPerLine = 32;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const bool ends_line = i % kPerLine == kPerLine - 1 || i + 1 == bytes.size();
    std::fprintf(out, "%02x%s", static_cast<unsigned>(bytes[i]), ends_line ? "\n" : "");
  }
}

void print_record(const DumpRequest& request, const LsnCodec& codec, const log::Record& record,
                  CLFS_RECORD_TYPE type) {
  const auto text = [](CLFS_LSN lsn, char* out, std::size_t size) {
    std::snprintf(out, size, "%08" PRIx32 ":%08" PRIx32 ":%03" PRIx32, LsnContainer(&lsn),
                  LsnBlockOffset(&lsn), LsnRecordSequence(&lsn));
  };
  char lsn[32];
  char previous[32];
  char undo_next[32];
  text(codec.encode(record.lsn), lsn, sizeof lsn);
  text(codec.encode_link(record.previous), previous, sizeof previous);
  text(codec.encode_link(record.undo_next), undo_next, sizeof undo_next);
  std::fprintf(request.out, "record %s %s previous %s undo-next %s bytes %zu\n", lsn,
               type == ClfsRestartRecord ? "restart" : "data", previous, undo_next,
               record.payload.size());
  if (request.print == nullptr) {
    print_bytes(request.out, record.payload);
  } else {
    request.print(request.out, type,
                  const_cast<std::byte*>(record.payload.data()),  // as declared; not to be changed
                  static_cast<ULONG>(record.payload.size()));
  }
}

BOOL dump(log::Cursor& cursor, const DumpRequest& request, const LsnCodec& codec, Lsn start,
          Lsn end) {
  bool first = true;
  for (;;) {
    const auto record = cursor.next();
    if (!record) return fail(record.status());
    if (first && !start.is_null() && (!*record || (*record)->lsn != start)) {
      return fail(ERROR_INVALID_PARAMETER, "LSN " + start.to_string() + " is not that of a record");
    }
    first = false;
    if (!*record || (*record)->lsn > end) return TRUE;
    const CLFS_RECORD_TYPE type =
        (*record)->kind == log::RecordKind::kRestart ? ClfsRestartRecord : ClfsDataRecord;
    if ((type & request.types) == 0) continue;
    if ((*record)->payload.size() > request.longest) return fail(ERROR_LOG_BLOCK_INCOMPLETE);
    print_record(request, codec, **record, type);
  }
}

BOOL dump(const LogFile& file, const DumpRequest& request) {
  const auto log = file.physical().need_log();
  if (log == nullptr) return FALSE;
  if (!file.is_stream()) return fail(ERROR_LOG_MULTIPLEXED);
  if (const Status flushed = log->flush(); !flushed) return fail_log(flushed);
  const LsnCodec codec = file.physical().codec();
  log::ReadOptions options;
  Lsn end = log->end_lsn();
  if (request.start) {
    const auto start = codec.decode(*request.start);
    if (!start || !start->is_valid() || *start < file.stream().base() || *start >= end) {
      return fail(ERROR_INVALID_PARAMETER, "the start is no LSN of the active log");
    }
    options.start = *start;
  }
  if (request.end) {
    const auto wanted = codec.decode(*request.end);
    if (!wanted) return fail(ERROR_INVALID_PARAMETER);
    if (*wanted > end) return fail(ERROR_HANDLE_EOF);
    end = *wanted;
  }
  auto cursor = file.stream().read(options);
  if (!cursor) return fail(cursor.status());
  return dump(*cursor, request, codec, options.start, end);
}

}  // namespace
}  // namespace cairn::win32

BOOL DumpLogRecords(PWSTR pwszLogFileName, CLFS_RECORD_TYPE fRecordType, PCLFS_LSN plsnStart,
                    PCLFS_LSN plsnEnd, PFILE pstrmOut, CLFS_PRINT_RECORD_ROUTINE pfnPrintRecord,
                    CLFS_BLOCK_ALLOCATION pfnAllocBlock, CLFS_BLOCK_DEALLOCATION pfnFreeBlock,
                    PVOID /*pvBlockAllocContext*/, ULONG cbBlock, ULONG cMaxBlocks) {
  const auto name = cairn::win32::parse_clfs_name(pwszLogFileName);
  if (!name) return FALSE;
  if ((fRecordType & ~ClfsClientRecord) != 0 || cbBlock == 0 || cMaxBlocks == 0 ||
      (pfnAllocBlock == nullptr) != (pfnFreeBlock == nullptr)) {
    return cairn::win32::fail(ERROR_INVALID_PARAMETER);
  }
  cairn::win32::DumpRequest request;
  if (fRecordType != ClfsNullRecord) request.types = fRecordType;
  if (plsnStart != nullptr) request.start = *plsnStart;
  if (plsnEnd != nullptr) request.end = *plsnEnd;
  request.out = pstrmOut == nullptr ? stdout : pstrmOut;
  request.print = pfnPrintRecord;
  request.longest = cbBlock;
  cairn::win32::OpenRequest open;
  open.access = GENERIC_READ;
  open.share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
  open.disposition = OPEN_EXISTING;
  const auto file = cairn::win32::PhysicalLog::open(*name, open);
  return file == nullptr ? FALSE : cairn::win32::dump(*file, request);
}
