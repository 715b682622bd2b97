// Who one is to the coordinator, and what it lets him do: asked once, since it is the same until there is another token, which
// loads the page anew. What would be refused is not offered.
import { useEffect, useState } from 'preact/hooks';
import { api, ApiError, take, type Session } from './client';

export interface Standing {
  who?: Session; // Absent until it is known, or where a coordinator of an earlier release does not tell.
  known: boolean;
  may: (method: string) => boolean;
}

// Nothing is offered before it is known. Where nobody tells what one may do everything is, and what is refused says so.
export function mayOf(who: Session | undefined, known: boolean): (method: string) => boolean {
  const names = who && new Set(who.may);
  return (method) => known && (names?.has(method) ?? true);
}

const AGAIN_MS = 2_000;
let session: Session | undefined;
let known = false;
let asking = false;
const watchers = new Set<() => void>();

async function ask(): Promise<void> {
  asking = true;
  try {
    session = await take(api.GET('/v1/session'));
  } catch (error) {
    // Who was not answered asks again. 401: another token is asked for, and loads the page anew.
    if (!(error instanceof ApiError) || ![401, 403, 404].includes(error.problem?.status ?? 0)) {
      setTimeout(() => void ask(), AGAIN_MS);
      return;
    }
  }
  known = true;
  watchers.forEach((changed) => changed());
}

export function useSession(): Standing {
  const [, redraw] = useState(0);
  useEffect(() => {
    const look = () => redraw((n) => n + 1);
    watchers.add(look);
    if (!asking) {
      void ask();
    } else if (known) {
      look(); // It may have come between the drawing and this.
    }
    return () => void watchers.delete(look);
  }, []);
  return { who: session, known, may: mayOf(session, known) };
}
