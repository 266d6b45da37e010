#include "last_resource_core.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "names/branch_name.h"

namespace cairn::rm {
namespace {

bool has_ended(const tm::Enlistment& enlistment) {
  using State = tm::EnlistmentState;
  const auto now = enlistment.information();
  return !now || now->state == State::kCommitted || now->state == State::kAborted ||
         now->state == State::kForgotten || now->state == State::kOutcomeUnavailable;
}

}  // namespace

LastResourceManager::Impl::Impl(tm::TransactionManager manager,
                                std::shared_ptr<LastResource> resource, LastResourceOptions options)
    : manager_(std::move(manager)),
      resource_(std::move(resource)),
      options_(std::move(options)),
      prefix_([this] {  // what all names have in common: all but the unit of work
        const std::string name = BranchName{manager_.id(), options_.id, {}}.to_string();
        return name.substr(0, name.size() - Uuid{}.to_string().size());
      }()) {}

// The enlistment tells two uses of one unit of work apart.
std::string LastResourceManager::Impl::marker_of(const Uuid& transaction,
                                                 const Uuid& enlistment) const {
  return prefix_ + transaction.to_string() + ":" + enlistment.to_string();
}

// Written by a manager that was renamed since, it names the former identity.
std::string LastResourceManager::Impl::found_marker(const std::string& marker) const {
  const auto past_manager = [](const std::string& text) {
    return text.substr(std::min(text.size(), BranchName::kManagerEnd));
  };
  const auto found = std::find_if(found_.begin(), found_.end(), [&](const std::string& one) {
    return past_manager(one) == past_manager(marker);
  });
  return found == found_.end() ? std::string() : *found;
}

// Whoever was this resource manager before is stopped first, at the manager. What it had begun in
// the database ends before the markers are read.
Status LastResourceManager::Impl::open() {
  if (options_.id.is_null()) {
    return Status(StatusCode::kInvalidArgument, "last resource: expected an id, found null");
  }
  if (!resource_) {
    return Status(StatusCode::kInvalidArgument, "last resource: expected a database, found none");
  }
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) {
    return Status(StatusCode::kResourceExhausted,
                  std::string("last resource: eventfd: ") + std::strerror(errno));
  }
  CAIRN_ASSIGN_OR_RETURN(session_, manager_.open_or_create_resource_manager(
                                       options_.id, tm::RmKind::kDurable, options_.description));
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> found,
                         resource_->markers(prefix_.substr(0, BranchName::kManagerBegin)));
  found_.insert(found.begin(), found.end());
  CAIRN_RETURN_IF_ERROR(session_.recover());
  while (!last_recover_) {
    CAIRN_RETURN_IF_ERROR(hear_all());
    if (!last_recover_) CAIRN_RETURN_IF_ERROR(wait());
  }
  clear_unoffered();
  server_ = std::thread(&Impl::serve, this);
  return Status::ok();
}

LastResourceManager::Impl::~Impl() {
  stopping_ = true;
  wake();
  if (server_.joinable()) server_.join();
  {
    const std::lock_guard lock(mutex_);
    for (auto& [key, part] : parts_) part->is_open = false;
    left_.notify_all();
  }
  // What is left is cleared away at the next opening.
  if (!obsolete_.empty()) static_cast<void>(resource_->clear(obsolete_));
  if (wake_fd_ >= 0) ::close(wake_fd_);
}

// ---- Clients

Status LastResourceManager::Impl::work(const tm::Transaction& transaction,
                                       const Function& function) {
  if (!function) {
    return Status(StatusCode::kInvalidArgument, "last resource: expected work, found none");
  }
  CAIRN_ASSIGN_OR_RETURN(const auto part, part_of(transaction));
  CAIRN_RETURN_IF_ERROR(enter(*part));
  Status done = function(*part->branch);
  leave(*part, done);
  return done;
}

Result<LastResourceManager::Impl::PartPointer> LastResourceManager::Impl::part_of(
    const tm::Transaction& transaction) {
  // One that has ended, and of which the end was not heard yet, is of an earlier use of the unit of
  // work: it can begin again at once.
  const auto find = [&]() -> PartPointer {
    for (const auto& [key, part] : parts_) {
      if (part->transaction == transaction.id() && !has_ended(part->enlistment)) return part;
    }
    return nullptr;
  };
  {
    const std::lock_guard lock(mutex_);
    CAIRN_RETURN_IF_ERROR(health_);
    if (auto part = find()) return part;
  }
  CAIRN_ASSIGN_OR_RETURN(auto branch, resource_->begin());
  const std::lock_guard lock(mutex_);
  CAIRN_RETURN_IF_ERROR(health_);
  if (auto part = find()) return part;  // two clients began at once
  const auto part = std::make_shared<Part>();
  part->key = next_key_++;
  part->transaction = transaction.id();
  part->branch = std::move(branch);
  part->is_open = true;
  parts_.emplace(part->key, part);
  auto enlistment = session_.enlist(transaction, tm::kSuperior, part->key, {.superior = true});
  if (!enlistment) {
    parts_.erase(part->key);
    return enlistment.status();
  }
  part->enlistment = *enlistment;
  part->marker = marker_of(part->transaction, enlistment->id());
  return part;
}

Status LastResourceManager::Impl::enter(Part& part) {
  std::unique_lock lock(mutex_);
  left_.wait(lock, [&] { return !part.in_use || !part.is_open; });
  if (!part.is_open) {
    return Status(StatusCode::kNotActive,
                  "unit of work " + part.transaction.to_string() +
                      " takes no more work in the last resource: its commit was asked for, or it "
                      "was rolled back");
  }
  part.in_use = true;
  return Status::ok();
}

void LastResourceManager::Impl::leave(Part& part, const Status& done) {
  const std::lock_guard lock(mutex_);
  if (part.failure) part.failure = done;  // the first one is the reason
  part.in_use = false;
  left_.notify_all();
  if (!part.is_open) wake();
}

Status LastResourceManager::Impl::health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

void LastResourceManager::Impl::wake() const {
  const std::uint64_t one = 1;
  if (wake_fd_ >= 0) static_cast<void>(!::write(wake_fd_, &one, sizeof one));
}

// ---- The public face

LastResourceManager::LastResourceManager(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LastResourceManager::~LastResourceManager() = default;

Result<std::unique_ptr<LastResourceManager>> LastResourceManager::open(
    tm::TransactionManager manager, std::shared_ptr<LastResource> resource,
    LastResourceOptions options) {
  auto impl = std::make_unique<Impl>(std::move(manager), std::move(resource), std::move(options));
  CAIRN_RETURN_IF_ERROR(impl->open());
  return std::unique_ptr<LastResourceManager>(new LastResourceManager(std::move(impl)));
}

Status LastResourceManager::work(const tm::Transaction& transaction, const Function& function) {
  return impl_->work(transaction, function);
}
const LastResourceRecovery& LastResourceManager::recovery() const { return impl_->recovery(); }
Status LastResourceManager::health() const { return impl_->health(); }

}  // namespace cairn::rm
