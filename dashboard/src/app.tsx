// The frame around every page: where one can go, whether what is shown is live, theme, language and zone.
import { useEffect, useRef, useState } from 'preact/hooks';
import { api, take } from './api/client';
import { useSession } from './api/session';
import { useTokenWanted } from './api/token';
import { useLost } from './live/link';
import { useBusy, useLoad, useWaiting } from './live/load';
import { Audit } from './pages/audit';
import { Definitions } from './pages/definitions';
import { BulkActions } from './pages/bulk';
import { Imported } from './pages/imported';
import { Incidents } from './pages/incidents';
import { Nodes } from './pages/nodes';
import { Overview } from './pages/overview';
import { Participants } from './pages/participants';
import { Transaction } from './pages/transaction';
import { Transactions } from './pages/transactions';
import { Webhooks } from './pages/webhooks';
import { href, useRoute, type Route } from './route';
import { Dialog } from './ui/dialog';
import { useKeys } from './ui/keys';
import { PAGES, Palette } from './ui/palette';
import { ForgetToken, TokenPrompt } from './ui/token';
import { chooseZone, clock, zone } from './words/time';
import { chooseLanguage, language, LANGUAGES, t } from './words/words';
import type { Key } from './words/english';

type Theme = 'auto' | 'light' | 'dark';

function applyTheme(theme: Theme): void {
  localStorage.setItem('theme', theme);
  document.documentElement.dataset.theme = theme;
}

function Page({ route }: { route: Route }) {
  switch (route.page) {
    case 'transactions': return <Transactions route={route} />;
    case 'transaction': return <Transaction route={route} key={route.id} />;
    case 'bulk': return <BulkActions />;
    case 'imported': return <Imported route={route} />;
    case 'incidents': return <Incidents />;
    case 'participants': return <Participants route={route} />;
    case 'nodes': return <Nodes />;
    case 'webhooks': return <Webhooks />;
    case 'audit': return <Audit route={route} />;
    case 'definitions': return <Definitions route={route} key={route.id} />;
    default: return <Overview />;
  }
}

// Theme, language and zone; in the rail where there is room, and beside the keys where there is none.
function Settings({ onChange }: { onChange: () => void }) {
  const theme = (localStorage.getItem('theme') ?? 'auto') as Theme;
  return (
    <>
      <label><span class="name">{t('app.theme')}</span>
        <select value={theme} onChange={(e) => { applyTheme(e.currentTarget.value as Theme); onChange(); }}>
          {(['auto', 'light', 'dark'] as Theme[]).map((one) => <option key={one} value={one}>{t(`app.theme.${one}`)}</option>)}
        </select></label>
      <label><span class="name">{t('app.language')}</span>
        <select value={language} onChange={(e) => { chooseLanguage(e.currentTarget.value); onChange(); }}>
          {LANGUAGES.map(([code, name]) => <option key={code} value={code}>{name}</option>)}
        </select></label>
      <label><span class="name">{t('app.zone')}</span>
        <select value={zone} onChange={(e) => { chooseZone(e.currentTarget.value as typeof zone); onChange(); }}>
          <option value="local">{t('app.zone.local')}</option><option value="utc">{t('app.zone.utc')}</option>
        </select></label>
    </>
  );
}

const KEYS: [string, Key][] = [['/  Ctrl-K', 'keys.search'], ['j  k', 'keys.rows'], ['Enter', 'keys.open'], ['r', 'keys.retry'], ['Esc', 'keys.back'], ['?', 'keys.help']];

export function App() {
  const route = useRoute();
  const lost = useLost();
  const busy = useBusy();
  const tokenWanted = useTokenWanted();
  const { who, known } = useSession();
  useWaiting(!known);
  const first = useRef(true);
  const [searching, setSearching] = useState(false);
  const [helping, setHelping] = useState(false);
  const [, redraw] = useState(0);
  // Also out of sight: the tab's title says how many wait.
  const incidents = useLoad(() => take(api.GET('/v1/incidents', { params: { query: { limit: 100 } } })), [], 5_000, true);
  const waiting = incidents.data?.incidents.length ?? 0;

  useEffect(() => {
    const page = PAGES.find(([name]) => name === route.page);
    document.title = `${waiting ? `(${waiting}) ` : ''}${route.id || t(page?.[1] ?? 'app.overview')} - Entente`;
  }, [route, waiting]);
  useEffect(() => {
    // Another page begins at its top, also for who hears it.
    scrollTo(0, 0);
    if (!first.current && !document.querySelector('dialog[open]')) {
      document.getElementById('main')?.focus({ preventScroll: true });
    }
    first.current = false;
    // Where the rail is a strip that can be scrolled, one sees in it where one is.
    document.querySelector('.rail a[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
  }, [route.page, route.id]);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key === 'k') {
        event.preventDefault();
        setSearching(true);
      }
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, []);
  useKeys({ '/': () => setSearching(true), '?': () => setHelping(true) });

  const again = () => redraw((n) => n + 1);
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById('main')?.focus(); }}>{t('app.skip')}</a>
      <nav class="rail" aria-label="Entente">
        <a class="brand" href={href('')}>Entente</a>
        {PAGES.map(([page, key]) => (
          <a key={page} href={href(page)} aria-current={route.page === page || (page === 'transactions' && ['transaction', 'imported', 'bulk'].includes(route.page)) ? 'page' : undefined}>
            {t(key)}{page === 'incidents' && waiting > 0 && <span class="count">{waiting}{incidents.data?.nextCursor ? '+' : ''}</span>}
          </a>
        ))}
        <span class="grow" />
        <button type="button" class="quiet" onClick={() => setSearching(true)} title={t('app.search')}>/ <span class="wide-only">Ctrl-K</span></button>
        <div class="settings wide-only"><Settings onChange={again} /></div>
        {who?.authenticated && <span class="dim wide-only cut" title={t('app.who', { name: who.name, role: who.role })}>{t('app.who', { name: who.name, role: who.role })}</span>}
        <ForgetToken />
        <button type="button" class="quiet" aria-label={t('app.keys')} onClick={() => setHelping(true)}>? <span class="wide-only">{t('app.keys')}</span></button>
      </nav>
      {lost && <p class="lost" role="status">{t('app.lost', { at: clock(new Date(lost).toISOString()) })}</p>}
      <main id="main" tabIndex={-1} data-route={route.hash} aria-busy={busy}><Page route={route} /></main>
      {tokenWanted && <TokenPrompt />}
      {searching && <Palette onClose={() => setSearching(false)} />}
      {helping && (
        <Dialog title={t('app.keys')} onClose={() => setHelping(false)}>
          <div class="narrow-only"><Settings onChange={again} /></div>
          <dl class="facts">{KEYS.map(([key, what]) => <><dt class="mono">{key}</dt><dd>{t(what)}</dd></>)}</dl>
          <div class="row end"><button type="button" onClick={() => setHelping(false)}>{t('common.cancel')}</button></div>
        </Dialog>
      )}
    </div>
  );
}

applyTheme((localStorage.getItem('theme') ?? 'auto') as Theme);
document.documentElement.lang = language;
