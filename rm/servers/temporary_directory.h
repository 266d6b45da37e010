// A directory that is there as long as the object.
#ifndef CAIRN_RM_SERVERS_TEMPORARY_DIRECTORY_H_
#define CAIRN_RM_SERVERS_TEMPORARY_DIRECTORY_H_

#include <cstdlib>
#include <filesystem>
#include <string>

#include <cairn/uuid.h>

namespace cairn {

class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(
      const std::filesystem::path& in = std::filesystem::temp_directory_path())
      : path_(in / ("cairn-test-" + Uuid::generate().to_string())) {
    std::filesystem::create_directory(path_);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] std::string path() const { return path_.string(); }
  [[nodiscard]] std::string operator/(const std::string& name) const {
    return (path_ / name).string();
  }

 private:
  std::filesystem::path path_;
};

}  // namespace cairn

#endif  // CAIRN_RM_SERVERS_TEMPORARY_DIRECTORY_H_
