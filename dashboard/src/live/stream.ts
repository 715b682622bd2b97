// Server-sent events: one connection to all that happens, one to a transaction that is looked at.
//
// A browser makes at most six connections to one host, over all of its tabs. A stream holds one of them for as long as
// it is open, so six tabs with one each would leave none for any request, and every further tab would hang. Hence only
// a page that is looked at has streams; one that comes back into sight reads what it missed.
import { useEffect, useState } from 'preact/hooks';
import type { HistoryEntry, TransactionEvent } from '../api/client';
import { parseExact } from '../api/exact';
import { send } from '../api/token';
import { streamIs } from './link';
import { useWaiting } from './load';
import { Source } from './source';

const AGAIN_MS = 2_000;
const LOOK_MS = 5_000; // How often that is read again which no event may tell of.
// More events than these in FLOOD_MS nobody can follow, and each costs the coordinator what it would rather do for those who
// work with it. Then what is shown is read again now and then, until it is looked whether it has become quieter.
const FLOOD_EVENTS = 1_000;
const FLOOD_MS = 2_000;
const FLOOD_REST_MS = 30_000;
const HIDDEN_MS = 1_000; // How long a page may be out of sight before its streams are closed.
const GATHER_MS = 100; // Events are handed on together: thousands a second must not be thousands of redraws.

interface Handlers {
  url: () => string; // Asked at each opening.
  message: (event: TransactionEvent) => void;
  gap?: () => void; // Events may have been missed.
  failed?: () => void; // What came is no stream; it is asked for again all the same.
  denied?: () => void; // It is not for this token, and is not asked for again.
}

// A stream that is open while the page is looked at, and again after a drop.
class Stream {
  private source: Source | undefined;
  private opened = false;
  private timer: number | undefined;
  private done = false;

  constructor(private readonly handlers: Handlers) {
    document.addEventListener('visibilitychange', this.sight);
    // A page that is left may be kept for the way back, and would keep its connections.
    addEventListener('pagehide', this.rest);
    addEventListener('pageshow', this.sight);
    this.sight();
  }

  close(): void {
    this.done = true;
    document.removeEventListener('visibilitychange', this.sight);
    removeEventListener('pagehide', this.rest);
    removeEventListener('pageshow', this.sight);
    this.rest();
  }

  private readonly sight = (): void => {
    clearTimeout(this.timer);
    if (!document.hidden) {
      this.open();
    } else if (this.source) {
      this.timer = window.setTimeout(this.rest, HIDDEN_MS);
    }
  };

  private readonly rest = (): void => {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = undefined;
    streamIs(this, 'closed');
  };

  private open(): void {
    if (this.source || this.done) {
      return;
    }
    this.source = new Source(this.handlers.url(), send, {
      opened: () => {
        streamIs(this, 'up');
        if (this.opened) {
          this.handlers.gap?.();
        }
        this.opened = true;
      },
      event: (type, data) => {
        if (type === 'lost') {
          this.handlers.gap?.();
        } else {
          this.handlers.message(parseExact(data) as TransactionEvent);
        }
      },
      ended: (how) => {
        this.source = undefined;
        if (how === 'denied') {
          this.close();
          this.handlers.denied?.();
          return;
        }
        streamIs(this, 'down');
        if (how === 'no-stream') {
          this.handlers.failed?.();
        }
        this.timer = window.setTimeout(this.sight, AGAIN_MS);
      },
    });
  }
}

// Gathers what comes and hands it on in one piece.
function gathering<T>(hand: (all: T[]) => void, ms: () => number = () => GATHER_MS): (one: T) => void {
  let waiting: T[] = [];
  return (one) => {
    if (waiting.push(one) === 1) {
      setTimeout(() => {
        const all = waiting;
        waiting = [];
        hand(all);
      }, ms());
    }
  };
}

// Tells when too much happens to be followed.
export class Flood {
  private began = 0;
  private count = 0;

  // Of each event, with the time.
  over(now: number): boolean {
    if (now - this.began > FLOOD_MS) {
      this.began = now;
      this.count = 0;
    }
    return ++this.count > FLOOD_EVENTS;
  }
}

// Those who listen to all that happens share one stream.
interface Ear { message: (event: TransactionEvent) => void; gap: () => void }
const ears = new Set<Ear>();
const tell = (what: (ear: Ear) => void) => [...ears].forEach(what);
let everything: Stream | undefined;
let looking: number | undefined; // The timer in its place.
let resting: number | undefined; // Until it is tried again.

function look(): void {
  looking ??= window.setInterval(() => !document.hidden && tell((ear) => ear.gap()), LOOK_MS);
}

function hear(): void {
  if (everything) {
    return;
  }
  const flood = new Flood();
  everything = new Stream({
    url: () => '/v1/events',
    message: (event) => {
      tell((ear) => ear.message(event));
      if (flood.over(Date.now())) {
        rest();
      }
    },
    gap: () => tell((ear) => ear.gap()),
    denied: look, // A token with labels is told of no events.
  });
}

function rest(): void {
  everything?.close();
  look();
  resting ??= window.setTimeout(() => {
    fallSilent();
    if (ears.size > 0) {
      hear();
      tell((ear) => ear.gap()); // What happened between the last look and the first event.
    }
  }, FLOOD_REST_MS);
}

function fallSilent(): void {
  everything?.close();
  everything = undefined;
  clearInterval(looking);
  clearTimeout(resting);
  looking = resting = undefined;
}

// All that happens, until the answer is called. `gap` runs when events may have been missed: what is shown has to be
// read again.
export function listen(listener: (events: TransactionEvent[]) => void, gap: () => void): () => void {
  let gone = false;
  const ear = { message: gathering<TransactionEvent>((events) => !gone && listener(events)), gap };
  ears.add(ear);
  hear();
  return () => {
    gone = true;
    ears.delete(ear);
    // A view that only asks for something else listens again at once.
    setTimeout(() => ears.size === 0 && fallSilent());
  };
}

// A transaction's history and what follows it, each entry once and in order, also across a dropped connection.
export function useHistory(gid: string): HistoryEntry[] {
  const [entries, setEntries] = useState<HistoryEntry[]>([]);
  const [failed, setFailed] = useState(false);
  useWaiting(entries.length === 0 && !failed);
  useEffect(() => {
    const all: HistoryEntry[] = [];
    let gone = false;
    const last = () => all[all.length - 1]?.revision ?? 0;
    setEntries([]);
    // The more there is to draw, the less often.
    const redraw = gathering<void>(() => !gone && setEntries(all.slice()), () => Math.min(1_000, Math.max(GATHER_MS, all.length / 10)));
    const stream = new Stream({
      url: () => `/v1/transactions/${encodeURIComponent(gid)}/events?afterRevision=${last()}`,
      failed: () => setFailed(true),
      denied: () => setFailed(true),
      message: ({ entry }) => {
        if (entry.revision > last()) {
          all.push(entry);
          redraw();
        }
        if (entry.type === 'ended') {
          stream.close();
        }
      },
    });
    return () => {
      gone = true;
      stream.close();
    };
  }, [gid]);
  return entries;
}
