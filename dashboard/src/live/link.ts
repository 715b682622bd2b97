// Whether the coordinator can be heard: what the streams that are open say, and where none is open the latest answer.
import { useEffect, useState } from 'preact/hooks';

const QUIET_MS = 2_000; // A drop shorter than this is not worth a word.

const streams = new Map<object, boolean>(); // Whether each is up.
let answered = true;
let lostSince: number | undefined;
const watchers = new Set<() => void>();

function look(): void {
  const lost = streams.size > 0 ? [...streams.values()].some((up) => !up) : !answered;
  if (lost !== (lostSince !== undefined)) {
    lostSince = lost ? Date.now() : undefined;
    watchers.forEach((changed) => changed());
  }
}

export function streamIs(stream: object, state: 'up' | 'down' | 'closed'): void {
  if (state === 'closed') {
    streams.delete(stream);
  } else {
    streams.set(stream, state === 'up');
  }
  look();
}

// Of an ordinary request: whether anything came back at all.
export function answerCame(came: boolean): void {
  answered = came;
  look();
}

// Since when the coordinator can not be heard, or undefined.
export function useLost(): number | undefined {
  const [, redraw] = useState(0);
  useEffect(() => {
    const again = () => redraw((n) => n + 1);
    watchers.add(again);
    const timer = setInterval(again, QUIET_MS);
    return () => {
      watchers.delete(again);
      clearInterval(timer);
    };
  }, []);
  return lostSince !== undefined && Date.now() - lostSince > QUIET_MS ? lostSince : undefined;
}
