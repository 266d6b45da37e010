// CreateLogContainerScanContext and ScanLogContainers.
//
// The context is the caller's memory, and what it says is not trusted: the array that it points to
// is looked up among those that were handed out.
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include <cairn/clfsw32.h>

#include "log_containers.h"
#include "log_file.h"

namespace cairn::win32 {
namespace {

struct Scan {
  std::shared_ptr<LogFile> file;
  std::vector<CLFS_CONTAINER_INFORMATION> array;
  std::size_t next = 0;  // of the containers, oldest first
};

// Never destroyed.
struct Scans {
  std::mutex mutex;
  std::map<const CLFS_CONTAINER_INFORMATION*, std::shared_ptr<Scan>> by_array;

  static Scans& get() {
    static Scans* const scans = new Scans;
    return *scans;
  }
};

bool has_one_direction(CLFS_SCAN_MODE mode) {
  return (mode & (CLFS_SCAN_FORWARD | CLFS_SCAN_BACKWARD)) !=
         (CLFS_SCAN_FORWARD | CLFS_SCAN_BACKWARD);
}

// Fills the array with the next ones. False, and the last error is set: there are none.
bool step(Scan& scan, CLFS_SCAN_MODE mode, CLFS_SCAN_CONTEXT* context) {
  PhysicalLog& physical = scan.file->physical();
  std::vector<log::ContainerInfo> all;
  if (const auto log = physical.log(); log != nullptr) all = log->scan_containers();
  const std::size_t most = scan.array.size();
  const bool backward = (mode & CLFS_SCAN_BACKWARD) != 0;
  if ((mode & CLFS_SCAN_INIT) != 0) scan.next = backward ? all.size() : 0;
  scan.next = std::min(scan.next, all.size());
  const std::size_t count = std::min(most, backward ? scan.next : all.size() - scan.next);
  context->cContainersReturned = 0;
  if (count == 0) return fail(ERROR_NO_MORE_ITEMS);
  if (backward) scan.next -= count;
  {
    const std::lock_guard lock(physical.container_mutex());
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t index = scan.next + i;
      scan.array[i] = describe_container(physical, all[index], index);
    }
  }
  if (!backward) scan.next += count;
  context->cIndex = static_cast<ULONG>(scan.next);
  context->cContainersReturned = static_cast<ULONG>(count);
  context->eScanMode =
      static_cast<CLFS_SCAN_MODE>((mode & ~CLFS_SCAN_INIT) | CLFS_SCAN_INITIALIZED);
  return true;
}

}  // namespace
}  // namespace cairn::win32

using cairn::win32::fail;
using cairn::win32::Scan;
using cairn::win32::Scans;

BOOL CreateLogContainerScanContext(HANDLE hLog, ULONG cFromContainer, ULONG cContainers,
                                   CLFS_SCAN_MODE eScanMode, PCLFS_SCAN_CONTEXT pcxScan,
                                   LPOVERLAPPED pOverlapped) {
  const auto handle = cairn::win32::object_of<cairn::win32::LogHandle>(hLog);
  if (handle == nullptr || !cairn::win32::is_synchronous(pOverlapped)) return FALSE;
  constexpr CLFS_SCAN_MODE kModes = CLFS_SCAN_INIT | CLFS_SCAN_FORWARD | CLFS_SCAN_BACKWARD;
  if (pcxScan == nullptr || cContainers == 0 || cContainers > cairn::win32::kMaxLogContainers + 1 ||
      (eScanMode & ~kModes) != 0 || eScanMode == 0 || !cairn::win32::has_one_direction(eScanMode)) {
    return fail(ERROR_INVALID_PARAMETER);
  }
  auto scan = std::make_shared<Scan>();
  scan->file = handle->file;
  scan->array.resize(cContainers);
  scan->next = cFromContainer;
  CLFS_SCAN_CONTEXT context{};
  context.cidNode.cbNode = sizeof context;
  context.hLog = hLog;
  context.cContainers = cContainers;
  context.pinfoContainer = scan->array.data();
  if (!cairn::win32::step(*scan, eScanMode, &context)) return FALSE;
  *pcxScan = context;
  Scans& scans = Scans::get();
  const std::lock_guard lock(scans.mutex);
  scans.by_array[context.pinfoContainer] = std::move(scan);
  return TRUE;
}

BOOL ScanLogContainers(PCLFS_SCAN_CONTEXT pcxScan, CLFS_SCAN_MODE eScanMode, LPVOID pReserved) {
  if (!cairn::win32::all_given(pcxScan) || !cairn::win32::is_null_reserved(pReserved)) return FALSE;
  std::shared_ptr<Scan> scan;
  {
    Scans& scans = Scans::get();
    const std::lock_guard lock(scans.mutex);
    const auto found = scans.by_array.find(pcxScan->pinfoContainer);
    if (found == scans.by_array.end()) {
      return fail(ERROR_INVALID_PARAMETER, "no scan context that is open");
    }
    scan = found->second;
    if ((eScanMode & CLFS_SCAN_CLOSE) != 0) scans.by_array.erase(found);
  }
  if ((eScanMode & CLFS_SCAN_CLOSE) != 0) {
    pcxScan->pinfoContainer = nullptr;
    pcxScan->cContainersReturned = 0;
    return TRUE;
  }
  constexpr CLFS_SCAN_MODE kModes = CLFS_SCAN_INIT | CLFS_SCAN_FORWARD | CLFS_SCAN_BACKWARD |
                                    CLFS_SCAN_INITIALIZED | CLFS_SCAN_BUFFERED;
  if (eScanMode == 0 || (eScanMode & ~kModes) != 0 || !cairn::win32::has_one_direction(eScanMode)) {
    return fail(ERROR_INVALID_PARAMETER);
  }
  return cairn::win32::step(*scan, eScanMode, pcxScan) ? TRUE : FALSE;
}
