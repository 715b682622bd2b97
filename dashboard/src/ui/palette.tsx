// Ctrl-K: a page, or a transaction by its name, without the mouse.
import { useEffect, useState } from 'preact/hooks';
import { api, take, type Summary } from '../api/client';
import { go, href } from '../route';
import { t } from '../words/words';
import type { Key } from '../words/english';
import { commandsHere } from './commands';
import { Dialog } from './dialog';

export const PAGES: [string, Key][] = [['', 'app.overview'], ['transactions', 'app.transactions'], ['incidents', 'app.incidents'],
  ['participants', 'app.participants'], ['definitions', 'app.definitions'], ['nodes', 'app.nodes'], ['webhooks', 'app.webhooks'], ['audit', 'app.audit']];
// Pages that hang below another one.
const FURTHER: [string, Key][] = [['bulk', 'bulk.all'], ['imported', 'txn.import']];

interface Choice { label: string; hint: string; run: () => void }

export function Palette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState('');
  const [found, setFound] = useState<Summary[]>([]);
  const [at, setAt] = useState(0);
  useEffect(() => {
    const wanted = text.trim();
    let gone = false;
    const timer = setTimeout(() => {
      if (!wanted) {
        setFound([]);
        return;
      }
      take(api.GET('/v1/transactions', { params: { query: { q: wanted, limit: 8 } } }))
        .then((page) => !gone && setFound(page.transactions), () => !gone && setFound([]));
    }, 120);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [text]);
  const small = text.trim().toLowerCase();
  const named = (choice: { label: string }) => choice.label.toLowerCase().includes(small);
  const visit = (to: string) => () => go(to);
  const choices: Choice[] = [
    ...commandsHere().filter(named).map(({ label, run }) => ({ label, hint: t('app.action'), run })),
    ...[...PAGES, ...FURTHER].map(([page, key]) => ({ label: t(key), hint: '', run: visit(href(page)) })).filter(named),
    ...found.map((row) => ({ label: row.gid, hint: row.definition ?? row.mode, run: visit(href('transaction', row.gid)) })),
    ...(small && !found.some((row) => row.gid === text.trim()) ? [{ label: text.trim(), hint: t('list.gid'), run: visit(href('transaction', text.trim())) }] : []),
  ];
  const chosen = Math.min(at, choices.length - 1);
  // Closed first: what is run may open a dialog of its own, which then takes the focus.
  const take_ = (choice: Choice | undefined) => {
    if (choice) {
      onClose();
      setTimeout(choice.run);
    }
  };
  return (
    <Dialog title={t('app.search')} onClose={onClose}>
      <input autofocus value={text} aria-label={t('app.search')} role="combobox" aria-expanded="true" aria-controls="choices"
        onInput={(e) => { setText(e.currentTarget.value); setAt(0); }}
        onKeyDown={(e) => {
          if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
            e.preventDefault();
            setAt(Math.max(0, Math.min(choices.length - 1, chosen + (e.key === 'ArrowDown' ? 1 : -1))));
          } else if (e.key === 'Enter') {
            e.preventDefault();
            take_(choices[chosen]);
          }
        }} />
      <ul class="choices" id="choices" role="listbox">
        {choices.map((choice, n) => (
          <li key={`${choice.hint}\n${choice.label}`} role="option" aria-selected={n === chosen} class={n === chosen ? 'chosen' : ''} onClick={() => take_(choice)}>
            <span class="cut">{choice.label}</span> <span class="dim">{choice.hint}</span>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
