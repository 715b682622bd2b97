// A form made of an input schema: a field for each simple member of the top level, JSON for everything else.
import { typedJson } from '../api/exact';
import { useEffect, useState } from 'preact/hooks';
import { t } from '../words/words';

type Schema = Record<string, unknown>;
type Fields = Record<string, string>;

const isSchema = (value: unknown): value is Schema => typeof value === 'object' && value !== null && !Array.isArray(value);

interface Field { name: string; kind: 'text' | 'number' | 'boolean' | 'choice' | 'json'; required: boolean; choices: string[]; hint: string }

export function fieldsOf(schema: unknown): Field[] {
  if (!isSchema(schema) || !isSchema(schema.properties)) {
    return [];
  }
  const required = Array.isArray(schema.required) ? schema.required.map(String) : [];
  return Object.entries(schema.properties).filter((pair): pair is [string, Schema] => isSchema(pair[1])).map(([name, member]) => {
    const choices = Array.isArray(member.enum) && member.enum.every((v) => typeof v === 'string') ? member.enum.map(String) : [];
    const kind = choices.length ? 'choice' : member.type === 'string' ? 'text' : member.type === 'boolean' ? 'boolean'
      : member.type === 'integer' || member.type === 'number' ? 'number' : 'json';
    return { name, kind, required: required.includes(name), choices, hint: String(member.description ?? '') };
  });
}

// The document that the fields stand for; throws for JSON that is none. A number goes as it was typed, digit for digit, as
// far as a double holds it.
export function documentOf(fields: Field[], values: Fields): Record<string, unknown> {
  const document: Record<string, unknown> = {};
  for (const field of fields) {
    const text = values[field.name] ?? '';
    if (text === '' && !(field.required && field.kind === 'text')) {
      continue;
    }
    document[field.name] = field.kind === 'text' || field.kind === 'choice' ? text
      : field.kind === 'boolean' ? text === 'true' : typedJson(text);
  }
  return document;
}

function initialOf(fields: Field[], initial: unknown): Fields {
  const values: Fields = {};
  if (isSchema(initial)) {
    for (const field of fields) {
      const value = initial[field.name];
      if (value !== undefined) {
        values[field.name] = typeof value === 'string' && field.kind !== 'json' ? value : JSON.stringify(value);
      }
    }
  }
  return values;
}

// Members of the model that the schema has no field for: they are part of what one like it needs.
export function beside(fields: Field[], initial: unknown): Record<string, unknown> {
  const known = new Set(fields.map((field) => field.name));
  return isSchema(initial) ? Object.fromEntries(Object.entries(initial).filter(([name]) => !known.has(name))) : {};
}

export function SchemaForm({ schema, initial, onChange }: { schema: unknown; initial: unknown; onChange: (input: unknown) => void }) {
  const fields = fieldsOf(schema);
  const [values, setValues] = useState<Fields>(() => initialOf(fields, initial));
  const [raw, setRaw] = useState(() => (initial === undefined ? '' : JSON.stringify(initial, null, 2)));
  const [wrong, setWrong] = useState('');
  useEffect(() => {
    try {
      onChange(fields.length ? { ...beside(fields, initial), ...documentOf(fields, values) } : typedJson(raw) ?? {});
      setWrong('');
    } catch (error) {
      setWrong(String(error));
    }
  }, [values, raw]);
  const set = (name: string, value: string) => setValues((old) => ({ ...old, [name]: value }));
  return (
    <>
      {fields.length === 0 && (
        <label>{t('definitions.input.json')}<textarea class="mono" rows={5} value={raw} onInput={(e) => setRaw(e.currentTarget.value)} /></label>
      )}
      {fields.map((field) => (
        <label key={field.name}>{field.name}{field.required ? ' *' : ''} <span class="dim">{field.hint}</span>
          {field.kind === 'choice' ? (
            <select value={values[field.name] ?? ''} onChange={(e) => set(field.name, e.currentTarget.value)}>
              <option value="" />{field.choices.map((c) => <option key={c}>{c}</option>)}
            </select>
          ) : field.kind === 'boolean' ? (
            <select value={values[field.name] ?? ''} onChange={(e) => set(field.name, e.currentTarget.value)}>
              <option value="" /><option value="true">{t('common.yes')}</option><option value="false">{t('common.no')}</option>
            </select>
          ) : (
            <input class={field.kind === 'text' ? '' : 'mono'} inputMode={field.kind === 'number' ? 'decimal' : 'text'} required={field.required}
              value={values[field.name] ?? ''} onInput={(e) => set(field.name, e.currentTarget.value)} />
          )}
        </label>
      ))}
      {wrong && <p class="note bad">{wrong}</p>}
    </>
  );
}
