// The services that are called: do they answer, how fast, and who is held back.
import { takeParticipants, type Participant } from '../api/client';
import { histogram, quantile, readMetrics, type Bucket, type Samples } from '../api/metrics';
import { useLoad } from '../live/load';
import { href, withQuery, type Route } from '../route';
import { Empty, ShowAs, State, Time, TxnLink, useTick } from '../ui/parts';
import { relative, span } from '../words/time';
import { t } from '../words/words';

const DURATIONS = 'entente_call_duration_seconds';
const WAITS = 'entente_call_wait_seconds';
const labelOf = (name: string) => `participant="${name}"`;
const keyOf = (p: Participant) => `${p.name} ${p.address}`;

// The state of the gate as words: what is held, and until when.
export function held(p: Participant): string {
  const why = p.blockedBy ? t(`participants.by.${p.blockedBy}`) : '';
  return p.blockedUntil ? `${why}; ${t('participants.until', { in: relative(p.blockedUntil) })}` : why;
}

// A bar for each bucket from the first to the last that counted anything; its height by the largest.
function Bars({ buckets, label, axis }: { buckets: Bucket[]; label: string; axis?: boolean }) {
  const first = buckets.findIndex((b) => b.count > 0);
  if (first < 0) {
    return <span class="dim">-</span>;
  }
  const last = buckets.length - [...buckets].reverse().findIndex((b) => b.count > 0);
  const shown = buckets.slice(first, last);
  const most = Math.max(...shown.map((b) => b.count));
  const all = shown.reduce((sum, b) => sum + b.count, 0);
  const ends = `${span(shown[0]!.from * 1_000)} – ${span(shown[shown.length - 1]!.to * 1_000)}`;
  return (
    <div class={axis ? 'bars large' : 'bars'}>
      <svg viewBox={`0 0 ${shown.length * 10} 100`} preserveAspectRatio="none" role="img" aria-label={`${label}: ${ends}`}>
        {shown.map((b, at) => (
          <rect key={b.to} x={at * 10} width="8" y={100 - Math.max(b.count && 4, (100 * b.count) / most)} height={Math.max(b.count && 4, (100 * b.count) / most)}>
            <title>{`${span(b.from * 1_000)} – ${span(b.to * 1_000)}: ${b.count} (${Math.round((100 * b.count) / all)} %)`}</title>
          </rect>
        ))}
      </svg>
      {axis && <div class="row spread dim num"><span>{span(shown[0]!.from * 1_000)}</span><span>{span(shown[shown.length - 1]!.to * 1_000)}</span></div>}
    </div>
  );
}

function operationsOf(samples: Samples, name: string): string[] {
  const found = new Set<string>();
  for (const sample of samples.keys()) {
    const operation = sample.startsWith(`${DURATIONS}_count{`) && sample.includes(labelOf(name)) ? /operation="([^"]+)"/.exec(sample)?.[1] : undefined;
    if (operation) {
      found.add(operation);
    }
  }
  return [...found].sort();
}

function Quantiles({ samples, name, metric, label }: { samples: Samples; name: string; metric: string; label: string }) {
  const of = (q: number) => {
    const value = quantile(q, metric, samples, undefined, label);
    return value === undefined ? '-' : span(value * 1_000);
  };
  const count = histogram(metric, samples, label).reduce((sum, b) => sum + b.count, 0);
  return <tr><td>{name}</td><td class="num">{count}</td><td class="num">{of(0.5)}</td><td class="num">{of(0.95)}</td><td class="num">{of(0.99)}</td></tr>;
}

function Detail({ participant: p, samples }: { participant: Participant; samples: Samples | undefined }) {
  useTick();
  const waiting = p.waiting ?? [];
  return (
    <section class="group" aria-label={p.name}>
      <h2>{p.name} <span class="mono dim">{p.address}</span></h2>
      <p class="lead">{t(`participants.breaker.${p.breaker}`)}{p.blockedBy ? `; ${held(p)}` : ''}.</p>
      <dl class="facts">
        {p.service && <><dt>{t('participants.service')}</dt><dd class="mono">{p.service}</dd></>}
        <dt>{t('participants.out')}</dt><dd>{t('common.of', { n: p.inFlight, m: p.maxConcurrentCalls })}</dd>
        <dt>{t('participants.rate')}</dt><dd>{p.maxCallsPerSecond ?? t('participants.rate.none')}</dd>
        <dt>{t('participants.calls')}</dt><dd>{p.calls}</dd>
        <dt>{t('participants.failures')}</dt><dd>{p.failures}</dd>
      </dl>
      <p class="row wrap">
        <a href={href('transactions', '', { incident: 'true', participant: p.name })}>{t('participants.incidents')}</a>
        <a href={href('transactions', '', { participant: p.name })}>{t('participants.errors.list')}</a>
        {p.definition && <a href={href('definitions', p.definition)}>{t('participants.definition', { name: p.definition })}</a>}
      </p>
      <h3>{t('participants.held')}</h3>
      {p.queued === 0 ? <p class="dim">{t('participants.held.none')}</p> : (
        <p class="held">
          {waiting.map((gid) => <TxnLink key={gid} gid={gid} />)}
          <span class="dim">{t('participants.held.calls', { n: p.queued })}</span>
        </p>
      )}
      {samples && histogram(DURATIONS, samples, labelOf(p.name)).some((b) => b.count > 0) && (
        <div class="halves">
          <div>
            <h3>{t('participants.durations')}</h3>
            <Bars axis buckets={histogram(DURATIONS, samples, labelOf(p.name))} label={t('participants.durations')} />
          </div>
          <div class="scroll">
            <table>
              <thead><tr><th>{t('participants.operation')}</th><th class="num">{t('participants.calls')}</th><th class="num">50 %</th><th class="num">95 %</th><th class="num">99 %</th></tr></thead>
              <tbody>
                {operationsOf(samples, p.name).map((operation) => (
                  <Quantiles key={operation} samples={samples} name={operation} metric={DURATIONS} label={`${labelOf(p.name)},operation="${operation}"`} />
                ))}
                <Quantiles samples={samples} name={t('participants.gate')} metric={WAITS} label={labelOf(p.name)} />
              </tbody>
            </table>
          </div>
        </div>
      )}
    </section>
  );
}

export function Participants({ route }: { route: Route }) {
  const list = useLoad(takeParticipants, [], 2_000);
  const participants = list.data ?? [];
  const metrics = useLoad(readMetrics, [], 5_000);
  const wanted = route.query.get('of');
  const chosen = participants.find((p) => keyOf(p) === wanted) ?? participants.find((p) => p.name === wanted);
  const buckets = (p: Participant) => (metrics.data ? histogram(DURATIONS, metrics.data, labelOf(p.name)) : []);
  const most = (p: Participant) => metrics.data && quantile(0.95, DURATIONS, metrics.data, undefined, labelOf(p.name));
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
                <th>{t('participants.name')}</th><th class="wide-only">{t('participants.address')}</th><th>{t('participants.breaker')}</th>
                <th class="wide-only" title={t('participants.most.about')}>{t('participants.latency')}</th><th class="num wide-only" title={t('participants.most.about')}>{t('participants.most')}</th>
                <th class="num wide-only">{t('participants.errors')}</th><th class="num wide-only">{t('participants.out')}</th><th class="num">{t('participants.waiting')}</th><th>{t('participants.blocked')}</th>
              </tr>
            </thead>
            <tbody>
              {participants.map((p) => (
                <tr key={keyOf(p)} class={p === chosen ? 'current' : ''}>
                  <td><a href={withQuery(route, { of: keyOf(p) })}>{p.name}</a></td>
                  <td class="mono cut wide-only" title={p.address}>{p.address}</td>
                  <td><span class={`chip t-${p.breaker === 'closed' ? 'done' : p.breaker === 'open' ? 'stuck' : 'retrying'}`}>{t(`participants.breaker.${p.breaker}`)}</span></td>
                  <td class="wide-only" title={span(p.latencyMillis)}><Bars buckets={buckets(p)} label={`${p.name}, ${t('participants.durations')}`} /></td>
                  <td class="num wide-only">{most(p) === undefined ? '' : span(most(p)! * 1_000)}</td>
                  <td class="num wide-only">{Math.round(p.errorRate * 100)} %</td>
                  <td class="num wide-only">{p.inFlight}/{p.maxConcurrentCalls}</td>
                  <td class="num">{p.queued}</td>
                  <td class="held-by">{p.blockedBy ? t(`participants.by.${p.blockedBy}`) : ''}{p.blockedUntil && <> (<Time at={p.blockedUntil} short />)</>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {chosen && <Detail participant={chosen} samples={metrics.data} />}
      {!chosen && participants.length > 0 && <p class="dim foot">{t('participants.choose')}</p>}
      <ShowAs path="/v1/participants" commands={['entente participants']} />
    </>
  );
}
