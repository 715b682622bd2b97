// Actions on all that match, carried out by the coordinator: begun in a dialog, followed here, also after a restart.
import { useState } from 'preact/hooks';
import { api, ApiError, take, type BulkAction } from '../api/client';
import { useSession } from '../api/session';
import { useLoad } from '../live/load';
import { href } from '../route';
import { Dialog } from '../ui/dialog';
import { Command, Empty, State, Time, TxnLink } from '../ui/parts';
import { t } from '../words/words';

const VERBS = ['retry', 'pause', 'resume', 'cancel'] as const;
type BulkVerb = (typeof VERBS)[number];

const quoted = (text: string) => `'${text.replace(/'/g, `'\\''`)}'`;

export function bulkCommands(verb: string, filter: string, reason: string): [string, string] {
  const options = [...new URLSearchParams(filter)].map(([name, value]) => {
    const option = name === 'q' ? 'gid-prefix' : name === 'unchangedSince' ? 'unchanged-since' : name;
    return value === 'true' ? `--${option}` : `--${option} ${quoted(value)}`;
  });
  return [
    `curl -sS ${quoted(`${location.origin}/v1/bulk`)} -H 'Content-Type: application/json' \\\n  -d ${quoted(JSON.stringify({ verb, filter, reason }))}`,
    ['entente bulk', verb, ...options, '--reason', quoted(reason)].join(' '),
  ];
}

// A filter as a person would write it: what stands encoded in it is read.
export const filterText = (filter: string) => [...new URLSearchParams(filter)].map(([name, value]) => `${name}=${value}`).join(' & ');

const matched = (action: BulkAction) => `${action.matched}${action.more ? '+' : ''}`;

export function Progress({ action, onStop }: { action: BulkAction; onStop?: () => void }) {
  const all = Math.max(action.matched, action.done + action.refused);
  return (
    <div role="status">
      {action.state === 'running' && <progress max={all} value={action.done + action.refused} aria-label={t(`bulk.${action.state}`)} />}
      <p>
        {t(`bulk.${action.state}`)}: {t('bulk.done', { done: action.done, all: matched(action), refused: action.refused })}{' '}
        {action.state === 'running' && onStop && <button type="button" onClick={onStop}>{t('action.stop')}</button>}
      </p>
      {action.refusals.length > 0 && (
        <ul class="refusals">
          {action.refusals.map((one) => <li key={one.gid}><TxnLink gid={one.gid} /> <span class="mono dim">{one.code}</span> {one.message}</li>)}
        </ul>
      )}
    </div>
  );
}

function useAction(id: string | undefined) {
  return useLoad(() => id ? take(api.GET('/v1/bulk/{id}', { params: { path: { id } } })) : Promise.resolve(undefined), [id], id ? 1_000 : 0);
}

const stop = (id: string) => take(api.POST('/v1/bulk/{id}:stop', { params: { path: { id } }, body: {} as never }));

export function BulkDialog({ filter, onClose }: { filter: string; onClose: () => void }) {
  const [verb, setVerb] = useState<BulkVerb>('retry');
  const [reason, setReason] = useState('');
  const [id, setId] = useState<string | undefined>();
  const [error, setError] = useState<ApiError | undefined>();
  const preview = useLoad(() => take(api.POST('/v1/bulk', { body: { verb, filter, preview: true } })), [filter, verb]);
  const action = useAction(id);
  const begin = async () => {
    setError(undefined);
    try {
      setId((await take(api.POST('/v1/bulk', { body: { verb, filter, reason } }))).id);
    } catch (cause) {
      setError(cause as ApiError);
    }
  };
  return (
    <Dialog title={t('bulk.title')} onClose={onClose}>
      <form onSubmit={(e) => { e.preventDefault(); void begin(); }}>
        <p class="mono dim">{filterText(filter)}</p>
        <label>{t('bulk.verb')}
          <select value={verb} disabled={!!id} onChange={(e) => setVerb(e.currentTarget.value as BulkVerb)}>
            {VERBS.map((one) => <option key={one} value={one}>{t(`action.${one}`)}</option>)}
          </select></label>
        <p>{t(`action.${verb}.does`)}</p>
        <State error={preview.error} loading={!preview.data} again={preview.again} />
        {preview.data && !id && <p><strong>{t('bulk.preview', { n: matched(preview.data) })}</strong></p>}
        {!id && (
          <label>{t('common.reason')}
            <input value={reason} required placeholder={t('common.reason.hint')} onInput={(e) => setReason(e.currentTarget.value)} /></label>
        )}
        {action.data && <Progress action={action.data} onStop={() => void stop(id!).then(action.again, action.again)} />}
        {error && <p class="note bad" role="alert">{error.message}</p>}
        {!id && (
          <details><summary>{t('common.show')} curl / CLI</summary>
            {bulkCommands(verb, filter, reason).map((text) => <Command key={text} text={text} />)}
          </details>
        )}
        <div class="row end">
          {id && <a href={href('bulk')} onClick={onClose}>{t('bulk.all')}</a>}
          <button type="button" onClick={onClose}>{t('common.cancel')}</button>
          {!id && <button type="submit" class="primary" disabled={!reason.trim() || !preview.data?.matched}>{t('bulk.begin', { action: t(`action.${verb}`), n: preview.data ? matched(preview.data) : '' })}</button>}
        </div>
      </form>
    </Dialog>
  );
}

export function BulkActions() {
  const list = useLoad(() => take(api.GET('/v1/bulk')), [], 2_000);
  const actions = list.data?.actions ?? [];
  const { may } = useSession();
  return (
    <>
      <h1>{t('bulk.all')}</h1>
      <State error={list.error} loading={!list.data} again={list.again} />
      {list.data && actions.length === 0 && <Empty title={t('bulk.none')} hint={t('bulk.none.hint')} />}
      {actions.map((action) => (
        <section class="group" key={action.id}>
          <h2>{t(`action.${action.verb}`)} <a class="mono" href={`#/transactions?${action.filter}`}>{filterText(action.filter)}</a></h2>
          <p class="dim"><Time at={action.createdAt} /> · {action.actor.name} · {action.actor.reason}</p>
          <Progress action={action} onStop={may('stop-bulk') ? () => void stop(action.id!).then(list.again, list.again) : undefined} />
        </section>
      ))}
    </>
  );
}
