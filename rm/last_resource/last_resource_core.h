// The resource manager behind rm_last_resource.h: start and clients in last_resource_core.cc, the
// manager's notifications in last_resource_notices.cc.
#ifndef CAIRN_RM_LAST_RESOURCE_LAST_RESOURCE_CORE_H_
#define CAIRN_RM_LAST_RESOURCE_LAST_RESOURCE_CORE_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <cairn/rm_last_resource.h>

namespace cairn::rm {

class LastResourceManager::Impl {
 public:
  Impl(tm::TransactionManager manager, std::shared_ptr<LastResource> resource,
       LastResourceOptions options);
  ~Impl();

  [[nodiscard]] Status open();
  [[nodiscard]] Status work(const tm::Transaction& transaction, const Function& function);
  [[nodiscard]] const LastResourceRecovery& recovery() const { return recovery_; }
  [[nodiscard]] Status health() const;

 private:
  struct Part {
    std::uint64_t key = 0;
    Uuid transaction;
    std::string marker;  // once the enlistment is known
    tm::Enlistment enlistment;
    std::unique_ptr<LastBranch> branch;  // null: ended, or found at recovery
    Status failure;                      // of its work; OK while there was none
    bool is_open = false;                // takes more work
    bool in_use = false;                 // by a client
    bool is_committed = false;           // the marker is there; the manager must be told
    // Came while a client was at work, or is to be tried again.
    std::optional<tm::NotificationKind> next{};
  };
  using PartPointer = std::shared_ptr<Part>;

  [[nodiscard]] std::string marker_of(const Uuid& transaction, const Uuid& enlistment) const;
  // Empty: there was none at the start.
  [[nodiscard]] std::string found_marker(const std::string& marker) const;

  // ---- Clients.
  [[nodiscard]] Result<PartPointer> part_of(const tm::Transaction& transaction);
  [[nodiscard]] Status enter(Part& part);
  void leave(Part& part, const Status& done);

  // ---- Notifications: all on one thread, that of open() and then server_.
  void serve();
  [[nodiscard]] Status hear_all();
  [[nodiscard]] Status go_on();
  [[nodiscard]] Status wait();
  [[nodiscard]] Status on_notification(const tm::Notification& notification);
  [[nodiscard]] Status on_offered(const tm::Notification& notification);
  [[nodiscard]] Status take(const PartPointer& part, tm::NotificationKind kind);
  void prepare(Part& part);
  [[nodiscard]] Status decide(const PartPointer& part);
  void order_commit(Part& part);
  void clear_unoffered();
  void end_session(Status why);

  void forget(const Part& part);
  void wake() const;

  tm::TransactionManager manager_;
  const std::shared_ptr<LastResource> resource_;
  const LastResourceOptions options_;
  const std::string prefix_;  // of the markers
  int wake_fd_ = -1;
  LastResourceRecovery recovery_;
  std::set<std::string> found_;        // markers, others' too, at the start; the server's own
  std::vector<std::string> obsolete_;  // markers; the server's own
  bool last_recover_ = false;          // the server's own
  bool waits_for_room_ = false;        // an order is to be tried again; the server's own
  std::atomic<bool> stopping_ = false;

  mutable std::mutex mutex_;  // guards all below, and the parts but what is in use by a client
  std::condition_variable left_;
  tm::ResourceManager session_;
  Status health_;
  std::map<std::uint64_t, PartPointer> parts_;
  std::uint64_t next_key_ = 1;

  std::thread server_;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_LAST_RESOURCE_LAST_RESOURCE_CORE_H_
