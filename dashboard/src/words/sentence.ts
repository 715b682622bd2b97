// What a transaction is at, as a sentence made from its state.
import type { Branch, Participant, Status, Summary, Transaction } from '../api/client';
import { clock, relative, span } from './time';
import { t, word } from './words';

function failureText(failure: { code?: string; message?: string } | undefined): string {
  if (!failure) {
    return '';
  }
  return failure.message?.trim() || failure.code || '';
}

function attemptText(branch: Branch): string {
  const n = branch.attempt ?? 1;
  return branch.maxAttempts ? t('txn.attempt.of', { n, m: branch.maxAttempts }) : t('txn.attempt', { n });
}

function names(branch: Branch) {
  return { branch: branch.id, participant: branch.participant || branch.id };
}

// How urgent it is to speak of a branch: what holds everything up comes first.
const ORDER = ['forward-stuck', 'undo-stuck', 'finish-stuck', 'forward-backoff', 'undo-backoff', 'finish-backoff',
  'forward-pending', 'undo-pending', 'finish-pending', 'waiting', 'forward', 'undo', 'finish'];

export function mostTelling(branches: Branch[]): Branch | undefined {
  let best: Branch | undefined;
  let rank = ORDER.length;
  for (const branch of branches) {
    const at = ORDER.indexOf(branch.phase);
    if (at >= 0 && at < rank) {
      best = branch;
      rank = at;
    }
  }
  return best;
}

// What a branch is at. One that has not begun will not any more once its transaction is on its way back, or over.
export function phaseText(branch: Pick<Branch, 'phase'>, status: Status | undefined): string {
  const over = status !== undefined && status !== 'ACTIVE' && status !== 'COMMITTING';
  return branch.phase === 'blocked' && over ? t('phase.never') : word('phase', branch.phase);
}

// What a call is held back by, and can say until when.
export const GATED: ReadonlySet<string> = new Set(['breaker', 'concurrency', 'rate', 'backoff']);

// The gate that a branch waits at. One participant may have several, one for each address and limits.
export function gateOf(branch: Branch, gates: Participant[], definition: string | undefined): Participant | undefined {
  const fits = (gate: Participant) => (gate.blockedBy === branch.blockedBy ? 2 : 0) + (gate.definition === definition ? 1 : 0);
  return gates.filter((gate) => gate.name === branch.participant).sort((a, b) => fits(b) - fits(a))[0];
}

function gateText(gate: Participant | undefined): string {
  if (!gate) {
    return '';
  }
  const parts = [
    gate.blockedUntil ? t('say.gate.until', { in: relative(gate.blockedUntil) }) : '',
    gate.blockedBy === 'concurrency' ? t('say.gate.full', { n: gate.inFlight, m: gate.maxConcurrentCalls }) : '',
    gate.blockedBy === 'rate' ? t('say.gate.rate', { n: gate.maxCallsPerSecond ?? 0 }) : '',
    gate.queued > 1 ? t('say.gate.queue', { n: gate.queued }) : '',
  ];
  return parts.filter(Boolean).map((part) => ` ${part}`).join('');
}

function pendingText(branch: Branch): string {
  const next = branch.nextAttemptAt ? ` ${t('say.pending.next', { in: relative(branch.nextAttemptAt) })}` : '';
  return next + (branch.deadline ? ` ${t('say.pending.deadline', { at: clock(branch.deadline) })}` : '');
}

// One branch, why it does not move or what it does; with its participant's gate also until when.
export function branchSentence(branch: Branch, gate?: Participant): string {
  const who = names(branch);
  switch (branch.blockedBy) {
    case 'breaker': return t('say.breaker', who) + gateText(gate);
    case 'concurrency': return t('say.concurrency', who) + gateText(gate);
    case 'rate': return t('say.rate', who) + gateText(gate);
    case 'backoff': return t('say.resting', who) + gateText(gate);
    case 'paused': return t('say.paused');
    case 'child': return t('say.child', { gid: branch.child ?? '' });
    case 'client': return t('say.client');
    case 'signal':
      return branch.waitsUntil ? t('say.signal.until', { signal: branch.signal ?? '', at: clock(branch.waitsUntil) })
        : t('say.signal', { signal: branch.signal ?? '' });
    case 'timer':
      if (branch.waitsUntil) {
        return t('say.timer', { at: clock(branch.waitsUntil) });
      }
      break;
    default: break;
  }
  if (branch.phase.endsWith('-backoff')) {
    return t('say.backoff', { ...who, in: branch.nextAttemptAt ? relative(branch.nextAttemptAt) : '',
      attempt: attemptText(branch), error: failureText(branch.failure) });
  }
  if (branch.phase.endsWith('-pending')) {
    return t('say.pending', who) + pendingText(branch);
  }
  if (branch.phase === 'forward' || branch.phase === 'undo' || branch.phase === 'finish') {
    return t('say.calling', who);
  }
  return word('phase', branch.phase);
}

function whyAborted(txn: Transaction): string {
  if (!txn.abort) {
    return '';
  }
  const said = word('cause', txn.abort.cause, { branch: txn.abort.branch ?? '' });
  const detail = (txn.abort.message || txn.abort.actor?.reason)?.trim();
  return detail ? `${said} (${detail})` : said;
}

export function sentence(txn: Transaction, now = Date.now(), gates: Participant[] = []): string {
  const took = span(Date.parse(txn.endedAt ?? txn.updatedAt) - Date.parse(txn.createdAt));
  if (txn.status === 'COMMITTED') {
    return t('say.committed', { t: took });
  }
  if (txn.status === 'ABORTED') {
    return t('say.aborted', { t: took, why: whyAborted(txn) });
  }
  if (txn.status === 'MIXED') {
    return t('say.mixed', { outcome: txn.forced ?? '' });
  }
  const telling = mostTelling(txn.branches);
  if (txn.incident && telling) {
    const since = telling.stuckSince ? span(now - Date.parse(telling.stuckSince)) : '';
    return t('say.incident', { ...names(telling), t: since, error: failureText(telling.failure) });
  }
  if (txn.paused) {
    return t('say.paused');
  }
  if (txn.held) {
    return t('say.held', { gid: txn.parent?.gid ?? '' });
  }
  const rest = telling ? branchSentence(telling, gateOf(telling, gates, txn.definition)) : '';
  if (txn.status === 'ABORTING') {
    return t('say.undoing', { t: span(now - Date.parse(txn.updatedAt)), why: whyAborted(txn), rest });
  }
  if (txn.status === 'COMMITTING') {
    return t('say.committing', { rest });
  }
  if (!telling && txn.clientDriven && txn.deadline) {
    return t('say.driven', { at: clock(txn.deadline) });
  }
  return t('say.active', { rest });
}

// The same from a list's row, which knows less.
export function summarySentence(row: Summary): string {
  if (row.status === 'MIXED') {
    return t('say.mixed', { outcome: '' }).replace('  ', ' ');
  }
  if (row.incident) {
    return t('say.incident.short', { error: row.error ?? '' });
  }
  if (row.paused) {
    return t('say.paused');
  }
  if (row.status === 'COMMITTED') {
    return t('say.committed', { t: span(Date.parse(row.updatedAt) - Date.parse(row.createdAt)) });
  }
  return row.error ? t('say.error', { error: row.error }) : row.status === 'ABORTED' ? t('say.aborted.short') : '';
}
