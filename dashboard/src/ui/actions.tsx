// What an operator can do to transactions: what it will do is said before, what it did afterwards, and the curl and the
// command line that do the same stand beside it.
import { useState } from 'preact/hooks';
import { api, ApiError, isOpen, take, type Session, type Summary, type Transaction } from '../api/client';
import { typedJson } from '../api/exact';
import { useSession } from '../api/session';
import { sends, useBranchCall } from '../live/call';
import { Command, State } from './parts';
import { Dialog } from './dialog';
import { t } from '../words/words';
import type { Key } from '../words/english';

export type Verb = 'retry' | 'edit' | 'pause' | 'resume' | 'cancel' | 'skip' | 'complete' | 'resolve' | 'signal';

export interface Target {
  gid: string;
  revision?: number; // What was seen; with it nothing is done once the transaction has moved on.
  branch?: string;
  participant?: string;
  signal?: string;
}

// What it takes, as the coordinator's table of roles calls it (docs/security.md).
export function methodOf(verb: Verb): string {
  return verb === 'complete' ? 'complete-branch' : verb;
}

type Row = Pick<Summary, 'status' | 'incident' | 'paused'>;

export function applies(verb: Verb, row: Row): boolean {
  switch (verb) {
    case 'pause': return isOpen(row.status) && !row.paused;
    case 'resume': return isOpen(row.status) && row.paused;
    case 'cancel': return row.status === 'ACTIVE';
    case 'retry': case 'edit': case 'skip': case 'complete': case 'resolve': case 'signal': return isOpen(row.status);
  }
}

export function targetOf(txn: Transaction, branch?: { id: string; participant?: string; signal?: string }): Target {
  return { gid: txn.gid, revision: txn.revision, branch: branch?.id, participant: branch?.participant, signal: branch?.signal };
}

// To stop something is never refused because it moves: what moves fast could not be stopped at all. Whatever else is done
// is done to what was seen.
const GUARDED: ReadonlySet<Verb> = new Set(['retry', 'edit', 'skip', 'complete', 'resolve']);

// Whoever is known, and looks after what others began.
export function actsForOthers(who: Session | undefined): boolean {
  return who?.authenticated === true && (who.role === 'operator' || who.role === 'admin');
}

// What overrides the machine says why, always; so does all that operators do where they are known.
export function wantsReason(verb: Verb, named: boolean): boolean {
  return verb === 'edit' || verb === 'skip' || verb === 'complete' || verb === 'resolve' || (named && verb !== 'signal');
}

interface Form {
  reason: string; outcome: 'COMMITTED' | 'ABORTED'; name: string; payload: string; typed: string;
  body: string; attempts: string; // Of an edit; empty: as it was.
  refused: boolean; code: string; message: string; // Of a completion.
}

export const EMPTY_FORM: Form = { reason: '', outcome: 'COMMITTED', name: '', payload: '', typed: '', body: '', attempts: '', refused: false, code: '', message: '' };

export function bodyOf(verb: Verb, target: Target, form: Form): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  if (verb === 'signal') {
    body.name = form.name;
  } else {
    if (form.reason) {
      body.reason = form.reason;
    }
    if (GUARDED.has(verb) && target.revision !== undefined) {
      body.expectedRevision = target.revision;
    }
  }
  if ((verb === 'retry' || verb === 'edit' || verb === 'skip' || verb === 'complete') && target.branch) {
    body.branch = target.branch;
  }
  if (verb === 'resolve') {
    body.outcome = form.outcome;
  }
  if (verb === 'complete') {
    body.outcome = form.refused ? 'refused' : 'done';
    if (form.refused) {
      Object.assign(body, form.code && { code: form.code }, form.message && { message: form.message });
    }
  }
  if (verb === 'edit') {
    const edited = typedJson(form.body);
    if (edited !== undefined) {
      body.body = edited;
    }
    if (form.attempts) {
      body.retry = { attempts: Number(form.attempts) };
    }
  }
  const says = verb === 'skip' || verb === 'signal' || (verb === 'complete' && !form.refused);
  const payload = says ? typedJson(form.payload) : undefined;
  if (payload !== undefined) {
    body[verb === 'signal' ? 'payload' : 'output'] = payload;
  }
  return body;
}

const quoted = (text: string) => `'${text.replace(/'/g, `'\\''`)}'`;

export function asCurl(verb: Verb, gid: string, body: unknown): string {
  return `curl -sS ${quoted(`${location.origin}/v1/transactions/${encodeURIComponent(gid)}:${verb}`)} \\\n` +
    `  -H 'Content-Type: application/json' -d ${quoted(JSON.stringify(body))}`;
}

const JSON_OPTIONS = new Set(['body', 'retry', 'output', 'payload']);

export function asCommand(verb: Verb, target: Target, body: Record<string, unknown>): string {
  const complete = verb === 'complete'; // Without its token, which `entente complete` takes.
  const words = ['entente', complete ? 'complete-branch' : verb, quoted(target.gid)];
  if (verb === 'signal') {
    words.push(quoted(String(body.name)));
  }
  const options: [string, unknown][] = [['branch', body.branch], ['outcome', complete ? undefined : body.outcome], ['reason', body.reason],
    ['revision', body.expectedRevision], ['code', body.code], ['message', body.message],
    ['body', body.body], ['retry', body.retry], ['output', body.output], ['payload', body.payload]];
  for (const [name, value] of options) {
    if (value !== undefined) {
      words.push(`--${name} ${quoted(typeof value === 'string' && !JSON_OPTIONS.has(name) ? value : JSON.stringify(value))}`);
    }
  }
  if (complete && body.outcome === 'refused') {
    words.push('--refused');
  }
  return words.join(' ');
}

async function perform(verb: Verb, gid: string, body: Record<string, unknown>): Promise<void> {
  const params = { params: { path: { gid } } };
  // Each verb has a type of its own in the document; the body was made for the verb just above.
  const call = api.POST as unknown as (path: string, init: object) => Promise<{ data?: unknown; error?: unknown; response: Response }>;
  await take(call(`/v1/transactions/{gid}:${verb}`, { ...params, body }));
}

// What is sent now stands in the field; what is not touched is left as it is.
function EditFields({ target, form, change }: { target: Target; form: Form; change: (part: Partial<Form>) => void }) {
  const call = useBranchCall(target.gid, target.branch ?? '');
  const before = call.data?.body === undefined ? '' : JSON.stringify(call.data.body, null, 2);
  const [text, setText] = useState<string | undefined>();
  const write = (typed: string) => {
    setText(typed);
    change({ body: typed.trim() === before.trim() ? '' : typed });
  };
  return (
    <>
      <State error={call.error} loading={!call.data} again={call.again} />
      {call.data && <p class="mono dim">{sends(call.data)}</p>}
      {call.data?.body !== undefined && (
        <label>{t('action.edit.body')}
          <textarea class="mono" rows={Math.min(16, Math.max(4, before.split('\n').length + 1))} value={text ?? before} onInput={(e) => write(e.currentTarget.value)} /></label>
      )}
      <label>{t('action.edit.attempts')}
        <input type="number" min={1} value={form.attempts} placeholder={t('action.edit.same')} onInput={(e) => change({ attempts: e.currentTarget.value })} /></label>
    </>
  );
}

// How the operation ended, as its participant should have said.
function CompleteFields({ form, change }: { form: Form; change: (part: Partial<Form>) => void }) {
  return (
    <>
      <label>{t('action.complete.outcome')}
        <select value={form.refused ? 'refused' : 'done'} onChange={(e) => change({ refused: e.currentTarget.value === 'refused' })}>
          <option value="done">{t('action.complete.done')}</option><option value="refused">{t('action.complete.refused')}</option>
        </select></label>
      {form.refused && (
        <>
          <label>{t('action.complete.code')}<input class="mono" value={form.code} maxLength={128} onInput={(e) => change({ code: e.currentTarget.value })} /></label>
          <label>{t('action.complete.message')}<input value={form.message} maxLength={2048} onInput={(e) => change({ message: e.currentTarget.value })} /></label>
        </>
      )}
    </>
  );
}

interface Progress { done: number; failed: { gid: string; why: string }[]; running: boolean; stop: boolean }

export function ActionDialog({ verb, targets, skipped = 0, latest, onClose, onDone }: {
  verb: Verb;
  targets: Target[];
  skipped?: number; // Of a selection, those that are in no state for this.
  latest?: number; // The revision that is current while the dialog is open.
  onClose: () => void;
  onDone: () => void;
}) {
  const [seen, setSeen] = useState<number | undefined>(targets[0]?.revision);
  const one = targets.length === 1 ? { ...targets[0]!, revision: seen } : undefined;
  const [form, setForm] = useState<Form>({ ...EMPTY_FORM, name: one?.signal ?? '' });
  const [progress, setProgress] = useState<Progress | undefined>();
  const title = one ? `${t(`action.${verb}` as Key)}: ${one.gid}` : t('action.do', { action: t(`action.${verb}` as Key), n: targets.length });
  const moved = GUARDED.has(verb) && one?.revision !== undefined && latest !== undefined && latest !== one.revision;
  const { who } = useSession();
  const needsReason = wantsReason(verb, actsForOthers(who));

  let body: Record<string, unknown> | undefined;
  let wrong = '';
  try {
    body = bodyOf(verb, one ?? { gid: '' }, form);
  } catch (error) {
    wrong = String(error);
  }
  const ready = body !== undefined && targets.length > 0 && !progress?.running && !moved && (!needsReason || form.reason.trim() !== '') &&
    (verb !== 'resolve' || !one || form.typed === one.gid) && (verb !== 'signal' || form.name !== '') &&
    (verb !== 'edit' || body.body !== undefined || body.retry !== undefined);

  const run = async () => {
    const state: Progress = { done: 0, failed: [], running: true, stop: false };
    setProgress({ ...state });
    for (const target of one ? [one] : targets) {
      if (state.stop) {
        break;
      }
      try {
        await perform(verb, target.gid, bodyOf(verb, target, form));
        state.done += 1;
      } catch (error) {
        state.failed.push({ gid: target.gid, why: error instanceof ApiError ? error.message : String(error) });
      }
      setProgress((shown) => {
        state.stop = shown?.stop ?? false;
        return { ...state };
      });
    }
    state.running = false;
    setProgress({ ...state });
    onDone();
    if (state.failed.length === 0 && one) {
      onClose();
    }
  };

  const change = (part: Partial<Form>) => setForm((old) => ({ ...old, ...part }));
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={(e) => { e.preventDefault(); if (ready) { void run(); } }}>
        <p>{t(`action.${verb}.does` as Key, { participant: one?.participant ?? one?.branch ?? '' })}</p>
        {!one && <p class="dim">{t('action.preview', { n: targets.length, skipped })}</p>}
        {moved && (
          <p class="note warn" role="alert">
            {t('action.moved', { from: one!.revision!, to: latest! })}{' '}
            <button type="button" onClick={() => { setSeen(latest); setProgress(undefined); }}>{t('action.seen')}</button>
          </p>
        )}
        {verb === 'edit' && one && <EditFields target={one} form={form} change={change} />}
        {verb === 'complete' && <CompleteFields form={form} change={change} />}
        {verb === 'signal' && (
          <label>{t('action.signal.name')}<input value={form.name} onInput={(e) => change({ name: e.currentTarget.value })} /></label>
        )}
        {(verb === 'skip' || verb === 'signal' || (verb === 'complete' && !form.refused)) && (
          <label>{t(verb === 'signal' ? 'action.signal.payload' : 'action.skip.output')}
            <textarea rows={4} value={form.payload} onInput={(e) => change({ payload: e.currentTarget.value })} /></label>
        )}
        {wrong && <p class="note bad">{wrong}</p>}
        {verb === 'resolve' && (
          <label>{t('action.resolve.outcome')}
            <select value={form.outcome} onChange={(e) => change({ outcome: e.currentTarget.value as Form['outcome'] })}>
              <option>COMMITTED</option><option>ABORTED</option>
            </select></label>
        )}
        {verb !== 'signal' && (
          <label>{t('common.reason')}
            <input value={form.reason} required={needsReason} placeholder={t('common.reason.hint')} autofocus
              onInput={(e) => change({ reason: e.currentTarget.value })} /></label>
        )}
        {verb === 'resolve' && one && (
          <label>{t('action.resolve.type')}
            <input class="mono" value={form.typed} placeholder={one.gid} onInput={(e) => change({ typed: e.currentTarget.value })} /></label>
        )}
        {progress && (
          <div role="status">
            <progress max={targets.length} value={progress.done + progress.failed.length} />
            <p>{t('action.done', { ok: progress.done })}</p>
            {progress.failed.length > 0 && (
              <p class="bad">{t('action.failed', { n: progress.failed.length, why: progress.failed[0]!.why })}</p>
            )}
          </div>
        )}
        {one && body && (
          <details>
            <summary>{t('common.show')} curl / CLI</summary>
            <Command text={asCurl(verb, one.gid, body)} />
            <Command text={asCommand(verb, one, body)} />
          </details>
        )}
        <div class="row end">
          {progress?.running && !one && (
            <button type="button" onClick={() => setProgress((p) => p && { ...p, stop: true })}>{t('action.stop')}</button>
          )}
          <button type="button" onClick={onClose}>{t('common.cancel')}</button>
          <button type="submit" class={verb === 'resolve' || verb === 'skip' || verb === 'complete' ? 'danger' : 'primary'} disabled={!ready}>
            {one ? t(`action.${verb}` as Key) : t('action.do', { action: t(`action.${verb}` as Key), n: targets.length })}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
