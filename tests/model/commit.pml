/* One transaction of a root transaction manager: clients; resource managers that vote, answer read-only,
 * decide alone, disconnect, crash and come back; a manager that crashes at any step, whose writes fail,
 * and that recovers from its log. docs/model.md tells what is and what is not in here.
 *
 * One step of a process is one call into the manager, which holds its lock for as long; between any two
 * steps anyone may act. Disturbances come in any number, until it is calm; then everything must end. */

#ifndef MEMBERS
#define MEMBERS 2 /* resource managers */
#endif

#include "machines.pml"
#include "members.pml"

/* In the manager's memory. */
mtype entered = Active; /* the state whose actions were done last */
bool awaits_room;
byte last = NOBODY; /* who votes last, until it is asked */

/* It waits until the others have voted. */
#define held_back \
  (last != NOBODY && decides_alone[last] && (enlistment[last] == Active || enlistment[last] == PrePrepared))

/* In the manager's log: the decision record, forced, and the forget record, which never is. */
mtype decision = Nothing;
mtype forget = Nothing;
bool named[MEMBERS]; /* in the decision record */

/* --- the manager: a transaction's steps -------------------------------------------------------- */

/* What a state does when it is entered (Protocol::enter, and the actions of the table). */
inline enter() {
  entered = transaction;
  awaits_room = false;
  if
  :: transaction == PrePrepared -> awaits_room = (unfinished > 0 && owner == NOBODY)
  :: transaction == Committing && mutant == MUTANT_ACKNOWLEDGED_BEFORE_DURABLE -> show_committed()
  :: transaction == Committed -> show_committed()
  :: transaction == Aborted -> show_aborted()
  :: transaction == Forgotten && decision != Nothing && mutant != MUTANT_FORGET_RECORD_LEFT_OUT -> forget = Written
  :: else -> skip
  fi;
  for_each_member(m) {
    if /* masks matter up to here; states that differ in nothing else are one */
    :: transaction != PrePreparing && transaction != PrePrepared && transaction != Delegated &&
       !(transaction == Preparing && held_back) ->
       flushes[m] = false; decides_alone[m] = false; preprepared_once[m] = false; last = NOBODY
    :: else -> skip
    fi;
    if
    :: transaction == PrePreparing -> ask_preprepare(m)
    :: transaction == Preparing && !(m == last && held_back) -> ask_prepare(m)
    :: transaction == Delegated -> ask_single_phase(m)
    :: transaction == Committed -> tell_commit(m)
    :: transaction == Aborted -> tell_rollback(m)
    :: else -> skip
    fi
  }
}

/* The steps that follow by themselves (Protocol::advance). */
inline advance() {
  do
  :: transaction != entered -> look_around(); enter()
  :: else ->
     look_around();
     if
     :: transaction == PrePreparing && votes == 0 ->
        move_transaction(transaction, PrePreparing, Answered, Always, PrePrepared)
     :: transaction == PrePrepared && !awaits_room && owner != NOBODY ->
        move_transaction(transaction, PrePrepared, GoOn, SinglePhase, Delegated)
     :: transaction == PrePrepared && !awaits_room && owner == NOBODY ->
        move_transaction(transaction, PrePrepared, GoOn, Phases, Preparing)
     :: transaction == Preparing && votes == 0 && held_back && owner != NOBODY ->
        move_transaction(transaction, Preparing, Answered, SinglePhase, Delegated)
     :: transaction == Preparing && votes == 0 && held_back && owner == NOBODY ->
        move_transaction(transaction, Preparing, Answered, LastVote, Preparing);
        if
        :: mutant == MUTANT_LAST_DECIDES_THOUGH_ANOTHER_PROMISED -> transaction = Delegated
        :: else ->
           ask_prepare(last);
           last = NOBODY;
           for_each_member(m) { flushes[m] = false; decides_alone[m] = false; preprepared_once[m] = false }
        fi
     :: transaction == Preparing && votes == 0 && !held_back ->
        move_transaction(transaction, Preparing, Answered, Decides, Prepared)
     :: transaction == Prepared && unfinished > 0 ->
        move_transaction(transaction, Prepared, GoOn, Logged, Committing)
     :: transaction == Prepared && unfinished == 0 ->
        move_transaction(transaction, Prepared, GoOn, Unlogged, Committed)
     :: transaction == Committed && (unfinished == 0 || mutant == MUTANT_FORGOTTEN_BEFORE_ALL_ANSWERED && unfinished == 1) ->
        move_transaction(transaction, Committed, Finished, Always, Forgotten)
     :: transaction == Aborted && unfinished == 0 ->
        move_transaction(transaction, Aborted, Finished, Always, Forgotten)
     :: else -> break
     fi
  od
}

/* --- the manager: what it is told -------------------------------------------------------------- */

/* A wish of a client. */
inline client_asks() {
  if
  :: event == Commit && transaction == Active ->
     look_around();
     if
     :: owner != NOBODY -> move_transaction(transaction, Active, Commit, SinglePhase, Delegated)
     :: else -> move_transaction(transaction, Active, Commit, Phases, PrePreparing)
     fi
  :: event == Rollback -> roll_back()
  :: event == Release && transaction == Active ->
     move_transaction(transaction, Active, Release, Unasked, Aborted)
  :: event == Release && transaction == Unknown ->
     move_transaction(transaction, Unknown, Release, Always, Forgotten)
  :: else -> skip
  fi
}

/* --- the manager: its log, its end and its beginning -------------------------------------------- */

/* All in memory is gone, and of the log what was not forced may be there or not. */
inline begin_anew(written_survives) {
  transaction = Forgotten;
  entered = Forgotten;
  awaits_room = false;
  forget_members();
  if
  :: decision == Written && written_survives -> decision = Durable
  :: decision == Written && !written_survives -> decision = Nothing
  :: else -> skip
  fi;
  if
  :: forget == Written && written_survives -> forget = Durable
  :: forget == Written && !written_survives -> forget = Nothing
  :: else -> skip
  fi;
  tm = Initialized
}

/* Decided and not forgotten: committed, and everyone it names must be told. Else: rolled back, and
 * nobody need be told, for who asks is not offered it (presumed abort). */
inline recover_manager() {
  move_tm(tm, Initialized, Recover, Durable, Recovering);
  if
  :: forget != Durable && (decision == Durable || mutant == MUTANT_PRESUMED_COMMIT) ->
     transaction = Recovering;
     for_each_member(m) {
       if
       :: named[m] || mutant == MUTANT_PRESUMED_COMMIT && disk[m] == Promised -> enlistment[m] = Recovering
       :: else -> skip
       fi
     }
     move_transaction(transaction, Recovering, Found, Free, Committed)
  :: else ->
     decision = Nothing; forget = Nothing;
     for_each_member(m) { named[m] = false }
  fi;
  move_tm(tm, Recovering, Recovered, Always, Online)
}

inline work_on_log() {
  if
  :: event == GoOn -> awaits_room = false
  :: event == Refused && transaction == PrePrepared ->
     move_transaction(transaction, PrePrepared, Refused, Always, Aborted)
  :: event == Refused && transaction == Committing ->
     move_transaction(transaction, Committing, Refused, Free, Aborted)
  :: event == Written ->
     decision = Written;
     for_each_member(m) { named[m] = !is_finished(enlistment[m]) }
  :: event == Durable ->
     if
     :: mutant == MUTANT_DECISION_NOT_FORCED -> skip
     :: else -> decision = Durable
     fi;
     move_transaction(transaction, Committing, Durable, Always, Committed)
  :: event == Lost ->
     if
     :: mutant == MUTANT_LOST_DECISION_TAKEN_FOR_REFUSED -> transaction = Aborted
     :: else ->
        move_transaction(transaction, Committing, Lost, Always, Unknown);
        move_tm(tm, Online, Stop, Always, Offline);
        begin_anew(survives) /* closed, and opened again */
     fi
  :: event == Crash -> begin_anew(survives)
  :: event == Recover -> recover_manager()
  fi
}

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
       /* room for every later record is taken before anyone is asked to promise */
       :: tm == Online && awaits_room -> who = LOG; event = GoOn
       :: tm == Online && awaits_room && !calm -> who = LOG; event = Refused
       :: tm == Online && transaction == Committing && decision == Nothing -> who = LOG; event = Written
       :: tm == Online && transaction == Committing && decision == Nothing && !calm ->
          who = LOG; event = Refused
       :: tm == Online && transaction == Committing && decision == Written -> who = LOG; event = Durable
       :: tm == Online && transaction == Committing && decision == Written && !calm -> who = LOG; event = Lost
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
         :: who == CLIENT -> client_asks()
         :: else -> rm_says()
         fi;
         advance();
         who = 0; m = 0; owner = 0; votes = 0; unfinished = 0; event = Nothing; survives = false
       }
     }
  od
}

/* --- who calls it ------------------------------------------------------------------------------ */

/* Asks for the commit, gives up, or waits too long. */
proctype client() {
end:
  do
  :: atomic { tm == Online && transaction == Active -> call!CLIENT, Commit }
  :: atomic { tm == Online && transaction == Active -> call!CLIENT, Release }
  :: atomic { tm == Online && can_roll_back && (!calm || transaction == Active) -> call!CLIENT, Rollback }
  :: atomic {
       tm == Online && transaction == Committing && mutant == MUTANT_SUBMITTED_DECISION_ROLLED_BACK ->
       call!CLIENT, Rollback
     }
  :: atomic { tm == Online && transaction == Unknown -> call!CLIENT, Release }
  od
}

init {
  byte m;
  atomic {
    choose_mutant();
    for_each_member(m) {
      if /* they are alike but for their masks: those that flush come first */
      :: m == 0 || flushes[m - 1] -> flushes[m] = true
      :: skip
      fi;
      if
      :: decides_alone[m] = true
      :: decides_alone[m] = true; last = m /* of several, one is held back */
      :: skip
      fi;
      run resource_manager(m)
    }
    m = 0;
    run manager();
    run client()
  }
  calm = true;
  /* T4: when nobody has anything left to do, nothing is kept, and nobody waits. */
  atomic {
    timeout ->
    assert_all_is_forgotten(m);
    assert(!ended && (decision == Nothing || forget != Nothing));
    ended = true
  }
}
