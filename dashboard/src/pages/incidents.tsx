// The inbox: what waits for a person, grouped by participant and error.
import { useEffect, useState } from 'preact/hooks';
import { api, take, takeParticipants, type Incident, type Participant } from '../api/client';
import { useSession } from '../api/session';
import { useLoad, useThrottled } from '../live/load';
import { listen } from '../live/stream';
import { href } from '../route';
import { ActionDialog, type Target, type Verb } from '../ui/actions';
import { Empty, NotOffered, ShowAs, State, StatusChip, Time, TxnLink } from '../ui/parts';
import { relative } from '../words/time';
import { t } from '../words/words';
import { BulkDialog } from './bulk';

const MOST = 1_000;
const TELLING = new Set(['operator-retried', 'operator-skipped', 'operator-completed', 'ended']); // What may end an incident.

export interface Group { key: string; participant: string; code: string; operation: string; incidents: Incident[]; oldest: string }

export function groupIncidents(incidents: Incident[]): Group[] {
  const groups = new Map<string, Group>();
  for (const one of incidents) {
    const participant = one.participant || one.branch;
    const key = `${participant}\n${one.code}\n${one.operation}`;
    const group = groups.get(key);
    if (group) {
      group.incidents.push(one);
      group.oldest = one.since < group.oldest ? one.since : group.oldest;
    } else {
      groups.set(key, { key, participant, code: one.code, operation: one.operation, incidents: [one], oldest: one.since });
    }
  }
  return [...groups.values()].sort((a, b) => b.incidents.length - a.incidents.length || a.oldest.localeCompare(b.oldest));
}

const MANY = 20; // From here on it is better done by the coordinator, which goes on when the page is closed.

// What the list of transactions calls the same group; it may have more of them than are shown here.
export function filterOf(group: Group): string {
  const example = group.incidents[0]!;
  return new URLSearchParams({ incident: 'true', ...(example.participant ? { participant: example.participant } : {}), code: group.code }).toString();
}

function GroupView({ group, participant, onAct, onBulk }: {
  group: Group; participant: Participant | undefined; onAct: (verb: Verb, targets: Target[]) => void; onBulk: (filter: string) => void;
}) {
  const [open, setOpen] = useState(group.incidents.length <= 5);
  const { may } = useSession();
  const targets = (list: Incident[]) => list.map((one) => ({ gid: one.gid, branch: one.branch, participant: one.participant }));
  const example = group.incidents[0]!;
  return (
    <section class="group">
      <div class="row spread wrap">
        <h2>
          <button type="button" class="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>{open ? '▾' : '▸'}</button>
          {t('incidents.group', { n: group.incidents.length, participant: group.participant })}
          <span class="dim"> {group.operation} · <span class="mono">{group.code}</span> · {t('incidents.oldest', { t: relative(group.oldest) })}</span>
        </h2>
        <span class="row wrap">
          {may('bulk') && group.incidents.length > MANY && <button type="button" onClick={() => onBulk(filterOf(group))}>{t('incidents.background')}</button>}
          {may('retry') && group.incidents.length > 1 && <button type="button" onClick={() => onAct('retry', targets(group.incidents.slice(0, 1)))}>{t('incidents.one')}</button>}
          {may('retry') && (
            <button type="button" class="primary" onClick={() => onAct('retry', targets(group.incidents))}>
              {group.incidents.length > 1 ? t('incidents.every', { n: group.incidents.length }) : t('action.retry')}
            </button>
          )}
        </span>
      </div>
      <p class="lead">{example.message}</p>
      <p class="dim">
        {t(group.incidents.length === 1 ? 'incidents.would.one' : 'incidents.would', { participant: group.participant, n: group.incidents.length })}{' '}
        {participant?.maxCallsPerSecond && t('say.gate.rate', { n: participant.maxCallsPerSecond })}{' '}
        {participant && participant.breaker !== 'closed' && t('incidents.breaker', { state: t(`participants.breaker.${participant.breaker}`) })}
      </p>
      {open && (
        <div class="scroll">
          <table>
            <tbody>
              {group.incidents.slice(0, 200).map((one) => (
                <tr key={one.gid + one.branch}>
                  <td class="wide-only"><StatusChip status={one.status} incident /></td>
                  <td class="cut"><TxnLink gid={one.gid} /></td>
                  <td><a class="mono" href={href('transaction', one.gid, { branch: one.branch })}>{one.branch}</a></td>
                  <td class="wide-only">{one.definition}</td>
                  <td class="num"><Time at={one.since} /></td>
                  <td class="num">
                    {may('retry') && <button type="button" class="quiet" onClick={() => onAct('retry', targets([one]))}>{t('action.retry')}</button>}{' '}
                    <a class="wide-only" href={href('transaction', one.gid, { branch: one.branch })}>{t('keys.open')}</a>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

// The newest ones, and whether there are more.
async function all(): Promise<{ list: Incident[]; more: boolean }> {
  const found: Incident[] = [];
  let cursor: string | undefined;
  do {
    const page = await take(api.GET('/v1/incidents', { params: { query: { limit: 200, cursor } } }));
    found.push(...page.incidents);
    cursor = page.nextCursor || undefined;
  } while (cursor && found.length < MOST);
  return { list: found, more: !!cursor };
}

export function Incidents() {
  const incidents = useLoad(all, [], 10_000);
  const participants = useLoad(takeParticipants, [], 5_000);
  const refresh = useThrottled(incidents.again, 500);
  useEffect(() => listen((events) => {
    if (events.some((event) => event.incident || TELLING.has(event.entry.type))) {
      refresh();
    }
  }, refresh), []);
  const [acting, setActing] = useState<{ verb: Verb; targets: Target[] } | undefined>();
  const [bulk, setBulk] = useState<string | undefined>();
  const { may } = useSession();
  const groups = groupIncidents(incidents.data?.list ?? []);
  return (
    <>
      <h1>{t('incidents.title')}</h1>
      <State error={incidents.error} loading={!incidents.data} again={incidents.again} />
      {incidents.data && groups.length === 0 && <Empty title={t('incidents.none')} hint={t('incidents.none.hint')} />}
      {incidents.data?.more && (
        <p class="note warn" role="alert">{t('incidents.more', { n: incidents.data.list.length })} <a href={href('transactions', '', { incident: 'true' })}>{t('app.transactions')}</a></p>
      )}
      {groups.length > 0 && !may('retry') && <NotOffered what={[t('action.retry')]} />}
      {groups.map((group) => (
        <GroupView key={group.key} group={group} participant={participants.data?.find((p) => p.name === group.participant)}
          onAct={(verb, targets) => setActing({ verb, targets })} onBulk={setBulk} />
      ))}
      <ShowAs path="/v1/incidents" commands={['entente incidents']} />
      {bulk !== undefined && <BulkDialog filter={bulk} onClose={() => setBulk(undefined)} />}
      {acting && <ActionDialog verb={acting.verb} targets={acting.targets} onClose={() => setActing(undefined)} onDone={incidents.again} />}
    </>
  );
}
