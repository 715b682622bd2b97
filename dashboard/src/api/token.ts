// The token that this tab shows to a coordinator that asks who one is. It lives as long as the tab: nothing is sent along
// unasked, as a cookie would be, and another tab or a later visit asks again.
import { useEffect, useState } from 'preact/hooks';

const KEY = 'entente-token';

// What came of the first request that was refused. Whatever asks again and again is not sent until there is another token,
// which loads the page anew: it would be refused each time, and each time be on the coordinator's log.
let refusal: Response | undefined;
// What this token may not read, by path. The answer is the same until there is another token: it is asked for once, however
// many pages want it, and however often.
const denied = new Map<string, Response>();
const MOST_DENIED = 200;
const watchers = new Set<() => void>();

export function token(): string {
  return sessionStorage.getItem(KEY) ?? '';
}

export function keepToken(text: string): void {
  sessionStorage.setItem(KEY, text.trim());
}

export function forgetToken(): void {
  sessionStorage.removeItem(KEY);
}

export function authorize(headers: Headers): void {
  if (token()) {
    headers.set('Authorization', `Bearer ${token()}`);
  }
}

// fetch, with the token. An answer of 401 makes the page ask for one; one of 403 to a question stands.
export async function send(request: Request): Promise<Response> {
  const path = request.method === 'GET' ? new URL(request.url).pathname : '';
  const before = refusal ?? denied.get(path);
  if (before) {
    return before.clone();
  }
  authorize(request.headers);
  const response = await fetch(request);
  if (response.status === 403 && path && denied.size < MOST_DENIED) {
    denied.set(path, response.clone());
  }
  if (response.status === 401 && !refusal) {
    refusal = response.clone();
    watchers.forEach((changed) => changed());
  }
  return response;
}

// Whether the coordinator wants a token, or another one.
export function useTokenWanted(): boolean {
  const [wanted, setWanted] = useState(refusal !== undefined);
  useEffect(() => {
    const look = () => setWanted(refusal !== undefined);
    watchers.add(look);
    look();
    return () => void watchers.delete(look);
  }, []);
  return wanted;
}
