// A history that was downloaded, read again: also of a transaction that has long been purged, or of another coordinator.
import { useState } from 'preact/hooks';
import { parseExact } from '../api/exact';
import type { HistoryEntry, Transaction } from '../api/client';
import type { Route } from '../route';
import { t } from '../words/words';
import { TransactionView } from './transaction';

interface Exported { transaction: Transaction; entries: HistoryEntry[]; source?: string }

// What was downloaded, or a reason why it is not that.
export function readExported(text: string): Exported {
  const value = parseExact(text) as Partial<Exported> | null;
  const { transaction, entries } = value ?? {};
  if (typeof transaction?.gid !== 'string' || !Array.isArray(transaction.branches) || !Array.isArray(entries)) {
    throw new Error(t('import.wrong'));
  }
  return value as Exported;
}

let latest: Exported | undefined; // So that going back and forth does not lose it.

export function Imported({ route }: { route: Route }) {
  const [exported, setExported] = useState(latest);
  const [wrong, setWrong] = useState('');
  const read = async (file: File | undefined) => {
    if (file) {
      try {
        latest = readExported(await file.text());
        setExported(latest);
        setWrong('');
      } catch (error) {
        setWrong(error instanceof Error ? error.message : String(error));
      }
    }
  };
  return (
    <>
      {!exported && <h1>{t('txn.import')}</h1>}
      <label class="inline">{exported ? t('txn.imported') : t('import.file')}{' '}
        <input type="file" accept=".json,application/json" onChange={(e) => void read(e.currentTarget.files?.[0])} /></label>
      {wrong && <p class="note bad" role="alert">{wrong}</p>}
      {exported && <TransactionView txn={exported.transaction} entries={exported.entries} source={exported.source} route={route} />}
    </>
  );
}
