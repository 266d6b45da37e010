// PosixFiles: the file system.
//
// A path is walked name by name with O_NOFOLLOW from a descriptor of the tree, so that no symbolic
// link, whoever makes it when, leads out.
#ifndef CAIRN_RM_FILES_POSIX_FILES_H_
#define CAIRN_RM_FILES_POSIX_FILES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "file_operations.h"

namespace cairn::rm {

// A file descriptor, closed with the object.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor();
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }

 private:
  int fd_;
};

class PosixFiles final : public FileOperations {
 public:
  // Makes `staging` if it is not there, and holds it until destruction. Errors: kNotFound (`tree`),
  // kInvalidArgument (not one mounted file system, or one in the other), kLocked (someone has
  // `staging`), and those of the file system.
  [[nodiscard]] static Result<std::unique_ptr<PosixFiles>> open(const std::string& tree,
                                                                const std::string& staging);

  [[nodiscard]] Result<std::optional<std::uint64_t>> size_of(const std::string& path) override;
  [[nodiscard]] Result<std::unique_ptr<OpenFile>> open(const std::string& path) override;
  [[nodiscard]] Result<std::unique_ptr<OpenFile>> open_staged(const std::string& name) override;
  [[nodiscard]] Result<std::vector<std::string>> list_staged() override;
  [[nodiscard]] Status write_staged(const std::string& name, std::string_view contents,
                                    const std::string& path) override;
  [[nodiscard]] Status link_staged(const std::string& path, const std::string& name) override;
  [[nodiscard]] Status sync_staged(const std::string& name) override;
  [[nodiscard]] Status sync_staging() override;
  [[nodiscard]] Status remove_staged(const std::string& name) override;
  [[nodiscard]] Status publish(const std::string& name, const std::string& path) override;
  [[nodiscard]] Status remove(const std::string& path) override;
  [[nodiscard]] Result<bool> make_directory(const std::string& path) override;
  [[nodiscard]] Status sync_directory(const std::string& path) override;

 private:
  // Where a directory is mounted: names move within one of these only.
  struct Mount {
    std::uint64_t device = 0;
    std::uint64_t id = 0;
    friend bool operator==(const Mount&, const Mount&) = default;
  };

  PosixFiles(std::string tree_path, std::string staging_path)
      : tree_path_(std::move(tree_path)), staging_path_(std::move(staging_path)) {}
  [[nodiscard]] Status check_apart();  // and notes the mount
  [[nodiscard]] static Result<Mount> mount_of(int directory, const std::string& path);
  // "": the tree. Errors: kNotFound, kInvalidArgument.
  [[nodiscard]] Result<Descriptor> open_directory(const std::string& path) const;
  [[nodiscard]] std::string in_tree(const std::string& path) const;
  [[nodiscard]] std::string in_staging(const std::string& name) const;

  std::string tree_path_;
  std::string staging_path_;
  Descriptor tree_;
  Descriptor staging_;
  Mount mount_;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_FILES_POSIX_FILES_H_
