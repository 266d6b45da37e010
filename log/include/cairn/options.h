// Options of a log. Those marked "fixed" are chosen when the log is created and read from it later.
#ifndef CAIRN_OPTIONS_H_
#define CAIRN_OPTIONS_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include <cairn/stall.h>
#include <cairn/storage.h>

namespace cairn::log {

inline constexpr std::uint64_t kMinContainerSize = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kMaxContainerSize = std::uint64_t{1} << 30;
// Block writes in flight at once where nothing else is known.
inline constexpr std::uint32_t kDefaultDepth = 4;

struct CreateOptions {
  // Bytes per container, fixed. A power of two, 1 MiB to 1 GiB. Larger: fewer switches, coarser
  // space recycling, more space held by an old base.
  std::uint64_t container_size = std::uint64_t{64} << 20;
  // Bytes that all containers together may take; a multiple of container_size is used, at least 4
  // containers. Appends meet LogFull beyond it. 0: no maximum but the file system's.
  std::uint64_t max_size = 0;
  // Bytes of one log block, the largest unit of writing and a bound on a record, fixed. A power of
  // two, 64 KiB to 1 MiB, at most container_size / 16. 0: the largest allowed.
  std::uint32_t block_size = 0;
  // Bytes every block write is padded to, fixed. A power of two, 512 to 4096. 0: the storage's
  // physical sector size (a smaller unit saves space and makes such a device read, merge and
  // rewrite).
  std::uint32_t alignment = 0;
  // Measure how the device is best written to and keep that in the log (cairn/calibration.h). Takes
  // about a third of a second and a MiB of space meanwhile; not done where it says nothing
  // (StorageInfo::measurable). That it could not be done is no error of the creation, except where
  // a write failed (kIoError); LogInfo::calibration_note says why there is none.
  bool calibrate = true;
};

enum class Background {
  // Threads of the log: one for housekeeping (idle watermark, callbacks, recycling), one that makes
  // containers ahead, and a few for each of up to four who read a long stretch forward.
  kThread,
  // No thread: the caller runs Log::run_background(). For simulations and single-threaded programs.
  kManual,
};

// The time, for measuring how long something takes. Thread-safe; never goes back.
using TimeSource = std::function<std::chrono::steady_clock::time_point()>;

struct OpenOptions {
  // Where the bytes live; null: make_storage(kAuto).
  std::shared_ptr<Storage> storage{};
  // Log blocks in memory, 4 to 64; fewer where they would take more than a quarter of a container.
  // Their total size bounds the bytes in flight, and is the distance by which LSNs may jump after a
  // crash. 0: 8, or as many as the depth asks for.
  std::uint32_t blocks = 0;
  // Block writes in flight at once, 1 to 32 (of blocks that go before they are full, two); at most
  // the number of blocks less 2, and at most what the storage takes. 0: as calibrated, or
  // kDefaultDepth. LogInfo::depth says what runs and why.
  std::uint32_t depth = 0;
  // How long to wait for another opener to go away. A killed process may hold the log until its
  // last write ended.
  std::chrono::milliseconds lock_wait{2000};
  // How blocks become durable that someone waits for; may be another at each opening. kAutomatic:
  // as calibrated, or as the storage says.
  // LogInfo::storage says what runs and why.
  DurableWrites durable_writes = DurableWrites::kAutomatic;
  // After this long without appends the durable watermark is written, so that from then on damage
  // to every byte can be told from a torn tail. 0: only at close.
  std::chrono::milliseconds idle_mark{20};
  Background background = Background::kThread;
  // A write in flight for longer than this has stalled: on_stall is told, once, and once more when
  // it ended. Told by a thread that the log has for this alone while the limit is set (the other
  // one may be waiting for that very write), which looks every half limit; with Background::kManual
  // by run_background(). At most 24 hours; 0: nobody looks.
  std::chrono::milliseconds stall_limit{0};
  StallCallback on_stall{};  // null: stalls are only counted
  // What latencies and stalls are measured with; null: the steady clock. Waits with a limit use the
  // steady clock always.
  TimeSource time{};
};

}  // namespace cairn::log

#endif  // CAIRN_OPTIONS_H_
