/* What the models share: the names of the tables in tm/ (transaction_machine.h, enlistment_machine.h,
 * superior_machine.h, resource_manager_machine.h, tm_machine.h), and how a model makes one of their transitions.
 *
 * Each change of a state is written as move_...(what, FROM, EVENT, CONDITION, TO), in the words of one
 * row of the table. correspondence_test.cc reads these lines and compares them with the tables, so that
 * a model makes no step which the tables do not have. */

mtype = {
  /* states, of whatever machine */
  Active, PrePreparing, PrePrepared, Preparing, Prepared, Committing, InDoubt, Delegated, Committed,
  Aborted, Recovering, Forgotten, CommittedNotify, Aborting, ReadOnly, DelegatedDisconnected, Offline,
  Online, Initialized, Promising, Unknown, CommitRequested,

  /* what clients and resource managers ask for; the last three befall a manager */
  Enlist, Commit, Rollback, Release, PrePrepareComplete, PrepareComplete, CommitComplete,
  RollbackComplete, Reject, Recover, RequestOutcome, Begin, Disconnect, GoOn, Refused, Lost, Crash, PrePrepare, Prepare,

  /* notifications */
  PREPREPARE, PREPARE, SINGLE_PHASE_COMMIT, COMMIT, ROLLBACK, RECOVER, LAST_RECOVER, INDOUBT,
  PREPREPARE_COMPLETE, PREPARE_COMPLETE, COMMIT_COMPLETE, ROLLBACK_COMPLETE, RECOVER_QUERY,
  COMMIT_REQUEST,

  /* what a resource manager knows of its own work */
  Idle, Working, Promised, Done, Undone, Reader,

  /* a record in a log */
  Nothing, Written, Durable
};

#define move_transaction(what, from, event, condition, to) \
  assert(what == from); what = to; walked("transaction " #from " " #event " " #condition " " #to)
#define move_enlistment(what, from, event, condition, to) \
  assert(what == from); what = to; walked("enlistment " #from " " #event " " #condition " " #to)
#define move_superior(what, from, event, condition, to) \
  assert(what == from); what = to; walked("superior " #from " " #event " " #condition " " #to)
#define move_rm(what, from, event, condition, to) \
  assert(what == from); what = to; walked("rm " #from " " #event " " #condition " " #to)
#define move_tm(what, from, event, condition, to) \
  assert(what == from); what = to; walked("tm " #from " " #event " " #condition " " #to)

/* An enlistment that owes nothing more and is told nothing more. Nothing: not enlisted. */
#define is_finished(e) \
  (e == Nothing || e == Committed || e == Aborted || e == ReadOnly || e == DelegatedDisconnected || \
   e == Forgotten)

/* --- promises broken on purpose ----------------------------------------------------------------- */

/* Rejected in commit.pml: */
#define MUTANT_DECISION_NOT_FORCED 1
#define MUTANT_ACKNOWLEDGED_BEFORE_DURABLE 2
#define MUTANT_SUBMITTED_DECISION_ROLLED_BACK 3
#define MUTANT_LOST_DECISION_TAKEN_FOR_REFUSED 4
#define MUTANT_FORGOTTEN_BEFORE_ALL_ANSWERED 5
#define MUTANT_FORGET_RECORD_LEFT_OUT 6
#define MUTANT_PRESUMED_COMMIT 7
#define MUTANT_PROMISE_DROPPED_WITH_THE_SESSION 8
#define MUTANT_UNDECIDED_TOLD_TO_ROLL_BACK 9
#define MUTANT_OWNER_GONE_TAKEN_FOR_ABORTED 10
#define MUTANT_READ_ONLY_AWAITED_AGAIN 11
#define MUTANT_SINGLE_PHASE_FOR_ONE_OF_TWO 12
#define MUTANT_PREPARE_ANSWERED_BEFORE_FORCED 13
#define MUTANT_COMMIT_ANSWERED_BEFORE_DURABLE 14
#define MUTANT_NOT_OFFERED_TAKEN_FOR_COMMITTED 15
#define MUTANT_ROLLED_BACK_ALONE_AFTER_THE_PROMISE 16
#define MUTANT_OWNER_THAT_REJECTED_ASKED_AGAIN 17
#define MUTANT_LAST_DECIDES_THOUGH_ANOTHER_PROMISED 18
/* Rejected in superior.pml: */
#define MUTANT_PREPARE_RECORD_NOT_FORCED 101
#define MUTANT_IN_DOUBT_TAKEN_FOR_ABORTED 102
#define MUTANT_IN_DOUBT_NOT_OFFERED 103
#define MUTANT_SUPERIOR_FORGETS_BEFORE_THE_BRANCH_IS_DONE 104
#define MUTANT_BRANCH_DECISION_NOT_FORCED 105
#define MUTANT_BRANCH_DONE_BEFORE_ALL_ANSWERED 106
#define MUTANT_SUPERIOR_GONE_TAKEN_FOR_ROLLBACK 107
#define MUTANT_UNKNOWN_BRANCH_TAKEN_FOR_COMMITTED 108
#define MUTANT_SUPERIOR_DECISION_NOT_FORCED 109
#define MUTANT_PROMISE_ROLLED_BACK_BY_A_CLIENT 110
#define MUTANT_DECIDED_WITHOUT_THE_VOTE 111
#define MUTANT_RECOVER_QUERY_LEFT_OUT 112
#define MUTANT_REFUSED_DECISION_BREAKS_THE_PROMISE 113

/* A verifier (VERIFIER) takes from its environment which promise is broken on purpose, so that one
 * program serves them all, and says at its end which moves it has made. spin itself, which replays what
 * the verifier found, takes -DMUTANT=... ; a statement stands for a statement, or the replay would not
 * fit. */

#ifndef MUTANT
#define MUTANT 0
#endif
byte mutant;
#ifdef VERIFIER
#define choose_mutant() c_code { now.mutant = getenv("MUTANT") ? atoi(getenv("MUTANT")) : 0; }
#define walked(row) c_code { static int before; if (!before) { before = 1; printf("walked %s\n", row); } }
#else
#define choose_mutant() mutant = MUTANT
#define walked(row) skip
#endif
