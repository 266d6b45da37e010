// ObservedStorage: the kernel's storage below one directory, with someone who is told before each
// change, and with faults of Cairn's own that are built in on purpose.
#ifndef CAIRN_TORTURE_OBSERVED_STORAGE_H_
#define CAIRN_TORTURE_OBSERVED_STORAGE_H_

#include <functional>
#include <memory>
#include <string>

#include <cairn/storage.h>
#include <cairn/torture/powercut.h>

namespace cairn::torture {

// Names of directories are below `root`. Thread-safe as the storage below, if the observer is.
class ObservedStorage final : public log::Storage {
 public:
  using Observer = std::function<void()>;

  ObservedStorage(std::shared_ptr<log::Storage> storage, std::string root, PowercutFault fault)
      : storage_(std::move(storage)), root_(std::move(root)), fault_(fault) {}

  // Called before whatever changes something on the disk. Null: nobody.
  void set_observer(Observer observer) { observer_ = std::move(observer); }

  // cairn::log::Storage.
  [[nodiscard]] Result<std::unique_ptr<log::Directory>> open_directory(const std::string& path,
                                                                       bool create) override;
  [[nodiscard]] log::StorageInfo describe(const log::Directory& directory) const override;
  [[nodiscard]] std::uint64_t random() override { return storage_->random(); }

  // For its files and directories.
  void observe() const {
    if (observer_) observer_();
  }
  [[nodiscard]] PowercutFault fault() const { return fault_; }

 private:
  std::shared_ptr<log::Storage> storage_;
  const std::string root_;
  const PowercutFault fault_;
  Observer observer_;
};

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_OBSERVED_STORAGE_H_
