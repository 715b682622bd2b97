// What the words read of a browser.
const store = new Map<string, string>();
const tab = new Map<string, string>();
Object.assign(globalThis, {
  sessionStorage: { getItem: (k: string) => tab.get(k) ?? null, setItem: (k: string, v: string) => void tab.set(k, v), removeItem: (k: string) => void tab.delete(k) },
  localStorage: { getItem: (k: string) => store.get(k) ?? null, setItem: (k: string, v: string) => void store.set(k, v) },
  location: { origin: 'http://127.0.0.1:8080', hash: '' },
  navigator: { language: 'en-US' },
  document: { documentElement: { lang: '' } },
});
