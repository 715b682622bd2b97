/* Two-phase commit with presumed abort, two participants that prepare.
 *
 * Nothing about a participant is written before the decision; a coordinator that takes over without one aborts. A
 * participant in doubt asks and is told the truth of the journal: undecided, committed, or aborted (also when
 * the journal does not know the transaction). Left out: read-only votes, one participant in one phase, heuristics.
 */
#define BRANCHES 2
#include "journal.inc"
#include "participant.inc"
#include "cells.inc"

#define ENLISTED 0
#define YES      1
#define NO       2
#define SETTLED  3

byte votes[COORDINATORS * BRANCHES];   /* In memory alone: lost by a crash. */
#define V(b) votes[me * BRANCHES + b]
/* Of a phase after the vote nothing is written: every branch is where the decision says. */
#define AT_forward(b) (V(b) == ENLISTED)
#define AT_finish(b)  (D == COMMIT)
#define AT_undo(b)    (D == ABORT)
#define ON_done(b)    (D == 0 -> said_done[b] : (D == COMMIT -> said_finished[b] : said_undone[b]))
#define ON_refused(b) said_refused[b]

bool asked = false;                    /* Somebody took over after prepares had gone out. */

inline tell(b) {
  if
  :: D == COMMIT && !finish_sent[b] -> finish_sent[b] = true
  :: D == ABORT && !undo_sent[b] -> undo_sent[b] = true
  fi
}

proctype coordinator(byte me) {
  byte mine = 0;
end:
  do
  :: atomic { epoch < EPOCHS -> take_over(); V(0) = ENLISTED; V(1) = ENLISTED; asked = (forward_sent[0] || forward_sent[1]) }

  :: atomic { DRIVES && D == 0 && !forward_sent[0] -> forward_sent[0] = true }
  :: atomic { DRIVES && D == 0 && !forward_sent[1] -> forward_sent[1] = true }
  :: atomic { DRIVES && D == 0 && said_done[0] && V(0) == ENLISTED -> TAKES(0, driving, forward, done, voted_yes); V(0) = YES }
  :: atomic { DRIVES && D == 0 && said_done[1] && V(1) == ENLISTED -> TAKES(1, driving, forward, done, voted_yes); V(1) = YES }
  :: atomic { DRIVES && D == 0 && said_refused[0] && V(0) == ENLISTED -> TAKES(0, driving, forward, refused, forward_refused); V(0) = NO }
  :: atomic { DRIVES && D == 0 && said_refused[1] && V(1) == ENLISTED -> TAKES(1, driving, forward, refused, forward_refused); V(1) = NO }

#ifdef PRESUMED_COMMIT
  :: atomic { DRIVES && D == 0 && asked -> ADVANCES write_decision(COMMIT) }
#endif
#ifdef COMMITS_ON_ONE_VOTE
  :: atomic { DRIVES && D == 0 && V(0) == YES -> ADVANCES write_decision(COMMIT) }
#else
  :: atomic { DRIVES && D == 0 && V(0) == YES && V(1) == YES -> ADVANCES write_decision(COMMIT) }
#endif
  /* A no, a time-out, a cancel, a crash before the decision. */
  :: atomic { DRIVES && D == 0 ->
       TAKES_TXN(active, abort, cancel); TAKES_TXN(active, deadline_due, deadline_due); TAKES_TXN(active, recovered, recover);
       write_decision(ABORT) }

#ifdef COMMIT_BEFORE_DECISION
  :: atomic { DRIVES && D == 0 && V(0) == YES && V(1) == YES && !finish_sent[0] -> finish_sent[0] = true }
#endif
  :: atomic { DRIVES && D != 0 && !(D == COMMIT && finish_sent[0]) && !(D == ABORT && undo_sent[0]) -> tell(0) }
  :: atomic { DRIVES && D != 0 && !(D == COMMIT && finish_sent[1]) && !(D == ABORT && undo_sent[1]) -> tell(1) }

#ifdef FORGETS_BEFORE_ACKS
  :: atomic { DRIVES && D == COMMIT -> ADVANCES write_end(COMMIT) }
#else
  :: atomic { DRIVES && D == COMMIT && said_finished[0] && said_finished[1] ->
       TAKES(0, finishing, finish, done, succeed); TAKES(1, finishing, finish, done, succeed); write_end(COMMIT) }
#endif
  :: atomic { DRIVES && D == ABORT && said_undone[0] && said_undone[1] ->
       TAKES(0, undoing, undo, done, succeed); TAKES(1, undoing, undo, done, succeed); write_end(ABORT) }
  od
}

/* A participant that prepared and heard nothing. */
proctype in_doubt(byte b) {
end:
  do
  :: atomic { row[b] == HELD && decision == COMMIT -> on_finish(b) }
  :: atomic { row[b] == HELD && decision == ABORT -> on_undo(b) }
#ifdef IN_DOUBT_GIVES_UP
  :: atomic { row[b] == HELD && decision == 0 -> on_undo(b) }
#endif
  od
}

init {
  atomic {
    run forwards(0); run forwards(1); run undos(0); run undos(1); run finishes(0); run finishes(1);
    run in_doubt(0); run in_doubt(1);
    run coordinator(0); run coordinator(1)
  }
}

ltl all_or_nothing {
  [] ((ended == COMMIT -> finished[0] == 1 && finished[1] == 1) && (ended == ABORT -> effects[0] == 0 && effects[1] == 0)
      && (finished[0] + finished[1] > 0 -> decision == COMMIT))
}
ltl ends { <> (ended != 0) }
