#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <cairn/rm_berkeley_db.h>

namespace cairn::rm {

Status from_berkeley_db(int error, const std::string& what) {
  if (error == 0) return Status::ok();
  StatusCode code = error > 0 ? StatusCode::kIoError : StatusCode::kInvalidState;
  switch (error) {
    case DB_LOCK_DEADLOCK:
    case DB_LOCK_NOTGRANTED:
      code = StatusCode::kLocked;
      break;
    case DB_NOTFOUND:
    case DB_KEYEMPTY:
    case ENOENT:
      code = StatusCode::kNotFound;
      break;
    case DB_KEYEXIST:
      code = StatusCode::kAlreadyExists;
      break;
    case EINVAL:
      code = StatusCode::kInvalidArgument;
      break;
    case ENOSPC:
      code = StatusCode::kNoSpace;
      break;
    case EACCES:
    case EPERM:
      code = StatusCode::kPermissionDenied;
      break;
    case ENOMEM:
      code = StatusCode::kResourceExhausted;
      break;
    default:
      break;
  }
  StatusDetail detail;
  detail.os_error = error > 0 ? error : 0;
  return Status(code, "Berkeley DB: " + what + ": " + ::db_strerror(error), std::move(detail));
}

Result<std::unique_ptr<BerkeleyDbEnvironment>> BerkeleyDbEnvironment::open(
    const std::string& directory, std::uint64_t cache) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return from_berkeley_db(errno, "making " + directory);
  }
  std::unique_ptr<BerkeleyDbEnvironment> opened(new BerkeleyDbEnvironment());
  const std::string lock = directory + "/cairn.lock";
  opened->lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (opened->lock_ < 0) return from_berkeley_db(errno, lock);
  if (::flock(opened->lock_, LOCK_EX | LOCK_NB) != 0) {
    return Status(StatusCode::kLocked, lock +
                                           ": another process, or another object of this one, "
                                           "has the environment");
  }
  DB_ENV*& environment = opened->environment_;
  CAIRN_RETURN_IF_ERROR(from_berkeley_db(::db_env_create(&environment, 0), "db_env_create"));
  constexpr std::uint64_t kGigabyte = std::uint64_t{1} << 30;
  CAIRN_RETURN_IF_ERROR(from_berkeley_db(
      environment->set_cachesize(environment, static_cast<u_int32_t>(cache / kGigabyte),
                                 static_cast<u_int32_t>(cache % kGigabyte), 1),
      "set_cachesize"));
  // Private: the regions lie in this process, so nothing of them outlives it.
  constexpr u_int32_t kFlags = DB_CREATE | DB_INIT_LOCK | DB_INIT_LOG | DB_INIT_MPOOL |
                               DB_INIT_TXN | DB_PRIVATE | DB_RECOVER | DB_THREAD;
  const int error = environment->open(environment, directory.c_str(), kFlags, 0600);
  CAIRN_RETURN_IF_ERROR(from_berkeley_db(error, "opening and recovering " + directory));
  return opened;
}

BerkeleyDbEnvironment::~BerkeleyDbEnvironment() {
  if (environment_ != nullptr) static_cast<void>(environment_->close(environment_, 0));
  if (lock_ >= 0) ::close(lock_);
}

}  // namespace cairn::rm
