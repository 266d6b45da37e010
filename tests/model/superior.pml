/* One transaction of a manager that is the subordinate of another coordinator, and that coordinator: a
 * root manager, or one outside. The branch promises only what its log holds, and then waits, over any
 * crash of either side, for the word of its superior; who knows nothing of a branch says rollback.
 *
 * What commit.pml shows of a root manager's own resource managers is not repeated for the superior: one
 * other participant of its transaction stands for all of them. */

#ifndef MEMBERS
#define MEMBERS 1 /* resource managers of the branch */
#endif

#include "machines.pml"
#include "members.pml"

#define SUPERIOR (MEMBERS + 2)

/* --- state ------------------------------------------------------------------------------------- */

/* In the branch's memory: the superior's enlistment, how far it lets the transaction go, its order. */
mtype entered = Active; /* the state whose actions were done last */
bool awaits_room;
mtype sup = Active;
mtype goal = Nothing; /* Nothing, PrePrepare, Prepare, Commit */
bool rolls_back;
bool ended_committed;

/* The branch's log: prepare record and decision, both forced; the forget record is not. */
mtype promise = Nothing;
mtype decision = Nothing;
mtype forget = Nothing;
bool named[MEMBERS]; /* in the prepare record */

/* The superior: its transaction, its log, its other participant, its session with the branch. */
mtype superior = Active;
mtype superior_decision = Nothing;
mtype superior_forget = Nothing;
mtype other = Working;
bool branch_done;
bool superior_session = true;
bool knows_branch = true; /* it was enlisted, or offered, in this session */
chan up = [4] of { mtype };

/* --- the branch: what it tells its superior ------------------------------------------------------ */

inline send_up(notification) {
  assert(superior_session && nfull(up));
  up!notification
}

inline drop_up() {
  do
  :: nempty(up) -> up?_
  :: empty(up) -> break
  od
}

inline tell_rolled_back() {
  if
  :: sup == Active -> move_superior(sup, Active, RolledBack, Always, Aborting); send_up(ROLLBACK)
  :: sup == CommitRequested -> move_superior(sup, CommitRequested, RolledBack, Always, Aborting); send_up(ROLLBACK)
  :: sup == PrePreparing -> move_superior(sup, PrePreparing, RolledBack, Always, Aborting); send_up(ROLLBACK)
  :: sup == PrePrepared -> move_superior(sup, PrePrepared, RolledBack, Always, Aborting); send_up(ROLLBACK)
  :: sup == Preparing -> move_superior(sup, Preparing, RolledBack, Always, Aborting); send_up(ROLLBACK)
  :: sup == Offline -> move_superior(sup, Offline, RolledBack, Always, Forgotten)
  :: else -> skip
  fi
}

inline tell_commit_done() {
  if
  :: sup == Committing -> move_superior(sup, Committing, CommitDone, Always, Committed); send_up(COMMIT_COMPLETE)
  :: sup == Offline -> move_superior(sup, Offline, CommitDone, Always, Forgotten)
  :: sup == Recovering -> move_superior(sup, Recovering, CommitDone, Always, Forgotten)
  :: else -> skip
  fi
}

inline tell_rollback_done() {
  if
  :: sup == Aborting -> move_superior(sup, Aborting, RollbackDone, Always, Aborted); send_up(ROLLBACK_COMPLETE)
  :: sup == Offline -> move_superior(sup, Offline, RollbackDone, Always, Forgotten)
  :: else -> skip
  fi
}

inline tell_preprepare_done() {
  if
  :: sup == PrePreparing ->
     move_superior(sup, PrePreparing, PrePrepareDone, Always, PrePrepared);
     send_up(PREPREPARE_COMPLETE)
  :: else -> skip
  fi
}

inline tell_prepare_done() {
  if
  :: sup == Preparing -> move_superior(sup, Preparing, PrepareDone, Always, Prepared); send_up(PREPARE_COMPLETE)
  :: else -> skip
  fi
}

/* --- the branch: a transaction's steps ---------------------------------------------------------- */

inline enter() {
  awaits_room = false;
  if
  :: transaction == PrePrepared -> awaits_room = (unfinished > 0)
  :: transaction == Prepared -> tell_prepare_done()
  :: transaction == Committed -> show_committed()
  :: transaction == Aborted -> show_aborted(); tell_rolled_back()
  :: transaction == Forgotten && entered == Committed -> ended_committed = true; tell_commit_done()
  :: transaction == Forgotten && entered == Aborted -> tell_rollback_done()
  :: else -> skip
  fi;
  if /* presumed abort: the rollback of a promise needs no answers, so its forget record does not wait */
  :: (transaction == Aborted || transaction == Forgotten) && promise != Nothing -> forget = Written
  :: else -> skip
  fi;
  entered = transaction;
  for_each_member(m) {
    if /* masks matter up to here; states that differ in nothing else are one */
    :: transaction != PrePreparing && transaction != PrePrepared ->
       flushes[m] = false; preprepared_once[m] = false
    :: else -> skip
    fi;
    if
    :: transaction == PrePreparing -> ask_preprepare(m)
    :: transaction == Preparing -> ask_prepare(m)
    :: transaction == Committed -> tell_commit(m)
    :: transaction == Aborted -> tell_rollback(m)
    :: else -> skip
    fi
  }
}

inline advance() {
  do
  :: transaction != entered -> look_around(); enter()
  :: else ->
     look_around();
     if
     :: transaction == PrePreparing && votes == 0 ->
        move_transaction(transaction, PrePreparing, Answered, Always, PrePrepared)
     :: transaction == PrePrepared && !awaits_room && goal == PrePrepare -> tell_preprepare_done(); break
     :: transaction == PrePrepared && !awaits_room && goal != PrePrepare ->
        move_transaction(transaction, PrePrepared, GoOn, Phases, Preparing)
     :: transaction == Preparing && votes == 0 && unfinished > 0 ->
        move_transaction(transaction, Preparing, Answered, Promises, Promising)
     :: transaction == Preparing && votes == 0 && unfinished == 0 ->
        move_transaction(transaction, Preparing, Answered, PlainVotes, Prepared)
     :: transaction == Prepared && rolls_back ->
        move_transaction(transaction, Prepared, OrderRollback, Always, Aborted)
     :: transaction == InDoubt && rolls_back ->
        move_transaction(transaction, InDoubt, OrderRollback, Always, Aborted)
     :: transaction == Prepared && goal == Commit && unfinished > 0 ->
        move_transaction(transaction, Prepared, GoOn, Logged, Committing)
     :: transaction == Prepared && goal == Commit && unfinished == 0 ->
        move_transaction(transaction, Prepared, GoOn, Unlogged, Committed)
     :: transaction == InDoubt && goal == Commit && unfinished > 0 ->
        move_transaction(transaction, InDoubt, GoOn, Logged, Committing)
     :: transaction == InDoubt && goal == Commit && unfinished == 0 ->
        move_transaction(transaction, InDoubt, GoOn, Unlogged, Committed)
     :: transaction == Prepared && goal != Commit && !rolls_back && sup == Offline ->
        move_transaction(transaction, Prepared, SuperiorGone, Always, InDoubt)
     :: transaction == Committed && (unfinished == 0 || mutant == MUTANT_BRANCH_DONE_BEFORE_ALL_ANSWERED) ->
        move_transaction(transaction, Committed, Finished, Always, Forgotten)
     :: transaction == Aborted && unfinished == 0 ->
        move_transaction(transaction, Aborted, Finished, Always, Forgotten)
     :: else -> break
     fi
  od
}

/* --- the branch: what it is told ---------------------------------------------------------------- */

/* Before the promise it may be rolled back; its commit is the superior's to decide. */
inline client_asks() {
  if
  :: event == Commit && transaction == Active && sup == Active ->
     move_transaction(transaction, Active, Commit, AsksSuperior, Active);
     move_superior(sup, Active, Request, Always, CommitRequested);
     send_up(COMMIT_REQUEST)
  :: event == Rollback && mutant == MUTANT_PROMISE_ROLLED_BACK_BY_A_CLIENT && transaction == Prepared ->
     transaction = Aborted
  :: event == Rollback && can_roll_back -> roll_back()
  :: else -> skip
  fi
}

inline drive(how_far) {
  goal = how_far;
  if
  :: transaction == Active -> move_transaction(transaction, Active, Drive, Always, PrePreparing)
  :: else -> skip
  fi
}

inline ordered_rollback() {
  if
  :: sup == Active -> move_superior(sup, Active, Rollback, Always, Aborting)
  :: sup == CommitRequested -> move_superior(sup, CommitRequested, Rollback, Always, Aborting)
  :: sup == PrePreparing -> move_superior(sup, PrePreparing, Rollback, Always, Aborting)
  :: sup == PrePrepared -> move_superior(sup, PrePrepared, Rollback, Always, Aborting)
  :: sup == Preparing -> move_superior(sup, Preparing, Rollback, Always, Aborting)
  :: sup == Prepared -> move_superior(sup, Prepared, Rollback, Undecided, Aborting)
  :: sup == InDoubt -> move_superior(sup, InDoubt, Rollback, Undecided, Aborting)
  fi;
  if
  :: can_roll_back -> roll_back()
  :: else -> rolls_back = true
  fi
}

inline superior_disconnected() {
  superior_session = false;
  if
  :: sup == Active -> move_superior(sup, Active, Disconnect, Revoke, Forgotten); roll_back()
  :: sup == CommitRequested -> move_superior(sup, CommitRequested, Disconnect, Revoke, Forgotten); roll_back()
  :: sup == PrePreparing -> move_superior(sup, PrePreparing, Disconnect, Revoke, Forgotten); roll_back()
  :: sup == PrePrepared -> move_superior(sup, PrePrepared, Disconnect, Revoke, Forgotten); roll_back()
  :: sup == Preparing && can_roll_back ->
     move_superior(sup, Preparing, Disconnect, Revoke, Forgotten); roll_back()
  :: sup == Preparing && !can_roll_back -> move_superior(sup, Preparing, Disconnect, Keep, Offline)
  :: sup == Prepared && mutant == MUTANT_SUPERIOR_GONE_TAKEN_FOR_ROLLBACK -> sup = Forgotten; transaction = Aborted
  :: sup == Prepared && mutant != MUTANT_SUPERIOR_GONE_TAKEN_FOR_ROLLBACK ->
     move_superior(sup, Prepared, Disconnect, Keep, Offline)
  :: sup == InDoubt -> move_superior(sup, InDoubt, Disconnect, Keep, Offline)
  :: sup == Recovering -> move_superior(sup, Recovering, Disconnect, Keep, Offline)
  :: sup == Committing -> move_superior(sup, Committing, Disconnect, Keep, Offline)
  :: sup == Aborting -> move_superior(sup, Aborting, Disconnect, Keep, Offline)
  :: else -> skip
  fi
}

#define has_decided (transaction == Committed || goal == Commit)
#define has_rolled_back (transaction == Aborted || rolls_back)

/* A new session: what is unfinished is offered, as a question while the superior has not decided. */
inline superior_began() {
  superior_session = true;
  if
  :: mutant == MUTANT_RECOVER_QUERY_LEFT_OUT -> skip
  :: sup == Offline && !has_decided && !has_rolled_back ->
     move_superior(sup, Offline, Reoffer, Undecided, Recovering); send_up(RECOVER_QUERY)
  :: sup == Offline && has_decided ->
     move_superior(sup, Offline, Reoffer, Committed, Recovering); send_up(RECOVER)
  :: sup == Recovering && !has_decided ->
     move_superior(sup, Recovering, Reoffer, Undecided, Recovering); send_up(RECOVER_QUERY)
  :: sup == Recovering && has_decided ->
     move_superior(sup, Recovering, Reoffer, Committed, Recovering); send_up(RECOVER)
  :: else -> skip
  fi;
  send_up(LAST_RECOVER)
}

inline superior_recovered() {
  if
  :: sup == Recovering && !has_decided -> move_superior(sup, Recovering, Recover, Undecided, InDoubt)
  :: sup == Recovering && has_decided -> move_superior(sup, Recovering, Recover, Committed, Committing)
  :: sup == Forgotten && ended_committed ->
     move_superior(sup, Forgotten, Recover, Committed, Forgotten); send_up(COMMIT_COMPLETE)
  :: else -> skip
  fi
}

inline superior_says() {
  if
  :: event == PrePrepare && sup == Active ->
     move_superior(sup, Active, PrePrepare, Always, PrePreparing); drive(PrePrepare)
  :: event == PrePrepare && sup == CommitRequested ->
     move_superior(sup, CommitRequested, PrePrepare, Always, PrePreparing); drive(PrePrepare)
  :: event == Prepare && sup == Active -> move_superior(sup, Active, Prepare, Always, Preparing); drive(Prepare)
  :: event == Prepare && sup == CommitRequested ->
     move_superior(sup, CommitRequested, Prepare, Always, Preparing); drive(Prepare)
  :: event == Prepare && sup == PrePrepared ->
     move_superior(sup, PrePrepared, Prepare, Always, Preparing); drive(Prepare)
  :: event == Commit && sup == Prepared -> move_superior(sup, Prepared, Commit, Undecided, Committing); goal = Commit
  :: event == Commit && sup == InDoubt -> move_superior(sup, InDoubt, Commit, Undecided, Committing); goal = Commit
  :: event == Rollback -> ordered_rollback()
  :: event == Disconnect -> superior_disconnected()
  :: event == Begin -> superior_began()
  :: event == Recover -> superior_recovered()
  :: else -> skip
  fi
}

/* --- the branch: its log, its end and its beginning --------------------------------------------- */

inline survive(record) {
  if
  :: record == Written && survives -> record = Durable
  :: record == Written && !survives -> record = Nothing
  :: else -> skip
  fi
}

inline begin_anew() {
  transaction = Forgotten;
  entered = Forgotten;
  awaits_room = false;
  forget_members();
  sup = Nothing;
  goal = Nothing;
  rolls_back = false;
  ended_committed = false;
  superior_session = false;
  drop_up();
  survive(promise);
  survive(decision);
  survive(forget);
  tm = Initialized
}

inline recover_manager() {
  move_tm(tm, Initialized, Recover, Durable, Recovering);
  if
  :: promise == Durable && forget != Durable &&
     !(mutant == MUTANT_IN_DOUBT_TAKEN_FOR_ABORTED && decision != Durable) ->
     transaction = Recovering;
     for_each_member(m) {
       if
       :: named[m] && !(mutant == MUTANT_IN_DOUBT_NOT_OFFERED && decision != Durable) ->
          enlistment[m] = Recovering
       :: else -> skip
       fi
     }
     sup = Recovering;
     if
     :: decision == Durable -> move_transaction(transaction, Recovering, Found, Free, Committed)
     :: else -> move_transaction(transaction, Recovering, Found, Promised, InDoubt)
     fi
  :: else ->
     promise = Nothing; decision = Nothing; forget = Nothing;
     for_each_member(m) { named[m] = false }
  fi;
  move_tm(tm, Recovering, Recovered, Always, Online)
}

/* Offline, for what its record has become only recovery can say: closed, and opened again. */
inline stop() {
  move_tm(tm, Online, Stop, Always, Offline);
  begin_anew()
}

inline work_on_log() {
  if
  :: event == GoOn -> awaits_room = false
  :: event == Written && transaction == Promising ->
     promise = Written;
     for_each_member(m) { named[m] = !is_finished(enlistment[m]) }
  :: event == Written && transaction == Committing -> decision = Written
  :: event == Refused && transaction == PrePrepared ->
     move_transaction(transaction, PrePrepared, Refused, Always, Aborted)
  :: event == Refused && transaction == Promising ->
     move_transaction(transaction, Promising, Refused, Always, Aborted)
  :: event == Refused && transaction == Committing ->
     if
     :: mutant == MUTANT_REFUSED_DECISION_BREAKS_THE_PROMISE -> transaction = Aborted
     :: else -> move_transaction(transaction, Committing, Refused, Promised, Unknown); stop()
     fi
  :: event == Durable && transaction == Promising ->
     if
     :: mutant == MUTANT_PREPARE_RECORD_NOT_FORCED -> skip
     :: else -> promise = Durable
     fi;
     move_transaction(transaction, Promising, Durable, Always, Prepared)
  :: event == Durable && transaction == Committing ->
     if
     :: mutant == MUTANT_BRANCH_DECISION_NOT_FORCED -> skip
     :: else -> decision = Durable
     fi;
     move_transaction(transaction, Committing, Durable, Always, Committed)
  :: event == Lost ->
     if
     :: transaction == Promising -> move_transaction(transaction, Promising, Lost, Always, Unknown)
     :: else -> move_transaction(transaction, Committing, Lost, Always, Unknown)
     fi;
     stop()
  :: event == Crash -> begin_anew()
  :: event == Recover -> recover_manager()
  fi
}

#define writes (transaction == Promising && promise == Nothing || \
                transaction == Committing && decision == Nothing)
#define forces (transaction == Promising && promise == Written || \
                transaction == Committing && decision == Written)

/* One turn: something comes, and all that follows from it. */
proctype manager() {
  byte who, m, owner, votes, unfinished;
  mtype event;
  bool survives;
end:
  do
  :: atomic {
       if
       :: call?who, event
       :: tm == Online && awaits_room -> who = LOG; event = GoOn
       :: tm == Online && writes -> who = LOG; event = Written
       :: tm == Online && (awaits_room || writes) && !calm -> who = LOG; event = Refused
       :: tm == Online && forces -> who = LOG; event = Durable
       :: tm == Online && forces && !calm -> who = LOG; event = Lost
       :: tm == Online && !calm -> who = LOG; event = Crash
       :: tm == Initialized -> who = LOG; event = Recover
       fi;
       if
       :: event == Crash || event == Lost -> if :: survives = true :: survives = false fi
       :: else -> skip
       fi;
       d_step {
         if
         :: who == LOG -> work_on_log()
         :: who == SUPERIOR -> superior_says()
         :: who == CLIENT ->
            client_asks()
         :: else -> rm_says()
         fi;
         advance();
         who = 0; m = 0; owner = 0; votes = 0; unfinished = 0; event = Nothing; survives = false
       }
     }
  od
}

/* Asks for the commit, which the superior decides; gives up, or waits too long. */
proctype client() {
end:
  do
  :: atomic { tm == Online && transaction == Active && sup == Active -> call!CLIENT, Commit }
  :: atomic { tm == Online && can_roll_back && !calm -> call!CLIENT, Rollback }
  :: atomic {
       tm == Online && transaction == Prepared && mutant == MUTANT_PROMISE_ROLLED_BACK_BY_A_CLIENT ->
       call!CLIENT, Rollback
     }
  od
}

/* --- the superior ------------------------------------------------------------------------------- */

#define is_undecided (superior == Active || superior == PrePreparing || superior == PrePrepared || \
                      superior == Preparing || superior == Prepared)
#define has_no_vote (is_undecided && superior != Prepared)
#define reaches_branch (tm == Online && superior_session && knows_branch)

/* Nothing is written for a rollback: from now on it knows nothing. */
inline superior_aborts() {
  superior = Forgotten;
  other = Undone; end_undone(other);
  show_aborted()
}

inline superior_crashes() {
  if
  :: superior_decision == Written -> superior_decision = Durable
  :: superior_decision == Written -> superior_decision = Nothing
  :: superior_decision != Written -> skip
  fi;
  if
  :: superior_forget == Written -> superior_forget = Durable
  :: superior_forget == Written -> superior_forget = Nothing
  :: superior_forget != Written -> skip
  fi;
  branch_done = false;
  knows_branch = false;
  if
  :: superior_decision == Durable && superior_forget != Durable -> superior = Committed; show_committed()
  :: superior_decision == Nothing || superior_forget == Durable ->
     superior = Forgotten;
     superior_decision = Nothing; superior_forget = Nothing;
     if
     :: other == Working || other == Promised -> other = Undone; end_undone(other)
     :: else -> skip
     fi
  fi
}

proctype coordinator() {
end:
  do
  /* the phases */
  :: atomic {
       reaches_branch && superior == Active && (sup == Active || sup == CommitRequested) ->
       superior = PrePreparing;
       call!SUPERIOR, PrePrepare
     }
  :: atomic {
       reaches_branch &&
       (superior == Active && (sup == Active || sup == CommitRequested) || superior == PrePrepared && sup == PrePrepared) ->
       superior = Preparing;
       call!SUPERIOR, Prepare
     }
  :: atomic { (superior == Preparing || superior == Prepared) && other == Working -> other = Promised }
  :: atomic {
       nempty(up) && up?[PREPREPARE_COMPLETE] -> up?PREPREPARE_COMPLETE;
       if
       :: superior == PrePreparing -> superior = PrePrepared
       :: else -> skip
       fi
     }
  :: atomic {
       nempty(up) && up?[PREPARE_COMPLETE] -> up?PREPARE_COMPLETE;
       if
       :: superior == Preparing -> superior = Prepared
       :: else -> skip
       fi
     }

  /* the decision */
  :: atomic { is_undecided && !calm -> superior_aborts() }
  :: atomic { superior == Active -> superior_aborts() }
  /* a vote against */
  :: atomic {
       (superior == Preparing || superior == Prepared) && other == Working ->
       superior_aborts()
     }
  :: atomic {
       other == Promised && (superior == Prepared || mutant == MUTANT_DECIDED_WITHOUT_THE_VOTE && superior == Preparing) ->
       superior = Committing; superior_decision = Written
     }
  :: atomic {
       superior == Committing -> superior = Committed; show_committed();
       if
       :: mutant == MUTANT_SUPERIOR_DECISION_NOT_FORCED -> skip
       :: else -> superior_decision = Durable
       fi
     }
  :: atomic { superior == Committed && other == Promised -> other = Done; end_done(other) }
  :: atomic {
       reaches_branch && superior == Committed && (sup == Prepared || sup == InDoubt) ->
       call!SUPERIOR, Commit
     }
  :: atomic {
       reaches_branch && superior == Forgotten &&
       (sup == Active || sup == CommitRequested || sup == PrePreparing || sup == PrePrepared || sup == Preparing ||
        sup == Prepared || sup == InDoubt) ->
       if
       :: mutant == MUTANT_UNKNOWN_BRANCH_TAKEN_FOR_COMMITTED && sup == InDoubt -> call!SUPERIOR, Commit
       :: else -> call!SUPERIOR, Rollback
       fi
     }

  /* the end */
  :: atomic { nempty(up) && up?[COMMIT_REQUEST] -> up?COMMIT_REQUEST } /* it decides on its own account */
  :: atomic { nempty(up) && up?[ROLLBACK_COMPLETE] -> up?ROLLBACK_COMPLETE }
  :: atomic { nempty(up) && up?[COMMIT_COMPLETE] -> up?COMMIT_COMPLETE; branch_done = (superior != Forgotten) }
  :: atomic {
       nempty(up) && up?[ROLLBACK] -> up?ROLLBACK;
       assert(superior != Committed && superior != Committing);
       if
       :: is_undecided -> superior_aborts()
       :: else -> skip
       fi
     }
  :: atomic {
       superior == Committed && other == Done &&
       (branch_done || mutant == MUTANT_SUPERIOR_FORGETS_BEFORE_THE_BRANCH_IS_DONE) ->
       superior = Forgotten; superior_forget = Written; branch_done = false
     }

  /* its session: one that ended before the vote is a vote against */
  :: atomic { !superior_session && has_no_vote -> superior_aborts() }
  :: atomic {
       tm == Online && !superior_session && !has_no_vote -> knows_branch = false; call!SUPERIOR, Begin
     }
  :: atomic { nempty(up) && up?[RECOVER_QUERY] -> up?RECOVER_QUERY; knows_branch = true; call!SUPERIOR, Recover }
  :: atomic { nempty(up) && up?[RECOVER] -> up?RECOVER; knows_branch = true; call!SUPERIOR, Recover }
  :: atomic {
       nempty(up) && up?[LAST_RECOVER] -> up?LAST_RECOVER;
       if
       :: !knows_branch -> branch_done = (superior != Forgotten) /* it has completed */
       :: else -> skip
       fi
     }

  /* disturbances */
  :: atomic {
       !calm -> superior_crashes();
       if
       :: superior_session -> drop_up(); call!SUPERIOR, Disconnect
       :: else -> skip
       fi
     }
  :: atomic { !calm && superior_session -> drop_up(); call!SUPERIOR, Disconnect }
  od
}

init {
  byte m;
  atomic {
    choose_mutant();
    for_each_member(m) {
      if
      :: flushes[m] = true
      :: skip
      fi;
      run resource_manager(m)
    }
    m = 0;
    run manager();
    run client();
    run coordinator()
  }
  calm = true;
  /* T4: when nobody has anything left to do, nothing is kept, and nobody waits. */
  atomic {
    timeout ->
    assert_all_is_forgotten(m);
    assert(!ended && (promise == Nothing || forget != Nothing));
    assert(!ended && superior == Forgotten);
    assert(!ended && (superior_decision == Nothing || superior_forget != Nothing));
    assert(!ended && other != Working && other != Promised);
    assert(!ended && empty(up));
    ended = true
  }
}
