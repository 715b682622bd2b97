// The small things every page is made of.
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { ApiError, Status } from '../api/client';
import { useSession } from '../api/session';
import { href } from '../route';
import { exact, relative, shortSpan, span } from '../words/time';
import { t, word } from '../words/words';

// A clock for everything relative on the page: one timer, not one each.
const tickers = new Set<() => void>();
setInterval(() => tickers.forEach((tick) => tick()), 1_000);
export function useTick(): void {
  const [, redraw] = useState(0);
  useEffect(() => {
    const tick = () => redraw((n) => n + 1);
    tickers.add(tick);
    return () => void tickers.delete(tick);
  }, []);
}

export function Time({ at, short }: { at: string | undefined; short?: boolean }) {
  useTick();
  return at ? <time dateTime={at} title={exact(at)}>{relative(at, Date.now(), short ? shortSpan : span)}</time> : <span>-</span>;
}

const SHAPES: Record<string, string> = {
  ACTIVE: '●', COMMITTING: '▶', COMMITTED: '✓', ABORTING: '◀', ABORTED: '○', MIXED: '◆', incident: '!', paused: 'Ⅱ',
};

// Colour, shape and word: no state is told by colour alone.
export function StatusChip({ status, incident, paused }: { status: Status; incident?: boolean; paused?: boolean }) {
  const shown = incident ? 'incident' : paused ? 'paused' : status;
  const both = incident || paused ? `${word('status', shown)}, ${word('status', status)}` : word('status', status);
  return (
    <span class={`chip s-${shown}`} title={both}>
      <span class="shape" aria-hidden="true">{SHAPES[shown]}</span> {word('status', shown)}
    </span>
  );
}

export function TxnLink({ gid, children }: { gid: string; children?: ComponentChildren }) {
  return <a class="mono" href={href('transaction', gid)} title={gid}>{children ?? gid}</a>;
}

export function Copy({ text, label }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    const timer = done ? setTimeout(() => setDone(false), 1_500) : undefined;
    return () => clearTimeout(timer);
  }, [done]);
  const copy = () => navigator.clipboard.writeText(text).then(() => setDone(true), () => setDone(false));
  return (
    <button type="button" class="quiet" onClick={copy} aria-label={`${t('common.copy')}: ${text.slice(0, 80)}`}>
      {done ? t('common.copied') : label ?? t('common.copy')}
    </button>
  );
}

// What the token lacks. It is said once, where the thing would stand.
export function denial(error: ApiError): string {
  switch (error.code) {
    case 'access.scope': return t('denied.scope');
    case 'access.payloads': return t('denied.payloads');
    default: return t('denied.role', { why: error.message });
  }
}

// What the token may not do of what could be done here: said once instead of a button that would be refused.
export function NotOffered({ what }: { what: string[] }) {
  const { who } = useSession();
  return who && what.length > 0 ? <p class="dim" role="note">{t('denied.actions', { role: who.role, what: what.join(', ') })}</p> : null;
}

// What a view shows while it has nothing, and when reading failed. With data on the screen an error is a line above it.
export function State({ error, loading, again }: { error?: ApiError; loading: boolean; again: () => void }) {
  if (error?.denied) {
    return <p class="note" role="status">{denial(error)}</p>;
  }
  if (error) {
    return (
      <p class="note bad" role="alert">
        {t('common.error', { why: error.message })} <button type="button" onClick={again}>{t('common.again')}</button>
      </p>
    );
  }
  return loading ? <p class="note" role="status">{t('common.loading')}</p> : null;
}

export function Empty({ title, hint, command }: { title: string; hint?: string; command?: string }) {
  return (
    <div class="empty">
      <p>{title}</p>
      {hint && <p class="dim">{hint}</p>}
      {command && <Command text={command} />}
    </div>
  );
}

export function Command({ text }: { text: string }) {
  return (
    <div class="command">
      <pre>{text}</pre>
      <Copy text={text} />
    </div>
  );
}

// The same question over the API and on the command line.
export function ShowAs({ path, commands }: { path: string; commands: string[] }) {
  return (
    <details class="show"><summary>{t('common.show')} curl / CLI</summary>
      <Command text={`curl -sS '${location.origin}${path}'`} />
      {commands.map((command) => <Command key={command} text={command} />)}
    </details>
  );
}

// JSON as text nodes: whatever a payload holds stays text.
export function Json({ value, label }: { value: unknown; label?: string }) {
  const text = JSON.stringify(value, null, 2) ?? 'null';
  return (
    <div class="json">
      {label && <div class="row spread"><span class="label">{label}</span><Copy text={text} /></div>}
      <pre tabIndex={0} aria-label={label}>{text.length > 200_000 ? `${text.slice(0, 200_000)}\n...` : text}</pre>
    </div>
  );
}

export function Meter({ label, done, all, bad = 0 }: { label: string; done: number; all: number; bad?: number }) {
  if (all === 0) {
    return null;
  }
  return (
    <div class="meter">
      <span class="label">{label}</span>
      <svg role="img" aria-label={`${label}: ${t('common.of', { n: done, m: all })}`} viewBox="0 0 100 6" preserveAspectRatio="none">
        <rect class="track" width="100" height="6" />
        <rect class="fill" width={(100 * done) / all} height="6" />
        {bad > 0 && <rect class="bad" x={(100 * done) / all} width={(100 * bad) / all} height="6" />}
      </svg>
      <span class="num">{done}/{all}</span>
    </div>
  );
}
