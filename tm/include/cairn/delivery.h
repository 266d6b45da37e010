// Delivery: notifications brought to a resource manager, instead of fetched by it.
//
//   auto delivery = Delivery::start(session, pool_executor, [&](const Result<Notification>& next) {
//     if (next) answer(*next);
//   });
#ifndef CAIRN_DELIVERY_H_
#define CAIRN_DELIVERY_H_

#include <functional>
#include <memory>

#include <cairn/notification.h>
#include <cairn/resource_manager.h>
#include <cairn/result.h>

namespace cairn::tm {

// Brings the notifications of one session to a handler, in the order of its queue, one after the
// other: the next comes when the handler has returned. A thread of its own waits for them; the
// handler runs where the executor runs it. No lock of Cairn is held then, so it may answer, enlist
// and commit. It is not a place to wait in for a later notification of the same session.
class Delivery {
 public:
  // Runs a task, once, now or later, on any thread. A task that is destroyed without having been
  // run counts as run; that notification is lost, as it is for one who reads it and dies: recovery
  // of the next session brings it again.
  using Executor = std::function<void(std::function<void()> task)>;
  // Given a notification, or at last the error that ended the session (kFenced, kObjectExpired),
  // after which nothing comes.
  using Handler = std::function<void(const Result<Notification>& next)>;

  // An empty executor: the delivery's own thread. A session whose notifications are also fetched by
  // get_notification() gives each to one of the two. Errors: kInvalidState (the session is
  // default-constructed), kInvalidArgument (no handler), kResourceExhausted (no thread).
  [[nodiscard]] static Result<Delivery> start(const ResourceManager& session, Executor executor,
                                              Handler handler);

  // Without a thread: whoever causes a notification calls the handler with it, at the end of the
  // call that did, with no lock of Cairn held. PREPARE comes within commit(), and COMMIT within the
  // call that saw the decision durable, which is the same commit() if it has no time limit and the
  // last vote was given on its thread: then a transaction costs no switch of threads but the wait
  // for its decision. What a handler causes in its turn comes when it has returned, or waits for a
  // transaction; it must not wait for it in another way. Nor for another thread that waits for the
  // transaction whose last vote it has given within commit(): that one is decided when the handler
  // has returned, or waits for a transaction.
  // Several threads call it at the same time, for one enlistment too: ROLLBACK may come while
  // PREPARE is handled. Some are the manager's own, and the log's, of which a handler must not wait
  // for that log or for a transaction (Log::on_durable()): those of commits with a time limit or
  // commit_async(), and of votes that another thread gives. What is queued already is brought by
  // this call.
  // Errors: kInvalidState, kInvalidArgument as above, kRequestNotValid (the session has such a
  // handler).
  [[nodiscard]] static Result<Delivery> start_inline(const ResourceManager& session,
                                                     Handler handler);

  Delivery() = default;
  Delivery(Delivery&&) noexcept = default;
  Delivery& operator=(Delivery&& other) noexcept;
  ~Delivery();  // stop()

  // After it returns the handler is not called. Waits for one that runs, unless called from it.
  // Does not end the session: what is queued stays queued. A second call does nothing.
  void stop();

 private:
  class Pump;
  explicit Delivery(std::shared_ptr<Pump> pump);
  std::shared_ptr<Pump> pump_;
};

}  // namespace cairn::tm

#endif  // CAIRN_DELIVERY_H_
