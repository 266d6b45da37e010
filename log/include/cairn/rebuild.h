// Rebuild: a new base log from the containers alone.
//
// The base log is a hint: everything in it can be found in the containers. When both its slots are
// damaged, or the file is gone, rebuild_base_log() finds it again.
#ifndef CAIRN_REBUILD_H_
#define CAIRN_REBUILD_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <cairn/lsn.h>
#include <cairn/options.h>
#include <cairn/result.h>
#include <cairn/uuid.h>
#include <cairn/verdict.h>

namespace cairn::log {

struct RebuildOptions {
  std::shared_ptr<Storage> storage{};  // null: make_storage(kAuto)
  // Write a new base log although the one that is there is sound.
  bool replace_sound = false;
  // How long to wait for another opener, or another rebuild, to go away.
  std::chrono::milliseconds lock_wait{2000};
};

struct RebuildReport {
  std::string base_log;  // what was wrong with the old one, or that it was sound
  Uuid id;
  std::uint64_t container_size = 0;
  std::uint64_t first_container = 0;  // the oldest and the newest that the log needs
  std::uint64_t last_container = 0;
  Lsn tail;
  Lsn scan_start;  // where opening will begin to read
  EndOfLog end_of_log;
  std::vector<std::string> notes;  // files that were left out, and why
};

// Reads all containers of the log in `path`, judges where it ends as opening does, and writes a
// base log that says so. Containers are made durable and not changed. After a crash in between
// there is no sound base log, and it can be called again, or there is the new one. Takes the lock
// of the log meanwhile, also where there is no base log: a process that has the log open although
// its base log was removed, and another rebuild, get or give kLocked. (Where the file system cannot
// lock directories, such as NFS, only other rebuilds are seen then.) Errors, and nothing was
// written: kNotFound; kNotALog (no containers); kAlreadyExists (the base log is sound); kCorrupt
// (containers are damaged, of another log, doubled or swapped: which is named); kContainerMissing;
// kContainerSize; kNewerVersion; kLocked; kPermissionDenied; kIoError.
[[nodiscard]] Result<RebuildReport> rebuild_base_log(const std::string& path,
                                                     const RebuildOptions& options = {});

}  // namespace cairn::log

#endif  // CAIRN_REBUILD_H_
