// What the receiver of webhooks did not take: what it said, and to tell it again.
import { useState } from 'preact/hooks';
import { api, ApiError, take, takeAll, type DeadLetter } from '../api/client';
import { readMetrics } from '../api/metrics';
import { useSession } from '../api/session';
import { useLoad } from '../live/load';
import { href } from '../route';
import { Empty, NotOffered, ShowAs, State, Time, TxnLink } from '../ui/parts';
import { t } from '../words/words';

export function takeDeadLetters(): Promise<DeadLetter[]> {
  return takeAll(async (query) => {
    const page = await take(api.GET('/v1/dead-letters', { params: { query } }));
    return { items: page.deadLetters, nextCursor: page.nextCursor };
  });
}

// Those that the receiver turned down for the same reason are one thing to mend.
export function byReason(letters: DeadLetter[]): [string, DeadLetter[]][] {
  const groups = new Map<string, DeadLetter[]>();
  for (const letter of letters) {
    const why = letter.why ?? '';
    const group = groups.get(why);
    if (group) {
      group.push(letter);
    } else {
      groups.set(why, [letter]);
    }
  }
  return [...groups].sort((a, b) => b[1].length - a[1].length);
}

const MOST_SHOWN = 200;

export function Webhooks() {
  const letters = useLoad(takeDeadLetters, [], 2_000);
  const metrics = useLoad(readMetrics, [], 5_000);
  const [error, setError] = useState<ApiError | undefined>();
  const [asked, setAsked] = useState<number | undefined>();
  const { may } = useSession();
  const sends = may('send-dead-letters');
  const list = letters.data ?? [];
  const send = (ids: string[]) => {
    setError(undefined);
    take(api.POST('/v1/dead-letters:send', { body: { ids } })).then(
      (answer) => { setAsked(answer.count); letters.again(); }, (cause: ApiError) => setError(cause));
  };
  const delivered = metrics.data?.get('entente_webhooks_delivered_total');
  return (
    <>
      <h1>{t('webhooks.title')}</h1>
      {metrics.data && <p class="dim">{delivered === undefined ? t('webhooks.off') : t('webhooks.delivered', { n: delivered, failed: metrics.data.get('entente_webhooks_failed_total') ?? 0 })}</p>}
      <State error={letters.error ?? error} loading={!letters.data} again={letters.again} />
      {letters.data && list.length === 0 && <Empty title={t('webhooks.none')} hint={t('webhooks.none.hint')} />}
      {list.length > 0 && <p>{t('webhooks.about')}</p>}
      {list.length > 0 && !sends && <NotOffered what={[t('webhooks.send')]} />}
      {asked !== undefined && list.length > 0 && <p class="note" role="status">{t('webhooks.asked', { n: asked })}</p>}
      {byReason(list).map(([why, group]) => (
        <section class="group" key={why}>
          <div class="row spread wrap">
            <h2>{t('webhooks.group', { n: group.length })}</h2>
            {sends && (
              <button type="button" class="primary" onClick={() => send(group.length === list.length ? [] : group.map((one) => one.id))}>
                {t('webhooks.send.all', { n: group.length })}
              </button>
            )}
          </div>
          <p class="lead">{why || t('webhooks.why.none')}</p>
          <div class="scroll">
            <table>
              <thead>
                <tr>
                  <th>{t('list.gid')}</th><th>{t('webhooks.type')}</th><th class="wide-only">{t('list.definition')}</th>
                  <th class="num wide-only">{t('webhooks.at')}</th><th class="num">{t('webhooks.since')}</th><th />
                </tr>
              </thead>
              <tbody>
                {group.slice(0, MOST_SHOWN).map((one) => (
                  <tr key={one.id}>
                    <td class="cut"><TxnLink gid={one.gid} /></td>
                    <td>{t(`webhooks.type.${one.type}`)}{one.branch && <> <a class="mono" href={href('transaction', one.gid, { branch: one.branch })}>{one.branch}</a></>}</td>
                    <td class="wide-only">{one.definition}</td>
                    <td class="num wide-only"><Time at={one.at} /></td>
                    <td class="num"><Time at={one.since} short /></td>
                    <td class="num">
                      {one.waiting ? <span class="dim">{t('webhooks.waiting')}</span>
                        : sends && <button type="button" class="quiet" aria-label={`${t('webhooks.send')}: ${one.id}`} onClick={() => send([one.id])}>{t('webhooks.send')}</button>}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {group.length > MOST_SHOWN && <p class="dim">{t('common.of', { n: MOST_SHOWN, m: group.length })}</p>}
        </section>
      ))}
      <ShowAs path="/v1/dead-letters" commands={['entente dead-letters list', 'entente dead-letters send']} />
    </>
  );
}
