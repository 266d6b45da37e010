#include "file_syncs.h"

#include <array>
#include <utility>

namespace cairn::log {
namespace {

constexpr unsigned kSyncsAtOnce = 16;

}  // namespace

FileSyncs::~FileSyncs() { (void)finish(); }

Status FileSyncs::begin(std::string_view name) {
  if (queue_ == nullptr) {
    CAIRN_ASSIGN_OR_RETURN(queue_, directory_->make_queue(kSyncsAtOnce, lock_));
  }
  if (in_flight_ == queue_->depth()) CAIRN_RETURN_IF_ERROR(reap());
  CAIRN_ASSIGN_OR_RETURN(auto file, directory_->open(name, OpenMode::kReadWrite));
  CAIRN_RETURN_IF_ERROR(queue_->submit_sync(*file, files_.size()));
  files_.push_back(std::move(file));
  ++in_flight_;
  return Status::ok();
}

Status FileSyncs::reap() {
  std::array<Completion, kSyncsAtOnce> ended;
  CAIRN_ASSIGN_OR_RETURN(const std::size_t count, queue_->reap(ended, true));
  in_flight_ -= static_cast<unsigned>(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (failed_.is_ok()) failed_ = std::move(ended[i].status);
  }
  return Status::ok();
}

Status FileSyncs::finish() {
  while (in_flight_ > 0) {
    // A queue that is broken gives nothing back any more.
    if (Status broken = reap(); !broken.is_ok()) {
      in_flight_ = 0;
      return broken;
    }
  }
  return failed_;
}

}  // namespace cairn::log
