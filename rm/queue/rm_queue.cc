#include <utility>

#include <cairn/rm_queue.h>

#include "queue_core.h"

namespace cairn::rm {

class QueueResourceManager::Impl final : public QueueCore {
 public:
  using QueueCore::QueueCore;
  ~Impl() override { stop(); }
};

QueueResourceManager::QueueResourceManager(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
QueueResourceManager::~QueueResourceManager() = default;

Result<std::unique_ptr<QueueResourceManager>> QueueResourceManager::open(
    tm::TransactionManager manager, QueueOptions options) {
  auto impl = std::make_unique<Impl>(std::move(manager), options);
  CAIRN_RETURN_IF_ERROR(impl->open());
  return std::unique_ptr<QueueResourceManager>(new QueueResourceManager(std::move(impl)));
}

Status QueueResourceManager::produce(const tm::Transaction& transaction, std::string_view queue,
                                     std::string_view body) {
  return impl_->produce(transaction, queue, body);
}
Result<QueueMessage> QueueResourceManager::consume(const tm::Transaction& transaction,
                                                   std::string_view queue,
                                                   std::chrono::milliseconds limit) {
  return impl_->consume(transaction, queue, limit);
}
std::vector<QueueMessage> QueueResourceManager::browse(std::string_view queue) const {
  return impl_->browse(queue);
}
QueueDepth QueueResourceManager::depth(std::string_view queue) const { return impl_->depth(queue); }
std::vector<std::string> QueueResourceManager::queues() const { return impl_->queues(); }

const QueueRecovery& QueueResourceManager::recovery() const { return impl_->recovery(); }
Status QueueResourceManager::health() const { return impl_->health(); }

}  // namespace cairn::rm
