// FileOperations: everything the resource manager asks of the file system. PosixFiles in earnest; a
// machine that loses power in the tests.
#ifndef CAIRN_RM_FILES_FILE_OPERATIONS_H_
#define CAIRN_RM_FILES_FILE_OPERATIONS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/result.h>

namespace cairn::rm {

// A file opened for reading: goes on showing the same contents when its name is given to another.
class OpenFile {
 public:
  virtual ~OpenFile() = default;
  [[nodiscard]] virtual Result<std::string> read_all() = 0;
};

// Two directories of one file system: the tree, with paths, and the staging directory, with names.
// REQUIRES: paths passed check_path(). Thread-safe.
//
// What a crash leaves: a change of names is done or not done as a whole, in any order, until a sync
// of a directory that it concerns has returned OK; contents are there once sync_staged() has.
class FileOperations {
 public:
  virtual ~FileOperations() = default;

  // Bytes of a file of the tree; nothing if there is none. Error: kInvalidArgument (something is
  // there that is no regular file, or a directory on the way is none).
  [[nodiscard]] virtual Result<std::optional<std::uint64_t>> size_of(const std::string& path) = 0;
  // Errors: kNotFound, kInvalidArgument.
  [[nodiscard]] virtual Result<std::unique_ptr<OpenFile>> open(const std::string& path) = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<OpenFile>> open_staged(const std::string& name) = 0;
  [[nodiscard]] virtual Result<std::vector<std::string>> list_staged() = 0;

  // A new staged file, with the permissions that the file `path` of the tree has if it is there.
  // After an error there is none.
  [[nodiscard]] virtual Status write_staged(const std::string& name, std::string_view contents,
                                            const std::string& path) = 0;
  // A further name, in the staging directory, of a file of the tree. Errors: kNotFound,
  // kNotSupported.
  [[nodiscard]] virtual Status link_staged(const std::string& path, const std::string& name) = 0;
  [[nodiscard]] virtual Status sync_staged(const std::string& name) = 0;
  [[nodiscard]] virtual Status sync_staging() = 0;
  // OK also if it is not there.
  [[nodiscard]] virtual Status remove_staged(const std::string& name) = 0;

  // Moves a staged file into the tree, over what is there. Errors: kNotFound (the staged file),
  // kInvalidState (its directory is not there).
  [[nodiscard]] virtual Status publish(const std::string& name, const std::string& path) = 0;
  // OK also if it is not there.
  [[nodiscard]] virtual Status remove(const std::string& path) = 0;
  // Whether it was made now; false: it was there.
  [[nodiscard]] virtual Result<bool> make_directory(const std::string& path) = 0;
  // "": the tree itself. OK also if it is not there, as then nothing is in it.
  [[nodiscard]] virtual Status sync_directory(const std::string& path) = 0;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_FILES_FILE_OPERATIONS_H_
