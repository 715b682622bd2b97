// One transaction: a sentence, its steps as a graph, the chosen branch, the timeline, the whole history.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { api, isOpen, take, takeParticipants, takeTransaction, type Branch, type HistoryEntry, type Participant, type Transaction as Txn } from '../api/client';
import { useSession } from '../api/session';
import { Graph } from '../graph/graph';
import { groupByStep, stepsOf, stepsOfBranches, toneOf, type Step } from '../graph/steps';
import { sends, useBranchCall } from '../live/call';
import { useHistory } from '../live/stream';
import { useLoad, useThrottled } from '../live/load';
import { go, href, withQuery, type Route } from '../route';
import { ActionDialog, applies, methodOf, targetOf, type Verb } from '../ui/actions';
import { Copy, Json, Meter, NotOffered, State, StatusChip, Time, TxnLink, useTick } from '../ui/parts';
import { useCommands } from '../ui/commands';
import { saveAs } from '../ui/file';
import { useKeys } from '../ui/keys';
import { branchSentence, GATED, gateOf, phaseText, sentence } from '../words/sentence';
import { relative, span } from '../words/time';
import { t, word } from '../words/words';
import { HistoryList, Timeline } from './timeline';

const VERBS: Verb[] = ['retry', 'pause', 'resume', 'cancel', 'resolve', 'signal'];
// A signal is for who waits for one; a retry for what failed.
function offers(verb: Verb, txn: Txn): boolean {
  const any = (test: (branch: Branch) => boolean) => txn.branches.some(test);
  return applies(verb, txn) &&
    (verb !== 'signal' || any((branch) => branch.blockedBy === 'signal')) &&
    (verb !== 'retry' || any((branch) => branch.phase.endsWith('-stuck') || branch.phase.endsWith('-backoff')));
}

const words = (verbs: Verb[]) => verbs.map((verb) => t(`action.${verb}`));

// What can be done to one branch as it stands.
export function branchVerbs(branch: Branch): Verb[] {
  const pending = branch.phase.endsWith('-pending');
  const stuck = branch.phase.endsWith('-stuck') || branch.phase.endsWith('-backoff');
  const calls = !!branch.participant;
  return [
    ...(stuck ? ['retry'] as const : []),
    ...(stuck && calls ? ['edit'] as const : []),
    ...(pending && calls && !branch.child ? ['complete'] as const : []),
    ...(stuck || pending ? ['skip'] as const : []),
    ...(branch.blockedBy === 'signal' ? ['signal'] as const : []),
  ];
}

const MOST_BRANCHES = 200; // Of a forEach, listed at once.
const CALLING: ReadonlySet<string> = new Set(['forward', 'undo', 'finish']);
const GATE_MS = 2_000;

function Facts({ txn }: { txn: Txn }) {
  return (
    <dl class="facts">
      {txn.definition && <><dt>{t('list.definition')}</dt><dd><a href={href('definitions', txn.definition, { version: String(txn.version) })}>{txn.definition}</a> {t('txn.version', { n: txn.version ?? 1 })}</dd></>}
      <dt>{t('list.mode')}</dt><dd>{txn.mode}</dd>
      <dt>{t('list.started')}</dt><dd><Time at={txn.createdAt} /></dd>
      {txn.endedAt && <><dt>{t('txn.duration', { t: '' }).trim()}</dt><dd>{span(Date.parse(txn.endedAt) - Date.parse(txn.createdAt))}</dd></>}
      {txn.deadline && !txn.endedAt && <><dt>{t('txn.deadline')}</dt><dd><Time at={txn.deadline} /></dd></>}
      <dt>{t('txn.revision')}</dt><dd>{txn.revision}</dd>
      {txn.parent && <><dt>&nbsp;</dt><dd><TxnLink gid={txn.parent.gid}>{t('txn.parent', { gid: txn.parent.gid })}</TxnLink></dd></>}
      {txn.branches.some((b) => b.child) && <><dt>&nbsp;</dt><dd><a href={href('transactions', '', { parent: txn.gid })}>{t('txn.children')}</a></dd></>}
      {Object.entries(txn.labels ?? {}).map(([name, value]) => (
        <><dt key={name}>{name}</dt><dd><a href={href('transactions', '', { label: `${name}=${value}` })}>{value}</a></dd></>
      ))}
    </dl>
  );
}

const SETTLED: ReadonlySet<string> = new Set(['done', 'read-only', 'finished', 'skipped']);

// Which of the steps that come first have not ended.
export function predecessors(branch: Branch, steps: Step[], branches: Branch[]): string[] {
  const after = steps.find((step) => step.id === branch.step)?.after ?? [];
  const groups = groupByStep(branches);
  return after.filter((id) => !(groups.get(id) ?? []).length || groups.get(id)!.some((one) => !SETTLED.has(one.phase)));
}

function BranchView({ txn, branch, steps, gates, onAct }: {
  txn: Txn; branch: Branch; steps: Step[]; gates: Participant[]; onAct?: (verb: Verb, branch: Branch) => void;
}) {
  useTick();
  const first = branch.blockedBy === 'predecessors' ? predecessors(branch, steps, txn.branches) : [];
  const said = first.length ? t('say.predecessors', { steps: first.join(', ') }) : branchSentence(branch, gateOf(branch, gates, txn.definition));
  const open = isOpen(txn.status);
  const { may } = useSession();
  const verbs = onAct && open ? branchVerbs(branch) : [];
  return (
    <section class="branch" aria-label={branch.id}>
      <div class="row spread">
        <h3 class="mono">{branch.id}</h3>
        <span class={`chip t-${toneOf(branch)}`}>{phaseText(branch, txn.status)}</span>
      </div>
      {open && said !== word('phase', branch.phase) && <p>{said}</p>}
      <dl class="facts">
        {branch.participant && <><dt>{t('participants.name')}</dt><dd><a href={href('participants', '', { of: branch.participant })}>{branch.participant}</a></dd></>}
        {branch.operation && <><dt>&nbsp;</dt><dd>{branch.operation}{branch.attempt ? `, ${branch.maxAttempts ? t('txn.attempt.of', { n: branch.attempt, m: branch.maxAttempts }) : t('txn.attempt', { n: branch.attempt })}` : ''}</dd></>}
        {branch.blockedBy && <><dt>{t('txn.why')}</dt><dd>{word('blocked', branch.blockedBy)}</dd></>}
        {branch.deadline && open && <><dt>{t('txn.deadline')}</dt><dd><Time at={branch.deadline} /></dd></>}
        {branch.nextAttemptAt && <><dt>&nbsp;</dt><dd>{t('blocked.until', { in: relative(branch.nextAttemptAt) })}</dd></>}
        {branch.child && <><dt>{t('blocked.child')}</dt><dd><TxnLink gid={branch.child} /></dd></>}
        {branch.key && <><dt>{t('txn.key')}</dt><dd class="mono">{branch.key} <Copy text={branch.key} /></dd></>}
        {branch.startedAt && <><dt>{t('list.started')}</dt><dd><Time at={branch.startedAt} /></dd></>}
        {branch.failure && <><dt>{t('txn.failure')}</dt><dd><span class="mono">{branch.failure.code}</span> {branch.failure.message}</dd></>}
      </dl>
      {branch.mayHaveHappened && <p class="note warn">{t('txn.maybe')}</p>}
      {onAct && verbs.some((verb) => may(methodOf(verb))) && (
        <div class="row wrap">
          {verbs.filter((verb) => may(methodOf(verb))).map((verb) => (
            <button type="button" key={verb} onClick={() => onAct(verb, branch)}>{t(`action.${verb}`)}</button>
          ))}
        </div>
      )}
      <NotOffered what={words(verbs.filter((verb) => !VERBS.includes(verb) && !may(methodOf(verb))))} />
      {onAct && branch.participant && branch.operation && <Sent gid={txn.gid} branch={branch} />}
      {branch.item !== undefined && <Json label={t('txn.item')} value={branch.item} />}
      {branch.output !== undefined && <Json label={t('txn.output')} value={branch.output} />}
    </section>
  );
}

// Who holds it, and why: the next one on call has to know before resuming it.
function Paused({ entries }: { entries: HistoryEntry[] }) {
  const last = [...entries].reverse().find((entry) => entry.type === 'paused');
  return last ? <p class="dim">{t('txn.paused', { who: last.actor?.name || t('txn.somebody') })} <Time at={last.at} />{last.actor?.reason ? `: ${last.actor.reason}` : ''}</p> : null;
}

// Asked for when somebody looks: it is made anew for each question.
function Sent({ gid, branch }: { gid: string; branch: Branch }) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>{t('txn.sent')}</summary>
      {open && <SentNow key={`${branch.id} ${branch.phase} ${branch.attempt}`} gid={gid} branch={branch.id} />}
    </details>
  );
}

function SentNow({ gid, branch }: { gid: string; branch: string }) {
  const call = useBranchCall(gid, branch);
  return (
    <>
      <State error={call.error} loading={!call.data} again={call.again} />
      {call.data && <p class="mono">{sends(call.data)}{call.data.edited && <em> {t('txn.edited')}</em>}</p>}
      {call.data?.body !== undefined && <Json label={t('action.edit.body')} value={call.data.body} />}
    </>
  );
}

// What is stuck first, then what has not ended.
const urgency = (branch: Branch) => branch.phase.endsWith('-stuck') ? 2 : branch.endedAt ? 0 : 1;

function BranchPicker({ branches, chosen, onChoose }: { branches: Branch[]; chosen?: string; onChoose: (id: string) => void }) {
  const worst = useMemo(() => [...branches].sort((a, b) => urgency(b) - urgency(a)), [branches]);
  return (
    <div class="picker">
      {worst.slice(0, MOST_BRANCHES).map((branch) => (
        <button type="button" key={branch.id} class={`quiet mono t-${toneOf(branch)}${branch.id === chosen ? ' chosen' : ''}`}
          title={word('phase', branch.phase)} onClick={() => onChoose(branch.id)}>{branch.index ?? branch.id}</button>
      ))}
      {branches.length > MOST_BRANCHES && <span class="dim">… {branches.length}</span>}
    </div>
  );
}

export function Transaction({ route }: { route: Route }) {
  const gid = route.id;
  const took = useRef(0);
  const txn = useLoad(async () => {
    const began = performance.now();
    const taken = await takeTransaction(gid);
    took.current = performance.now() - began;
    return taken;
  }, [gid]);
  const entries = useHistory(gid);
  // A transaction of thousands of branches is megabytes: it is not read five times a second, and what takes long, rarely.
  const refresh = useThrottled(txn.again, (txn.data?.branches.length ?? 0) > MOST_BRANCHES ? Math.max(2_000, 5 * took.current) : 200);
  const newest = entries[entries.length - 1]?.revision ?? 0;
  useEffect(() => {
    if (txn.data && newest > txn.data.revision) {
      refresh();
    }
  }, [newest, txn.data?.revision]);
  // That a call waits at its participant's gate, or goes in the end, is no step of the transaction, and no event tells of it.
  const calling = !!txn.data && isOpen(txn.data.status) && txn.data.branches.some((branch) => CALLING.has(branch.phase));
  useEffect(() => {
    const timer = calling ? setInterval(refresh, GATE_MS) : undefined;
    return () => clearInterval(timer);
  }, [calling, refresh]);
  if (txn.error?.problem?.status === 404) {
    return <><h1 class="mono">{gid}</h1><p class="note">{t('txn.gone')}</p></>;
  }
  return (
    <>
      <State error={txn.error} loading={!txn.data} again={txn.again} />
      {txn.data && <Live txn={txn.data} entries={entries} route={route} again={txn.again} />}
    </>
  );
}

function Live({ txn, entries, route, again }: { txn: Txn; entries: HistoryEntry[]; route: Route; again: () => void }) {
  const [acting, setActing] = useState<{ verb: Verb; txn: Txn; branch?: Branch } | undefined>();
  const definition = useLoad(
    () => txn.definition
      ? take(api.GET('/v1/definitions/{name}/versions/{version}', { params: { path: { name: txn.definition, version: txn.version ?? 1 } } }))
      : Promise.resolve(undefined),
    [txn.definition, txn.version]);
  const { may } = useSession();
  const act = (verb: Verb, branch?: Branch) => setActing({ verb, txn, branch });
  const gated = txn.branches.some((branch) => GATED.has(branch.blockedBy ?? ''));
  const gates = useLoad(() => gated ? takeParticipants() : Promise.resolve([]), [gated], gated ? 2_000 : 0);
  useKeys({ r: () => may('retry') && applies('retry', txn) && act('retry'), Escape: () => history.back() });
  useCommands(VERBS.filter((verb) => offers(verb, txn) && may(methodOf(verb))).map((verb) => ({ label: `${t(`action.${verb}`)}: ${txn.gid}`, run: () => act(verb) })));
  return (
    <>
      <TransactionView txn={txn} entries={entries} source={definition.data?.source} route={route} gates={gates.data} onAct={act} />
      {acting && (
        <ActionDialog verb={acting.verb} targets={[targetOf(acting.txn, acting.branch)]} latest={txn.revision}
          onClose={() => setActing(undefined)} onDone={again} />
      )}
    </>
  );
}

// Without `onAct` it is a record of the past: nothing can be done to it.
export function TransactionView({ txn, entries, source, route, gates = [], onAct }: {
  txn: Txn; entries: HistoryEntry[]; source?: string; route: Route; gates?: Participant[]; onAct?: (verb: Verb, branch?: Branch) => void;
}) {
  useTick();
  const known = stepsOf(source);
  const steps = known.length ? known : stepsOfBranches(txn.branches);
  const groups = useMemo(() => groupByStep(txn.branches), [txn]);
  const chosenId = route.query.get('branch') ?? undefined;
  const chosen = txn.branches.find((b) => b.id === chosenId) ?? groups.get(chosenId ?? '')?.[0];
  const siblings = chosen ? groups.get(chosen.step) ?? [] : [];
  const choose = (id: string) => go(withQuery(route, { branch: id }), true);

  const { may } = useSession();
  const verbs = onAct ? VERBS.filter((verb) => offers(verb, txn)) : [];
  // What was given back had been done before, or may have been.
  const done = txn.branches.filter((b) => SETTLED.has(b.phase) || b.phase.startsWith('undo')).length;
  const undone = txn.branches.filter((b) => b.phase === 'undone').length;
  const undoing = txn.branches.filter((b) => b.phase.startsWith('undo')).length;
  return (
    <>
      <div class="row spread wrap">
        <h1 class="mono cut" title={txn.gid}>{txn.gid} <Copy text={txn.gid} /></h1>
        <div class="row wrap">
          {onAct && verbs.filter((verb) => may(methodOf(verb))).map((verb) => (
            <button type="button" key={verb} class={verb === 'resolve' ? 'danger' : ''} onClick={() => onAct(verb)}>{t(`action.${verb}`)}</button>
          ))}
        </div>
      </div>
      <p class="lead"><StatusChip status={txn.status} incident={txn.incident} paused={txn.paused} /> {sentence(txn, Date.now(), gates)}</p>
      <NotOffered what={words(verbs.filter((verb) => !may(methodOf(verb))))} />
      {txn.paused && isOpen(txn.status) && <Paused entries={entries} />}
      <div class="meters">
        <Meter label={t('txn.forward')} done={done} all={Math.max(txn.branches.length, steps.length)} bad={txn.branches.filter((b) => b.phase.endsWith('-stuck')).length} />
        {(txn.status === 'ABORTING' || undone > 0) && <Meter label={t('txn.undo')} done={undone} all={undoing} />}
      </div>
      <Facts txn={txn} />
      <div class="halves wide">
        <section>
          <h2>{t('txn.graph')}</h2>
          <Graph steps={steps} branches={txn.branches} status={txn.status} chosen={chosen?.step} onChoose={choose} />
        </section>
        <div class="aside">
          {siblings.length > 1 && <BranchPicker branches={siblings} chosen={chosen?.id} onChoose={choose} />}
          {chosen ? <BranchView txn={txn} branch={chosen} steps={steps} gates={gates} onAct={onAct} /> : <p class="dim">{t('txn.choose')}</p>}
        </div>
      </div>
      <section>
        <h2>{t('txn.timeline')}</h2>
        <Timeline txn={txn} entries={entries} chosen={chosen?.id} onChoose={choose} />
      </section>
      <div class="halves">
        {txn.input !== undefined && <Json label={t('txn.input')} value={txn.input} />}
        {txn.output !== undefined && <Json label={t('txn.output')} value={txn.output} />}
      </div>
      <section>
        <div class="row spread">
          <h2>{t('txn.history')}</h2>
          <span class="row">
            <button type="button" class="quiet" onClick={() => saveAs(`${txn.gid}.json`, [JSON.stringify({ transaction: txn, entries, source }, null, 2)], 'application/json')}>{t('common.download')}</button>
            {onAct && may('audit') && <a href={href('audit', '', { subject: `transaction/${txn.gid}` })}>{t('txn.audit')}</a>}
            {onAct && may('submit') && txn.definition && <a href={href('definitions', txn.definition, { version: String(txn.version), like: txn.gid })}>{t('txn.alike')}</a>}
          </span>
        </div>
        <HistoryList entries={entries} />
      </section>
    </>
  );
}
