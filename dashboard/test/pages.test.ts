import { describe, expect, test, vi } from 'vitest';
import type { AuditEntry, HistoryEntry, Incident } from '../src/api/client';
import { auditCommands, auditQuery, changesOf, subjectPage } from '../src/pages/audit';
import { histogram, parseMetrics, quantile } from '../src/api/metrics';
import { byReason } from '../src/pages/webhooks';
import { unowned } from '../src/pages/nodes';
import { bytes } from '../src/words/time';
import { layOut, ranksOf } from '../src/graph/layout';
import { stateOf, stepsOf, groupByStep, type Step } from '../src/graph/steps';
import { axisOf, barsOf } from '../src/pages/timeline';
import { dryRunCommands, exampleAnswers } from '../src/pages/dry_run';
import { beside, documentOf, fieldsOf } from '../src/pages/schema_form';
import { bulkCommands } from '../src/pages/bulk';
import { readExported } from '../src/pages/imported';
import { branchVerbs, predecessors } from '../src/pages/transaction';
import { asList, orderOf } from '../src/pages/transactions';
import { filterOf, groupIncidents } from '../src/pages/incidents';
import { href, parseRoute } from '../src/route';
import { actsForOthers, applies, asCommand, asCurl, bodyOf, EMPTY_FORM, wantsReason } from '../src/ui/actions';
import { parseExact, typedJson } from '../src/api/exact';
import { EventParser, Source, type Ended } from '../src/live/source';
import { Flood } from '../src/live/stream';
import { mayOf } from '../src/api/session';
import { authorize, keepToken, forgetToken } from '../src/api/token';

describe('a definition as steps', () => {
  const steps = stepsOf(JSON.stringify({ steps: [
    { id: 'a', participant: 'p', compensate: {} }, { id: 'b', after: [] }, { id: 'c', after: ['a', 'b'], pivot: true },
    { id: 'd', wait: { signal: 's' } }, { id: 'e', transaction: {}, forEach: '${[]}' }] }));
  test('follows the order unless it says otherwise', () => {
    expect(steps.map((s) => s.after)).toEqual([[], [], ['a', 'b'], ['c'], ['d']]);
  });
  test('comes after all that race for it', () =>
    expect(stepsOf(JSON.stringify({ steps: [{ id: 'a' }, { id: 'b', after: [] }, { id: 'c', after: { any: ['a', 'b'] } }] }))[2]!.after).toEqual(['a', 'b']));
  test('knows what kind of step it is', () => expect(steps.map((s) => s.kind)).toEqual(['call', 'call', 'call', 'wait', 'child']));
  test('that can not be read has none', () => expect(stepsOf('{"steps": [')).toEqual([]));
  test('shows the worst of the branches of a forEach', () => {
    const branches = ['done', 'undo-stuck', 'forward'].map((phase, index) => ({ id: `e:${index}`, step: 'e', index, phase, operation: '' }));
    const state = stateOf(steps[4]!, groupByStep(branches));
    expect([state.tone, state.done, state.stuck]).toEqual(['stuck', 1, 1]);
  });
});

describe('a graph', () => {
  const step = (n: number, after: number[]): Step => ({ id: `s${n}`, after: after.map((b) => `s${b}`), participant: '', kind: 'call', forEach: false,
    pivot: false, when: '', alternatives: 0, undo: false });
  const dense = (count: number) => [...Array(count).keys()].map((n) => step(n, [n - 1, n - 3, n - 7].filter((b) => b >= 0)));
  test('of the most steps that a definition has is laid out at once, with every line and no step on another', () => {
    const layout = layOut(dense(512));
    expect(layout.nodes.length).toBe(512);
    expect(layout.edges.length).toBe(511 + 509 + 505);
    expect(new Set(layout.nodes.map((n) => `${n.x} ${n.y}`)).size).toBe(512);
    expect(layout.width).toBeLessThan(4_000); // It goes on below, rather than for ever to the right.
    for (const node of layout.nodes) {
      expect(node.y).toBeLessThan(layout.height);
    }
  });
  test('has a step after all that it follows, and survives a circle', () => {
    const steps = [step(0, []), step(1, [0]), step(2, [0]), step(3, [1, 2]), step(4, [5]), step(5, [4])];
    const ranks = ranksOf(steps, (one) => one.after).map((rank) => rank.map((one) => one.id));
    expect(ranks.slice(0, 3)).toEqual([['s0'], ['s1', 's2'], ['s3']]);
    expect(ranks.flat().sort()).toEqual(['s0', 's1', 's2', 's3', 's4', 's5']);
  });
  test('of what follows nothing is a grid', () => {
    const layout = layOut([...Array(500).keys()].map((n) => step(n, [])));
    expect([layout.nodes.length, layout.edges.length]).toEqual([500, 0]);
  });
});

describe('a timeline', () => {
  const entry = (revision: number, at: number, type: string, more: Partial<HistoryEntry> = {}): HistoryEntry =>
    ({ revision, at: new Date(at).toISOString(), type, branch: 'pay', ...more });
  test('has a bar for each attempt and for each gap between two', () => {
    const bars = barsOf([entry(1, 0, 'operation-started', { operation: 'action' }), entry(2, 10, 'attempt-failed'),
      entry(3, 110, 'attempt-started'), entry(4, 120, 'operation-succeeded')], 120, true);
    expect(bars.map((b) => [b.kind, b.from, b.to, b.outcome])).toEqual(
      [['call', 0, 10, 'failed'], ['gap', 10, 110, 'gap'], ['call', 110, 120, 'done']]);
  });
  test('leaves what goes on open until now', () => {
    const bars = barsOf([entry(1, 0, 'operation-started')], 50, false);
    expect(bars.map((b) => [b.to, b.open])).toEqual([[50, true]]);
  });
  test('folds long silences', () => {
    const place = axisOf([0, 10, 3_600_000, 3_600_010]);
    expect(place(0)).toBe(0);
    expect(place(3_600_010)).toBe(1);
    expect(place(10)).toBeGreaterThan(0.005);
  });
});

describe('incidents', () => {
  const incident = (part: Partial<Incident>): Incident => ({ gid: 'g', status: 'ABORTING', branch: 'b', participant: 'p', operation: 'compensate',
    code: 'http.500', message: 'm', since: '2026-01-01T00:00:00Z', ...part });
  test('are grouped by participant and error, the largest group first, with the oldest of each', () => {
    const groups = groupIncidents([incident({ participant: 'q' }), incident({ since: '2026-01-02T00:00:00Z' }), incident({ since: '2026-01-01T12:00:00Z' })]);
    expect(groups.map((g) => [g.participant, g.incidents.length, g.oldest])).toEqual([['p', 2, '2026-01-01T12:00:00Z'], ['q', 1, '2026-01-01T00:00:00Z']]);
  });
});

test('a step that waits its turn waits for those before it that have not ended', () => {
  const steps = stepsOf(JSON.stringify({ steps: [{ id: 'a' }, { id: 'b', after: [] }, { id: 'c', after: [] }, { id: 'd', after: ['a', 'b', 'c'] }] }));
  const one = (id: string, phase: string) => ({ id, step: id, phase, operation: '' });
  expect(predecessors(one('d', 'blocked'), steps, [one('a', 'done'), one('b', 'forward-backoff'), one('d', 'blocked')])).toEqual(['b', 'c']);
});

test('a group of incidents is what a list calls so', () => {
  const [group] = groupIncidents([{ gid: 'g', status: 'ABORTING', branch: 'b', participant: 'p q', operation: 'compensate', code: 'http.500', message: 'm', since: '' }]);
  expect(filterOf(group!)).toBe('incident=true&participant=p+q&code=http.500');
});

describe('an entry of the audit', () => {
  const entry = (part: Partial<AuditEntry>): AuditEntry => ({ id: 'a', at: '2026-01-01T00:00:00Z', action: 'pause', outcome: 'done', ...part });
  test('leads to what it is about', () => {
    expect(['transaction/t/1', 'definition/travel', 'bulk/b', 'token/x', 'transaction/', ''].map(subjectPage)).toEqual(
      ['#/transaction/t%2F1', '#/definitions/travel', '#/bulk', undefined, undefined, undefined]);
  });
  test('says what changed', () => {
    expect(changesOf(entry({ before: { paused: false, revision: 3, status: 'ACTIVE' }, after: { paused: true, revision: 4, status: 'ACTIVE' } })))
      .toBe('paused false → true, revision 3 → 4');
    expect(changesOf(entry({ after: { version: 1 } }))).toBe('version - → 1');
    expect(changesOf(entry({}))).toBe('');
  });
  test('is asked for by the filters of the URL, also by commands', () => {
    const query = auditQuery(parseRoute("#/audit?actor=it's&outcome=refused&entry=x&other=1"));
    expect(query).toEqual({ actor: "it's", outcome: 'refused' });
    expect(auditCommands(query)[1]).toBe(`entente audit --actor 'it'\\''s' --outcome 'refused'`);
  });
});

describe('a form made of a schema', () => {
  const fields = fieldsOf({ required: ['who'], properties: { who: { type: 'string' }, n: { type: 'integer' }, on: { type: 'boolean' }, kind: { enum: ['a', 'b'] }, list: { type: 'array' } } });
  test('has a field for each member', () => expect(fields.map((f) => f.kind)).toEqual(['text', 'number', 'boolean', 'choice', 'json']));
  test('keeps what its model has beside the fields', () => {
    expect(beside(fields, { who: 'a', more: { x: 1 } })).toEqual({ more: { x: 1 } });
  });
  test('gives the document that was typed, without what was left empty', () => {
    expect(documentOf(fields, { who: '12', n: '3', on: 'true', list: '[1]' })).toEqual({ who: '12', n: 3, on: true, list: [1] });
  });
});

test('metrics are read with their labels', () => {
  const samples = parseMetrics('# HELP x y\nx_total{status="A B"} 3\ny 1.5 1700000000\n');
  expect([...samples]).toEqual([['x_total{status="A B"}', 3], ['y', 1.5]]);
});

describe('a quantile', () => {
  const read = (low: number, high: number, all: number) => parseMetrics(
    `d_bucket{participant="a",le="0.1"} ${low}\nd_bucket{participant="a",le="0.2"} ${high}\nd_bucket{participant="a",le="+Inf"} ${all}\n` +
    'd_bucket{participant="b",le="0.1"} 0\nd_bucket{participant="b",le="0.2"} 10\nd_bucket{participant="b",le="+Inf"} 10\n');
  test('lies within its bucket', () => expect(quantile(0.5, 'd', read(10, 10, 10), undefined, 'participant="a"')).toBeCloseTo(0.05));
  test('is over all labels', () => expect(quantile(0.75, 'd', read(10, 10, 10))).toBeCloseTo(0.15));
  test('is of what came since', () => expect(quantile(0.5, 'd', read(10, 20, 20), read(10, 10, 10))).toBeCloseTo(0.15));
  test('is the last bound where it is beyond', () => expect(quantile(0.99, 'd', read(0, 0, 5), undefined, 'participant="a"')).toBe(0.2));
  test('is nothing where nothing was counted', () => expect(quantile(0.5, 'd', read(3, 3, 3), read(3, 3, 3))).toBeUndefined());
});

test('a histogram has what lies between its bounds, over all operations', () => {
  const samples = parseMetrics('d_bucket{participant="a",operation="x",le="1"} 2\nd_bucket{participant="a",operation="x",le="2"} 3\n' +
    'd_bucket{participant="a",operation="x",le="+Inf"} 3\nd_bucket{participant="a",operation="y",le="1"} 1\n' +
    'd_bucket{participant="a",operation="y",le="2"} 1\nd_bucket{participant="a",operation="y",le="+Inf"} 2\nd_bucket{participant="b",operation="x",le="1"} 9\n');
  expect(histogram('d', samples, 'participant="a"')).toEqual([{ from: 0, to: 1, count: 3 }, { from: 1, to: 2, count: 1 }, { from: 2, to: 4, count: 1 }]);
});

test('shards of nodes that are lost are nobody\'s', () => {
  const node = (state: 'ready' | 'lost', shards: number) => ({ id: 'n', state, self: false, httpAddress: '', peerAddress: '', release: '', startedAt: '', heardAgo: '0s', shards });
  expect(unowned([node('ready', 32), node('lost', 10), node('ready', 22)])).toBe(10);
});

test('dead letters are grouped by what the receiver said, the largest group first', () => {
  const letter = (id: string, why?: string) => ({ id, type: 'ended' as const, gid: 'g', revision: 1, at: '', since: '', why });
  expect(byReason([letter('a', 'x'), letter('b', 'y'), letter('c', 'y'), letter('d')]).map(([why, all]) => [why, all.length])).toEqual([['y', 2], ['x', 1], ['', 1]]);
});

describe('a downloaded history', () => {
  test('is read as it was written', () => {
    const exported = { transaction: { gid: 'g', branches: [] }, entries: [{ revision: 1 }], source: '{}' };
    expect(readExported(JSON.stringify(exported))).toEqual(exported);
  });
  test.each(['null', '[]', '{"transaction":{"gid":"g"}}', '{"transaction":{"gid":"g","branches":[]},"entries":{}}'])(
    'is not %s', (text) => expect(() => readExported(text)).toThrow('no history'));
});

test.each([[0, '0 B'], [1023, '1023 B'], [1536, '1.5 KiB'], [50 * 1024 * 1024, '50 MiB']])('%d bytes are %s', (n, text) => expect(bytes(n)).toBe(text));

test('a bulk action is shown as the commands that begin it', () => {
  const [curl, command] = bulkCommands('retry', 'incident=true&code=http.503&q=a', "it's back");
  expect(command).toBe(`entente bulk retry --incident --code 'http.503' --gid-prefix 'a' --reason 'it'\\''s back'`);
  expect(curl).toContain('"filter":"incident=true&code=http.503&q=a"');
});

test('a list is shown as the command that gives it', () => {
  expect(asList({ status: 'ACTIVE', incident: true, q: "a'b", unchangedSince: '2026-01-31T00:00:00Z' })).toBe(
    `entente list --status 'ACTIVE' --incident --gid-prefix 'a'\\''b' --unchanged-since '2026-01-31T00:00:00Z'`);
});

test('a list stands in an order that the URL says, and nothing else', () => {
  expect(['sort=attempts', 'sort=sideways', ''].map((query) => orderOf(parseRoute(`#/transactions?${query}`)))).toEqual(['attempts', 'newest', 'newest']);
  expect(asList({ step: 'pay', sort: 'unchanged' })).toBe("entente list --step 'pay' --sort 'unchanged'");
});

test('a route survives being written and read', () => {
  const route = parseRoute(href('transaction', 'a/b?c', { branch: 'x y' }));
  expect([route.page, route.id, route.query.get('branch')]).toEqual(['transaction', 'a/b?c', 'x y']);
});

describe('numbers', () => {
  test('that fit are numbers', () => expect(parseExact('{"revision":12,"rate":0.25}')).toEqual({ revision: 12, rate: 0.25 }));
  test('that do not fit are sent as they were typed, or not at all', () => {
    const long = '{"n":12345678901234567890}';
    if ('rawJSON' in JSON) {
      expect(JSON.stringify(typedJson(long))).toBe(long);
    } else {
      expect(() => typedJson(long)).toThrow('digits');
    }
  });
});

describe('actions', () => {
  test('edit what was touched, and nothing else', () => {
    const target = { gid: 'g', revision: 4, branch: 'pay' };
    expect(bodyOf('edit', target, { ...EMPTY_FORM, reason: 'r', body: '{"a":1}' })).toEqual(
      { reason: 'r', expectedRevision: 4, branch: 'pay', body: { a: 1 } });
    expect(bodyOf('edit', target, { ...EMPTY_FORM, attempts: '5' })).toEqual({ expectedRevision: 4, branch: 'pay', retry: { attempts: 5 } });
  });
  test('complete with an output or with a reason, never both', () => {
    const target = { gid: 'g', revision: 4, branch: 'ship' };
    const form = { ...EMPTY_FORM, reason: 'rang them', payload: '{"id":7}', code: 'full', message: 'no room' };
    const done = bodyOf('complete', target, form);
    expect(done).toEqual({ reason: 'rang them', expectedRevision: 4, branch: 'ship', outcome: 'done', output: { id: 7 } });
    expect(asCommand('complete', target, done)).toBe(
      `entente complete-branch 'g' --branch 'ship' --reason 'rang them' --revision '4' --output '{"id":7}'`);
    const refused = bodyOf('complete', target, { ...form, refused: true });
    expect(refused).toEqual({ reason: 'rang them', expectedRevision: 4, branch: 'ship', outcome: 'refused', code: 'full', message: 'no room' });
    expect(asCommand('complete', target, refused)).toBe(
      `entente complete-branch 'g' --branch 'ship' --reason 'rang them' --revision '4' --code 'full' --message 'no room' --refused`);
    expect(asCurl('complete', 'g', refused)).toContain('/v1/transactions/g:complete');
  });
  test('of a branch are those that it is in a state for', () => {
    const one = (phase: string, more = {}) => branchVerbs({ id: 'b', step: 'b', phase, operation: 'action', participant: 'p', ...more });
    expect(one('forward-stuck')).toEqual(['retry', 'edit', 'skip']);
    expect(one('undo-pending')).toEqual(['complete', 'skip']);
    expect(one('forward-pending', { participant: undefined, child: 'c' })).toEqual(['skip']);
    expect(one('waiting', { blockedBy: 'signal' })).toEqual(['signal']);
    expect(one('forward')).toEqual([]);
  });
  test('are offered to who may do them; where nobody says who may, to all', () => {
    const viewer = mayOf({ name: 'v', role: 'viewer', may: ['get', 'list'] }, true);
    expect([viewer('list'), viewer('retry')]).toEqual([true, false]);
    expect([mayOf(undefined, true)('retry'), mayOf(undefined, false)('retry')]).toEqual([true, false]);
  });
  test('that stop something carry no revision', () => {
    expect(bodyOf('cancel', { gid: 'g', revision: 4 }, EMPTY_FORM)).toEqual({});
  });
  test('say why where a token says who acts, and always where they override', () => {
    expect([wantsReason('pause', true), wantsReason('cancel', true), wantsReason('signal', true)]).toEqual([true, true, false]);
    expect([wantsReason('pause', false), wantsReason('skip', false)]).toEqual([false, true]);
    const as = (role: 'operator' | 'submitter', authenticated?: true) => actsForOthers({ name: 'x', role, authenticated, may: [] });
    expect([as('operator', true), as('operator'), as('submitter', true), actsForOthers(undefined)]).toEqual([true, false, false, false]);
  });
  test('are offered only where they apply', () => {
    expect(applies('pause', { status: 'ACTIVE', incident: false, paused: true })).toBe(false);
    expect(applies('cancel', { status: 'COMMITTING', incident: false, paused: false })).toBe(false);
    expect(applies('retry', { status: 'ABORTED', incident: false, paused: false })).toBe(false);
  });
  test('are shown as commands that survive any quoting', () => {
    const body = { branch: 'pay', reason: "it's $paid", expectedRevision: 7, output: { a: "x'y" } };
    expect(asCommand('skip', { gid: 'g-1' }, body)).toBe(
      `entente skip 'g-1' --branch 'pay' --reason 'it'\\''s $paid' --revision '7' --output '{"a":"x'\\''y"}'`);
    expect(asCurl('retry', 'g-1', {})).toContain("'http://127.0.0.1:8080/v1/transactions/g-1:retry'");
  });
});

describe('a dry run', () => {
  test('offers an answer of the last step that calls somebody, to be changed', () => {
    expect(exampleAnswers({ steps: [{ id: 'a', participant: 'p', action: {} }, { id: 'b', participant: 'p', try: {} }, { id: 'c', wait: {} }] }))
      .toContain('"b.try"');
    expect(exampleAnswers({})).toBe('{}');
  });
  test('is shown as commands that do the same', () => {
    const [curl, , play] = dryRunCommands("it's", 2, { n: 1 }, { 'a.action': [] });
    expect(curl).toContain(`{"definition":"it'\\''s","version":2,"input":{"n":1},"answers":{"a.action":[]}}`);
    expect(play).toBe(`entente dry-run definition.json --input '{"n":1}' --answers answers.json`);
  });
});

describe('server-sent events', () => {
  test('come out whole, however they are cut', () => {
    const text = ': beat\n\nid: 4\ndata: {"a":\ndata: 1}\r\n\nevent: lost\ndata: x\n\ndata: cut';
    for (let cut = 0; cut <= text.length; ++cut) {
      const events: [string, string][] = [];
      const parser = new EventParser((type, data) => events.push([type, data]));
      parser.feed(text.slice(0, cut));
      parser.feed(text.slice(cut));
      expect(events).toEqual([['message', '{"a":\n1}'], ['lost', 'x']]);
    }
  });
  test('are told to have ended, and whether they were any', async () => {
    const ends = (response: Promise<Response>) => new Promise<[number, Ended]>((resolve) => {
      let opened = 0;
      new Source('http://127.0.0.1/v1/events', () => response, { opened: () => ++opened, event: () => undefined, ended: (how) => resolve([opened, how]) });
    });
    expect(await ends(Promise.resolve(new Response('data: 1\n\n')))).toEqual([1, 'broken']);
    expect(await ends(Promise.resolve(new Response('', { status: 401 })))).toEqual([0, 'no-stream']);
    expect(await ends(Promise.resolve(new Response('', { status: 403 })))).toEqual([0, 'denied']);
    expect(await ends(Promise.reject(new Error('refused')))).toEqual([0, 'broken']);
  });
});

describe('a flood of events', () => {
  const over = (perSecond: number, seconds: number) => {
    const flood = new Flood();
    return [...Array(perSecond * seconds).keys()].some((n) => flood.over(1_000_000 + (1_000 * n) / perSecond));
  };
  test('is more than can be followed, however it is spread', () => {
    expect([over(400, 60), over(600, 60), over(5_000, 1)]).toEqual([false, true, true]);
  });
});

describe('a token', () => {
  test('is sent while it is kept, and never as anything but a header', () => {
    const headers = new Headers();
    authorize(headers);
    expect(headers.get('Authorization')).toBeNull();
    keepToken(' ent_x_y \n');
    authorize(headers);
    expect(headers.get('Authorization')).toBe('Bearer ent_x_y');
    forgetToken();
    const after = new Headers();
    authorize(after);
    expect(after.get('Authorization')).toBeNull();
  });

  test('that is refused is shown once, until there is another', async () => {
    vi.resetModules(); // As a page that was just loaded.
    const { send } = await import('../src/api/token');
    const sent = vi.spyOn(globalThis, 'fetch').mockImplementation(async () => new Response('{"code":"token.rejected"}', { status: 401 }));
    for (let i = 0; i < 3; ++i) {
      const answer = await send(new Request('http://127.0.0.1/metrics'));
      expect([answer.status, await answer.json()]).toEqual([401, { code: 'token.rejected' }]);
    }
    expect(sent).toHaveBeenCalledTimes(1);
    sent.mockRestore();
  });

  test('that may not read something asks for it once, and for everything else as before', async () => {
    vi.resetModules();
    const { send } = await import('../src/api/token');
    const sent = vi.spyOn(globalThis, 'fetch').mockImplementation(async (request) =>
      new Response('{"code":"access.scope"}', { status: (request as Request).url.endsWith('/healthz') ? 200 : 403 }));
    const asked = async (method: string, path: string) => (await send(new Request(`http://127.0.0.1${path}`, { method }))).status;
    expect([await asked('GET', '/v1/nodes'), await asked('GET', '/v1/nodes?limit=5')]).toEqual([403, 403]);
    expect(sent).toHaveBeenCalledTimes(1);
    expect([await asked('GET', '/healthz'), await asked('GET', '/healthz')]).toEqual([200, 200]);
    // What was done about one thing may be allowed for another.
    expect([await asked('POST', '/v1/bulk'), await asked('POST', '/v1/bulk')]).toEqual([403, 403]);
    expect(sent).toHaveBeenCalledTimes(5);
    sent.mockRestore();
  });
});
