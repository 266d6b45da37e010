// Real file systems on a block device that is a file: loop devices, mkfs, mount.
#ifndef CAIRN_TORTURE_FILE_SYSTEM_H_
#define CAIRN_TORTURE_FILE_SYSTEM_H_

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/result.h>

namespace cairn::torture {

// How a file system is made and mounted here.
struct FileSystemKind {
  const char* name;
  std::vector<const char*> make;  // the command; the device is added
  const char* mount_options;
  std::uint64_t disk_bytes;
};

[[nodiscard]] std::span<const FileSystemKind> file_system_kinds();
// Null: there is none of that name.
[[nodiscard]] const FileSystemKind* find_file_system(std::string_view name);

// Whether this process may make such a file system and mount it: root, /dev/fuse, loop devices, the
// kernel's driver and the command that makes it. Error: kNotSupported, which says what is missing.
[[nodiscard]] Status can_mount(const FileSystemKind& kind);

// A loop device on a file. The kernel lets it go when the last who has it open is gone, be it
// because the process was killed.
class LoopDevice {
 public:
  [[nodiscard]] static Result<std::unique_ptr<LoopDevice>> attach(const std::string& file);
  ~LoopDevice();
  LoopDevice(const LoopDevice&) = delete;
  LoopDevice& operator=(const LoopDevice&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  // Nothing is kept of what was read: the file has changed. REQUIRES: it is not mounted.
  [[nodiscard]] Status forget_cache();

 private:
  LoopDevice(std::string path, int device) : path_(std::move(path)), device_(device) {}
  const std::string path_;
  const int device_;
};

// Makes an empty file system on the device. Errors: kNotFound (no such command), kIoError with what
// the command said, as it put it into the file `log`.
[[nodiscard]] Status make_file_system(const FileSystemKind& kind, const std::string& device,
                                      const std::string& log);

// A mounted file system; unmounted by destruction.
class Mount {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Mount>> make(const FileSystemKind& kind,
                                                           const std::string& device,
                                                           const std::string& directory);
  ~Mount();
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;
  // REQUIRES: no file of it is open. Error: kIoError.
  [[nodiscard]] Status unmount();

 private:
  explicit Mount(std::string directory) : directory_(std::move(directory)) {}
  const std::string directory_;
  bool mounted_ = true;
};

// From here on this process, which must have one thread, and those it starts see mounts of their
// own, which end with them. `directory`, which is there, becomes an empty one in memory.
[[nodiscard]] Status enter_private_mounts(const std::string& directory);

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_FILE_SYSTEM_H_
