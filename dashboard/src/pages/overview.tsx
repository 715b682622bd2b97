// Is anything wrong; what waits for a person; is work getting done.
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { api, ApiError, health, take, takeParticipants, type Incident, type Participant } from '../api/client';
import { quantile, readMetrics, type Samples } from '../api/metrics';
import { useLoad } from '../live/load';
import { href } from '../route';
import { Empty, State } from '../ui/parts';
import { SHARDS, takeNodes, unowned } from './nodes';
import { bytes, clock, relative, span } from '../words/time';
import { t } from '../words/words';

const EVERY_MS = 2_000;
const SHOWN_SECONDS = 600;
const KEEP = 1_800; // Points of the chart: an hour.
const LATELY = 30; // Readings that quantiles are taken over: a minute.

interface Rates { at: number; started: number; committed: number; undone: number }

function rate(after: Samples, before: Samples, name: string, seconds: number): number {
  return Math.max(0, ((after.get(name) ?? 0) - (before.get(name) ?? 0)) / seconds);
}

const NAMES = {
  started: 'entente_transactions_accepted_total',
  committed: 'entente_transactions_ended_total{status="COMMITTED"}',
  undone: 'entente_transactions_ended_total{status="ABORTED"}',
  incidents: 'entente_incidents_open',
  took: 'entente_transaction_duration_seconds',
  kept: 'entente_store_bytes', reusable: 'entente_store_free_bytes', log: 'entente_store_log_bytes', dead: 'entente_webhooks_dead', disk: 'entente_store_disk_free_bytes',
};

interface Readings { samples: Samples | undefined; lately: Samples | undefined; rates: Rates[]; denied?: ApiError }

function useRates(): Readings {
  const [state, setState] = useState<Readings>({ samples: undefined, lately: undefined, rates: [] });
  const recent = useRef<Samples[]>([]);
  const before = useRef<{ at: number; samples: Samples } | undefined>(undefined);
  useEffect(() => {
    let gone = false;
    const look = async () => {
      try {
        const samples = await readMetrics();
        const at = Date.now() / 1_000;
        const old = before.current;
        before.current = { at, samples };
        recent.current = [...recent.current.slice(1 - LATELY), samples];
        if (gone) {
          return;
        }
        setState((s) => {
          if (!old) {
            return { samples, lately: undefined, rates: s.rates };
          }
          const seconds = at - old.at;
          const next = { at, started: rate(samples, old.samples, NAMES.started, seconds),
            committed: rate(samples, old.samples, NAMES.committed, seconds), undone: rate(samples, old.samples, NAMES.undone, seconds) };
          return { samples, lately: recent.current[0], rates: [...s.rates.slice(-KEEP), next] };
        });
      } catch (error) {
        if (error instanceof ApiError && error.denied) {
          clearInterval(timer);
          setState((s) => (gone ? s : { ...s, denied: error }));
        }
        before.current = undefined; // What comes after a gap is no rate.
        recent.current = []; // It may be another process by then.
      }
    };
    const timer = setInterval(look, EVERY_MS);
    void look();
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, []);
  return state;
}

// Changes when the colours do: a canvas does not follow the style sheet by itself.
function useTheme(): string {
  const read = () => `${document.documentElement.dataset.theme} ${matchMedia('(prefers-color-scheme: dark)').matches}`;
  const [theme, setTheme] = useState(read);
  useEffect(() => {
    const look = () => setTheme(read());
    const attribute = new MutationObserver(look);
    attribute.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    const system = matchMedia('(prefers-color-scheme: dark)');
    system.addEventListener('change', look);
    return () => {
      attribute.disconnect();
      system.removeEventListener('change', look);
    };
  }, []);
  return theme;
}

function Chart({ rates }: { rates: Rates[] }) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const theme = useTheme();
  useEffect(() => {
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour('--dim'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font: '12px system-ui' };
    plot.current = new uPlot({
      width: box.current!.clientWidth, height: 180, legend: { show: false }, cursor: { show: false },
      axes: [{ ...axis, values: (_, ticks) => ticks.map((at) => clock(new Date(at * 1_000).toISOString()).slice(0, 5)) }, { ...axis, size: 42 }], scales: { x: { range: (_, __, last) => { const end = last > SHOWN_SECONDS ? last : Date.now() / 1_000; return [end - SHOWN_SECONDS, end]; } }, y: { range: (_, __, top) => [0, Math.max(1, top * 1.1)] } },
      series: [{}, { stroke: colour('--blue'), width: 1.5 }, { stroke: colour('--green'), width: 1.5 }, { stroke: colour('--dim'), width: 1.5 }],
    }, [[], [], [], []], box.current!);
    const resize = new ResizeObserver(() => plot.current?.setSize({ width: box.current!.clientWidth, height: 180 }));
    resize.observe(box.current!);
    return () => {
      resize.disconnect();
      plot.current?.destroy();
    };
  }, [theme]);
  useEffect(() => {
    plot.current?.setData([rates.map((r) => r.at), rates.map((r) => r.started), rates.map((r) => r.committed), rates.map((r) => r.undone)]);
  }, [rates, theme]);
  return (
    <section>
      <h2>{t('overview.rates')}</h2>
      <p class="legend"><i class="dot blue" />{t('overview.started')} <i class="dot green" />{t('status.COMMITTED')} <i class="dot grey" />{t('status.ABORTED')}</p>
      <div ref={box} role="img" aria-label={t('overview.rates')} />
    </section>
  );
}

function trouble(p: Participant): number {
  return (p.breaker === 'open' ? 1_000 : p.breaker === 'half-open' ? 500 : 0) + p.errorRate * 100 + Math.min(p.queued, 100) / 10;
}

function Troubled({ participants }: { participants: Participant[] }) {
  const worst = participants.filter((p) => trouble(p) >= 1).sort((a, b) => trouble(b) - trouble(a)).slice(0, 5);
  return (
    <section>
      <h2><a href={href('participants')}>{t('overview.troubled')}</a></h2>
      {worst.length === 0 ? <p class="dim">{t('overview.troubled.none')}</p> : (
        <div class="scroll">
          <table>
            <tbody>
              {worst.map((p) => (
                <tr key={p.name + p.address}>
                  <td><a href={href('participants', '', { of: `${p.name} ${p.address}` })}>{p.name}</a></td>
                  <td>{t(`participants.breaker.${p.breaker}`)}</td>
                  <td class="num">{Math.round(p.errorRate * 100)} %</td>
                  <td class="num">{p.queued} {t('participants.waiting').toLowerCase()}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function took(samples: Samples | undefined, lately: Samples | undefined) {
  const [half, most] = [0.5, 0.95].map((q) => (samples && lately ? quantile(q, NAMES.took, samples, lately) : undefined));
  return half === undefined || most === undefined ? '\u00a0' : t('overview.took', { half: span(half * 1_000), most: span(most * 1_000) });
}

const FIRST = () => `curl -sS ${location.origin}/v1/transactions -H 'Content-Type: application/json' -d '{
  "inline": { "name": "hello", "mode": "saga", "participants": {},
              "steps": [ { "id": "nap", "wait": { "for": "5s" } } ] },
  "gid": "hello-1" }'`;

export function Overview() {
  const status = useLoad(health, [], EVERY_MS);
  const incidents = useLoad<{ incidents: Incident[]; nextCursor?: string }>(
    () => take(api.GET('/v1/incidents', { params: { query: { limit: 200 } } })), [], 3_000);
  const participants = useLoad(takeParticipants, [], 3_000);
  const nodes = useLoad(takeNodes, [], 5_000);
  const { samples, lately, rates, denied } = useRates();
  const list = incidents.data?.incidents ?? [];
  const oldest = list.reduce<string | undefined>((old, one) => (!old || one.since < old ? one.since : old), undefined);
  const latest = rates[rates.length - 1];
  const healthy = status.data;
  const never = samples && !samples.get(NAMES.started) && healthy?.open === 0;
  return (
    <>
      <h1>{t('app.overview')}</h1>
      {healthy && !healthy.ready && <p class="note warn" role="alert">{t('overview.notready', { why: healthy.reason ?? '' })}</p>}
      {healthy?.status === 'stalled' && <p class="note bad" role="alert">{t('overview.stalled', { why: healthy.reason ?? '' })}</p>}
      {(samples?.get(NAMES.dead) ?? 0) > 0 && (
        <p class="note warn" role="alert"><a href={href('webhooks')}>{t('overview.dead', { n: samples!.get(NAMES.dead)! })}</a></p>
      )}
      {healthy?.exhausted && <p class="note warn" role="alert">{t('nodes.exhausted', { what: healthy.exhausted })}</p>}
      <State error={status.error} loading={!healthy} again={status.again} />
      <div class="tiles">
        <a class={`tile${list.length ? ' alarm' : ''}`} href={href('incidents')}>
          <span class="label">{t('overview.person')}</span>
          <span class="big num">{samples?.get(NAMES.incidents) ?? list.length}</span>
          <span class="dim">{oldest ? t('overview.person.oldest', { t: relative(oldest) }) : t('overview.person.none')}</span>
        </a>
        <div class={`tile${healthy?.oldestOverdue && parseFloat(healthy.oldestOverdue) > 5 ? ' late' : ''}`}>
          <span class="label">{t('overview.overdue')}</span>
          <span class="big num">{healthy?.oldestOverdue && parseFloat(healthy.oldestOverdue) > 0.5 ? healthy.oldestOverdue : '0 s'}</span>
          <span class="dim">{t('overview.overdue.none')}</span>
        </div>
        <a class="tile" href={href('transactions', '', { status: 'ACTIVE' })}>
          <span class="label">{t('overview.open')}</span>
          <span class="big num">{healthy?.open ?? '-'}</span>
          <span class="dim">&nbsp;</span>
        </a>
        <a class="tile" href={href('transactions')}>
          <span class="label">{t('overview.throughput')}</span>
          <span class="big num">{latest ? Math.round(latest.committed + latest.undone) : '-'}</span>
          <span class="dim">{took(samples, lately)}</span>
        </a>
      </div>
      <State error={denied} loading={false} again={status.again} />
      {never && <Empty title={t('overview.first')} command={FIRST()} />}
      {!denied && <Chart rates={rates} />}
      <div class="halves">
        {participants.error?.denied ? <span /> : <Troubled participants={participants.data ?? []} />}
        <section>
          <h2><a href={href('nodes')}>{t('overview.store')}</a></h2>
          {nodes.data && nodes.data.length > 0 && (
            <p class={unowned(nodes.data) > 0 || nodes.data.some((node) => node.state === 'lost') ? 'late' : undefined}>
              {t('overview.nodes', { n: nodes.data.filter((node) => node.state === 'ready').length, all: nodes.data.length, shards: SHARDS - unowned(nodes.data), of: SHARDS })}
            </p>
          )}
          <p>{healthy?.storeLag && parseFloat(healthy.storeLag) > 1 ? t('overview.store.lag', { t: span(parseFloat(healthy.storeLag) * 1_000) }) : t('overview.store.ok')}</p>
          {samples?.has(NAMES.kept) && (
            <p class="dim">{t('overview.store.size', { kept: bytes(samples.get(NAMES.kept)!), reusable: bytes(samples.get(NAMES.reusable) ?? 0),
              log: bytes(samples.get(NAMES.log) ?? 0), disk: bytes(samples.get(NAMES.disk) ?? 0) })}</p>
          )}
        </section>
      </div>
    </>
  );
}
