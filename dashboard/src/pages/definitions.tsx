// Definitions: their versions, what changed, and a form to start a transaction from.
import { useState } from 'preact/hooks';
import { api, ApiError, take, takeDefinitions, takeVersions, type Definition, type DefinitionProblem } from '../api/client';
import { parseExact, typedJson } from '../api/exact';
import { useSession } from '../api/session';
import { Graph } from '../graph/graph';
import { stepsOf } from '../graph/steps';
import { useLoad } from '../live/load';
import { go, href, withQuery, type Route } from '../route';
import { Command, Empty, Json, NotOffered, ShowAs, State, Time, TxnLink } from '../ui/parts';
import { t } from '../words/words';
import { DryRun } from './dry_run';
import { SchemaForm } from './schema_form';

const FIRST = () => `curl -sS -X PUT ${location.origin}/v1/definitions/hello -H 'Content-Type: application/json' -d '{
  "name": "hello", "mode": "saga", "participants": {},
  "steps": [ { "id": "nap", "wait": { "for": "5s" } } ] }'`;

function Validate() {
  const [text, setText] = useState('');
  const [problems, setProblems] = useState<DefinitionProblem[] | undefined>();
  const [error, setError] = useState('');
  const check = async () => {
    setProblems(undefined);
    setError('');
    try {
      const answer = await take(api.POST('/v1/definitions:validate', { body: typedJson(text) as never }));
      setProblems(answer.problems);
    } catch (cause) {
      setError(cause instanceof ApiError ? cause.message : String(cause));
    }
  };
  return (
    <details>
      <summary>{t('definitions.validate')}</summary>
      <textarea class="mono" rows={12} value={text} aria-label={t('definitions.source')} onInput={(e) => setText(e.currentTarget.value)} />
      <button type="button" onClick={check} disabled={!text.trim()}>{t('definitions.validate')}</button>
      {error && <p class="note bad" role="alert">{error}</p>}
      {problems && (problems.length === 0 ? <p class="note">{t('definitions.valid')}</p> : (
        <>
          <p class="note bad">{t('definitions.invalid', { n: problems.length })}</p>
          <ul>{problems.map((p) => <li key={p.pointer + p.message}><span class="mono">{p.pointer}{p.line ? ` (${p.line}:${p.column})` : ''}</span> {p.message} {p.suggestion}</li>)}</ul>
        </>
      ))}
    </details>
  );
}

export function Definitions({ route }: { route: Route }) {
  return route.id ? <OneDefinition route={route} /> : <List />;
}

function List() {
  const list = useLoad(() => takeDefinitions(), []);
  const [inline, setInline] = useState(false);
  const { may } = useSession();
  const shown = (list.data ?? []).filter((d) => inline || !d.name.startsWith('~'));
  const hidden = (list.data?.length ?? 0) > shown.length;
  return (
    <>
      <h1>{t('app.definitions')}</h1>
      <State error={list.error} loading={!list.data} again={list.again} />
      {list.data && shown.length === 0 && <Empty title={t('definitions.none')} command={FIRST()} />}
      {shown.length > 0 && (
        <div class="scroll">
          <table>
            <thead><tr><th>{t('definitions.name')}</th><th class="num">{t('definitions.version')}</th><th class="num">{t('definitions.created')}</th><th /></tr></thead>
            <tbody>
              {shown.map((d) => (
                <tr key={d.name}>
                  <td class="cut"><a href={href('definitions', d.name)}>{d.name}</a></td>
                  <td class="num">{d.version}</td>
                  <td class="num"><Time at={d.createdAt} /></td>
                  <td><a href={href('transactions', '', { definition: d.name })}>{t('definitions.runs')}</a></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {hidden && <button type="button" class="quiet" onClick={() => setInline(true)}>{t('definitions.inline')}</button>}
      {may('validate') ? <Validate /> : <NotOffered what={[t('definitions.validate')]} />}
      <ShowAs path="/v1/definitions" commands={['entente definitions list']} />
    </>
  );
}

function parse(source: string | undefined): Record<string, unknown> {
  try {
    return parseExact(source ?? '{}') as Record<string, unknown>;
  } catch {
    return {};
  }
}

// Which members of the document and which steps differ: by step, since that is what a person thinks in.
function differences(before: string | undefined, after: string | undefined): { name: string; before: unknown; after: unknown }[] {
  const flat = (source: string | undefined) => {
    const { steps, ...rest } = parse(source);
    const all = new Map<string, unknown>(Object.entries(rest));
    for (const step of Array.isArray(steps) ? (steps as Record<string, unknown>[]) : []) {
      all.set(`steps.${String(step.id)}`, step);
    }
    return all;
  };
  const [old, latest] = [flat(before), flat(after)];
  return [...new Set([...old.keys(), ...latest.keys()])]
    .filter((name) => JSON.stringify(old.get(name)) !== JSON.stringify(latest.get(name)))
    .map((name) => ({ name, before: old.get(name), after: latest.get(name) }));
}

function Diff({ name, before, after }: { name: string; before: number; after: Definition }) {
  const old = useLoad(() => take(api.GET('/v1/definitions/{name}/versions/{version}', { params: { path: { name, version: before } } })), [name, before]);
  if (!old.data) {
    return <State error={old.error} loading again={old.again} />;
  }
  const changed = differences(old.data.source, after.source);
  return (
    <section>
      <h2>{t('definitions.diff', { n: before })}</h2>
      {changed.length === 0 && <p class="dim">{t('definitions.same')}</p>}
      {changed.map((one) => (
        <div key={one.name}>
          <h3 class="mono">{one.name}</h3>
          <div class="halves">
            {one.before !== undefined ? <Json label={`${before}`} value={one.before} /> : <p class="dim">-</p>}
            {one.after !== undefined ? <Json label={`${after.version}`} value={one.after} /> : <p class="dim">-</p>}
          </div>
        </div>
      ))}
    </section>
  );
}

const quoted = (text: string) => `'${text.replace(/'/g, `'\\''`)}'`;

export function startCommands(definition: string, version: number, input: unknown, gid: string): [string, string] {
  const json = JSON.stringify(input ?? {});
  return [
    `curl -sS ${quoted(`${location.origin}/v1/transactions`)} -H 'Content-Type: application/json' \\\n` +
      `  -d ${quoted(JSON.stringify({ definition, version, input: input ?? {}, ...(gid ? { gid } : {}) }))}`,
    `entente submit ${quoted(definition)} --version ${version}${gid ? ` --gid ${quoted(gid)}` : ''} --input ${quoted(json)}`,
  ];
}

function Start({ definition, like }: { definition: Definition; like: string | null }) {
  const model = useLoad(() => like ? take(api.GET('/v1/transactions/{gid}', { params: { path: { gid: like } } })) : Promise.resolve(undefined), [like]);
  const [gid, setGid] = useState('');
  const [input, setInput] = useState<unknown>(undefined);
  const [started, setStarted] = useState('');
  const [error, setError] = useState<ApiError | undefined>();
  const submit = async () => {
    setError(undefined);
    try {
      const txn = await take(api.POST('/v1/transactions', { body: { definition: definition.name, version: definition.version, input, ...(gid ? { gid } : {}) } }));
      setStarted(txn.gid);
      go(href('transaction', txn.gid));
    } catch (cause) {
      setError(cause as ApiError);
    }
  };
  const schema = parse(definition.source).input;
  return (
    <section>
      <h2>{t('definitions.start')}</h2>
      <form onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        {(!like || model.data || model.error) && <SchemaForm schema={schema} initial={model.data?.input} onChange={setInput} />}
        <label>{t('definitions.gid')}<input class="mono" value={gid} pattern="[A-Za-z0-9][A-Za-z0-9._\-]{0,127}" onInput={(e) => setGid(e.currentTarget.value)} /></label>
        {error && <p class="note bad" role="alert">{error.message}</p>}
        {started && <p class="note">{t('definitions.started', { gid: '' })}<TxnLink gid={started} /></p>}
        <button class="primary">{t('definitions.start')}</button>
        <details class="show"><summary>{t('common.show')} curl / CLI</summary>
          {startCommands(definition.name, definition.version, input, gid).map((text) => <Command key={text} text={text} />)}
        </details>
      </form>
    </section>
  );
}

function OneDefinition({ route }: { route: Route }) {
  const name = route.id;
  const versions = useLoad(() => takeVersions(name), [name]);
  const wanted = route.query.get('version');
  const one = useLoad(
    () => wanted ? take(api.GET('/v1/definitions/{name}/versions/{version}', { params: { path: { name, version: Number(wanted) } } }))
      : take(api.GET('/v1/definitions/{name}', { params: { path: { name } } })), [name, wanted]);
  const list = versions.data ?? [];
  const compare = route.query.get('compare');
  const { may } = useSession();
  return (
    <>
      <h1 class="cut">{name}</h1>
      <State error={one.error} loading={!one.data} again={one.again} />
      {one.data && (
        <>
          <div class="row wrap">
            <label class="inline">{t('definitions.version')}
              <select value={String(one.data.version)} onChange={(e) => go(withQuery(route, { version: e.currentTarget.value, compare: undefined }), true)}>
                {list.map((v) => <option key={v.version}>{v.version}</option>)}
              </select></label>
            {list.filter((v) => v.version !== one.data!.version).length > 0 && (
              <label class="inline">{t('definitions.diff', { n: '' }).trim()}
                <select value={compare ?? ''} onChange={(e) => go(withQuery(route, { compare: e.currentTarget.value || undefined }), true)}>
                  <option value="" />
                  {list.filter((v) => v.version !== one.data!.version).map((v) => <option key={v.version}>{v.version}</option>)}
                </select></label>
            )}
            <span class="dim"><Time at={one.data.createdAt} /></span>
            <a href={href('transactions', '', { definition: name })}>{t('definitions.runs')}</a>
          </div>
          <Graph steps={stepsOf(one.data.source)} branches={[]} onChoose={() => undefined} />
          {compare && <Diff name={name} before={Number(compare)} after={one.data} />}
          {!name.startsWith('~') && !may('submit') && <NotOffered what={[t('definitions.start')]} />}
          {!name.startsWith('~') && may('submit') && <Start key={`${name}/${one.data.version}`} definition={one.data} like={route.query.get('like')} />}
          {may('dry-run') && <DryRun key={`dry ${name}/${one.data.version}`} definition={one.data} source={parse(one.data.source)} />}
          <Json label={t('definitions.source')} value={parse(one.data.source)} />
          <ShowAs path={`/v1/definitions/${encodeURIComponent(name)}`} commands={[
            `entente definitions get ${quoted(name)} > definition.json`, 'entente graph definition.json']} />
        </>
      )}
    </>
  );
}
