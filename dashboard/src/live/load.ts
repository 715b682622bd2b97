// Loading and loading again, with the last good answer kept on the screen.
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ApiError } from '../api/client';

export interface Loaded<T> {
  data: T | undefined;
  error: ApiError | undefined; // Of the latest try; `data` may be there all the same.
  at: number; // When `data` came.
  again: () => void;
}

// How many views wait for their first answer.
let waiting = 0;
const watchers = new Set<() => void>();

// Marks the page as busy while `busy`. Before the browser draws: nobody sees a page that is done and then is not.
export function useWaiting(busy: boolean): void {
  useLayoutEffect(() => {
    const count = (by: number) => {
      waiting += by;
      watchers.forEach((changed) => changed());
    };
    if (busy) {
      count(1);
      return () => count(-1);
    }
    return undefined;
  }, [busy]);
}

// Whether anything on the page is still on its way: said to screen readers, and to who drives the page.
export function useBusy(): boolean {
  const [busy, setBusy] = useState(false);
  useLayoutEffect(() => {
    const look = () => setBusy(waiting > 0);
    watchers.add(look);
    look();
    return () => void watchers.delete(look);
  }, []);
  return busy;
}

// Runs `load` at once, when `deps` change, on `again` and every `everyMs` (0: never), until it is denied. An answer that
// comes after a later question is dropped. Who is slow to answer is not asked again meanwhile, and nobody is for a page that
// is out of sight, unless `hiddenToo`: it asks when it is seen again.
export function useLoad<T>(load: () => Promise<T>, deps: unknown[], everyMs = 0, hiddenToo = false): Loaded<T> {
  const [state, setState] = useState<{ data?: T; error?: ApiError; at: number }>({ at: 0 });
  const turn = useRef(0);
  const latest = useRef(load);
  latest.current = load;
  const timer = useRef<number | undefined>(undefined);
  const answered = useRef(0); // The latest turn that was.

  const again = useCallback(() => {
    const mine = ++turn.current;
    latest.current().then(
      (data) => {
        answered.current = Math.max(answered.current, mine);
        if (mine === turn.current) {
          setState({ data, at: Date.now() });
        }
      },
      (error: unknown) => {
        answered.current = Math.max(answered.current, mine);
        if (mine === turn.current) {
          const known = error instanceof ApiError ? error : new ApiError(undefined, error);
          setState((old) => ({ ...old, error: known }));
          if (known.denied) {
            clearInterval(timer.current);
            timer.current = undefined;
          }
        }
      },
    );
  }, []);

  useLayoutEffect(() => {
    setState({ at: 0 });
    again();
    const due = () => {
      if (answered.current === turn.current && (hiddenToo || !document.hidden)) {
        again();
      }
    };
    const seen = () => {
      if (everyMs && timer.current !== undefined) {
        due();
      }
    };
    timer.current = everyMs ? window.setInterval(due, everyMs) : undefined;
    document.addEventListener('visibilitychange', seen);
    return () => {
      ++turn.current;
      clearInterval(timer.current);
      document.removeEventListener('visibilitychange', seen);
    };
  }, deps);

  useWaiting(state.at === 0 && state.error === undefined);
  return { data: state.data, error: state.error, at: state.at, again };
}

// Calls `run` at most once in `ms`, and once more after the last wish.
export function useThrottled(run: () => void, ms: number): () => void {
  const timer = useRef<number | undefined>(undefined);
  const latest = useRef(run);
  latest.current = run;
  useEffect(() => () => clearTimeout(timer.current), []);
  return useCallback(() => {
    if (timer.current === undefined) {
      timer.current = window.setTimeout(() => {
        timer.current = undefined;
        latest.current();
      }, ms);
    }
  }, [ms]);
}
