/* cairn_xa_switch: a transaction manager of Cairn as an XA resource manager, under an outside
   transaction monitor that knows the XA interface.

   Give the monitor this switch, and a string for xa_open with parts divided by ";":

     manager=GUID    a durable transaction manager that is open, and recovered, in this process; or
     log=PATH        the log of one: it is opened, or made, and recovered; with
     stream=NAME     its stream there ("tm" if left out)
     timeout=SECONDS a branch that is not prepared by then is rolled back (XA_RBTIMEOUT); 0: never
     patience=MS     how long xa_commit and xa_rollback wait, when all is decided, for those below
                     to carry it out (1000 if left out); what is away does it when it is back

   Each branch is a transaction of that manager with the monitor as its superior. Between xa_start
   and xa_end the application finds it with cairn::rm::xa_current_transaction(), in the same thread,
   and enlists resource managers of Cairn in it as in any other.

   What is promised, whatever crashes when: xa_prepare returns XA_OK only when all of them have
   promised on stable storage; a promised branch is ended by the monitor alone, and is listed by
   xa_recover until then; xa_commit returns XA_OK when the commit is durable. A branch that has not
   promised is rolled back by a crash, and by the end of a thread that was at work in it. A rollback
   is not forced: after a crash a promised branch may be listed again, to be rolled back again.

   Which codes: XA_RDONLY where nobody has anything to commit, and for a commit in a full log
   XA_RETRY. XAER_RMFAIL: the manager went offline; xa_close and xa_open it when it is back.
   XA_HEURRB and XA_HEURCOM: an administrator resolved the branch by hand, otherwise
   (TransactionManager::resolve()); xa_forget ends that. There are no asynchronous calls, and a
   suspended association stays with its thread. A thread of control is a thread. */
#ifndef CAIRN_XA_SWITCH_H_
#define CAIRN_XA_SWITCH_H_

#include <cairn/xa.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Not to be changed. Calls come from any number of threads. */
extern struct xa_switch_t cairn_xa_switch;

#ifdef __cplusplus
}

#include <cairn/result.h>
#include <cairn/transaction_manager.h>

namespace cairn::rm {

// The transaction of the branch that the calling thread is associated with. The client must neither
// commit it (kSuperiorExists) nor keep it beyond xa_end; it may roll it back. Errors: kNotFound (no
// association), kInvalidArgument (the thread has associations with several resource managers of
// Cairn: name one).
[[nodiscard]] Result<tm::Transaction> xa_current_transaction();
// The same, of the resource manager that was opened as `rmid`.
[[nodiscard]] Result<tm::Transaction> xa_current_transaction(int rmid);
// The manager behind `rmid`, which the calling thread has opened. For the resource managers that
// take part: they begin their sessions with it. Error: kNotFound.
[[nodiscard]] Result<tm::TransactionManager> xa_transaction_manager(int rmid);

}  // namespace cairn::rm
#endif

#endif /* CAIRN_XA_SWITCH_H_ */
