// Loading and loading again, with the last good answer kept on the screen.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ApiError } from '../api/client';

export interface Loaded<T> {
  data: T | undefined;
  error: ApiError | undefined; // Of the latest try; `data` may be there all the same.
  at: number; // When `data` came.
  again: () => void;
}

// Runs `load` at once, when `deps` change, on `again` and every `everyMs` (0: never). An answer that comes after a later
// question is dropped.
export function useLoad<T>(load: () => Promise<T>, deps: unknown[], everyMs = 0): Loaded<T> {
  const [state, setState] = useState<{ data?: T; error?: ApiError; at: number }>({ at: 0 });
  const turn = useRef(0);
  const latest = useRef(load);
  latest.current = load;

  const again = useCallback(() => {
    const mine = ++turn.current;
    latest.current().then(
      (data) => {
        if (mine === turn.current) {
          setState({ data, at: Date.now() });
        }
      },
      (error: unknown) => {
        if (mine === turn.current) {
          const known = error instanceof ApiError ? error : new ApiError(undefined, error);
          setState((old) => ({ ...old, error: known }));
        }
      },
    );
  }, []);

  useEffect(() => {
    setState({ at: 0 });
    again();
    const timer = everyMs ? setInterval(again, everyMs) : undefined;
    return () => {
      ++turn.current;
      clearInterval(timer);
    };
  }, deps);

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
