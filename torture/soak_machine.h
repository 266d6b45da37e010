// SoakMachine: what a soak runs: a log that is appended to; and a durable transaction manager with
// two resource managers of different kinds, files and queues, whose records lie in its log.
#ifndef CAIRN_TORTURE_SOAK_MACHINE_H_
#define CAIRN_TORTURE_SOAK_MACHINE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <string>

#include <cairn/log.h>
#include <cairn/rm_files.h>
#include <cairn/rm_queue.h>
#include <cairn/transaction_manager.h>

namespace cairn::torture {

// Transaction `n` of a worker writes n into the worker's file, takes the message of the one before
// out of the worker's queue and puts n into it. So after any crash each file and its queue have one
// and the same number: the newest that was acknowledged, or the one that was asked for last.
inline constexpr std::uint32_t kSoakWorkers = 3;

// What was asked for and answered, per worker.
struct SoakAsked {
  std::uint64_t committed = 0;  // the newest
  std::uint64_t asked = 0;      // the newest; its outcome is known if `open` is not set
  bool open = false;
};
using SoakTransactions = std::array<SoakAsked, kSoakWorkers>;

// Thread-safe, but for open() and close().
class SoakMachine {
 public:
  // Opens everything, or makes it: recovers the logs, the manager, and the resource managers.
  [[nodiscard]] static Result<std::unique_ptr<SoakMachine>> open(const std::string& directory,
                                                                 log::StorageKind storage);
  // In good order.
  [[nodiscard]] Status close();

  [[nodiscard]] log::Log& appended() { return *appended_; }
  [[nodiscard]] log::Log& tm_log() { return *tm_log_; }
  [[nodiscard]] tm::TransactionManager& manager() { return tm_; }
  [[nodiscard]] std::string path(const std::string& name) const { return directory_ + "/" + name; }
  [[nodiscard]] const std::shared_ptr<log::Storage>& storage() const { return storage_; }

  // Nobody works. What each worker has: T1 to T4. Error: kCorrupt, in words.
  [[nodiscard]] Result<std::array<std::uint64_t, kSoakWorkers>> check(
      const SoakTransactions& asked);

  // The work of one transaction, without its end. `before`: the newest that is committed, 0: none.
  [[nodiscard]] Status work(const tm::Transaction& transaction, std::uint32_t worker,
                            std::uint64_t before, std::uint64_t number);

  // One of the two goes away, and comes back after this long.
  enum class Member : std::uint8_t { kFiles, kQueue };
  [[nodiscard]] Status send_away(Member member, std::chrono::milliseconds time);

 private:
  SoakMachine() = default;
  [[nodiscard]] Status open_files();
  [[nodiscard]] Status open_queue();
  [[nodiscard]] Result<std::uint64_t> found(std::uint32_t worker);
  [[nodiscard]] Status wait_until_all_is_forgotten();

  std::string directory_;
  std::shared_ptr<log::Storage> storage_;
  std::shared_ptr<log::Log> appended_;
  std::shared_ptr<log::Log> tm_log_;
  tm::TransactionManager tm_;
  std::shared_mutex files_mutex_;  // shared: it is used
  std::unique_ptr<rm::FilesResourceManager> files_;
  std::shared_mutex queue_mutex_;
  std::unique_ptr<rm::QueueResourceManager> queue_;
};

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_SOAK_MACHINE_H_
