#include "file_locks.h"

namespace cairn::rm {
namespace {

constexpr std::uint64_t kNoWork = 0;

Status bad_path(std::string_view path, const std::string& what) {
  return Status(StatusCode::kInvalidArgument, "path \"" + std::string(path) + "\": " + what);
}

}  // namespace

Status check_path(std::string_view path) {
  if (path.empty()) return bad_path(path, "expected a path, found an empty one");
  if (path.size() > kMaxPath) {
    return Status(StatusCode::kInvalidArgument, "path: expected at most " +
                                                    std::to_string(kMaxPath) + " bytes, found " +
                                                    std::to_string(path.size()));
  }
  if (path.find('\0') != std::string_view::npos) return bad_path(path, "has a zero byte");
  if (path.front() == '/') return bad_path(path, "expected a relative path, found an absolute one");
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view name = path.substr(at, end - at);
    if (name.empty()) return bad_path(path, "has an empty name");
    if (name == "." || name == "..") {
      return bad_path(path, "has the name \"" + std::string(name) + "\"");
    }
    if (name.size() > kMaxName) {
      return bad_path(path, "expected names of at most " + std::to_string(kMaxName) +
                                " bytes, found " + std::to_string(name.size()));
    }
    at = end + 1;
  }
  return Status::ok();
}

std::string parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string() : std::string(path.substr(0, slash));
}

FileLocks::Holder FileLocks::in_the_way(const std::string& path, std::uint64_t work) const {
  Holder own;
  const auto look_at = [&](const auto& lock) {
    if (lock.second != work) return true;
    if (lock.first != path) own = {&lock.first, lock.second};
    return false;
  };
  for (std::string at = path; !at.empty(); at = parent_of(at)) {
    const auto found = locks_.find(at);
    if (found != locks_.end() && look_at(*found)) return {&found->first, found->second};
  }
  const std::string below = path + "/";
  for (auto next = locks_.lower_bound(below);
       next != locks_.end() && next->first.starts_with(below); ++next) {
    if (look_at(*next)) return {&next->first, next->second};
  }
  return own;
}

Status FileLocks::lock(const std::string& path, std::uint64_t work) {
  const Holder holder = in_the_way(path, work);
  if (holder.path == nullptr) {
    locks_.try_emplace(path, work);
    return Status::ok();
  }
  if (holder.work != work) {
    return Status(StatusCode::kLocked,
                  "path \"" + path + "\": an undecided transaction has \"" + *holder.path + "\"");
  }
  return bad_path(path, "this transaction has \"" + *holder.path +
                            "\" too, and one of them would be a directory");
}

Status FileLocks::check_free(const std::string& path) const {
  const Holder holder = in_the_way(path, kNoWork);
  if (holder.path == nullptr) return Status::ok();
  return Status(StatusCode::kLocked,
                "path \"" + path + "\": an undecided transaction has \"" + *holder.path + "\"");
}

void FileLocks::release(std::uint64_t work) {
  std::erase_if(locks_, [&](const auto& lock) { return lock.second == work; });
}

}  // namespace cairn::rm
