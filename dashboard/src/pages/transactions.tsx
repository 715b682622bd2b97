// The list: filters in the URL, rows that change in place, new ones behind a pill, actions on a selection.
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from '@tanstack/virtual-core';
import { Component } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks';
import { api, ApiError, isOpen, take, type ListQuery, type Summary, type TransactionEvent } from '../api/client';
import { useSession } from '../api/session';
import { listen } from '../live/stream';
import { useLoad, useThrottled, useWaiting } from '../live/load';
import { go, href, withQuery, type Route } from '../route';
import { BulkDialog } from './bulk';
import { ActionDialog, applies, methodOf, type Verb } from '../ui/actions';
import { Command, Empty, NotOffered, State, StatusChip, Time, TxnLink } from '../ui/parts';
import { useCommands } from '../ui/commands';
import { useKeys } from '../ui/keys';
import { Dialog } from '../ui/dialog';
import { summarySentence } from '../words/sentence';
import type { Key } from '../words/english';
import { t, word } from '../words/words';

const PAGE = 100;
const MOST_REFRESHED = 1_000; // The API's largest page.
const ROW_PX = 32;
const COUNTED_MS = 20_000; // How often states are counted where nothing is heard to happen,
const COUNT_SHARE = 200; // and of the time that passes, one part in so many where much does.
const SOON = 60; // So many rows before the last one that is here the next ones are asked for.
const STATUSES = ['ACTIVE', 'COMMITTING', 'COMMITTED', 'ABORTING', 'ABORTED', 'MIXED'] as const;
const MODES = ['saga', 'tcc', '2pc'] as const;
const COUNTED = ['mode', 'definition', 'label', 'q', 'since', 'until', 'unchangedSince', 'attempts', 'error', 'participant', 'code', 'step', 'parent'] as const;
const FLAGS = ['incident', 'paused'] as const;
const FILTERS = ['status', ...FLAGS, ...COUNTED] as const;
const RARE: readonly string[] = ['mode', 'since', 'until', 'unchangedSince', 'attempts', 'participant', 'code', 'step', 'parent'];
const ORDERS = ['newest', 'oldest', 'changed', 'unchanged', 'attempts'] as const;
type Order = (typeof ORDERS)[number];

function queryOf(route: Route): ListQuery {
  const query: Record<string, string | boolean> = {};
  for (const name of FILTERS) {
    const value = route.query.get(name);
    if (value) {
      query[name] = name === 'incident' || name === 'paused' ? value === 'true' : value;
    }
  }
  return query as ListQuery;
}

export function orderOf(route: Route): Order {
  return ORDERS.find((order) => order === route.query.get('sort')) ?? 'newest';
}

// What is asked for, in its order; the newest first is what one gets without asking.
function listQuery(route: Route): ListQuery {
  const sort = orderOf(route);
  return { ...queryOf(route), ...(sort === 'newest' ? {} : { sort }) };
}

interface List { rows: Summary[]; cursor: string | undefined; loading: boolean; error: ApiError | undefined; newer: number }

const NOTHING: List = { rows: [], cursor: undefined, loading: true, error: undefined, newer: 0 };

const page = (route: Route, limit: number, cursor?: string) =>
  take(api.GET('/v1/transactions', { params: { query: { ...listQuery(route), limit, cursor } } }));

// Pages by cursor; an empty page with a cursor is not the end of a list, so it is followed.
function useList(route: Route): List & { more: () => void; reload: () => void } {
  const [list, setList] = useState<List>(NOTHING);
  const turn = useRef(0);
  const rows = useRef<Summary[]>([]);
  rows.current = list.rows;
  const key = [...FILTERS.map((name) => route.query.get(name) ?? ''), orderOf(route)].join('\n');

  const fetchFrom = async (cursor: string | undefined, before: Summary[]) => {
    const mine = ++turn.current;
    setList((old) => ({ ...old, loading: true }));
    try {
      const known = new Set(before.map((row) => row.gid));
      const added: Summary[] = [];
      let next = cursor;
      do {
        const found = await page(route, PAGE, next);
        added.push(...found.transactions.filter((row) => !known.has(row.gid)));
        next = found.nextCursor || undefined;
      } while (next && added.length === 0 && mine === turn.current);
      if (mine === turn.current) {
        setList((old) => ({ rows: [...(before.length ? old.rows : []), ...added], cursor: next, loading: false, error: undefined,
          newer: before.length ? old.newer : 0 }));
      }
    } catch (error) {
      if (mine === turn.current) {
        setList((old) => ({ ...old, loading: false, error: error as ApiError }));
      }
    }
  };

  // What is shown, read again where it stands: nothing jumps, and what has come since waits behind the pill.
  const refresh = async () => {
    const mine = turn.current;
    const shown = rows.current.length;
    if (shown === 0) {
      void fetchFrom(undefined, []);
      return;
    }
    try {
      const found = (await page(route, Math.min(shown, MOST_REFRESHED))).transactions;
      if (mine === turn.current) {
        setList((old) => withRead(old, found));
      }
    } catch {
      // The bar says that nothing is heard; the next gap reads again.
    }
  };

  const reload = () => void fetchFrom(undefined, []);
  useLayoutEffect(() => {
    setList(NOTHING);
    reload();
  }, [key]);
  useWaiting(list.loading && list.rows.length === 0);

  useEffect(() => listen((events) => setList((old) => withEvents(old, events)), () => void refresh()), [key]);
  return { ...list, reload, more: () => { if (list.cursor && !list.loading) { void fetchFrom(list.cursor, list.rows); } } };
}

function withRead(list: List, found: Summary[]): List {
  const read = new Map(found.map((row) => [row.gid, row]));
  const shown = new Set(list.rows.map((row) => row.gid));
  return { ...list, rows: list.rows.map((row) => read.get(row.gid) ?? row), newer: found.filter((row) => !shown.has(row.gid)).length };
}

// What is shown changes in place; what is not shown is counted, so that nothing jumps.
function withEvents(list: List, events: TransactionEvent[]): List {
  const places = new Map(list.rows.map((row, at) => [row.gid, at]));
  let { rows, newer } = list;
  for (const { gid, status, incident, entry } of events) {
    const at = places.get(gid);
    if (at === undefined) {
      newer += entry.type === 'accepted' ? 1 : 0;
      continue;
    }
    rows = rows === list.rows ? rows.slice() : rows;
    const row = rows[at]!;
    const failure = entry.failure;
    rows[at] = { ...row, status, incident, updatedAt: entry.at,
      paused: entry.type === 'paused' ? true : entry.type === 'resumed' ? false : row.paused,
      error: failure ? failure.message || failure.code : row.error };
  }
  return rows === list.rows && newer === list.newer ? list : { ...list, rows, newer };
}

type Chip = (typeof STATUSES)[number] | (typeof FLAGS)[number];

// One for each state, with how many there are under the other filters. Counted by an index each, up to a thousand.
function Chips({ route }: { route: Route }) {
  const key = COUNTED.map((name) => route.query.get(name) ?? '').join('\n');
  const { status, incident, paused, ...rest } = queryOf(route);
  const took = useRef(0);
  const counts = useLoad(async () => {
    const began = performance.now();
    const found = await take(api.GET('/v1/transactions:count', { params: { query: rest } }));
    took.current = performance.now() - began;
    return found;
  }, [key], COUNTED_MS);
  // Under load there is always something new: ten pages that count must not take the coordinator from those who work with it.
  const again = useThrottled(counts.again, Math.min(COUNTED_MS, Math.max(1_000, COUNT_SHARE * took.current)));
  useEffect(() => listen(again, again), []);
  const chosen: Chip | undefined = incident ? 'incident' : paused ? 'paused' : status;
  const to = (chip: Chip | undefined) => {
    const flag = chip === 'incident' || chip === 'paused';
    return withQuery(route, { incident: undefined, paused: undefined, status: flag ? undefined : chip, ...(flag ? { [chip]: 'true' } : {}) });
  };
  const number = (chip: Chip) => {
    const count = counts.data?.counts.find((one) => one.name === chip);
    return count ? `${count.count}${count.more ? '+' : ''}` : '';
  };
  return (
    <nav class="chips" aria-label={t('list.status')}>
      <a href={to(undefined)} aria-current={chosen ? undefined : 'true'}>{t('common.all')}</a>
      {([...FLAGS, ...STATUSES] as Chip[]).map((chip) => (
        <a key={chip} href={to(chip)} aria-current={chosen === chip ? 'true' : undefined} class={number(chip) === '0' ? 'none' : ''}>
          <span class={`s-${chip}`}>{word('status', chip)}</span> <span class="num">{number(chip)}</span>
        </a>
      ))}
    </nav>
  );
}

function Filters({ route, onAll }: { route: Route; onAll?: () => void }) {
  const set = (name: string, value: string) => go(withQuery(route, { [name]: value || undefined }), true);
  const text = (name: (typeof FILTERS)[number], label: string, hint = '', type = 'search') => (
    <label>{label}
      <input type={type} min={1} value={route.query.get(name) ?? ''} placeholder={hint} onChange={(e) => set(name, e.currentTarget.value.trim())} />
    </label>
  );
  const instant = '2026-01-31T00:00:00Z';
  return (
    <form class="filters" role="search" onSubmit={(e) => e.preventDefault()}>
      {text('q', t('list.q'), 'gid')}
      {text('definition', t('list.definition'))}
      {text('error', t('list.error'))}
      {text('label', t('list.label'), 'name=value')}
      <label>{t('list.sort')}
        <select value={orderOf(route)} onChange={(e) => set('sort', e.currentTarget.value === 'newest' ? '' : e.currentTarget.value)}>
          {ORDERS.map((order) => <option key={order} value={order}>{t(`list.sort.${order}`)}</option>)}
        </select></label>
      <details open={RARE.some((name) => route.query.get(name))}>
        <summary>{t('list.rare')}</summary>
        <div class="filters">
          <label>{t('list.mode')}
            <select value={route.query.get('mode') ?? ''} onChange={(e) => set('mode', e.currentTarget.value)}>
              <option value="">{t('common.all')}</option>
              {MODES.map((m) => <option key={m}>{m}</option>)}
            </select></label>
          {text('participant', t('participants.name'))}
          {text('code', t('list.code'), 'http.503')}
          {text('step', t('list.step'))}
          {text('attempts', t('list.attempts.least'), '', 'number')}
          {text('since', t('list.since'), instant)}
          {text('until', t('list.until'), instant)}
          {text('unchangedSince', t('list.unchanged'), instant)}
          {text('parent', t('list.parent'), 'gid')}
        </div>
      </details>
      {FILTERS.some((name) => route.query.get(name)) && (
        <>
          {onAll && <button type="button" onClick={onAll}>{t('bulk.title')}</button>}
          <button type="button" class="quiet" onClick={() => go(href('transactions'))}>{t('common.clear')}</button>
        </>
      )}
    </form>
  );
}

type View = { name: string; query: string };
const views = (): View[] => JSON.parse(localStorage.getItem('views') ?? '[]') as View[];

function Views({ route }: { route: Route }) {
  const [list, setList] = useState(views);
  const [naming, setNaming] = useState(false);
  const store = (next: View[]) => {
    localStorage.setItem('views', JSON.stringify(next));
    setList(next);
  };
  return (
    <div class="row views">
      {list.map((view) => (
        <span key={view.name} class="view">
          <a href={`#/transactions?${view.query}`}>{view.name}</a>
          <button type="button" class="quiet" aria-label={`${t('common.clear')}: ${view.name}`} onClick={() => store(list.filter((v) => v !== view))}>×</button>
        </span>
      ))}
      {route.query.size > 0 && <button type="button" class="quiet" onClick={() => setNaming(true)}>{t('list.save')}</button>}
      {naming && (
        <Dialog title={t('list.save')} onClose={() => setNaming(false)}>
          <form onSubmit={(e) => {
            e.preventDefault();
            const name = new FormData(e.currentTarget).get('name') as string;
            store([...list.filter((v) => v.name !== name), { name, query: route.query.toString() }]);
            setNaming(false);
          }}>
            <label>{t('list.save.name')}<input name="name" required maxLength={40} autofocus /></label>
            <div class="row end"><button class="primary">{t('list.save')}</button></div>
          </form>
        </Dialog>
      )}
    </div>
  );
}

function useVirtual(count: number, box: { current: HTMLDivElement | null }) {
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  const virtual = useMemo(() => new Virtualizer<HTMLDivElement, HTMLDivElement>({
    count: 0, getScrollElement: () => box.current, estimateSize: () => ROW_PX, overscan: 12,
    scrollToFn: elementScroll, observeElementOffset, observeElementRect, onChange: () => redraw(0),
  }), []);
  virtual.setOptions({ ...virtual.options, count });
  useEffect(() => virtual._didMount(), []);
  useEffect(() => virtual._willUpdate());
  return virtual;
}

interface RowProps { row: Summary; top: number; chosen: boolean; current: boolean; onToggle?: (gid: string) => void }

// Drawn again only when something of it changed: while the list is scrolled most rows stay what they are.
class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    const { row, top, chosen, current, onToggle } = this.props;
    return next.row !== row || next.top !== top || next.chosen !== chosen || next.current !== current || !next.onToggle !== !onToggle;
  }
  override render() {
    const { row, top, chosen, current, onToggle } = this.props;
    return (
      <div class={`trow${current ? ' current' : ''}`} role="row" style={{ top: `${top}px` }}>
        <span role="cell">{onToggle && <input type="checkbox" checked={chosen} aria-label={row.gid} onChange={() => onToggle(row.gid)} />}</span>
        <span role="cell"><StatusChip status={row.status} incident={row.incident} paused={row.paused} /></span>
        <span role="cell" class="cut"><TxnLink gid={row.gid} /></span>
        <span role="cell" class="cut">{row.definition ? <a href={href('transactions', '', { definition: row.definition })}>{row.definition}</a> : row.mode}</span>
        <span role="cell" class="cut words" title={row.error}>{summarySentence(row)}</span>
        <span role="cell" class="num">{row.attempts && row.attempts > 1 ? row.attempts : ''}</span>
        <span role="cell" class="num"><Time at={row.createdAt} short /></span>
        <span role="cell" class="num"><Time at={row.updatedAt} short /></span>
      </div>
    );
  }
}

interface BodyProps { list: List; chosen: Set<string>; current: number; onToggle?: (gid: string) => void; onMore: () => void }

// What is scrolled, apart: each frame draws this anew, and nothing around it.
function Body({ list, chosen, current, onToggle, onMore }: BodyProps) {
  const box = useRef<HTMLDivElement>(null);
  const virtual = useVirtual(list.rows.length, box);
  const items = virtual.getVirtualItems();
  const lastShown = items[items.length - 1]?.index ?? -1;
  useEffect(() => {
    if (list.cursor && lastShown >= list.rows.length - SOON) {
      onMore();
    }
  }, [lastShown, list.rows.length, list.cursor]);
  useEffect(() => {
    if (current >= 0) {
      virtual.scrollToIndex(current);
    }
  }, [current]);
  return (
    <div class="tbody" role="rowgroup" ref={box} tabIndex={0} aria-label={t('app.transactions')}>
      <div class="tspace" role="presentation" style={{ height: `${virtual.getTotalSize()}px` }}>
        {items.map((item) => {
          const row = list.rows[item.index];
          return row && <Row key={row.gid} row={row} top={item.start} chosen={chosen.has(row.gid)} current={item.index === current} onToggle={onToggle} />;
        })}
      </div>
    </div>
  );
}

const OPTIONS: Record<string, string> = { q: 'gid-prefix', unchangedSince: 'unchanged-since' };

export function asList(query: ListQuery): string {
  const quoted = (text: string) => `'${text.replace(/'/g, `'\\''`)}'`;
  return ['entente list', ...Object.entries(query).map(([name, value]) => {
    const option = `--${OPTIONS[name] ?? name}`;
    return value === true ? option : `${option} ${quoted(String(value))}`;
  })].join(' ');
}

// The columns that a list can be sorted by, with the orders that pressing on one goes through.
const SORTED: Partial<Record<string, [Order, Order]>> = {
  'list.attempts': ['attempts', 'newest'], 'list.started': ['newest', 'oldest'], 'list.changed': ['changed', 'unchanged'],
};

function Head({ route, name }: { route: Route; name: Key }) {
  const orders = SORTED[name];
  const order = orderOf(route);
  if (!orders) {
    return <span role="columnheader">{t(name)}</span>;
  }
  const here = order === orders[0] ? 'descending' : order === orders[1] && name !== 'list.attempts' ? 'ascending' : undefined;
  const next = here === 'descending' ? orders[1] : orders[0];
  return (
    <span role="columnheader" aria-sort={here ?? 'none'}>
      <button type="button" class="quiet" title={t(`list.sort.${next}`)} onClick={() => go(withQuery(route, { sort: next === 'newest' ? undefined : next }), true)}>
        {t(name)}{here && <span aria-hidden="true"> {here === 'descending' ? '↓' : '↑'}</span>}
      </button>
    </span>
  );
}

const BULK: Verb[] = ['retry', 'pause', 'resume', 'cancel'];

export function Transactions({ route }: { route: Route }) {
  const list = useList(route);
  const [chosen, setChosen] = useState<Set<string>>(new Set());
  const [current, setCurrent] = useState(-1);
  const [verb, setVerb] = useState<Verb | undefined>();
  const [bulk, setBulk] = useState(false);
  const { may } = useSession();
  const offered = BULK.filter((one) => may(methodOf(one)));
  const selects = offered.length > 0; // Else there is nothing to select rows for.

  const toggle = (gid: string) => setChosen((old) => {
    const next = new Set(old);
    return next.delete(gid) ? next : next.add(gid);
  });
  const step = (by: number) => setCurrent((old) => Math.max(0, Math.min(list.rows.length - 1, old + by)));
  useKeys({ j: () => step(1), k: () => step(-1), Enter: () => list.rows[current] && go(href('transaction', list.rows[current]!.gid)),
    x: () => selects && list.rows[current] && toggle(list.rows[current]!.gid), r: () => chosen.size > 0 && may('retry') && setVerb('retry') });

  const filtered = FILTERS.some((name) => route.query.get(name));
  useCommands(filtered ? [...(may('bulk') ? [{ label: t('bulk.title'), run: () => setBulk(true) }] : []), { label: t('list.clear'), run: () => go(href('transactions')) }] : []);

  const selected = list.rows.filter((row) => chosen.has(row.gid));
  const fit = verb ? selected.filter((row) => applies(verb, row)) : [];
  const all = list.rows.length > 0 && selected.length === list.rows.length;
  const textOf = (asked: ListQuery) => new URLSearchParams(Object.entries(asked).map(([k, v]) => [k, String(v)])).toString();
  const query = textOf(queryOf(route));
  const sorted = textOf(listQuery(route));
  return (
    <>
      <h1>{t('app.transactions')}</h1>
      <Views route={route} />
      <Chips route={route} />
      <Filters route={route} onAll={may('bulk') ? () => setBulk(true) : undefined} />
      <State error={list.error} loading={list.loading && list.rows.length === 0} again={list.reload} />
      {list.newer > 0 && <button type="button" class="pill" onClick={list.reload}>{t('list.newer', { n: list.newer })}</button>}
      {selected.length > 0 && (
        <div class="bulk row" role="toolbar">
          <span>{t('list.selected', { n: selected.length, m: list.rows.length })}</span>
          {offered.map((one) => (
            <button key={one} type="button" disabled={!selected.some((row) => applies(one, row))} onClick={() => setVerb(one)}>{t(`action.${one}`)}</button>
          ))}
          <button type="button" class="quiet" onClick={() => setChosen(new Set())}>{t('common.clear')}</button>
          <NotOffered what={BULK.filter((one) => !offered.includes(one)).map((one) => t(`action.${one}`))} />
        </div>
      )}
      {!list.loading && !list.error && list.rows.length === 0 && <Empty title={t('list.none')} hint={route.query.size ? t('list.none.hint') : undefined} />}
      {list.rows.length > 0 && (
        <div class="tlist" role="table" aria-rowcount={list.rows.length}>
          <div class="trow head" role="row">
            <span role="columnheader">{selects && <input type="checkbox" checked={all} aria-label={t('common.all')}
              onChange={() => setChosen(all ? new Set() : new Set(list.rows.map((row) => row.gid)))} />}</span>
            {(['list.state', 'list.gid', 'list.definition', 'list.words', 'list.attempts', 'list.started', 'list.changed'] as const).map((key) => (
              <Head key={key} route={route} name={key} />
            ))}
          </div>
          <Body list={list} chosen={chosen} current={current} onToggle={selects ? toggle : undefined} onMore={list.more} />
        </div>
      )}
      {list.rows.length > 0 && !list.cursor && <p class="dim foot">{t('list.end', { n: list.rows.length })}</p>}
      <p class="foot"><a href={href('bulk')}>{t('bulk.all')}</a> · <a href={href('imported')}>{t('txn.import')}</a></p>
      <details class="show"><summary>{t('common.show')} curl / CLI</summary>
        <Command text={`curl -sS '${location.origin}/v1/transactions${sorted ? '?' + sorted : ''}'`} />
        <Command text={asList(listQuery(route))} />
      </details>
      {bulk && <BulkDialog filter={query} onClose={() => setBulk(false)} />}
      {verb && (
        <ActionDialog verb={verb} targets={fit.map((row) => ({ gid: row.gid }))} skipped={selected.length - fit.length}
          onClose={() => setVerb(undefined)} onDone={() => list.rows.some((row) => isOpen(row.status)) && list.reload()} />
      )}
    </>
  );
}
