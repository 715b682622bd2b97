import { describe, expect, test } from 'vitest';
import type { Branch, Participant, Transaction } from '../src/api/client';
import { branchSentence, gateOf, mostTelling, phaseText, sentence } from '../src/words/sentence';
import { shortSpan, span } from '../src/words/time';
import { english } from '../src/words/english';
import { korean } from '../src/words/korean';

const branch = (part: Partial<Branch>): Branch => ({ id: 'pay', step: 'pay', phase: 'forward', operation: 'action', participant: 'payments', ...part });
const txn = (part: Partial<Transaction>): Transaction => ({
  gid: 'order-1', mode: 'saga', status: 'ACTIVE', incident: false, paused: false, revision: 3, decision: 'undecided',
  createdAt: '2026-01-01T00:00:00Z', updatedAt: '2026-01-01T00:00:02Z', branches: [], ...part,
});

describe('a transaction as a sentence', () => {
  test('says how long it took when it is committed', () => {
    expect(sentence(txn({ status: 'COMMITTED', endedAt: '2026-01-01T00:00:02Z' }))).toBe('Committed in 2.0 s.');
  });
  test('says why it was undone', () => {
    expect(sentence(txn({ status: 'ABORTED', endedAt: '2026-01-01T00:00:02Z', abort: { cause: 'refused', branch: 'hotel', message: 'full' } })))
      .toBe('Undone in 2.0 s: hotel was refused. (full)');
  });
  test('says whose end a child that is held waits for', () => {
    expect(sentence(txn({ gid: 'trip~hotel', held: true, parent: { gid: 'trip', branch: 'hotel' } }))).toBe('Done, and ends as its parent trip does.');
  });
  test('names who is waited for, and since when, when a person is needed', () => {
    const stuck = branch({ phase: 'undo-stuck', stuckSince: '2026-01-01T00:00:00Z', failure: { message: 'HTTP 500' } });
    expect(sentence(txn({ status: 'ABORTING', incident: true, branches: [branch({ id: 'a' }), stuck] }), Date.parse('2026-01-01T00:03:00Z')))
      .toBe('For 3 min pay at payments has not succeeded: HTTP 500');
  });
  test('speaks of the branch that holds everything up', () => {
    const branches = [branch({ id: 'a' }), branch({ id: 'b', phase: 'forward-backoff' }), branch({ id: 'c', phase: 'done' })];
    expect(mostTelling(branches)?.id).toBe('b');
  });
  test('says which breaker, limit, signal or child is waited for', () => {
    expect(branchSentence(branch({ blockedBy: 'breaker' }))).toContain('breaker is open');
    expect(branchSentence(branch({ blockedBy: 'rate' }))).toContain('rate limit of payments');
    expect(branchSentence(branch({ phase: 'waiting', blockedBy: 'signal', signal: 'approve' }))).toBe('Waits for the signal approve.');
    expect(branchSentence(branch({ blockedBy: 'child', child: 'order-1~pay' }))).toContain('order-1~pay');
  });
});

describe('the gate that a branch waits at', () => {
  const gate = (part: Partial<Participant>): Participant => ({ name: 'payments', address: 'a', breaker: 'closed', inFlight: 3, queued: 1, calls: 0, failures: 0,
    errorRate: 0, latencyMillis: 0, maxConcurrentCalls: 4, ...part });
  test('is the one of its participant that holds it back, of its definition if there are several', () => {
    const gates = [gate({ name: 'flights', blockedBy: 'rate' }), gate({ address: 'b' }), gate({ address: 'c', blockedBy: 'rate' }), gate({ address: 'd', blockedBy: 'rate', definition: 'trip' })];
    expect(gateOf(branch({ blockedBy: 'rate' }), gates, 'trip')?.address).toBe('d');
    expect(gateOf(branch({ blockedBy: 'breaker' }), gates, undefined)?.address).toBe('b');
    expect(gateOf(branch({ participant: 'none' }), gates, 'trip')).toBeUndefined();
  });
  test('says until when, how full it is, and how many wait', () => {
    const until = new Date(Date.now() + 12_500).toISOString();
    expect(branchSentence(branch({ blockedBy: 'breaker' }), gate({ blockedBy: 'breaker', blockedUntil: until }))).toMatch(/breaker is open.* It is called again in 12 s\.$/);
    expect(branchSentence(branch({ blockedBy: 'concurrency' }), gate({ blockedBy: 'concurrency', inFlight: 4, queued: 7 }))).toMatch(/4 of 4 calls are out\. 7 calls wait there\.$/);
    expect(branchSentence(branch({ blockedBy: 'rate' }), gate({ blockedBy: 'rate', maxCallsPerSecond: 2.5 }))).toContain('at most 2.5 calls a second');
  });
  test('of a pending operation is its next poll and its deadline', () => {
    const said = branchSentence(branch({ phase: 'forward-pending', deadline: '2026-01-01T12:00:00Z', nextAttemptAt: new Date(Date.now() + 5_500).toISOString() }));
    expect(said).toMatch(/Waits for payments to finish pay\. It is asked again in 5\.\d s\. At \d\d:00:00 it is given up\./);
  });
});

test('what never began does not wait its turn once all is undone', () => {
  expect(phaseText({ phase: 'blocked' }, 'ACTIVE')).toBe('waits its turn');
  expect(phaseText({ phase: 'blocked' }, 'ABORTED')).toBe('not begun');
  expect(phaseText({ phase: 'undone' }, 'ABORTED')).toBe('undone');
});

describe('a span', () => {
  test.each([[0, '0 ms'], [0.064, '64 µs'], [999, '999 ms'], [1_500, '1.5 s'], [59_000, '59 s'], [75_000, '1 min 15 s'], [3_600_000, '1 h'], [90_000_000, '1 d 1 h']])(
    'of %d ms is %s', (ms, text) => expect(span(ms)).toBe(text));
  test('has one unit where there is little room', () => expect(shortSpan(75_000)).toBe('1 min'));
});

test('every language has the same placeholders as the first', () => {
  const holes = (text: string) => [...text.matchAll(/\{\w+\}/g)].map((m) => m[0]).sort();
  for (const [key, text] of Object.entries(english)) {
    expect(new Set(holes(korean[key as keyof typeof english])), key).toEqual(new Set(holes(text)));
  }
});
