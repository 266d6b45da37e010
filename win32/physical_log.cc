#include "physical_log.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include <cairn/storage.h>

#include "ktm_objects.h"
#include "last_error.h"
#include "log_file.h"
#include "shared_logs.h"

namespace cairn::win32 {
namespace {

// The logs that are open, and the paths of those that are being deleted. Never destroyed.
struct OpenLogs {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<PhysicalLog>> by_path;
  std::set<std::string> going;

  static OpenLogs& get() {
    static OpenLogs* const logs = new OpenLogs;
    return *logs;
  }
};

// A directory that holds nothing, or a creation that did not come to its end.
bool is_log_without_containers(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_empty(path, error) ||
         std::filesystem::exists(path + "/base.cairn", error);
}

// The bits of a share mode that an access asks for.
DWORD share_bits(DWORD access) {
  return ((access & GENERIC_READ) != 0 ? FILE_SHARE_READ : 0) |
         ((access & GENERIC_WRITE) != 0 ? FILE_SHARE_WRITE : 0) |
         ((access & DELETE) != 0 ? FILE_SHARE_DELETE : 0);
}

bool changes(DWORD access) { return (access & (GENERIC_WRITE | DELETE)) != 0; }

// Whether a transaction manager of this process is in the stream.
bool holds_manager(const LogFile& file) {
  const auto log = file.physical().log();
  return log != nullptr && KtmNames::get().find_manager(*log, file.log_stream().name) != nullptr;
}

bool make_log_directory(const std::string& path) {
  const auto storage = log::make_storage();
  if (!storage) return fail(storage.status());
  const auto made = (*storage)->open_directory(path, true);
  return succeed_if(made.status(), {{StatusCode::kNotFound, ERROR_PATH_NOT_FOUND}, kNoDirectory});
}

}  // namespace

// --- opening ---

std::shared_ptr<LogFile> PhysicalLog::open(const ClfsName& name, const OpenRequest& request) {
  const std::string path = canonical_log_path(name.path);
  OpenLogs& logs = OpenLogs::get();
  std::shared_ptr<PhysicalLog> physical;  // its destructor locks, too: it outlives the guard
  bool existed = true;
  {
    const std::lock_guard lock(logs.mutex);
    if (logs.going.contains(path)) {
      fail(ERROR_ACCESS_DENIED, path + ": the log is being deleted");
      return nullptr;
    }
    if (const auto found = logs.by_path.find(path); found != logs.by_path.end()) {
      physical = found->second.lock();
    }
    if (physical == nullptr) {
      physical = open_on_disk(path, request, &existed);
      if (physical == nullptr) return nullptr;
      logs.by_path[path] = physical;
    }
  }
  auto file = physical->open_stream(name, request, existed);
  // Seen after the opening is: of the two that come at once, one at least sees the other.
  if (file != nullptr && changes(request.access) && holds_manager(*file)) {
    fail(ERROR_SHARING_VIOLATION,
         path + ": a transaction manager has the stream \"" + file->log_stream().name + "\" open");
    return nullptr;
  }
  return file;
}

bool PhysicalLog::is_changed_through_handles(const std::string& path, const std::string& stream) {
  OpenLogs& logs = OpenLogs::get();
  std::shared_ptr<PhysicalLog> physical;  // its destructor locks, too
  {
    const std::lock_guard lock(logs.mutex);
    const auto found = logs.by_path.find(canonical_log_path(path));
    if (found != logs.by_path.end()) physical = found->second.lock();
  }
  if (physical == nullptr) return false;
  const std::lock_guard lock(physical->mutex_);
  const auto found = physical->streams_.find(stream);
  return found != physical->streams_.end() &&
         std::ranges::any_of(found->second->openings,
                             [](const LogFile* file) { return changes(file->access()); });
}

std::shared_ptr<PhysicalLog> PhysicalLog::open_on_disk(const std::string& path,
                                                       const OpenRequest& request, bool* existed) {
  auto opened = SharedLogs::get().open(path);
  const StatusCode code = opened.code();
  if (!opened && code != StatusCode::kNotFound && code != StatusCode::kNotALog) {
    fail(opened.status(), {kNoDirectory});
    return nullptr;
  }
  std::error_code error;
  *existed = std::filesystem::exists(path, error);
  if (!opened && *existed && !is_log_without_containers(path)) {
    fail(opened.status());
    return nullptr;
  }
  if (!*existed && request.disposition == OPEN_EXISTING) {
    fail(opened.status());
    return nullptr;
  }
  if (!*existed && !make_log_directory(path)) return nullptr;
  std::shared_ptr<PhysicalLog> physical(new PhysicalLog(path));
  if (opened) {
    physical->log_ = *opened;
    physical->container_size_ = (*opened)->info().container_size;
    physical->kind_ = physical->kind_on_disk();
  } else if (!*existed) {
    physical->archive_at_creation_ = request.archive;
  }
  return physical;
}

PhysicalLog::Kind PhysicalLog::kind_on_disk() const {
  const std::vector<log::StreamInfo> streams = log_->list_streams();
  if (streams.empty()) return Kind::kUndecided;
  return std::ranges::any_of(streams, [](const auto& s) { return s.name == kDedicatedStream; })
             ? Kind::kDedicated
             : Kind::kMultiplexed;
}

std::shared_ptr<LogFile> PhysicalLog::open_stream(const ClfsName& name, const OpenRequest& request,
                                                  bool existed) {
  const std::lock_guard lock(mutex_);
  const auto refused = [&](DWORD error, const char* why) -> std::shared_ptr<LogFile> {
    fail(error, path_ + ": " + why);
    return nullptr;
  };
  if (delete_when_closed_) return refused(ERROR_ACCESS_DENIED, "the log is being deleted");
  if (name.multiplexed && kind_ == Kind::kDedicated) {
    return refused(ERROR_LOG_DEDICATED, "the log is a dedicated one and has no streams");
  }
  std::string key = name.stream;
  if (!name.multiplexed && kind_ != Kind::kMultiplexed) key = kDedicatedStream;
  const bool exists = stream_exists_locked(key, existed);
  if (exists && request.disposition == CREATE_NEW) {
    return refused(ERROR_ALREADY_EXISTS, "there is one of this name");
  }
  if (!exists && request.disposition == OPEN_EXISTING) {
    return refused(ERROR_FILE_NOT_FOUND, "there is no such stream");
  }
  const auto found = streams_.find(key);
  std::shared_ptr<LogStream> stream =
      found == streams_.end() ? std::make_shared<LogStream>(key) : found->second;
  if (stream->delete_when_closed || stream->reset_when_closed) {
    return refused(ERROR_ACCESS_DENIED, "the stream is being deleted or reset");
  }
  if (!may_share(*stream, request)) {
    return refused(ERROR_SHARING_VIOLATION, "it is open in a way that this one does not share");
  }
  if (log_ != nullptr && !key.empty() && found == streams_.end()) {
    auto opened = log_->open_or_create_stream(key);
    if (!opened) {
      fail_log(opened.status());
      return nullptr;
    }
    stream->stream = *opened;
  }
  if (kind_ == Kind::kUndecided) {
    kind_ = name.multiplexed ? Kind::kMultiplexed : Kind::kDedicated;
  }
  streams_[key] = stream;
  auto file = std::make_shared<LogFile>(shared_from_this(), stream, request);
  stream->openings.push_back(file.get());
  return file;
}

// A dedicated log and its stream are one thing: a crash between the two leaves a log of no kind
// yet. Of a log without containers nothing is known but that it is there.
bool PhysicalLog::stream_exists_locked(const std::string& key, bool existed) const {
  if (key == kDedicatedStream) return existed;
  if (key.empty() || log_ == nullptr) {
    const auto found = streams_.find(key);
    return found != streams_.end() || (existed && (key.empty() || streams_.empty()));
  }
  if (streams_.contains(key)) return true;
  const std::vector<log::StreamInfo> streams = log_->list_streams();
  return std::ranges::any_of(streams, [&](const auto& info) { return info.name == key; });
}

bool PhysicalLog::may_share(const LogStream& stream, const OpenRequest& request) {
  return std::ranges::all_of(stream.openings, [&](const LogFile* other) {
    return (share_bits(request.access) & ~other->share()) == 0 &&
           (share_bits(other->access()) & ~request.share) == 0;
  });
}

// --- what is open ---

std::shared_ptr<log::Log> PhysicalLog::log() const {
  const std::lock_guard lock(mutex_);
  return log_;
}

std::shared_ptr<log::Log> PhysicalLog::need_log() const {
  auto found = log();
  if (found == nullptr) fail(ERROR_LOG_NOT_ENOUGH_CONTAINERS, path_ + ": it has no containers");
  return found;
}

std::uint64_t PhysicalLog::container_size() const {
  const std::lock_guard lock(mutex_);
  return container_size_;
}

LsnCodec PhysicalLog::codec() const {
  const std::uint64_t size = container_size();
  return size == 0 ? LsnCodec() : LsnCodec(size);
}

bool PhysicalLog::is_dedicated() const {
  const std::lock_guard lock(mutex_);
  return kind_ == Kind::kDedicated;
}

// Once without threads, so that exactly so many containers are there when it is opened with them.
Status PhysicalLog::create(std::uint64_t container_size, std::uint32_t containers) {
  log::CreateOptions create_options;
  create_options.container_size = container_size;
  log::OpenOptions options;
  options.background = log::Background::kManual;
  auto made = log::Log::create(path_, create_options, options);
  if (made) {
    log::Policies policies_now = (*made)->policies();
    policies_now.growth = 0;
    policies_now.ahead = 1;
    policies_now.spare_max = kMaxLogContainers + 1;
    CAIRN_RETURN_IF_ERROR((*made)->set_policies(policies_now));
    const auto there = static_cast<std::uint32_t>((*made)->info().space.containers);
    if (there < containers) CAIRN_RETURN_IF_ERROR((*made)->add_containers(containers - there));
    CAIRN_RETURN_IF_ERROR((*made)->close());
  } else if (made.code() != StatusCode::kAlreadyExists) {
    return made.status();
  }
  CAIRN_ASSIGN_OR_RETURN(std::shared_ptr<log::Log> opened, SharedLogs::get().open(path_));
  const std::uint64_t size = opened->info().container_size;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, stream] : streams_) {
    if (key.empty()) continue;
    CAIRN_ASSIGN_OR_RETURN(stream->stream, opened->open_or_create_stream(key));
  }
  if (archive_at_creation_) CAIRN_RETURN_IF_ERROR(opened->set_archive_tail());
  container_size_ = size;
  log_ = std::move(opened);
  return {};
}

// --- closing ---

void PhysicalLog::delete_when_closed() {
  OpenLogs& logs = OpenLogs::get();
  const std::lock_guard logs_lock(logs.mutex);
  const std::lock_guard lock(mutex_);
  logs.going.insert(path_);
  delete_when_closed_ = true;
}

void PhysicalLog::delete_stream_when_closed(LogStream& stream) {
  const std::lock_guard lock(mutex_);
  stream.delete_when_closed = true;
}

void PhysicalLog::reset_stream_when_closed(LogStream& stream) {
  const std::lock_guard lock(mutex_);
  stream.reset_when_closed = true;
}

void PhysicalLog::close_opening(const LogFile& file) {
  const std::lock_guard lock(mutex_);
  LogStream& stream = file.log_stream();
  std::erase(stream.openings, &file);
  if (!stream.openings.empty()) return;
  const bool gone = stream.delete_when_closed || stream.reset_when_closed;
  if (gone && log_ != nullptr && !delete_when_closed_) {
    // An error leaves the stream there, which the next opening shows; there is nobody to tell.
    const Status deleted = log_->delete_stream(stream.name);
    if (deleted.is_ok() && stream.reset_when_closed && !stream.delete_when_closed) {
      (void)log_->create_stream(stream.name);
    }
  }
  streams_.erase(stream.name);
}

PhysicalLog::~PhysicalLog() {
  if (log_ != nullptr && !delete_when_closed_) close_policies();
  const bool has_containers = log_ != nullptr;
  log_.reset();
  OpenLogs& logs = OpenLogs::get();
  const std::lock_guard lock(logs.mutex);
  if (delete_when_closed_) {
    if (has_containers) (void)log::Log::remove(path_);
    (void)::rmdir(path_.c_str());
    logs.going.erase(path_);
  }
  if (const auto found = logs.by_path.find(path_);
      found != logs.by_path.end() && found->second.expired()) {
    logs.by_path.erase(found);
  }
}

// Policies end with the last handle: the log no longer grows by itself.
void PhysicalLog::close_policies() {
  const log::Policies now = log_->policies();
  const log::Policies then = LogPolicies().applied_to(
      now, container_size_, static_cast<std::uint32_t>(log_->info().space.containers));
  if (policies_applied && !(now == then)) (void)log_->set_policies(then);
}

// --- archives ---

void PhysicalLog::begin_archive() {
  const std::lock_guard lock(mutex_);
  ++archives_;
}

Status PhysicalLog::end_archive() {
  std::optional<Lsn> tail;
  std::shared_ptr<log::Log> of;
  {
    const std::lock_guard lock(mutex_);
    if (--archives_ > 0) return {};
    tail = std::exchange(archive_tail_wanted_, std::nullopt);
    of = log_;
  }
  return tail ? of->set_archive_tail(*tail) : Status();
}

Status PhysicalLog::set_archive_tail(Lsn lsn) {
  std::shared_ptr<log::Log> of;
  {
    const std::lock_guard lock(mutex_);
    of = log_;
    if (archives_ > 0) {
      const Lsn now = of->archive_tail();
      if (lsn < now || lsn > of->durable_lsn()) {
        return Status(StatusCode::kLsnInvalid,
                      "archive tail: expected an LSN from " + now.to_string() + " to " +
                          of->durable_lsn().to_string() + ", found " + lsn.to_string());
      }
      archive_tail_wanted_ = std::max(archive_tail_wanted_.value_or(lsn), lsn);
      return {};
    }
  }
  return of->set_archive_tail(lsn);
}

}  // namespace cairn::win32
