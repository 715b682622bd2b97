// The audit: who did what, or tried to; the newest first, by filters that stand in the URL.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { api, ApiError, take, type AuditEntry, type AuditQuery } from '../api/client';
import { useWaiting } from '../live/load';
import { go, href, withQuery, type Route } from '../route';
import { Command, Empty, Json, State, Time } from '../ui/parts';
import { useCommands } from '../ui/commands';
import { saveAs } from '../ui/file';
import { useKeys } from '../ui/keys';
import { exact } from '../words/time';
import { t } from '../words/words';

const PAGE = 100;
const EXPORT_PAGE = 1_000; // The API's largest page.
const NEWER_MS = 10_000;
const FILTERS = ['actor', 'action', 'subject', 'outcome', 'since', 'until'] as const;
const OUTCOMES = ['done', 'failed', 'refused'] as const;

export function auditQuery(route: Route): AuditQuery {
  const query: Record<string, string> = {};
  for (const name of FILTERS) {
    const value = route.query.get(name);
    if (value) {
      query[name] = value;
    }
  }
  return query as AuditQuery;
}

// Where on this page one can look at what an entry is about, if anywhere.
export function subjectPage(subject: string): string | undefined {
  const slash = subject.indexOf('/');
  const [kind, name] = [subject.slice(0, slash), subject.slice(slash + 1)];
  switch (slash > 0 && name ? kind : '') {
    case 'transaction': return href('transaction', name);
    case 'definition': return href('definitions', name.replace(/\/\d+$/, ''));
    case 'bulk': return href('bulk');
    default: return undefined;
  }
}

// Which members differ between what was before and what was after, as a person says it.
export function changesOf(entry: AuditEntry): string {
  const [before, after] = [(entry.before ?? {}) as Record<string, unknown>, (entry.after ?? {}) as Record<string, unknown>];
  const text = (value: unknown) => (value === undefined ? '-' : typeof value === 'string' ? value : JSON.stringify(value));
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((name) => text(before[name]) !== text(after[name]))
    .map((name) => `${name} ${text(before[name])} → ${text(after[name])}`).join(', ');
}

const quoted = (text: string) => `'${text.replace(/'/g, `'\\''`)}'`;

// The same question over the API and on the command line.
export function auditCommands(query: AuditQuery): [string, string] {
  const set = Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]);
  const text = new URLSearchParams(set).toString();
  return [
    `curl -sS ${quoted(`${location.origin}/v1/audit${text ? `?${text}` : ''}`)}`,
    ['entente audit', ...set.map(([name, value]) => `--${name} ${quoted(value)}`)].join(' '),
  ];
}

const page = (query: AuditQuery, limit: number, cursor?: string) =>
  take(api.GET('/v1/audit', { params: { query: { ...query, limit, cursor } } }));

interface Entries { list: AuditEntry[]; cursor: string | undefined; loading: boolean; error: ApiError | undefined }

const NOTHING: Entries = { list: [], cursor: undefined, loading: true, error: undefined };

// Pages by cursor; one without an entry is not the end while it has a cursor.
function useEntries(route: Route): Entries & { key: string; more: () => void; reload: () => void } {
  const [entries, setEntries] = useState<Entries>(NOTHING);
  const turn = useRef(0);
  const key = FILTERS.map((name) => route.query.get(name) ?? '').join('\n');
  const read = async (before: AuditEntry[], cursor?: string) => {
    const mine = ++turn.current;
    setEntries((old) => ({ ...old, loading: true, error: undefined }));
    try {
      let next = cursor;
      const added: AuditEntry[] = [];
      do {
        const found = await page(auditQuery(route), PAGE, next);
        added.push(...found.entries);
        next = found.nextCursor || undefined;
      } while (next && added.length === 0 && mine === turn.current);
      if (mine === turn.current) {
        setEntries({ list: [...before, ...added], cursor: next, loading: false, error: undefined });
      }
    } catch (error) {
      if (mine === turn.current) {
        setEntries((old) => ({ ...old, loading: false, error: error as ApiError }));
      }
    }
  };
  const reload = () => void read([]);
  useLayoutEffect(() => {
    setEntries(NOTHING);
    reload();
    return () => void ++turn.current;
  }, [key]);
  useWaiting(entries.loading && entries.list.length === 0);
  return { ...entries, key, reload, more: () => { if (entries.cursor && !entries.loading) { void read(entries.list, entries.cursor); } } };
}

// How many have come since: they wait behind a pill, so that what is being read does not move.
function useNewer({ key, list, loading, error }: { key: string } & Entries, route: Route): string {
  const [newer, setNewer] = useState(0);
  const newest = list[0]?.id ?? '';
  const settled = !loading && !error;
  useEffect(() => {
    let gone = false;
    setNewer(0);
    const look = () => page(auditQuery(route), PAGE).then(
      ({ entries }) => { if (!gone) { setNewer(entries.filter((entry) => entry.id > newest).length); } },
      () => undefined); // The bar says that nothing is heard.
    const timer = settled ? setInterval(look, NEWER_MS) : undefined;
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [key, newest, settled]);
  return newer === 0 ? '' : `${newer}${newer === PAGE ? '+' : ''}`;
}

function Filters({ route }: { route: Route }) {
  const set = (name: string, value: string) => go(withQuery(route, { [name]: value || undefined, entry: undefined }), true);
  const text = (name: (typeof FILTERS)[number], hint = '') => (
    <label>{t(`audit.${name}` as const)}
      <input type="search" value={route.query.get(name) ?? ''} placeholder={hint} onChange={(e) => set(name, e.currentTarget.value.trim())} />
    </label>
  );
  const instant = '2026-01-31T00:00:00Z';
  return (
    <form class="filters" role="search" onSubmit={(e) => e.preventDefault()}>
      {text('actor')}
      {text('action', 'pause')}
      {text('subject', 'transaction/t1')}
      <label>{t('audit.outcome')}
        <select value={route.query.get('outcome') ?? ''} onChange={(e) => set('outcome', e.currentTarget.value)}>
          <option value="">{t('common.all')}</option>
          {OUTCOMES.map((one) => <option key={one} value={one}>{t(`audit.outcome.${one}`)}</option>)}
        </select></label>
      {text('since', instant)}
      {text('until', instant)}
      {FILTERS.some((name) => route.query.get(name)) && <button type="button" class="quiet" onClick={() => go(href('audit'))}>{t('common.clear')}</button>}
    </form>
  );
}

const SHAPES = { done: '✓', failed: '!', refused: '✕' } as const;

function Outcome({ entry }: { entry: AuditEntry }) {
  return (
    <span class={`chip a-${entry.outcome}`} title={entry.code}>
      <span class="shape" aria-hidden="true">{SHAPES[entry.outcome]}</span> {t(`audit.outcome.${entry.outcome}`)}{entry.times ? ` × ${entry.times}` : ''}
    </span>
  );
}

function Subject({ subject }: { subject: string | undefined }) {
  const to = subject && subjectPage(subject);
  return to ? <a class="mono" href={to} title={subject}>{subject}</a> : <span class="mono" title={subject}>{subject ?? ''}</span>;
}

function Detail({ entry }: { entry: AuditEntry }) {
  const by = (query: Record<string, string>) => href('audit', '', query);
  return (
    <>
      <dl class="facts">
        <dt>{t('audit.at')}</dt><dd>{exact(entry.at)}</dd>
        <dt>{t('audit.actor')}</dt><dd>{entry.actor ? <a href={by({ actor: entry.actor })}>{entry.actor}</a> : t('audit.actor.unknown')}</dd>
        {entry.token && <><dt>{t('audit.token')}</dt><dd class="mono">{entry.token}</dd></>}
        <dt>{t('audit.action')}</dt><dd><a href={by({ action: entry.action })}>{entry.action}</a></dd>
        {entry.subject && <><dt>{t('audit.subject')}</dt><dd><Subject subject={entry.subject} /> <a href={by({ subject: entry.subject })}>{t('audit.same')}</a></dd></>}
        {entry.reason && <><dt>{t('common.reason')}</dt><dd>{entry.reason}</dd></>}
        {entry.code && <><dt>{t('audit.code')}</dt><dd class="mono">{entry.code}</dd></>}
        {entry.peer && <><dt>{t('audit.peer')}</dt><dd class="mono">{entry.peer}</dd></>}
        {entry.times && <><dt>{t('audit.times')}</dt><dd>{entry.times}</dd></>}
      </dl>
      {(entry.before || entry.after) && (
        <div class="halves">
          {entry.before ? <Json label={t('audit.before')} value={entry.before} /> : <p class="dim">{t('audit.before')}: -</p>}
          {entry.after ? <Json label={t('audit.after')} value={entry.after} /> : <p class="dim">{t('audit.after')}: -</p>}
        </div>
      )}
    </>
  );
}

function Rows({ list, open, current, onOpen }: { list: AuditEntry[]; open: string | null; current: number; onOpen: (entry: AuditEntry) => void }) {
  return (
    <div class="scroll">
      <table class="audit">
        <thead>
          <tr>
            <th>{t('audit.at')}</th><th>{t('audit.outcome')}</th><th>{t('audit.action')}</th><th>{t('audit.subject')}</th><th>{t('audit.actor')}</th>
            <th class="wide-only">{t('audit.what')}</th><th class="wide-only">{t('audit.peer')}</th>
          </tr>
        </thead>
        <tbody>
          {list.map((entry, at) => (
            <>
              <tr key={entry.id} class={at === current ? 'current' : ''}>
                <td class="num"><button type="button" class="quiet" aria-expanded={entry.id === open} onClick={() => onOpen(entry)}>
                  <span aria-hidden="true">{entry.id === open ? '▾' : '▸'}</span> <Time at={entry.at} short /></button></td>
                <td><Outcome entry={entry} /></td>
                <td class="mono">{entry.action}</td>
                <td class="cut"><Subject subject={entry.subject} /></td>
                <td class="cut" title={entry.actor}>{entry.actor ?? <span class="dim">{t('audit.actor.unknown')}</span>}</td>
                <td class="cut wide-only" title={entry.reason}>{entry.reason || <span class="dim">{entry.code ?? changesOf(entry)}</span>}</td>
                <td class="mono wide-only">{entry.peer}</td>
              </tr>
              {entry.id === open && <tr key={`${entry.id} open`} class="opened"><td colSpan={7}><Detail entry={entry} /></td></tr>}
            </>
          ))}
        </tbody>
      </table>
    </div>
  );
}

// All that the filters find, page after page, to a file. Only what was written before it began: others go on writing.
function useExport(query: AuditQuery) {
  const [written, setWritten] = useState<number | undefined>();
  const [error, setError] = useState<ApiError | undefined>();
  const stopped = useRef(false);
  const run = async () => {
    stopped.current = false;
    setError(undefined);
    setWritten(0);
    const parts: string[] = [];
    let count = 0;
    try {
      for (let cursor: string | undefined, more = true; more && !stopped.current; more = !!cursor) {
        const found = await page(query, EXPORT_PAGE, cursor);
        parts.push(...found.entries.map((entry) => `${JSON.stringify(entry)}\n`));
        count += found.entries.length;
        cursor = found.nextCursor || undefined;
        setWritten(count);
      }
      if (!stopped.current) {
        saveAs('audit.jsonl', parts, 'application/x-ndjson');
      }
    } catch (cause) {
      setError(cause as ApiError);
    }
    setWritten(undefined);
  };
  return { written, error, run, stop: () => { stopped.current = true; } };
}

export function Audit({ route }: { route: Route }) {
  const entries = useEntries(route);
  const newer = useNewer(entries, route);
  const [current, setCurrent] = useState(-1);
  const query = auditQuery(route);
  const exported = useExport(query);
  const open = route.query.get('entry');
  const { list } = entries;
  const toggle = (entry: AuditEntry) => go(withQuery(route, { entry: entry.id === open ? undefined : entry.id }), true);
  const step = (by: number) => setCurrent((old) => Math.max(0, Math.min(list.length - 1, old + by)));
  useKeys({ j: () => step(1), k: () => step(-1), Enter: () => list[current] && toggle(list[current]!) });
  useCommands(list.length ? [{ label: t('audit.export'), run: () => void exported.run() }] : []);
  return (
    <>
      <h1>{t('audit.title')}</h1>
      <Filters route={route} />
      <State error={entries.error ?? exported.error} loading={entries.loading && list.length === 0} again={entries.reload} />
      {newer && <button type="button" class="pill" onClick={entries.reload}>{t('list.newer', { n: newer })}</button>}
      {!entries.loading && !entries.error && list.length === 0 && <Empty title={t('audit.none')} hint={t('audit.none.hint')} />}
      {list.length > 0 && <Rows list={list} open={open} current={current} onOpen={toggle} />}
      {list.length > 0 && (
        <p class="foot row wrap">
          {entries.cursor ? <button type="button" disabled={entries.loading} onClick={entries.more}>{t('common.more')}</button> : <span class="dim">{t('list.end', { n: list.length })}</span>}
          {exported.written === undefined
            ? <button type="button" class="quiet" onClick={() => void exported.run()}>{t('audit.export')}</button>
            : <span role="status">{t('audit.exporting', { n: exported.written })} <button type="button" class="quiet" onClick={exported.stop}>{t('action.stop')}</button></span>}
        </p>
      )}
      <details class="show"><summary>{t('common.show')} curl / CLI</summary>
        {auditCommands(query).map((text) => <Command key={text} text={text} />)}
        <Command text={`${auditCommands(query)[1]} --export > audit.jsonl`} />
      </details>
    </>
  );
}
