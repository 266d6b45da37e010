#include "storage/posix_queue.h"

#include <sys/uio.h>

#include <cerrno>

#include "storage/kernel_file.h"

namespace cairn::log {

namespace {

// 0, or the error.
int write_all(int fd, std::uint64_t offset, std::span<const std::byte> data, int flags) {
  std::size_t done = 0;
  while (done < data.size()) {
    const iovec piece{const_cast<std::byte*>(data.data()) + done, data.size() - done};
    const ssize_t put = ::pwritev2(fd, &piece, 1, static_cast<off_t>(offset + done), flags);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return put == 0 ? EIO : errno;
    done += static_cast<std::size_t>(put);
  }
  return 0;
}

}  // namespace

Status write_and_wait(File& file, std::uint64_t offset, std::span<const std::byte> data,
                      bool durable, DurableFlag& flag) {
  const int fd = static_cast<const KernelFile&>(file).fd();
  bool by_flag = durable && flag.by_flag();
  int error = write_all(fd, offset, data, by_flag ? RWF_DSYNC : 0);
  if (by_flag && DurableFlag::may_be_refusal(error)) {
    const int refusal = std::exchange(error, write_all(fd, offset, data, 0));
    by_flag = false;
    if (error == 0) flag.refuse(refusal);
  }
  Status status = error == 0 ? Status::ok() : os_status(file.name(), "pwritev2", error);
  if (status.is_ok() && durable && !by_flag) status = file.sync();
  return status;
}

Status PosixQueue::submit_write(File& file, std::uint64_t offset, std::span<const std::byte> data,
                                bool durable, std::uint64_t tag) {
  complete(tag, write_and_wait(file, offset, data, durable, *durable_));
  return Status::ok();
}

Status PosixQueue::write_now(File& file, std::uint64_t offset, std::span<const std::byte> data,
                             bool durable) {
  return write_and_wait(file, offset, data, durable, *durable_);
}

Status PosixQueue::submit_sync(File& file, std::uint64_t tag) {
  complete(tag, file.sync());
  return Status::ok();
}

void PosixQueue::complete(std::uint64_t tag, Status status) {
  {
    const std::lock_guard lock(mutex_);
    done_.push_back({tag, std::move(status)});
  }
  done_cv_.notify_one();
}

Result<std::size_t> PosixQueue::reap(std::span<Completion> out, bool wait) {
  std::unique_lock lock(mutex_);
  if (wait) done_cv_.wait(lock, [this] { return !done_.empty(); });
  std::size_t count = 0;
  while (count < out.size() && !done_.empty()) {
    out[count++] = std::move(done_.front());
    done_.pop_front();
  }
  return count;
}

}  // namespace cairn::log
