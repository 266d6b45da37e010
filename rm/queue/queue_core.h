// QueueCore: the resource manager for queues.
#ifndef CAIRN_RM_QUEUE_QUEUE_CORE_H_
#define CAIRN_RM_QUEUE_QUEUE_CORE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/rm_queue.h>

#include "queue_record.h"
#include "queue_table.h"
#include "stream/participant.h"

namespace cairn::rm {

// The calls are those of QueueResourceManager.
class QueueCore : public Participant {
 public:
  QueueCore(tm::TransactionManager manager, const QueueOptions& options);
  ~QueueCore() override { stop(); }

  // Called first, once.
  [[nodiscard]] Status open();

  [[nodiscard]] Status produce(const tm::Transaction& transaction, std::string_view queue,
                               std::string_view body);
  [[nodiscard]] Result<QueueMessage> consume(const tm::Transaction& transaction,
                                             std::string_view queue,
                                             std::chrono::milliseconds limit);
  [[nodiscard]] std::vector<QueueMessage> browse(std::string_view queue) const;
  [[nodiscard]] QueueDepth depth(std::string_view queue) const;
  [[nodiscard]] std::vector<std::string> queues() const;
  [[nodiscard]] const QueueRecovery& recovery() const { return recovery_; }

 private:
  // Guarded by the mutex while the work is open, and the server's own afterwards.
  struct QueueWork : Work {
    QueueChanges changes;
    std::size_t bytes = kPromiseHeaderSize;  // of the record with them
  };
  static QueueWork& queues_of(Work& work) { return static_cast<QueueWork&>(work); }
  static const QueueWork& queues_of(const Work& work) {
    return static_cast<const QueueWork&>(work);
  }

  [[nodiscard]] std::shared_ptr<Work> make_work() const override;
  [[nodiscard]] bool has_changes(const Work& work) const override;
  [[nodiscard]] std::vector<std::byte> encode_changes(const Work& work) const override;
  [[nodiscard]] Status adopt(Work& work, std::span<const std::byte> changes) override;
  [[nodiscard]] Status adopt_own(std::uint16_t type, std::span<const std::byte> bytes) override;
  void end(Work& work, bool is_committed) override;
  [[nodiscard]] Result<Lsn> append_state() override;

  [[nodiscard]] Status check_has_room(const QueueWork& work, std::size_t bytes) const;

  const std::shared_ptr<log::Log> log_;
  const bool durable_deliveries_;
  std::size_t max_record_ = 0;  // constant from open() on
  QueueRecovery recovery_;      // constant from the moment open() returns

  QueueTable table_;  // guarded by the mutex
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_QUEUE_QUEUE_CORE_H_
