// The coordinators that share the store, who has how many of its shards, and how the one that answers fares.
import { api, health, take, type Health, type Node } from '../api/client';
import { quantile, readMetrics, type Samples } from '../api/metrics';
import { useLoad } from '../live/load';
import { Copy, ShowAs, State, Time } from '../ui/parts';
import { bytes, span, spanOfSeconds } from '../words/time';
import { t } from '../words/words';

export const SHARDS = 64;
const WIDE_ID = 12; // As much of an id as tells nodes apart, on the command line too.

export const takeNodes = (): Promise<Node[]> => take(api.GET('/v1/nodes')).then((list) => list.nodes);

// What nobody drives while shards move, or because whoever had them has died.
export function unowned(nodes: Node[]): number {
  return Math.max(0, SHARDS - nodes.filter((node) => node.state !== 'lost').reduce((sum, node) => sum + node.shards, 0));
}

function Share({ shards }: { shards: number }) {
  return (
    <svg class="share" role="img" aria-label={t('common.of', { n: shards, m: SHARDS })} viewBox={`0 0 ${SHARDS} 6`} preserveAspectRatio="none">
      <rect class="track" width={SHARDS} height="6" />
      <rect class="fill" width={shards} height="6" />
    </svg>
  );
}

function Row({ node }: { node: Node }) {
  const tone = node.state === 'lost' ? 't-stuck' : node.state === 'leaving' ? 't-retrying' : 't-done';
  return (
    <tr>
      <td><span class="mono" title={node.id}>{node.id.slice(0, WIDE_ID)}</span>{node.self && <span class="dim"> {t('nodes.self')}</span>} <Copy text={node.id} /></td>
      <td><span class={`chip ${tone}`}>{t(`nodes.state.${node.state}`)}</span></td>
      <td class="num">{node.shards}</td>
      <td class="wide-only"><Share shards={node.shards} /></td>
      <td class="mono wide-only">{node.httpAddress}</td>
      <td class="mono wide-only">{node.peerAddress || '-'}</td>
      <td class="num wide-only"><Time at={node.startedAt} short /></td>
      <td class="num">{node.self ? t('common.now') : spanOfSeconds(node.heardAgo)}</td>
    </tr>
  );
}

function Own({ health: report, samples }: { health: Health; samples: Samples | undefined }) {
  const gauge = (name: string) => samples?.get(`entente_${name}`);
  const memory = gauge('payload_bytes');
  const lag = samples && quantile(0.99, 'entente_worker_lag_seconds', samples);
  return (
    <section>
      <h2>{t('nodes.own')}</h2>
      <dl class="facts">
        <dt>{t('nodes.ready')}</dt><dd>{report.ready ? t('common.yes') : `${t('common.no')}: ${report.reason ?? ''}`}</dd>
        <dt>{t('overview.open')}</dt><dd>{report.open}{gauge('transactions_parked') ? ` (${t('nodes.parked', { n: gauge('transactions_parked')! })})` : ''}</dd>
        <dt>{t('nodes.queued')}</dt><dd>{report.queuedInputs}</dd>
        <dt>{t('nodes.overdue')}</dt><dd>{report.oldestOverdue ? spanOfSeconds(report.oldestOverdue) : t('overview.overdue.none')}</dd>
        <dt>{t('nodes.blocked')}</dt><dd>{gauge('branches_blocked') ?? '-'}{gauge('branches_blocked') ? `, ${t('nodes.blocked.for', { t: span((gauge('oldest_blocked_seconds') ?? 0) * 1_000) })}` : ''}</dd>
        <dt>{t('nodes.lag')}</dt><dd>{report.storeLag ? spanOfSeconds(report.storeLag) : '-'}</dd>
        {memory !== undefined && <><dt>{t('nodes.memory')}</dt><dd>{t('common.of', { n: bytes(memory), m: bytes(gauge('payload_bytes_limit') ?? 0) })}</dd></>}
        {lag !== undefined && <><dt>{t('nodes.worker')}</dt><dd>{span(lag * 1_000)}</dd></>}
        {gauge('http_connections') !== undefined && <><dt>{t('nodes.connections')}</dt><dd>HTTP {gauge('http_connections')}, gRPC {gauge('grpc_connections') ?? 0}</dd></>}
        {gauge('store_bytes') !== undefined && <><dt>{t('nodes.store')}</dt><dd>{bytes(gauge('store_bytes')!)}, {t('nodes.disk', { free: bytes(gauge('store_disk_free_bytes') ?? 0) })}</dd></>}
      </dl>
      {report.exhausted && <p class="note warn" role="alert">{t('nodes.exhausted', { what: report.exhausted })}</p>}
    </section>
  );
}

export function Nodes() {
  const list = useLoad(takeNodes, [], 2_000);
  const own = useLoad(health, [], 2_000);
  const metrics = useLoad(readMetrics, [], 5_000);
  const nodes = list.data ?? [];
  const free = list.data ? unowned(nodes) : 0;
  const alone = nodes.length === 1 && !nodes[0]!.peerAddress;
  return (
    <>
      <h1>{t('nodes.title')}</h1>
      <State error={list.error} loading={!list.data} again={list.again} />
      {alone && <p class="dim">{t('nodes.alone')}</p>}
      {nodes.length > 0 && free > 0 && <p class="note warn" role="alert">{t('nodes.free', { n: free, m: SHARDS })}</p>}
      {nodes.some((node) => node.state === 'lost') && <p class="note bad" role="alert">{t('nodes.lost')}</p>}
      {nodes.length > 0 && (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th>{t('nodes.id')}</th><th>{t('list.state')}</th><th class="num">{t('nodes.shards')}</th><th class="wide-only">{t('nodes.share', { n: SHARDS })}</th>
                <th class="wide-only">{t('nodes.http')}</th><th class="wide-only">{t('nodes.peer')}</th><th class="num wide-only">{t('list.started')}</th><th class="num">{t('nodes.heard')}</th>
              </tr>
            </thead>
            <tbody>{nodes.map((node) => <Row key={node.id} node={node} />)}</tbody>
          </table>
        </div>
      )}
      {own.data && <Own health={own.data} samples={metrics.data} />}
      <ShowAs path="/v1/nodes" commands={['entente nodes', 'entente health', 'entente doctor']} />
    </>
  );
}
