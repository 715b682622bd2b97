/* A saga of two steps in order; what was done is undone in reverse.
 *
 * Left out: time (a time-out is "at any time"), budgets after which an operator is called, alternatives, the pivot. A call
 * that got no answer is given up at any time, and what is given up may have happened.
 */
#define BRANCHES 2
#include "journal.inc"
#include "participant.inc"
#include "cells.inc"

#define BLOCKED 0
#define FORWARD 1
#define DONE    2
#define NOT     3   /* Certainly without an effect. */
#define MAYBE   4   /* Given up. */
#define UNDO    5
#define UNDONE  6

#define AT_forward(b) (P(b) == FORWARD)
#define AT_undo(b)    (P(b) == UNDO)
#define ON_done(b)    (P(b) == UNDO -> said_undone[b] : said_done[b])
#define ON_refused(b) said_refused[b]

#define SETTLED(b)  (P(b) == UNDONE || P(b) == NOT || P(b) == BLOCKED)
#define HAPPENED(b) (P(b) == DONE || P(b) == MAYBE)

#ifdef UNKNOWN_IS_FAILED
#define GIVEN_UP NOT
#else
#define GIVEN_UP MAYBE
#endif
#ifdef UNDO_IN_FORWARD_ORDER
#define MAY_UNDO_FIRST true
#else
#define MAY_UNDO_FIRST SETTLED(1)
#endif
#ifdef ENDS_BEFORE_UNDONE
#define ALL_SETTLED true
#else
#define ALL_SETTLED (SETTLED(0) && SETTLED(1))
#endif

inline step_forward(b) {
  if
  :: said_done[b] -> TAKES(b, driving, forward, done, succeed); write_phase(b, DONE)
  /* The barrier answers a repeat as it answered the first call, so a refusal proves that nothing happened. */
  :: said_refused[b] && D == 0 -> TAKES(b, driving, forward, refused, forward_refused); write_both(b, NOT, ABORT)
  :: said_refused[b] && D == ABORT -> TAKES(b, undoing, forward, refused, forward_refused); write_phase(b, NOT)
  :: D == 0 -> TAKES(b, driving, forward, unknown, forward_unknown); write_both(b, GIVEN_UP, ABORT)
  fi
}

proctype coordinator(byte me) {
  byte mine = 0;
end:
  do
  :: atomic { epoch < EPOCHS -> take_over() }

  /* Persist, then act: what is sent was written before. */
#ifdef SEND_BEFORE_WRITE
  :: atomic { DRIVES && P(1) == BLOCKED && P(0) == FORWARD && D == 0 && !forward_sent[1] -> forward_sent[1] = true }
#endif
  :: atomic { DRIVES && P(0) == BLOCKED && D == 0 -> ADVANCES write_phase(0, FORWARD) }
  :: atomic { DRIVES && P(1) == BLOCKED && P(0) == DONE && D == 0 -> ADVANCES write_phase(1, FORWARD) }
  :: atomic { DRIVES && P(0) == FORWARD && !forward_sent[0] -> forward_sent[0] = true }
  :: atomic { DRIVES && P(1) == FORWARD && !forward_sent[1] -> forward_sent[1] = true }
  :: atomic { DRIVES && P(0) == FORWARD -> step_forward(0) }
  :: atomic { DRIVES && P(1) == FORWARD -> step_forward(1) }

  /* A cancel or a deadline between two steps. */
  :: atomic { DRIVES && P(0) == DONE && P(1) == BLOCKED && D == 0 ->
       TAKES_TXN(active, abort, cancel); TAKES_TXN(active, deadline_due, deadline_due); write_decision(ABORT) }
  :: atomic { DRIVES && P(0) == DONE && P(1) == DONE && D == 0 -> ADVANCES write_decision(COMMIT) }
  :: atomic { DRIVES && D == COMMIT -> ADVANCES write_end(COMMIT) }

  :: atomic { DRIVES && D == ABORT && HAPPENED(1) -> ADVANCES write_phase(1, UNDO) }
  :: atomic { DRIVES && D == ABORT && HAPPENED(0) && MAY_UNDO_FIRST -> ADVANCES write_phase(0, UNDO) }
  :: atomic { DRIVES && P(1) == UNDO && !undo_sent[1] -> undo_sent[1] = true }
  :: atomic { DRIVES && P(0) == UNDO && !undo_sent[0] -> assert(SETTLED(1)); undo_sent[0] = true }   /* I8 */
  :: atomic { DRIVES && P(1) == UNDO && said_undone[1] -> TAKES(1, undoing, undo, done, succeed); write_phase(1, UNDONE) }
  :: atomic { DRIVES && P(0) == UNDO && said_undone[0] -> TAKES(0, undoing, undo, done, succeed); write_phase(0, UNDONE) }
  :: atomic { DRIVES && D == ABORT && ALL_SETTLED -> ADVANCES write_end(ABORT) }
  od
}

init {
  atomic {
    run forwards(0); run forwards(1); run undos(0); run undos(1);
    run coordinator(0); run coordinator(1)
  }
}

/* I1, also after every late message has come in. */
ltl all_or_nothing {
  [] ((ended == COMMIT -> effects[0] == 1 && effects[1] == 1) && (ended == ABORT -> effects[0] == 0 && effects[1] == 0))
}
/* I9: while a coordinator drives it comes to an end. */
ltl ends { <> (ended != 0) }
