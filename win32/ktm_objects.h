// What the handles of ktmw32.h refer to, but for transactions (ktm_transaction_object.h) and
// resource managers (ktm_session.h).
#ifndef CAIRN_WIN32_KTM_OBJECTS_H_
#define CAIRN_WIN32_KTM_OBJECTS_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <cairn/enlistment.h>
#include <cairn/log.h>
#include <cairn/transaction_manager.h>
#include <cairn/uuid.h>

#include "handle_table.h"

namespace cairn::win32 {

class TransactionObject;

// A transaction manager, and the log it is in. All handles to it in this process refer to one, and
// so do its resource managers, enlistments and the transactions that work with it: none of them
// sees it closed.
class TmObject : public Object {
 public:
  static constexpr HandleType kType = HandleType::kTransactionManager;

  TmObject(std::shared_ptr<log::Log> its_log, std::string its_stream,
           cairn::tm::TransactionManager its_manager)
      : Object(kType),
        log(std::move(its_log)),
        stream(std::move(its_stream)),
        manager(std::move(its_manager)) {}

  // Null of a volatile one. Declared before the manager: closed after it.
  const std::shared_ptr<log::Log> log;
  const std::string stream;
  cairn::tm::TransactionManager manager;
};

// An enlistment. Each handle has its own: a counted reference.
class EnlistmentObject : public Object {
 public:
  static constexpr HandleType kType = HandleType::kEnlistment;

  EnlistmentObject(std::shared_ptr<TmObject> its_manager, cairn::tm::Enlistment its_enlistment)
      : Object(kType), manager(std::move(its_manager)), enlistment(std::move(its_enlistment)) {}

  const std::shared_ptr<TmObject> manager;
  cairn::tm::Enlistment enlistment;
};

// The managers and transactions of this process that can be opened by their names. It keeps none of
// them alive. Thread-safe; no code of objects runs under its lock.
class KtmNames {
 public:
  // Never destroyed, as the handle table.
  [[nodiscard]] static KtmNames& get();

  void add(const std::shared_ptr<TmObject>& manager);
  void add(const Uuid& unit_of_work, const std::shared_ptr<TransactionObject>& transaction);
  // The first of two that are added under one name stays, and is returned.
  [[nodiscard]] std::shared_ptr<TransactionObject> add_or_find(
      const Uuid& unit_of_work, const std::shared_ptr<TransactionObject>& transaction);

  // Null: there is none.
  [[nodiscard]] std::shared_ptr<TmObject> find_manager(const Uuid& id) const;
  [[nodiscard]] std::shared_ptr<TmObject> find_manager(const log::Log& log,
                                                       const std::string& stream) const;
  [[nodiscard]] std::shared_ptr<TransactionObject> find_transaction(const Uuid& unit_of_work) const;
  [[nodiscard]] std::vector<std::shared_ptr<TmObject>> managers() const;
  [[nodiscard]] std::vector<std::shared_ptr<TransactionObject>> transactions() const;

  // The transaction object of this name is going.
  void forget(const Uuid& unit_of_work);

 private:
  mutable std::mutex mutex_;
  std::vector<std::weak_ptr<TmObject>> managers_;
  std::map<Uuid, std::weak_ptr<TransactionObject>> transactions_;
};

}  // namespace cairn::win32

#endif  // CAIRN_WIN32_KTM_OBJECTS_H_
