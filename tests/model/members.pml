/* The members of one transaction: their enlistments as the manager keeps them, and the resource managers
 * behind them. A model includes this and brings the manager, which receives each `call`. */

mtype transaction = Active;
mtype tm = Online;

mtype enlistment[MEMBERS] = Nothing;
bool preprepared_once[MEMBERS];
mtype rm[MEMBERS] = Online;
bool has_session[MEMBERS] = true;
bool let_go[MEMBERS]; /* nobody holds a handle of the enlistment */

/* One session's notifications: gone with the session. */
chan queue[MEMBERS] = [3] of { mtype };

/* A resource manager: what it knows, and what its own log holds. */
mtype work[MEMBERS] = Idle;
mtype disk[MEMBERS] = Idle;
bool flushes[MEMBERS];       /* its mask has PREPREPARE */
bool decides_alone[MEMBERS]; /* its mask has SINGLE_PHASE_COMMIT */
bool offered[MEMBERS];       /* RECOVER came in this session */

/* A call into the manager: who, and what. */
chan call = [0] of { byte, mtype };
#define CLIENT MEMBERS
#define LOG (MEMBERS + 1) /* the manager's own work on its log */
#define NOBODY 255

bool calm;  /* no crash, disconnect or failed write any more, and nobody changes its mind */
bool ended; /* nobody has anything left to do */

/* What was ever seen; for the properties only. */
bool shown_committed, shown_aborted; /* to the client */
bool done_somewhere, undone_somewhere;

#define AGREED assert(!(done_somewhere && undone_somewhere))          /* T1: all end alike */
#define KEPT assert(!(shown_committed && undone_somewhere))           /* T2: acknowledged, so committed everywhere */
#define NOT_COMMITTED assert(!(shown_aborted && done_somewhere))      /* T3: rolled back, so committed nowhere */
#define FINAL assert(!(shown_committed && shown_aborted))             /* M4: an outcome never changes */

#define end_done(i) done_somewhere = true; AGREED; NOT_COMMITTED
#define end_undone(i) undone_somewhere = true; AGREED; KEPT
#define show_committed() shown_committed = true; KEPT; FINAL
#define show_aborted() shown_aborted = true; NOT_COMMITTED; FINAL

/* T4: when it stays calm, all ends; what must hold then is asserted where `ended` is set. */
ltl T4 { [] (calm -> <> ended) }

#define for_each_member(m) for (m : 0 .. MEMBERS - 1)

inline drop_queue(m) {
  do
  :: nempty(queue[m]) -> queue[m]?_
  :: empty(queue[m]) -> break
  od
}

/* --- the manager: what it tells ---------------------------------------------------------------- */

/* Who has no session is Offline, and is offered it in the next one. */
inline send(m, notification) {
  assert(has_session[m] && nfull(queue[m]));
  queue[m]!notification
}

inline ask_preprepare(m) {
  if
  :: enlistment[m] == Active && flushes[m] ->
     move_enlistment(enlistment[m], Active, AskPrePrepare, Always, PrePreparing);
     send(m, PREPREPARE)
  :: else -> skip
  fi
}

inline ask_prepare(m) {
  if
  :: enlistment[m] == Active -> move_enlistment(enlistment[m], Active, AskPrepare, Always, Preparing)
  :: enlistment[m] == PrePrepared ->
     move_enlistment(enlistment[m], PrePrepared, AskPrepare, Always, Preparing)
  :: else -> skip
  fi;
  if
  :: enlistment[m] == Preparing -> send(m, PREPARE)
  :: else -> skip
  fi
}

inline ask_single_phase(m) {
  if
  :: enlistment[m] == Active -> move_enlistment(enlistment[m], Active, AskSinglePhase, Always, Delegated)
  :: enlistment[m] == PrePrepared ->
     move_enlistment(enlistment[m], PrePrepared, AskSinglePhase, Always, Delegated)
  :: else -> skip
  fi;
  if
  :: enlistment[m] == Delegated -> send(m, SINGLE_PHASE_COMMIT)
  :: else -> skip
  fi
}

inline tell_commit(m) {
  if
  :: enlistment[m] == Prepared ->
     move_enlistment(enlistment[m], Prepared, TellCommit, Always, CommittedNotify)
  :: enlistment[m] == InDoubt -> move_enlistment(enlistment[m], InDoubt, TellCommit, Always, CommittedNotify)
  :: enlistment[m] == Recovering -> move_enlistment(enlistment[m], Recovering, TellCommit, Always, Recovering)
  :: enlistment[m] == Offline -> move_enlistment(enlistment[m], Offline, TellCommit, Always, Offline)
  :: else -> assert(is_finished(enlistment[m]))
  fi;
  if
  :: enlistment[m] == CommittedNotify -> send(m, COMMIT)
  :: else -> skip
  fi
}

inline tell_rollback(m) {
  if
  :: enlistment[m] == Active -> move_enlistment(enlistment[m], Active, TellRollback, Always, Aborting)
  :: enlistment[m] == PrePreparing ->
     move_enlistment(enlistment[m], PrePreparing, TellRollback, Always, Aborting)
  :: enlistment[m] == PrePrepared ->
     move_enlistment(enlistment[m], PrePrepared, TellRollback, Always, Aborting)
  :: enlistment[m] == Preparing -> move_enlistment(enlistment[m], Preparing, TellRollback, Always, Aborting)
  :: enlistment[m] == Prepared -> move_enlistment(enlistment[m], Prepared, TellRollback, Always, Aborting)
  :: enlistment[m] == Delegated -> move_enlistment(enlistment[m], Delegated, TellRollback, Always, Aborting)
  :: enlistment[m] == InDoubt -> move_enlistment(enlistment[m], InDoubt, TellRollback, Always, Aborting)
  :: enlistment[m] == Recovering ->
     move_enlistment(enlistment[m], Recovering, TellRollback, Always, Recovering)
  :: enlistment[m] == Offline -> move_enlistment(enlistment[m], Offline, TellRollback, Always, Forgotten)
  :: else -> assert(is_finished(enlistment[m]))
  fi;
  if
  :: enlistment[m] == Aborting && !let_go[m] -> send(m, ROLLBACK)
  :: enlistment[m] == Aborting && let_go[m] -> /* nobody is left to answer */
     send(m, ROLLBACK);
     move_enlistment(enlistment[m], Aborting, Release, Always, Forgotten)
  :: else -> skip
  fi
}

/* All that the manager's memory holds of them is gone. */
inline forget_members() {
  for_each_member(m) {
    enlistment[m] = Nothing;
    rm[m] = Offline;
    has_session[m] = false;
    preprepared_once[m] = false; flushes[m] = false; decides_alone[m] = false; offered[m] = false; let_go[m] = false;
    drop_queue(m)
  }
}

/* T4: nobody has anything left to do. (`ended`, false, is there to name the property in what fails.) */
inline assert_all_is_forgotten(m) {
  assert(!ended && tm == Online);
  assert(!ended && transaction == Forgotten);
  for_each_member(m) {
    assert(!ended && is_finished(enlistment[m]));
    assert(!ended && empty(queue[m]));
    assert(!ended && work[m] != Working && work[m] != Promised)
  }
  m = 0
}

/* --- what follows for the transaction ------------------------------------------------------------ */

#define can_roll_back \
  (transaction == Active || transaction == PrePreparing || transaction == PrePrepared || \
   transaction == Preparing)

/* By a client, a timeout, an enlistment, or a session that ended. */
inline roll_back() {
  if
  :: transaction == Active -> move_transaction(transaction, Active, Rollback, Always, Aborted)
  :: transaction == PrePreparing -> move_transaction(transaction, PrePreparing, Rollback, Always, Aborted)
  :: transaction == PrePrepared -> move_transaction(transaction, PrePrepared, Rollback, Always, Aborted)
  :: transaction == Preparing -> move_transaction(transaction, Preparing, Rollback, Always, Aborted)
  :: transaction == Committing && mutant == MUTANT_SUBMITTED_DECISION_ROLLED_BACK -> transaction = Aborted
  :: else -> skip
  fi
}

/* What is awaited, what is unfinished, and the one that may decide alone: the only one left. */
inline look_around() {
  votes = 0; unfinished = 0; owner = NOBODY;
  for_each_member(m) {
    if
    :: enlistment[m] == PrePreparing || enlistment[m] == Preparing -> votes++
    :: else -> skip
    fi;
    if
    :: !is_finished(enlistment[m]) -> unfinished++; owner = m
    :: else -> skip
    fi
  }
  if
  :: unfinished == 1 && decides_alone[owner] -> skip
  :: unfinished > 1 && decides_alone[owner] && mutant == MUTANT_SINGLE_PHASE_FOR_ONE_OF_TWO -> skip
  :: else -> owner = NOBODY
  fi
}

/* --- what a resource manager says ----------------------------------------------------------------- */

inline answered_read_only() {
  if
  :: enlistment[who] == Active -> move_enlistment(enlistment[who], Active, ReadOnly, Revocable, ReadOnly)
  :: enlistment[who] == PrePreparing ->
     move_enlistment(enlistment[who], PrePreparing, ReadOnly, Always, ReadOnly)
  :: enlistment[who] == PrePrepared ->
     move_enlistment(enlistment[who], PrePrepared, ReadOnly, Revocable, ReadOnly)
  :: enlistment[who] == Preparing && mutant == MUTANT_READ_ONLY_AWAITED_AGAIN -> enlistment[who] = Prepared
  :: enlistment[who] == Preparing && mutant != MUTANT_READ_ONLY_AWAITED_AGAIN ->
     move_enlistment(enlistment[who], Preparing, ReadOnly, Always, ReadOnly)
  fi
}

inline answered_rollback() {
  if
  :: enlistment[who] == Active -> move_enlistment(enlistment[who], Active, Rollback, Revocable, Active)
  :: enlistment[who] == PrePreparing ->
     move_enlistment(enlistment[who], PrePreparing, Rollback, Revocable, PrePreparing)
  :: enlistment[who] == PrePrepared ->
     move_enlistment(enlistment[who], PrePrepared, Rollback, Revocable, PrePrepared)
  :: enlistment[who] == Preparing ->
     move_enlistment(enlistment[who], Preparing, Rollback, Revocable, Preparing)
  :: enlistment[who] == Delegated ->
     move_enlistment(enlistment[who], Delegated, Rollback, Always, Delegated);
     move_transaction(transaction, Delegated, OwnerAborted, Always, Aborted)
  fi;
  roll_back()
}

/* Its handle is gone, and with it the right to answer. */
inline released() {
  let_go[who] = true;
  if
  :: enlistment[who] == Active ->
     move_enlistment(enlistment[who], Active, Release, Revocable, Active); roll_back()
  :: enlistment[who] == PrePreparing ->
     move_enlistment(enlistment[who], PrePreparing, Release, Revocable, PrePreparing); roll_back()
  :: enlistment[who] == PrePrepared ->
     move_enlistment(enlistment[who], PrePrepared, Release, Revocable, PrePrepared); roll_back()
  :: enlistment[who] == Preparing ->
     move_enlistment(enlistment[who], Preparing, Release, Revocable, Preparing); roll_back()
  :: enlistment[who] == Aborting -> move_enlistment(enlistment[who], Aborting, Release, Always, Forgotten)
  :: enlistment[who] == Delegated -> /* it may have committed */
     move_enlistment(enlistment[who], Delegated, Release, Always, DelegatedDisconnected);
     move_transaction(transaction, Delegated, OwnerGone, Always, Unknown)
  :: else -> skip
  fi
}

inline rejected() {
  decides_alone[who] = (mutant == MUTANT_OWNER_THAT_REJECTED_ASKED_AGAIN);
  if
  :: preprepared_once[who] ->
     move_enlistment(enlistment[who], Delegated, Reject, PrePreparedOnce, PrePrepared)
  :: else -> move_enlistment(enlistment[who], Delegated, Reject, NeverAsked, Active)
  fi;
  move_transaction(transaction, Delegated, Reject, Always, PrePreparing)
}

inline recovered() {
  if
  :: enlistment[who] == Recovering && transaction == Committed ->
     move_enlistment(enlistment[who], Recovering, Recover, Committed, CommittedNotify);
     send(who, COMMIT)
  :: enlistment[who] == Recovering && transaction == Aborted ->
     move_enlistment(enlistment[who], Recovering, Recover, Aborted, Aborting);
     send(who, ROLLBACK)
  :: enlistment[who] == Recovering && transaction != Committed && transaction != Aborted ->
     if
     :: mutant == MUTANT_UNDECIDED_TOLD_TO_ROLL_BACK -> enlistment[who] = Aborting; send(who, ROLLBACK)
     :: else -> move_enlistment(enlistment[who], Recovering, Recover, Undecided, InDoubt); send(who, INDOUBT)
     fi
  :: else -> skip
  fi
}

/* One that promised, or comes to know the outcome, is kept; another takes the transaction along. */
inline disconnected() {
  if
  :: enlistment[who] == Active ->
     move_enlistment(enlistment[who], Active, Disconnect, Revoke, Forgotten); roll_back()
  :: enlistment[who] == PrePreparing ->
     move_enlistment(enlistment[who], PrePreparing, Disconnect, Revoke, Forgotten); roll_back()
  :: enlistment[who] == PrePrepared ->
     move_enlistment(enlistment[who], PrePrepared, Disconnect, Revoke, Forgotten); roll_back()
  :: enlistment[who] == Preparing ->
     move_enlistment(enlistment[who], Preparing, Disconnect, Revoke, Forgotten); roll_back()
  :: enlistment[who] == Prepared && mutant == MUTANT_PROMISE_DROPPED_WITH_THE_SESSION -> enlistment[who] = Forgotten
  :: enlistment[who] == Prepared && mutant != MUTANT_PROMISE_DROPPED_WITH_THE_SESSION ->
     move_enlistment(enlistment[who], Prepared, Disconnect, Keep, Offline)
  :: enlistment[who] == InDoubt -> move_enlistment(enlistment[who], InDoubt, Disconnect, Keep, Offline)
  :: enlistment[who] == CommittedNotify ->
     move_enlistment(enlistment[who], CommittedNotify, Disconnect, Keep, Offline)
  :: enlistment[who] == Recovering && transaction != Aborted ->
     move_enlistment(enlistment[who], Recovering, Disconnect, Keep, Offline)
  :: enlistment[who] == Recovering && transaction == Aborted ->
     move_enlistment(enlistment[who], Recovering, Disconnect, Drop, Forgotten)
  :: enlistment[who] == Aborting -> move_enlistment(enlistment[who], Aborting, Disconnect, Drop, Forgotten)
  :: enlistment[who] == Delegated ->
     move_enlistment(enlistment[who], Delegated, Disconnect, Always, DelegatedDisconnected);
     if
     :: mutant == MUTANT_OWNER_GONE_TAKEN_FOR_ABORTED -> transaction = Aborted
     :: else -> move_transaction(transaction, Delegated, OwnerGone, Always, Unknown)
     fi
  :: else -> assert(is_finished(enlistment[who]) || enlistment[who] == Offline)
  fi
}

inline end_session() {
  if
  :: rm[who] == Offline -> move_rm(rm[who], Offline, Disconnect, Always, Offline)
  :: rm[who] == Recovering -> move_rm(rm[who], Recovering, Disconnect, Always, Offline)
  :: rm[who] == Online -> move_rm(rm[who], Online, Disconnect, Always, Offline)
  fi;
  has_session[who] = false;
  offered[who] = false; let_go[who] = false;
  drop_queue(who);
  disconnected()
}

/* A word of a resource manager. What the table does not have is refused and changes nothing. */
inline rm_says() {
  if
  :: event == Enlist ->
     move_rm(rm[who], Online, Enlist, Always, Online);
     if
     :: transaction == Active -> move_transaction(transaction, Active, Enlist, Always, Active)
     :: transaction == PrePreparing ->
        move_transaction(transaction, PrePreparing, Enlist, NoPrePrepare, PrePreparing)
     fi;
     enlistment[who] = Active
  :: event == PrePrepareComplete && enlistment[who] == PrePreparing ->
     preprepared_once[who] = true;
     move_enlistment(enlistment[who], PrePreparing, PrePrepareComplete, WantsCommit, PrePrepared)
  :: event == PrepareComplete && enlistment[who] == Preparing ->
     move_enlistment(enlistment[who], Preparing, PrepareComplete, Always, Prepared)
  :: event == ReadOnly -> answered_read_only()
  :: event == Rollback -> answered_rollback()
  :: event == RequestOutcome && enlistment[who] == Prepared && can_roll_back ->
     move_enlistment(enlistment[who], Prepared, RequestOutcome, Revocable, Prepared);
     roll_back()
  :: event == Release -> released()
  :: event == Reject -> rejected()
  :: event == CommitComplete && enlistment[who] == CommittedNotify ->
     move_enlistment(enlistment[who], CommittedNotify, CommitComplete, Always, Committed)
  :: event == CommitComplete && enlistment[who] == Delegated ->
     move_enlistment(enlistment[who], Delegated, CommitComplete, Always, Committed);
     move_transaction(transaction, Delegated, OwnerCommitted, Always, Committed)
  :: event == RollbackComplete && enlistment[who] == Aborting ->
     move_enlistment(enlistment[who], Aborting, RollbackComplete, Always, Aborted)
  :: event == RollbackComplete && enlistment[who] == Delegated ->
     move_enlistment(enlistment[who], Delegated, RollbackComplete, Always, Aborted);
     move_transaction(transaction, Delegated, OwnerAborted, Always, Aborted)
  :: event == Recover -> recovered()
  :: event == Disconnect -> end_session()
  :: else -> skip
  fi
}

/* --- resource managers ---------------------------------------------------------------------------- */

#define head(notification) (has_session[i] && queue[i]?[notification])
#define can_withdraw \
  (work[i] == Working && can_roll_back && has_session[i] && !let_go[i] && \
   (enlistment[i] == Active || enlistment[i] == PrePreparing || enlistment[i] == PrePrepared || \
    enlistment[i] == Preparing))

#define may_let_go \
  (has_session[i] && !let_go[i] && \
   (enlistment[i] == Active || enlistment[i] == PrePreparing || enlistment[i] == PrePrepared || \
    enlistment[i] == Preparing || enlistment[i] == Aborting || enlistment[i] == Delegated))

/* A durable resource manager that keeps the rules for their authors. It may be disturbed between the two
 * halves of each answer: what it does in its own log, and what it says. */
proctype resource_manager(byte i) {
end:
  do
  /* of its own accord */
  :: atomic {
       work[i] == Idle && rm[i] == Online && transaction == Active ->
       work[i] = Working; call!i, Enlist
     }
  :: atomic {
       work[i] == Idle && rm[i] == Online && transaction == PrePreparing && !flushes[i] ->
       work[i] = Working; call!i, Enlist
     }
  :: atomic { can_withdraw && (!calm || nempty(queue[i])) -> work[i] = Reader; call!i, ReadOnly }
  :: atomic { can_withdraw && (!calm || nempty(queue[i])) -> call!i, Rollback }
  :: atomic { !calm && work[i] == Working && may_let_go -> call!i, Release }
  :: atomic { !calm && enlistment[i] == Prepared && can_roll_back -> call!i, RequestOutcome }

  /* the phases */
  :: atomic { head(PREPREPARE) && work[i] == Working -> queue[i]?PREPREPARE; call!i, PrePrepareComplete }
  :: atomic {
       head(PREPARE) && work[i] == Working -> work[i] = Promised;
       if
       :: mutant == MUTANT_PREPARE_ANSWERED_BEFORE_FORCED -> skip
       :: else -> disk[i] = Promised
       fi
     }
  :: atomic { head(PREPARE) && work[i] == Promised -> queue[i]?PREPARE; call!i, PrepareComplete }
  :: atomic { (head(PREPREPARE) || head(PREPARE)) && work[i] == Reader -> queue[i]?_ }

  /* alone */
  :: atomic { head(SINGLE_PHASE_COMMIT) && work[i] == Working -> work[i] = Done; disk[i] = Done; end_done(i) }
  :: atomic {
       head(SINGLE_PHASE_COMMIT) && work[i] == Done ->
       queue[i]?SINGLE_PHASE_COMMIT; call!i, CommitComplete
     }
  :: atomic { head(SINGLE_PHASE_COMMIT) && work[i] == Working -> work[i] = Undone; end_undone(i) }
  :: atomic {
       head(SINGLE_PHASE_COMMIT) && work[i] == Undone ->
       queue[i]?SINGLE_PHASE_COMMIT; call!i, RollbackComplete
     }
  :: atomic {
       head(SINGLE_PHASE_COMMIT) && work[i] == Working && !let_go[i] ->
       queue[i]?SINGLE_PHASE_COMMIT; call!i, Reject
     }
  :: atomic {
       head(SINGLE_PHASE_COMMIT) && work[i] == Working && !let_go[i] ->
       queue[i]?SINGLE_PHASE_COMMIT; call!i, Rollback
     }

  /* the outcome; told again, it answers again */
  :: atomic {
       head(COMMIT) && work[i] == Promised -> work[i] = Done; end_done(i);
       if
       :: mutant == MUTANT_COMMIT_ANSWERED_BEFORE_DURABLE -> skip
       :: else -> disk[i] = Done
       fi
     }
  :: atomic { head(COMMIT) && work[i] == Done -> queue[i]?COMMIT; call!i, CommitComplete }
  :: atomic {
       head(COMMIT) && work[i] != Promised && work[i] != Done ->
       assert(work[i] == Promised || work[i] == Done)
     }
  :: atomic {
       head(ROLLBACK) && (work[i] == Working || work[i] == Promised) ->
       work[i] = Undone; end_undone(i)
     }
  :: atomic { head(ROLLBACK) && work[i] == Undone -> queue[i]?ROLLBACK; call!i, RollbackComplete }
  :: atomic {
       head(ROLLBACK) && work[i] != Working && work[i] != Promised && work[i] != Undone ->
       assert(work[i] == Undone)
     }

  :: atomic {
       work[i] == Promised && mutant == MUTANT_ROLLED_BACK_ALONE_AFTER_THE_PROMISE ->
       work[i] = Undone; end_undone(i)
     }

  /* its session has ended */
  :: atomic { !has_session[i] && work[i] == Working -> work[i] = Undone; end_undone(i) }
  :: atomic {
       !has_session[i] && tm == Online && work[i] != Idle && work[i] != Working ->
       has_session[i] = true;
       move_rm(rm[i], Offline, Begin, Durable, Offline)
     }
  :: atomic {
       has_session[i] && rm[i] == Offline ->
       move_rm(rm[i], Offline, Recover, Durable, Recovering);
       if
       :: enlistment[i] == Offline ->
          move_enlistment(enlistment[i], Offline, Reoffer, Always, Recovering); queue[i]!RECOVER
       :: enlistment[i] == Recovering ->
          move_enlistment(enlistment[i], Recovering, Reoffer, Always, Recovering); queue[i]!RECOVER
       :: else -> skip
       fi
     }
  :: atomic {
       has_session[i] && rm[i] == Recovering ->
       move_rm(rm[i], Recovering, Offered, Always, Online); queue[i]!LAST_RECOVER
     }
  :: atomic { head(RECOVER) -> queue[i]?RECOVER; offered[i] = true; call!i, Recover }
  :: atomic { head(INDOUBT) -> queue[i]?INDOUBT }
  :: atomic {
       head(LAST_RECOVER) -> queue[i]?LAST_RECOVER;
       if
       :: work[i] == Promised && !offered[i] && mutant == MUTANT_NOT_OFFERED_TAKEN_FOR_COMMITTED ->
          work[i] = Done; disk[i] = Done; end_done(i)
       :: work[i] == Promised && !offered[i] && mutant != MUTANT_NOT_OFFERED_TAKEN_FOR_COMMITTED ->
          work[i] = Undone; end_undone(i) /* presumed abort */
       :: work[i] != Promised || offered[i] -> skip
       fi
     }

  /* disturbances: it lets go of its session, or crashes and knows what its log says */
  :: atomic { !calm && has_session[i] && work[i] != Idle -> call!i, Disconnect }
  :: atomic {
       !calm && work[i] != Idle ->
       if
       :: disk[i] == Done -> work[i] = Done
       :: disk[i] == Promised && work[i] == Undone -> disk[i] = Idle /* its rollback reached its log */
       :: disk[i] == Promised -> work[i] = Promised
       :: disk[i] == Idle && (work[i] == Working || work[i] == Promised) -> work[i] = Undone; end_undone(i)
       :: disk[i] == Idle && work[i] != Working && work[i] != Promised -> skip
       fi;
       if
       :: has_session[i] -> call!i, Disconnect
       :: else -> skip
       fi
     }
  od
}
