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

mtype entered = Active; /* the state whose actions were done last */

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

/* --- the branch: a transaction's steps ---------------------------------------------------------- */

inline send_up(notification) {
  if
  :: superior_session -> assert(nfull(up)); up!notification
  :: else -> skip
  fi
}

inline drop_up() {
  do
  :: nempty(up) -> up?_
  :: empty(up) -> break
  od
}

inline enter() {
  if
  :: transaction == PrePrepared -> send_up(PREPREPARE_COMPLETE)
  :: transaction == Prepared -> send_up(PREPARE_COMPLETE)
  :: transaction == Committed -> show_committed()
  :: transaction == Aborted -> show_aborted(); send_up(ROLLBACK)
  :: transaction == Forgotten && entered == Committed -> send_up(COMMIT_COMPLETE)
  :: else -> skip
  fi;
  entered = transaction;
  if
  :: transaction == Forgotten && promise != Nothing -> forget = Written
  :: else -> skip
  fi;
  for_each_member(m) {
    if /* masks matter up to here; states that differ in nothing else are one */
    :: transaction != PrePreparing && transaction != PrePrepared -> flushes[m] = false; preprepared_once[m] = false
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
  :: transaction != entered -> enter()
  :: else ->
     look_around();
     if
     :: transaction == PrePreparing && votes == 0 ->
        move_transaction(transaction, PrePreparing, Answered, Always, PrePrepared)
     :: transaction == Preparing && votes == 0 && unfinished > 0 ->
        move_transaction(transaction, Preparing, Answered, SuperiorLogged, Promising)
     :: transaction == Preparing && votes == 0 && unfinished == 0 ->
        move_transaction(transaction, Preparing, Answered, Always, Prepared)
     :: transaction == Prepared && !superior_session ->
        move_transaction(transaction, Prepared, SuperiorGone, Always, InDoubt)
     :: transaction == Committing && promise == Nothing -> /* all were readers */
        move_transaction(transaction, Committing, GoOn, Unlogged, Committed)
     :: transaction == Committed && (unfinished == 0 || mutant == MUTANT_BRANCH_DONE_BEFORE_ALL_ANSWERED) ->
        move_transaction(transaction, Committed, Finished, Always, Forgotten)
     :: transaction == Aborted && unfinished == 0 ->
        move_transaction(transaction, Aborted, Finished, Always, Forgotten)
     :: else -> break
     fi
  od
}

/* --- the branch: what it is told ---------------------------------------------------------------- */

inline superior_says() {
  if
  :: event == PrePrepare && transaction == Active ->
     move_transaction(transaction, Active, PrePrepare, Always, PrePreparing)
  :: event == Prepare && transaction == Active ->
     move_transaction(transaction, Active, Prepare, Always, Preparing)
  :: event == Prepare && transaction == PrePrepared ->
     move_transaction(transaction, PrePrepared, Prepare, Always, Preparing)
  :: event == Commit && transaction == Prepared ->
     move_transaction(transaction, Prepared, SuperiorCommit, Always, Committing)
  :: event == Commit && transaction == InDoubt ->
     move_transaction(transaction, InDoubt, SuperiorCommit, Always, Committing)
  :: event == Rollback && can_roll_back -> roll_back()
  :: event == Rollback && transaction == Prepared ->
     move_transaction(transaction, Prepared, SuperiorRollback, Always, Aborted)
  :: event == Rollback && transaction == InDoubt ->
     move_transaction(transaction, InDoubt, SuperiorRollback, Always, Aborted)
  :: event == Disconnect ->
     superior_session = false;
     if
     :: mutant == MUTANT_SUPERIOR_GONE_TAKEN_FOR_ROLLBACK && transaction == Prepared -> transaction = Aborted
     :: else -> roll_back() /* if it has not promised */
     fi
  :: event == Recover ->
     superior_session = true;
     if
     :: transaction != Forgotten && mutant != MUTANT_RECOVER_QUERY_LEFT_OUT -> send_up(RECOVER_QUERY)
     :: else -> skip
     fi;
     send_up(LAST_RECOVER)
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
  forget_members();
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
       :: named[m] && !(mutant == MUTANT_IN_DOUBT_NOT_OFFERED && decision != Durable) -> enlistment[m] = Recovering
       :: else -> skip
       fi
     }
     if
     :: decision == Durable -> move_transaction(transaction, Recovering, Found, Always, Committed)
     :: else -> move_transaction(transaction, Recovering, FoundPrepared, Always, InDoubt)
     fi
  :: else ->
     promise = Nothing; decision = Nothing; forget = Nothing;
     for_each_member(m) { named[m] = false }
  fi;
  move_tm(tm, Recovering, Recovered, Always, Online)
}

inline work_on_log() {
  if
  :: event == Written && transaction == Promising ->
     promise = Written;
     for_each_member(m) { named[m] = !is_finished(enlistment[m]) }
  :: event == Written && transaction == Committing -> decision = Written
  :: event == Refused -> move_transaction(transaction, Promising, Refused, Always, Aborted)
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
     :: transaction == Promising -> move_transaction(transaction, Promising, Lost, Always, InDoubt)
     :: else -> move_transaction(transaction, Committing, Lost, Always, InDoubt)
     fi;
     move_tm(tm, Online, Stop, Always, Offline);
     begin_anew() /* closed, and opened again */
  :: event == Crash -> begin_anew()
  :: event == Recover -> recover_manager()
  fi
}

#define writes (transaction == Promising && promise == Nothing || \
                transaction == Committing && promise != Nothing && decision == Nothing)
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
       :: tm == Online && writes -> who = LOG; event = Written
       :: tm == Online && transaction == Promising && promise == Nothing && !calm ->
          who = LOG; event = Refused
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
            if
            :: mutant == MUTANT_PROMISE_ROLLED_BACK_BY_A_CLIENT && transaction == Prepared -> transaction = Aborted
            :: else -> roll_back()
            fi
         :: else -> rm_says()
         fi;
         advance();
         who = 0; m = 0; owner = 0; votes = 0; unfinished = 0; event = Nothing; survives = false
       }
     }
  od
}

/* Gives up, or waits too long. Its commit is refused: the superior decides. */
proctype client() {
end:
  do
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
  :: atomic { reaches_branch && superior == Active -> superior = PrePreparing; call!SUPERIOR, PrePrepare }
  :: atomic {
       reaches_branch && (superior == Active || superior == PrePrepared) ->
       superior = Preparing; call!SUPERIOR, Prepare
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
       reaches_branch && superior == Committed && (transaction == Prepared || transaction == InDoubt) ->
       call!SUPERIOR, Commit
     }
  :: atomic {
       reaches_branch && superior == Forgotten && (can_roll_back || transaction == Prepared || transaction == InDoubt) ->
       if
       :: mutant == MUTANT_UNKNOWN_BRANCH_TAKEN_FOR_COMMITTED && !can_roll_back -> call!SUPERIOR, Commit
       :: else -> call!SUPERIOR, Rollback
       fi
     }

  /* the end */
  :: atomic { nempty(up) && up?[COMMIT_COMPLETE] -> up?COMMIT_COMPLETE; branch_done = true }
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
       tm == Online && !superior_session && !has_no_vote -> knows_branch = false; call!SUPERIOR, Recover
     }
  :: atomic { nempty(up) && up?[RECOVER_QUERY] -> up?RECOVER_QUERY; knows_branch = true }
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
