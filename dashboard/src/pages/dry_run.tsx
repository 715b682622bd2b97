// What a transaction would do, given the participants' answers: nothing is called.
import { useState } from 'preact/hooks';
import { api, ApiError, take, type Definition, type DryRunReport } from '../api/client';
import { typedJson } from '../api/exact';
import { Command, Json, StatusChip } from '../ui/parts';
import { spanOfSeconds } from '../words/time';
import { t } from '../words/words';
import { SchemaForm } from './schema_form';

const quoted = (text: string) => `'${text.replace(/'/g, `'\\''`)}'`;

export function dryRunCommands(definition: string, version: number, input: unknown, answers: unknown): string[] {
  const body = { definition, version, input: input ?? {}, ...(answers === undefined ? {} : { answers }) };
  return [
    `curl -sS ${quoted(`${location.origin}/v1/definitions:dry-run`)} -H 'Content-Type: application/json' \\\n  -d ${quoted(JSON.stringify(body))}`,
    `entente definitions get ${quoted(definition)} > definition.json`,
    `entente dry-run definition.json --input ${quoted(JSON.stringify(input ?? {}))}${answers === undefined ? '' : ' --answers answers.json'}`,
    'entente explore definition.json',
  ];
}

// Of the steps that call somebody, what each could answer: to be changed by who knows what should go wrong.
export function exampleAnswers(source: unknown): string {
  const steps = (source as { steps?: unknown }).steps;
  const calls = (Array.isArray(steps) ? steps : []) as { id?: string; participant?: string; action?: unknown; try?: unknown; prepare?: unknown }[];
  const last = calls.filter((step) => step.participant && step.id).pop();
  const operation = last?.action ? 'action' : last?.try ? 'try' : 'prepare';
  return last ? JSON.stringify({ [`${last.id}.${operation}`]: [{ unknown: 'timeout' }, { refused: 'http.409' }] }, null, 2) : '{}';
}

const MARKS = { input: '←', record: '', effect: '→' } as const;

function Told({ report }: { report: DryRunReport }) {
  return (
    <div role="status">
      <p class="lead"><StatusChip status={report.status} /> {report.stopped}</p>
      <ol class="played">
        {report.lines.map((line, n) => (
          <li key={n} class={`l-${line.kind}`}>
            <span class="num dim">{spanOfSeconds(line.at)}</span>
            <span class="mono"><span aria-label={t(`dry.${line.kind}`)}>{MARKS[line.kind]}</span> {line.text}</span>
          </li>
        ))}
      </ol>
      {report.leftOutCount && <p class="dim">{t('dry.more', { n: report.leftOutCount })}</p>}
      {report.output !== undefined && <Json label={t('txn.output')} value={report.output} />}
    </div>
  );
}

export function DryRun({ definition, source }: { definition: Definition; source: Record<string, unknown> }) {
  const [input, setInput] = useState<unknown>(undefined);
  const [answers, setAnswers] = useState('');
  const [report, setReport] = useState<DryRunReport | undefined>();
  const [error, setError] = useState('');
  const { name, version } = definition;
  let stated: unknown;
  let wrong = '';
  try {
    stated = typedJson(answers);
  } catch (cause) {
    wrong = String(cause);
  }
  const play = async () => {
    setError('');
    try {
      setReport(await take(api.POST('/v1/definitions:dry-run', { body: { definition: name, version, input, ...(stated === undefined ? {} : { answers: stated }) } })));
    } catch (cause) {
      setReport(undefined);
      setError(cause instanceof ApiError ? cause.message : String(cause));
    }
  };
  return (
    <details class="dry">
      <summary>{t('dry.title')}</summary>
      <form onSubmit={(e) => { e.preventDefault(); void play(); }}>
        <p class="dim">{t('dry.about')}</p>
        <SchemaForm schema={source.input} initial={undefined} onChange={setInput} />
        <label>{t('dry.answers')}
          <textarea class="mono" rows={5} value={answers} placeholder={exampleAnswers(source)} onInput={(e) => setAnswers(e.currentTarget.value)} /></label>
        {wrong && <p class="note bad">{wrong}</p>}
        {error && <p class="note bad" role="alert">{error}</p>}
        <button type="submit" disabled={wrong !== ''}>{t('dry.play')}</button>
        {report && <Told report={report} />}
        <details class="show"><summary>{t('common.show')} curl / CLI</summary>
          {dryRunCommands(name, version, input, stated).map((text) => <Command key={text} text={text} />)}
        </details>
      </form>
    </details>
  );
}
