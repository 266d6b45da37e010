#include "disk_server.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fuse.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "system_error.h"

namespace cairn::torture {

namespace {

constexpr std::uint32_t kMaxWrite = 1 << 20;
constexpr std::uint32_t kMinorVersion = 31;  // of the protocol; what is newer is not used
constexpr std::size_t kBufferSize = kMaxWrite + 4096;

// What stands behind the header of the request.
template <typename Body>
const Body& body_of(const std::vector<std::byte>& buffer) {
  return *reinterpret_cast<const Body*>(buffer.data() + sizeof(fuse_in_header));
}

}  // namespace

Result<std::unique_ptr<DiskServer>> DiskServer::start(Disk& disk, const std::string& path) {
  const int device = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (device < 0) return system_error("/dev/fuse");
  std::unique_ptr<DiskServer> server(new DiskServer(disk, path, device));
  const std::string options =
      "fd=" + std::to_string(device) + ",rootmode=100600,user_id=0,group_id=0";
  if (::mount("cairn", path.c_str(), "fuse", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
    return system_error("mount of a FUSE file on " + path);
  }
  server->buffer_.resize(kBufferSize);
  server->thread_ = std::thread([one = server.get()] { one->serve(); });
  return server;
}

DiskServer::~DiskServer() {
  // The thread's read ends with ENODEV.
  if (thread_.joinable()) {
    ::umount2(path_.c_str(), MNT_FORCE | MNT_DETACH);
    thread_.join();
  }
  ::close(device_);
}

void DiskServer::serve() {
  while (true) {
    const ssize_t bytes = ::read(device_, buffer_.data(), buffer_.size());
    if (bytes >= static_cast<ssize_t>(sizeof(fuse_in_header))) {
      answer();
    } else if (bytes >= 0 || (errno != EINTR && errno != EAGAIN && errno != ENOENT)) {
      return;
    }
  }
}

void DiskServer::answer() {
  const auto& header = *reinterpret_cast<const fuse_in_header*>(buffer_.data());
  switch (header.opcode) {
    case FUSE_INIT:
      return answer_init();
    case FUSE_GETATTR:
    case FUSE_SETATTR:
      return answer_attributes();
    case FUSE_OPEN:
      return answer_open();
    case FUSE_READ:
      return answer_read();
    case FUSE_WRITE:
      return answer_write();
    case FUSE_FALLOCATE:
      return answer_fallocate();
    case FUSE_STATFS:
      return answer_statfs();
    case FUSE_FSYNC:
      return disk_.flush() ? reply(nullptr, 0) : reply_error(EIO);
    case FUSE_FLUSH:  // of a descriptor that is closed; no flush of a disk
    case FUSE_RELEASE:
    case FUSE_ACCESS:
      return reply(nullptr, 0);
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
      return;  // have no answer
    default:
      return reply_error(ENOSYS);
  }
}

void DiskServer::answer_init() {
  const auto& asked = body_of<fuse_init_in>(buffer_);
  fuse_init_out out{};
  out.major = FUSE_KERNEL_VERSION;
  out.minor = kMinorVersion;
  out.max_readahead = asked.max_readahead;
  out.flags = asked.flags & (FUSE_BIG_WRITES | FUSE_MAX_PAGES | FUSE_ASYNC_READ);
  out.max_background = 64;
  out.congestion_threshold = 48;
  out.max_write = kMaxWrite;
  out.max_pages = kMaxWrite / 4096;
  out.time_gran = 1;
  reply(&out, sizeof out);
}

void DiskServer::answer_attributes() {
  fuse_attr_out out{};
  out.attr_valid = 3600;
  out.attr.ino = FUSE_ROOT_ID;
  out.attr.size = disk_.bytes();
  out.attr.blocks = disk_.bytes() / 512;
  out.attr.mode = S_IFREG | 0600;
  out.attr.nlink = 1;
  out.attr.blksize = 4096;
  reply(&out, sizeof out);
}

// Past the page cache: what is here may change between two mounts.
void DiskServer::answer_open() {
  fuse_open_out out{};
  out.open_flags = FOPEN_DIRECT_IO;
  reply(&out, sizeof out);
}

void DiskServer::answer_read() {
  const auto& asked = body_of<fuse_read_in>(buffer_);
  const std::uint64_t left = asked.offset < disk_.bytes() ? disk_.bytes() - asked.offset : 0;
  data_.resize(std::min<std::uint64_t>(asked.size, left));
  if (!disk_.read(asked.offset, data_)) return reply_error(EIO);
  reply(data_.data(), data_.size());
}

void DiskServer::answer_write() {
  const auto& asked = body_of<fuse_write_in>(buffer_);
  const std::span<const std::byte> all(buffer_);
  const auto data = all.subspan(sizeof(fuse_in_header) + sizeof(fuse_write_in), asked.size);
  if (!disk_.write(asked.offset, data)) return reply_error(EIO);
  fuse_write_out out{};
  out.size = asked.size;
  reply(&out, sizeof out);
}

// A discard, or zeros to be written: either way zeros.
void DiskServer::answer_fallocate() {
  const auto& asked = body_of<fuse_fallocate_in>(buffer_);
  if ((asked.mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) == 0) {
    return reply_error(EOPNOTSUPP);
  }
  if (!disk_.zero(asked.offset, asked.length)) return reply_error(EIO);
  reply(nullptr, 0);
}

void DiskServer::answer_statfs() {
  fuse_statfs_out out{};
  out.st.blocks = disk_.bytes() / 4096;
  out.st.bsize = 4096;
  out.st.frsize = 4096;
  out.st.namelen = 255;
  reply(&out, sizeof out);
}

// An answer that the kernel does not take any more is no one's loss: the request was interrupted.
void DiskServer::reply(const void* body, std::size_t size) {
  fuse_out_header header{};
  header.len = static_cast<std::uint32_t>(sizeof header + size);
  header.unique = reinterpret_cast<const fuse_in_header*>(buffer_.data())->unique;
  const std::array<iovec, 2> pieces{{{&header, sizeof header}, {const_cast<void*>(body), size}}};
  [[maybe_unused]] const ssize_t sent = ::writev(device_, pieces.data(), size == 0 ? 1 : 2);
}

void DiskServer::reply_error(int error) {
  fuse_out_header header{};
  header.len = sizeof header;
  header.error = -error;
  header.unique = reinterpret_cast<const fuse_in_header*>(buffer_.data())->unique;
  [[maybe_unused]] const ssize_t sent = ::write(device_, &header, sizeof header);
}

}  // namespace cairn::torture
