// The history as bars: one for each attempt, the gaps between attempts, and what is awaited now. Long silences are folded.
import { Component } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import type { HistoryEntry, Transaction } from '../api/client';
import { useTick } from '../ui/parts';
import { clock, exact, span, zone, type Zone } from '../words/time';
import { t } from '../words/words';

interface Bar { branch: string; operation: string; from: number; to: number; kind: 'call' | 'gap' | 'wait'; outcome: string; open: boolean }

const START = new Set(['operation-started', 'attempt-started', 'call-interrupted']);
const END: Record<string, string> = {
  'attempt-failed': 'failed', 'operation-succeeded': 'done', 'operation-refused': 'refused', 'operation-gave-up': 'refused',
  'incident-raised': 'stuck', 'operator-skipped': 'done',
};

export function barsOf(entries: HistoryEntry[], now: number, ended: boolean): Bar[] {
  const bars: Bar[] = [];
  const open = new Map<string, Bar>();
  const latest = new Map<string, Bar>();
  const close = (branch: string, at: number, outcome: string) => {
    const bar = open.get(branch);
    if (bar) {
      bar.to = at;
      bar.outcome = outcome;
      bar.open = false;
      open.delete(branch);
    }
  };
  for (const entry of entries) {
    const at = Date.parse(entry.at);
    const branch = entry.branch;
    if (!branch) {
      continue;
    }
    const begin = (kind: Bar['kind'], operation: string) => {
      const bar: Bar = { branch, operation, from: at, to: now, kind, outcome: kind === 'gap' ? 'gap' : 'open', open: true };
      open.set(branch, bar);
      latest.set(branch, bar);
      bars.push(bar);
    };
    const last = latest.get(branch);
    if (START.has(entry.type)) {
      close(branch, at, entry.type === 'call-interrupted' ? 'failed' : 'gap');
      begin('call', entry.operation ?? last?.operation ?? '');
    } else if (entry.type === 'wait-started' || entry.type === 'operation-pending') {
      close(branch, at, 'done');
      begin('wait', entry.operation ?? last?.operation ?? 'wait');
    } else if (END[entry.type]) {
      close(branch, at, END[entry.type]!);
      if (entry.type === 'attempt-failed') {
        begin('gap', last?.operation ?? '');
      }
    }
  }
  if (ended) {
    for (const bar of open.values()) {
      bar.to = bar.from;
    }
  }
  return bars;
}

// Folds silences: an axis on which nothing lasts longer than a tenth of all that happens.
export function axisOf(instants: number[]): (at: number) => number {
  const sorted = [...new Set(instants)].sort((a, b) => a - b);
  const gaps = sorted.slice(1).map((at, n) => at - sorted[n]!);
  const total = gaps.reduce((sum, gap) => sum + Math.min(gap, 2_000), 0) || 1;
  const most = Math.max(total / 4, 1);
  const places: number[] = [0];
  for (const gap of gaps) {
    places.push(places[places.length - 1]! + Math.min(gap, most));
  }
  const end = places[places.length - 1] || 1;
  const index = new Map(sorted.map((instant, n) => [instant, n]));
  return (at) => (places[index.get(at) ?? sorted.findIndex((instant) => instant >= at)] ?? 1) / end;
}

const MOST_ROWS = 60;
const MANY_ENTRIES = 2_000;

function layOut(entries: HistoryEntry[], now: number, ended: boolean): { rows: Map<string, Bar[]>; place: (at: number) => number } {
  const bars = barsOf(entries, now, ended);
  const rows = new Map<string, Bar[]>();
  const instants = [now];
  for (const bar of bars) {
    const row = rows.get(bar.branch);
    if (row) {
      row.push(bar);
    } else {
      rows.set(bar.branch, [bar]);
    }
    instants.push(bar.from, bar.to);
  }
  return { rows, place: axisOf(instants) };
}

export function Timeline({ txn, entries, chosen, onChoose }: {
  txn: Transaction; entries: HistoryEntry[]; chosen?: string; onChoose: (branch: string) => void;
}) {
  useTick();
  const [most, setMost] = useState(MOST_ROWS);
  // To lay out thousands of bars takes a while: then what goes on grows in larger steps.
  const step = entries.length > MANY_ENTRIES ? 10_000 : 1;
  const now = txn.endedAt ? Date.parse(txn.endedAt) : Math.ceil(Date.now() / step) * step;
  const { rows, place } = useMemo(() => layOut(entries, now, !!txn.endedAt), [entries, now]);
  const shown = [...rows].slice(0, most);
  return (
    <div class="timeline">
      {shown.map(([branch, list]) => (
        <button type="button" key={branch} class={`line${chosen === branch ? ' chosen' : ''}`} onClick={() => onChoose(branch)}>
          <span class="mono name">{branch}</span>
          <svg viewBox="0 0 1000 16" preserveAspectRatio="none" role="img" aria-label={`${branch}: ${list.length}`}>
            {list.map((bar) => (
              <rect key={bar.from} class={`bar k-${bar.kind} o-${bar.outcome}`} x={1000 * place(bar.from)} y={bar.kind === 'gap' ? 7 : 2}
                width={Math.max(1000 * (place(bar.to) - place(bar.from)), 3)} height={bar.kind === 'gap' ? 2 : 12}>
                <title>{`${bar.operation} ${bar.outcome}\n${exact(new Date(bar.from).toISOString())}\n${span(bar.to - bar.from)}`}</title>
              </rect>
            ))}
          </svg>
          <span class="num">{span(list[list.length - 1]!.to - list[0]!.from)}</span>
        </button>
      ))}
      {rows.size > shown.length && <button type="button" onClick={() => setMost(most * 4)}>{t('common.more')} ({rows.size - shown.length})</button>}
    </div>
  );
}

function detail(entry: HistoryEntry): string {
  const parts = [entry.branch, entry.operation, entry.outcome, entry.failure?.message || entry.failure?.code, entry.name, entry.cause,
    entry.actor?.name, entry.actor?.reason, entry.dueAt && `→ ${clock(entry.dueAt)}`];
  return parts.filter(Boolean).join(' · ');
}

const MOST_ENTRIES = 500;

// An entry never changes, so it is drawn once; its raw JSON when somebody asks for it.
class Entry extends Component<{ entry: HistoryEntry; zone: Zone }, { open: boolean }> {
  override state = { open: false };
  override shouldComponentUpdate(next: { entry: HistoryEntry; zone: Zone }, state: { open: boolean }): boolean {
    return next.entry !== this.props.entry || next.zone !== this.props.zone || state.open !== this.state.open;
  }
  override render() {
    const { entry } = this.props;
    const { open } = this.state;
    return (
      <li>
        <details onToggle={(e) => this.setState({ open: e.currentTarget.open })}>
          <summary>
            <span class="num dim">{entry.revision}</span> <time class="mono dim" title={exact(entry.at)}>{clock(entry.at)}</time>{' '}
            <strong>{entry.type}</strong> <span>{detail(entry)}</span>
          </summary>
          {open && <pre>{JSON.stringify(entry, null, 2)}</pre>}
        </details>
      </li>
    );
  }
}

// The latest entries, in words, and the earlier ones on demand.
export function HistoryList({ entries }: { entries: HistoryEntry[] }) {
  const [most, setMost] = useState(MOST_ENTRIES);
  const hidden = Math.max(0, entries.length - most);
  return (
    <>
      {hidden > 0 && <button type="button" onClick={() => setMost(most * 4)}>{t('common.more')} ({hidden})</button>}
      <ol class="history">
        {entries.slice(hidden).map((entry) => <Entry key={entry.revision} entry={entry} zone={zone} />)}
      </ol>
    </>
  );
}
