// Where the page is: everything a view shows is in the part of the URL after the hash, so that it can be shared.
import { useEffect, useState } from 'preact/hooks';

export interface Route {
  hash: string; // As it stands in the URL.
  page: string; // "", "transactions", "transaction", ...
  id: string; // What the page is about, or empty.
  query: URLSearchParams;
}

export function parseRoute(hash: string): Route {
  const text = hash.replace(/^#\/?/, '');
  const [path = '', query = ''] = text.split('?', 2);
  const slash = path.indexOf('/');
  const page = slash < 0 ? path : path.slice(0, slash);
  const id = slash < 0 ? '' : decodeURIComponent(path.slice(slash + 1));
  return { hash, page, id, query: new URLSearchParams(query) };
}

export function href(page: string, id = '', query: Record<string, string | undefined> = {}): string {
  const set = Object.entries(query).filter((pair): pair is [string, string] => !!pair[1]);
  const text = new URLSearchParams(set).toString();
  return `#/${page}${id ? '/' + encodeURIComponent(id) : ''}${text ? '?' + text : ''}`;
}

export function go(to: string, replace = false): void {
  if (replace) {
    history.replaceState(null, '', to);
    dispatchEvent(new HashChangeEvent('hashchange'));
  } else {
    location.hash = to;
  }
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useEffect(() => {
    const changed = () => setRoute(parseRoute(location.hash));
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return route;
}

// Changes some of the query and keeps the rest.
export function withQuery(route: Route, change: Record<string, string | undefined>): string {
  const all: Record<string, string | undefined> = Object.fromEntries(route.query);
  return href(route.page, route.id, { ...all, ...change });
}
