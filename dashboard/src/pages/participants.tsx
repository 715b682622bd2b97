// The services that are called: do they answer, how fast, and who is held back.
import { takeParticipants } from '../api/client';
import { quantile, readMetrics } from '../api/metrics';
import { useLoad } from '../live/load';
import { href } from '../route';
import { Empty, State } from '../ui/parts';
import { span } from '../words/time';
import { t } from '../words/words';

export function Participants() {
  const list = useLoad(takeParticipants, [], 2_000);
  const participants = list.data ?? [];
  const metrics = useLoad(readMetrics, [], 5_000);
  const most = (name: string) => metrics.data && quantile(0.95, 'entente_call_duration_seconds', metrics.data, undefined, `participant="${name}"`);
  return (
    <>
      <h1>{t('app.participants')}</h1>
      <State error={list.error} loading={!list.data} again={list.again} />
      {list.data && participants.length === 0 && <Empty title={t('participants.none')} />}
      {participants.length > 0 && (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th>{t('participants.name')}</th><th>{t('participants.address')}</th><th>{t('participants.breaker')}</th>
                <th class="num">{t('participants.latency')}</th><th class="num" title={t('participants.most.about')}>{t('participants.most')}</th><th class="num">{t('participants.errors')}</th>
                <th class="num">{t('participants.out')}</th><th class="num">{t('participants.waiting')}</th>
                <th class="num">{t('participants.calls')}</th><th>{t('participants.blocked')}</th>
              </tr>
            </thead>
            <tbody>
              {participants.map((p) => (
                <tr key={p.name + p.address}>
                  <td>{p.definition ? <a href={href('transactions', '', { definition: p.definition })}>{p.name}</a> : p.name}</td>
                  <td class="mono cut" title={p.address}>{p.address}</td>
                  <td><span class={`chip t-${p.breaker === 'closed' ? 'done' : p.breaker === 'open' ? 'stuck' : 'retrying'}`}>{t(`participants.breaker.${p.breaker}`)}</span></td>
                  <td class="num">{span(p.latencyMillis)}</td>
                  <td class="num">{most(p.name) === undefined ? '' : span(most(p.name)! * 1_000)}</td>
                  <td class="num">{Math.round(p.errorRate * 100)} %</td>
                  <td class="num">{p.inFlight}</td>
                  <td class="num">{p.queued}</td>
                  <td class="num">{p.calls}</td>
                  <td>{p.blockedBy ? t(`blocked.${p.blockedBy}`) : ''}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}
