// What the copies of one handle share: the counted references.
#ifndef CAIRN_TM_REFERENCES_H_
#define CAIRN_TM_REFERENCES_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "tm_core.h"

namespace cairn::tm {

class TmReference {
 public:
  explicit TmReference(std::shared_ptr<TmCore> its_core) : core(std::move(its_core)) {}
  TmReference(const TmReference&) = delete;
  TmReference& operator=(const TmReference&) = delete;
  ~TmReference() { [[maybe_unused]] const Status closed = core->close(); }

  const std::shared_ptr<TmCore> core;
};

// REQUIRES, of the three below: the object counted this reference before, with the manager's lock
// held.
class TransactionReference {
 public:
  TransactionReference(std::shared_ptr<TmCore> its_core, TransactionPtr its_object)
      : core(std::move(its_core)), object(std::move(its_object)) {}
  TransactionReference(const TransactionReference&) = delete;
  TransactionReference& operator=(const TransactionReference&) = delete;
  ~TransactionReference() {
    if (!object->ended.load(std::memory_order_acquire)) core->release(object);
  }

  const std::shared_ptr<TmCore> core;
  const TransactionPtr object;
};

class ResourceManagerReference {
 public:
  ResourceManagerReference(std::shared_ptr<TmCore> its_core, ResourceManagerPtr its_object,
                           std::uint64_t its_session, std::shared_ptr<NotificationQueue> its_queue)
      : core(std::move(its_core)),
        object(std::move(its_object)),
        session(its_session),
        queue(std::move(its_queue)) {}
  ResourceManagerReference(const ResourceManagerReference&) = delete;
  ResourceManagerReference& operator=(const ResourceManagerReference&) = delete;
  ~ResourceManagerReference() { core->release(object, session); }

  const std::shared_ptr<TmCore> core;
  const ResourceManagerPtr object;
  const std::uint64_t session;
  const std::shared_ptr<NotificationQueue> queue;
};

class EnlistmentReference {
 public:
  EnlistmentReference(std::shared_ptr<TmCore> its_core, EnlistmentPtr its_object,
                      std::uint64_t its_session)
      : core(std::move(its_core)), object(std::move(its_object)), session(its_session) {}
  EnlistmentReference(const EnlistmentReference&) = delete;
  EnlistmentReference& operator=(const EnlistmentReference&) = delete;
  ~EnlistmentReference() {
    if (!object->ended.load(std::memory_order_acquire)) core->release(object, session);
  }

  const std::shared_ptr<TmCore> core;
  const EnlistmentPtr object;
  const std::uint64_t session;
};

// The answer to a call on a handle that refers to nothing.
inline Status refers_to_nothing(const char* what) {
  return Status(StatusCode::kInvalidState, std::string("this ") + what + " refers to nothing");
}

}  // namespace cairn::tm

#endif  // CAIRN_TM_REFERENCES_H_
