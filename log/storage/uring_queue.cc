#include "storage/uring_queue.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "storage/kernel_file.h"
#include "storage/posix_queue.h"

namespace cairn::log {

Result<std::unique_ptr<UringQueue>> UringQueue::create(unsigned depth, const KernelLock* lock,
                                                       std::shared_ptr<DurableFlag> durable) {
  std::unique_ptr<UringQueue> queue(
      new UringQueue(std::clamp(depth, 1U, kMaxDepth), std::move(durable)));
  // No SQPOLL: it would burn one processor for the few calls that a log makes. No SINGLE_ISSUER:
  // whichever thread waits for the log submits and reaps.
  if (const int error = io_uring_queue_init(kMaxDepth, &queue->ring_, 0); error < 0) {
    queue->ring_.ring_fd = -1;
    return Status(StatusCode::kNotSupported,
                  std::string("io_uring_setup: ") + std::strerror(-error));
  }
  CAIRN_RETURN_IF_ERROR(queue->check_operations());
  if (lock != nullptr) {
    const std::vector<int> fds = lock->fds();
    const auto count = static_cast<unsigned>(fds.size());
    if (const int error = io_uring_register_files(&queue->ring_, fds.data(), count); error < 0) {
      return Status(StatusCode::kNotSupported,
                    std::string("io_uring_register_files: ") + std::strerror(-error));
    }
  }
  return queue;
}

// A ring may be had where the kernel, or a filter of system calls, knows other operations only.
Status UringQueue::check_operations() {
  const std::unique_ptr<io_uring_probe, void (*)(io_uring_probe*)> probe(
      io_uring_get_probe_ring(&ring_), io_uring_free_probe);
  if (probe == nullptr)
    return Status(StatusCode::kNotSupported, "io_uring_register_probe: refused");
  for (const int operation : {IORING_OP_WRITE, IORING_OP_FSYNC}) {
    if (io_uring_opcode_supported(probe.get(), operation) == 0) {
      return Status(StatusCode::kNotSupported,
                    "io_uring: operation " + std::to_string(operation) + " is not supported");
    }
  }
  return Status::ok();
}

UringQueue::~UringQueue() {
  if (ring_.ring_fd < 0) return;
  // Buffers of requests in flight belong to the caller: none may be left when he frees them.
  std::array<Completion, kMaxDepth> ended;
  while (in_flight_ > 0 && reap(ended, true).is_ok()) {
  }
  io_uring_queue_exit(&ring_);
}

Result<unsigned> UringQueue::take_slot() {
  for (unsigned i = 0; i < kMaxDepth; ++i) {
    if (!requests_[i].used) return i;
  }
  return Status(StatusCode::kResourceExhausted, "more requests in flight than the queue is deep");
}

Status UringQueue::start(unsigned slot) {
  if (!broken_.is_ok()) return broken_;
  Request& request = requests_[slot];
  const int fd = static_cast<const KernelFile&>(*request.file).fd();
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  if (sqe == nullptr) return Status(StatusCode::kResourceExhausted, "submission queue is full");
  if (request.is_sync) {
    io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
  } else {
    io_uring_prep_write(sqe, fd, request.rest.data(), static_cast<unsigned>(request.rest.size()),
                        request.offset);
    sqe->rw_flags = request.by_flag ? RWF_DSYNC : 0;
  }
  io_uring_sqe_set_data64(sqe, slot);
  int submitted = io_uring_submit(&ring_);
  for (unsigned tries = 1; submitted == -EINTR || submitted == -EAGAIN;) {
    if (submitted == -EAGAIN && tries++ == kSubmitTries) break;
    std::this_thread::yield();
    submitted = io_uring_submit(&ring_);
  }
  if (submitted < 0) broken_ = os_status(request.file->name(), "io_uring_enter", -submitted);
  return broken_;
}

Status UringQueue::submit_write(File& file, std::uint64_t offset, std::span<const std::byte> data,
                                bool durable, std::uint64_t tag) {
  const std::lock_guard lock(mutex_);
  CAIRN_ASSIGN_OR_RETURN(const unsigned slot, take_slot());
  const bool by_flag = durable && durable_->by_flag();
  requests_[slot] = Request{.used = true,
                            .by_flag = by_flag,
                            .sync_after = durable && !by_flag,
                            .file = &file,
                            .offset = offset,
                            .rest = data,
                            .tag = tag};
  if (Status status = start(slot); !status) {
    requests_[slot].used = false;
    return status;
  }
  ++in_flight_;
  return Status::ok();
}

Status UringQueue::submit_sync(File& file, std::uint64_t tag) {
  const std::lock_guard lock(mutex_);
  CAIRN_ASSIGN_OR_RETURN(const unsigned slot, take_slot());
  requests_[slot] = Request{.used = true, .is_sync = true, .file = &file, .tag = tag};
  if (Status status = start(slot); !status) {
    requests_[slot].used = false;
    return status;
  }
  ++in_flight_;
  return Status::ok();
}

bool UringQueue::finish(unsigned slot, int result, Completion* out) {
  const std::lock_guard lock(mutex_);
  Request& request = requests_[slot];
  Status status;
  if (request.by_flag && DurableFlag::may_be_refusal(-result)) {
    request.by_flag = false;
    request.sync_after = true;
    request.refusal = -result;
    status = start(slot);
    if (status.is_ok()) return false;
  } else if (result < 0) {
    status = os_status(request.file->name(), request.is_sync ? "fdatasync" : "write", -result);
  } else if (!request.is_sync && static_cast<std::size_t>(result) < request.rest.size()) {
    if (result == 0) {
      status = os_status(request.file->name(), "write of no bytes", EIO);
    } else {
      request.rest = request.rest.subspan(static_cast<std::size_t>(result));
      request.offset += static_cast<std::uint64_t>(result);
      status = start(slot);
      if (status.is_ok()) return false;
    }
  } else if (request.sync_after) {
    if (request.refusal != 0) durable_->refuse(request.refusal);
    request.sync_after = false;
    request.is_sync = true;
    status = start(slot);
    if (status.is_ok()) return false;
  }
  *out = Completion{request.tag, std::move(status)};
  request.used = false;
  --in_flight_;
  return true;
}

Result<std::size_t> UringQueue::reap(std::span<Completion> out, bool wait) {
  std::size_t count = 0;
  while (count < out.size()) {
    io_uring_cqe* cqe = nullptr;
    const bool block = wait && count == 0;
    const int error = block ? io_uring_wait_cqe(&ring_, &cqe) : io_uring_peek_cqe(&ring_, &cqe);
    if (error == -EINTR) continue;
    if (error == -EAGAIN && !block) break;
    if (error < 0) {
      return Status(StatusCode::kIoError, std::string("io_uring wait: ") + std::strerror(-error));
    }
    const auto slot = static_cast<unsigned>(io_uring_cqe_get_data64(cqe));
    const int result = cqe->res;
    io_uring_cqe_seen(&ring_, cqe);
    if (result == -EINTR || result == -EAGAIN || result == -ECANCELED) {
      // Not an error of the device: nothing was transferred, the same request goes again. Canceled:
      // the thread that submitted it has ended, and the kernel drops what such a thread left
      // waiting.
      const std::lock_guard lock(mutex_);
      if (start(slot).is_ok()) continue;
    }
    if (finish(slot, result, &out[count])) ++count;
  }
  return count;
}

Status UringQueue::write_now(File& file, std::uint64_t offset, std::span<const std::byte> data,
                             bool durable) {
  return write_and_wait(file, offset, data, durable, *durable_);
}

}  // namespace cairn::log
