// DiskServer: lets the kernel see a Disk as a file, by the protocol of FUSE.
#ifndef CAIRN_TORTURE_DISK_SERVER_H_
#define CAIRN_TORTURE_DISK_SERVER_H_

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <cairn/result.h>

#include "disk.h"

namespace cairn::torture {

// One thread answers one request after the other. Destruction takes the mount away; all who have
// the file open then get errors.
class DiskServer {
 public:
  // Mounts over `path`, a file that is there. Errors: kPermissionDenied, kNotSupported, kIoError.
  [[nodiscard]] static Result<std::unique_ptr<DiskServer>> start(Disk& disk,
                                                                 const std::string& path);
  ~DiskServer();
  DiskServer(const DiskServer&) = delete;
  DiskServer& operator=(const DiskServer&) = delete;

 private:
  DiskServer(Disk& disk, std::string path, int device)
      : disk_(disk), path_(std::move(path)), device_(device) {}

  void serve();
  // Answers the request in the buffer.
  void answer();
  void answer_init();
  void answer_attributes();
  void answer_open();
  void answer_read();
  void answer_write();
  void answer_fallocate();
  void answer_statfs();
  void reply(const void* body, std::size_t size);
  void reply_error(int error);

  Disk& disk_;
  const std::string path_;
  const int device_;
  std::vector<std::byte> buffer_;
  std::vector<std::byte> data_;  // of the answer to a read
  std::thread thread_;
};

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_DISK_SERVER_H_
