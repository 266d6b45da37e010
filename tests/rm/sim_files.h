// SimFiles: a file system in memory that loses power. It keeps what cairn::rm::FileOperations
// promises and nothing beyond: of what was not synced each change of a name survives or not, by
// itself, and contents are there in full, in part or not at all.
#ifndef CAIRN_TESTS_RM_SIM_FILES_H_
#define CAIRN_TESTS_RM_SIM_FILES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "file_operations.h"

namespace cairn::rm {

enum class FileFate : std::uint8_t { kAll, kNone, kChance };

// The machine's disk. Names have a prefix: "tree/..." or "staging/...".
class SimFileDisk {
 public:
  struct Inode {
    std::string contents;
    bool is_synced = false;
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;  // null: a directory

  // Files of the tree, as they are now.
  [[nodiscard]] std::map<std::string, std::string> tree() const;
  [[nodiscard]] std::vector<std::string> staged() const;
  // By another program; durable at once.
  void put(const std::string& path, const std::string& contents);
  void erase(const std::string& name);

  // Changes so far.
  [[nodiscard]] std::uint64_t count() const;
  // The power goes before change number `number` from now on.
  void crash_at(std::uint64_t number);
  void crash();
  [[nodiscard]] bool crashed() const;
  // Called, once, as the power goes; and asked before each change whether it has gone elsewhere.
  void share_power(std::function<void()> on_crash, std::function<bool()> has_crashed);
  [[nodiscard]] std::shared_ptr<SimFileDisk> after_crash(FileFate fate, std::uint64_t seed) const;
  // Syncs of the staging directory, of staged files or of directories of the tree say OK and do
  // nothing.
  enum class Lie : std::uint8_t { kNone, kStaging, kContents, kTree };
  void lie(Lie lie);
  // The change number `number` from now on fails with this, and nothing else.
  void fail_at(std::uint64_t number, Status error);

 private:
  friend class SimFiles;
  struct Change {
    std::string from;  // "": a new name
    std::string to;    // "": removed
    std::shared_ptr<Inode> inode;
  };
  [[nodiscard]] Status begin(const std::string& what);  // one more change
  static void apply(const Change& change, Names& names);
  void change(Change change);
  void sync_directory(const std::string& directory);

  mutable std::mutex mutex_;
  Names durable_{{"tree", nullptr}, {"staging", nullptr}};
  Names now_ = durable_;
  std::vector<Change> pending_;
  std::uint64_t count_ = 0;
  std::uint64_t crash_at_ = 0;
  std::uint64_t fail_at_ = 0;
  Status failure_;
  bool crashed_ = false;
  Lie lie_ = Lie::kNone;
  std::function<void()> on_crash_;
  std::function<bool()> has_crashed_;
};

class SimFiles final : public FileOperations {
 public:
  explicit SimFiles(std::shared_ptr<SimFileDisk> disk) : disk_(std::move(disk)) {}

  Result<std::optional<std::uint64_t>> size_of(const std::string& path) override;
  Result<std::unique_ptr<OpenFile>> open(const std::string& path) override;
  Result<std::unique_ptr<OpenFile>> open_staged(const std::string& name) override;
  Result<std::vector<std::string>> list_staged() override;
  Status write_staged(const std::string& name, std::string_view contents,
                      const std::string& path) override;
  Status link_staged(const std::string& path, const std::string& name) override;
  Status sync_staged(const std::string& name) override;
  Status sync_staging() override;
  Status remove_staged(const std::string& name) override;
  Status publish(const std::string& name, const std::string& path) override;
  Status remove(const std::string& path) override;
  Result<bool> make_directory(const std::string& path) override;
  Status sync_directory(const std::string& path) override;

 private:
  [[nodiscard]] Result<std::unique_ptr<OpenFile>> open_name(const std::string& name);

  std::shared_ptr<SimFileDisk> disk_;
};

}  // namespace cairn::rm

#endif  // CAIRN_TESTS_RM_SIM_FILES_H_
