// FileLocks: which work has which path. And what a path is.
#ifndef CAIRN_RM_FILES_FILE_LOCKS_H_
#define CAIRN_RM_FILES_FILE_LOCKS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <cairn/status.h>

namespace cairn::rm {

inline constexpr std::size_t kMaxPath = 4096;  // bytes
inline constexpr std::size_t kMaxName = 255;   // bytes

// Whether it is relative and stays below where it begins. Error: kInvalidArgument.
[[nodiscard]] Status check_path(std::string_view path);
// "a/b" of "a/b/c"; "" of "a".
[[nodiscard]] std::string parent_of(std::string_view path);

// A lock on a path keeps other works from it, from the paths above it, which it needs as
// directories, and from those below it, which need it as one. Not thread-safe.
class FileLocks {
 public:
  // Held until release(); a work may lock a path again. Errors: kLocked (by another work),
  // kInvalidArgument (this work has a path above or below it).
  [[nodiscard]] Status lock(const std::string& path, std::uint64_t work);
  // Error: kLocked, with the path that is in the way.
  [[nodiscard]] Status check_free(const std::string& path) const;
  // All locks of the work.
  void release(std::uint64_t work);

 private:
  struct Holder {
    const std::string* path = nullptr;
    std::uint64_t work = 0;
  };
  // Of a lock that is in the way of `work`; another's before one of its own.
  [[nodiscard]] Holder in_the_way(const std::string& path, std::uint64_t work) const;

  std::map<std::string, std::uint64_t> locks_;  // to the work
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_FILES_FILE_LOCKS_H_
