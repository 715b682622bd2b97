/* Try, confirm, cancel for two reservations: all held, then all confirmed; else all cancelled.
 *
 * Left out: reservations that expire, branches that a client enlists (to the coordinator they are tries that somebody
 * else sends). The acknowledgements of confirm and cancel are lazy: they are written late or not at all, and
 * are asked for again after a take-over.
 */
#define BRANCHES 2
#include "journal.inc"
#include "participant.inc"
#include "cells.inc"

#define BLOCKED 0
#define TRY     1
#define HELD_   2   /* Tried. */
#define NOT     3
#define MAYBE   4
#define CONFIRM 5
#define CANCEL  6
#define SETTLED 7

#define AT_forward(b) (P(b) == TRY)
#define AT_finish(b)  (P(b) == CONFIRM)
#define AT_undo(b)    (P(b) == CANCEL)
#define ON_done(b)    (P(b) == TRY -> said_done[b] : (P(b) == CONFIRM -> said_finished[b] : said_undone[b]))
#define ON_refused(b) said_refused[b]

#define CAN_BE_HELD(b) (P(b) == HELD_ || P(b) == MAYBE)
#define DONE_WITH(b)   (P(b) == SETTLED || P(b) == NOT || P(b) == BLOCKED)

#ifdef UNKNOWN_IS_FAILED
#define GIVEN_UP NOT
#else
#define GIVEN_UP MAYBE
#endif

inline step_try(b) {
  if
  :: said_done[b] && D == 0 -> TAKES(b, driving, forward, done, tried); write_phase(b, HELD_)
  /* Found after the decision to abort: it is held all the same. */
  :: said_done[b] && D == ABORT -> TAKES(b, undoing, forward, done, tried); write_phase(b, MAYBE)
  :: said_refused[b] && D == 0 -> TAKES(b, driving, forward, refused, forward_refused); write_both(b, NOT, ABORT)
  :: said_refused[b] && D == ABORT -> TAKES(b, undoing, forward, refused, forward_refused); write_phase(b, NOT)
  :: D == 0 -> TAKES(b, driving, forward, unknown, forward_unknown); write_both(b, GIVEN_UP, ABORT)
  :: D == ABORT -> TAKES(b, undoing, forward, unknown, stopped_unknown); write_phase(b, GIVEN_UP)
  fi
}

proctype coordinator(byte me) {
  byte mine = 0;
end:
  do
  :: atomic { epoch < EPOCHS -> take_over() }

  :: atomic { DRIVES && P(0) == BLOCKED && D == 0 -> ADVANCES write_phase(0, TRY) }
  :: atomic { DRIVES && P(1) == BLOCKED && D == 0 -> ADVANCES write_phase(1, TRY) }
  :: atomic { DRIVES && P(0) == TRY && !forward_sent[0] -> forward_sent[0] = true }
  :: atomic { DRIVES && P(1) == TRY && !forward_sent[1] -> forward_sent[1] = true }
  :: atomic { DRIVES && P(0) == TRY -> step_try(0) }
  :: atomic { DRIVES && P(1) == TRY -> step_try(1) }

  /* The decision, either way, is written before the first call that carries it. */
#ifdef CONFIRM_BEFORE_DECISION
  :: atomic { DRIVES && P(0) == HELD_ && P(1) == HELD_ && D == 0 && !finish_sent[0] -> finish_sent[0] = true }
#endif
#ifdef CANCEL_BEFORE_DECISION
  :: atomic { DRIVES && P(0) == HELD_ && D == 0 && !undo_sent[0] -> undo_sent[0] = true }
#endif
#ifdef DECIDES_ON_ONE
  :: atomic { DRIVES && P(0) == HELD_ && D == 0 -> ADVANCES write_decision(COMMIT) }
#else
  :: atomic { DRIVES && P(0) == HELD_ && P(1) == HELD_ && D == 0 -> ADVANCES write_decision(COMMIT) }
#endif
  /* Cancelled, or too late. */
  :: atomic { DRIVES && D == 0 && P(0) == HELD_ && P(1) == HELD_ ->
       TAKES_TXN(active, abort, cancel); TAKES_TXN(active, deadline_due, deadline_due); write_decision(ABORT) }

  :: atomic { DRIVES && D == COMMIT && P(0) == HELD_ -> ADVANCES write_phase(0, CONFIRM) }
  :: atomic { DRIVES && D == COMMIT && P(1) == HELD_ -> ADVANCES write_phase(1, CONFIRM) }
  :: atomic { DRIVES && P(0) == CONFIRM && !finish_sent[0] -> finish_sent[0] = true }
  :: atomic { DRIVES && P(1) == CONFIRM && !finish_sent[1] -> finish_sent[1] = true }
  :: atomic { DRIVES && P(0) == CONFIRM && said_finished[0] -> TAKES(0, finishing, finish, done, succeed); write_phase(0, SETTLED) }
  :: atomic { DRIVES && P(1) == CONFIRM && said_finished[1] -> TAKES(1, finishing, finish, done, succeed); write_phase(1, SETTLED) }

  :: atomic { DRIVES && D == ABORT && CAN_BE_HELD(0) -> ADVANCES write_phase(0, CANCEL) }
  :: atomic { DRIVES && D == ABORT && CAN_BE_HELD(1) -> ADVANCES write_phase(1, CANCEL) }
  :: atomic { DRIVES && P(0) == CANCEL && !undo_sent[0] -> undo_sent[0] = true }
  :: atomic { DRIVES && P(1) == CANCEL && !undo_sent[1] -> undo_sent[1] = true }
  :: atomic { DRIVES && P(0) == CANCEL && said_undone[0] -> TAKES(0, undoing, undo, done, succeed); write_phase(0, SETTLED) }
  :: atomic { DRIVES && P(1) == CANCEL && said_undone[1] -> TAKES(1, undoing, undo, done, succeed); write_phase(1, SETTLED) }

#ifdef ENDS_BEFORE_CONFIRMED
  :: atomic { DRIVES && D == COMMIT -> ADVANCES write_end(COMMIT) }
#else
  :: atomic { DRIVES && D == COMMIT && P(0) == SETTLED && P(1) == SETTLED -> ADVANCES write_end(COMMIT) }
#endif
  :: atomic { DRIVES && D == ABORT && DONE_WITH(0) && DONE_WITH(1) -> ADVANCES write_end(ABORT) }
  od
}

init {
  atomic {
    run forwards(0); run forwards(1); run undos(0); run undos(1); run finishes(0); run finishes(1);
    run coordinator(0); run coordinator(1)
  }
}

ltl all_or_nothing {
  [] ((ended == COMMIT -> finished[0] == 1 && finished[1] == 1) && (ended == ABORT -> effects[0] == 0 && effects[1] == 0)
      && (finished[0] + finished[1] > 0 -> decision == COMMIT))
}
ltl ends { <> (ended != 0) }
