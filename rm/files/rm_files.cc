#include <array>
#include <utility>

#include <cairn/rm_files.h>

#include "file_core.h"
#include "posix_files.h"

namespace cairn::rm {

class FilesResourceManager::Impl final : public FileCore {
 public:
  using FileCore::FileCore;
  ~Impl() override { stop(); }
};

FilesResourceManager::FilesResourceManager(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FilesResourceManager::~FilesResourceManager() = default;

Result<std::unique_ptr<FilesResourceManager>> FilesResourceManager::open(
    tm::TransactionManager manager, FilesOptions options) {
  if (options.tree.empty()) {
    return Status(StatusCode::kInvalidArgument, "files: expected a tree, found none");
  }
  if (options.staging.empty()) {
    std::string tree = options.tree;
    while (tree.size() > 1 && tree.back() == '/') tree.pop_back();
    options.staging = tree + ".staging";
  }
  CAIRN_ASSIGN_OR_RETURN(auto files, PosixFiles::open(options.tree, options.staging));
  auto impl = std::make_unique<Impl>(std::move(files), std::move(manager), std::move(options));
  CAIRN_RETURN_IF_ERROR(impl->open());
  return std::unique_ptr<FilesResourceManager>(new FilesResourceManager(std::move(impl)));
}

Status FilesResourceManager::write(const tm::Transaction& transaction, std::string_view path,
                                   std::string_view contents) {
  return impl_->write(transaction, std::string(path), contents, false);
}
Status FilesResourceManager::create(const tm::Transaction& transaction, std::string_view path,
                                    std::string_view contents) {
  return impl_->write(transaction, std::string(path), contents, true);
}
Status FilesResourceManager::rename(const tm::Transaction& transaction, std::string_view from,
                                    std::string_view to) {
  return impl_->rename(transaction, std::string(from), std::string(to));
}
Status FilesResourceManager::remove(const tm::Transaction& transaction, std::string_view path) {
  return impl_->remove(transaction, std::string(path));
}
Result<std::string> FilesResourceManager::read(const tm::Transaction& transaction,
                                               std::string_view path) {
  return impl_->read(transaction, std::string(path));
}

Result<std::string> FilesResourceManager::read(std::string_view path,
                                               std::chrono::milliseconds limit) {
  const std::array<std::string, 1> paths{std::string(path)};
  CAIRN_ASSIGN_OR_RETURN(auto contents, impl_->read_together(paths, limit));
  if (contents.front()) return *std::move(contents.front());
  return Status(StatusCode::kNotFound, "path \"" + paths.front() + "\": no such file");
}

Result<std::vector<std::optional<std::string>>> FilesResourceManager::read_together(
    std::span<const std::string> paths, std::chrono::milliseconds limit) {
  return impl_->read_together(paths, limit);
}

const FilesRecovery& FilesResourceManager::recovery() const { return impl_->recovery(); }
Status FilesResourceManager::health() const { return impl_->health(); }

}  // namespace cairn::rm
