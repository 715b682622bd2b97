// Server-sent events: one connection to all that happens, one to a transaction that is looked at. The browser
// comes back by itself with Last-Event-ID; what it says of itself is shown as "reconnecting".
import { useEffect, useState } from 'preact/hooks';
import type { HistoryEntry, TransactionEvent } from '../api/client';

type Listener = (event: TransactionEvent) => void;
type Link = 'connecting' | 'live' | 'lost';

const QUIET_MS = 2_000; // A drop shorter than this is not worth a word.

// The live feed, shared by the views; it is open while anybody listens.
class Feed {
  private source: EventSource | undefined;
  private readonly listeners = new Set<Listener>();
  private readonly gaps = new Set<() => void>();
  private readonly watchers = new Set<() => void>();
  link: Link = 'connecting';
  since = Date.now();

  // `gap` runs when events may have been missed: what is shown has to be read again.
  listen(listener: Listener, gap: () => void): () => void {
    this.listeners.add(listener);
    this.gaps.add(gap);
    if (!this.source) {
      this.open();
    }
    return () => {
      this.listeners.delete(listener);
      this.gaps.delete(gap);
    };
  }

  watch(changed: () => void): () => void {
    this.watchers.add(changed);
    return () => this.watchers.delete(changed);
  }

  private open(): void {
    const source = new EventSource('/v1/events');
    this.source = source;
    let opened = false;
    source.onopen = () => {
      this.set('live');
      if (opened) {
        this.gaps.forEach((gap) => gap());
      }
      opened = true;
    };
    source.onerror = () => {
      this.set('lost');
      if (source.readyState === EventSource.CLOSED) {
        // The browser gave up (an answer that is not a stream); it does not try again, so we do.
        this.source = undefined;
        setTimeout(() => {
          if (!this.source) {
            this.open();
          }
        }, QUIET_MS);
      }
    };
    source.onmessage = (message) => this.tell(message.data);
    source.addEventListener('lost', () => this.gaps.forEach((gap) => gap()));
  }

  private tell(data: string): void {
    const event = JSON.parse(data) as TransactionEvent;
    this.listeners.forEach((listener) => listener(event));
  }

  private set(link: Link): void {
    if (this.link !== link) {
      this.link = link;
      this.since = Date.now();
      this.watchers.forEach((changed) => changed());
    }
  }
}

export const feed = new Feed();

// Since when the coordinator can not be heard, or undefined.
export function useLost(): number | undefined {
  const [, redraw] = useState(0);
  useEffect(() => feed.watch(() => redraw((n) => n + 1)), []);
  useEffect(() => {
    const timer = setInterval(() => redraw((n) => n + 1), QUIET_MS);
    return () => clearInterval(timer);
  }, []);
  return feed.link === 'lost' && Date.now() - feed.since > QUIET_MS ? feed.since : undefined;
}

// A transaction's history and what follows it, each entry once and in order, also across a dropped connection.
export function useHistory(gid: string): HistoryEntry[] {
  const [entries, setEntries] = useState<HistoryEntry[]>([]);
  useEffect(() => {
    let all: HistoryEntry[] = [];
    let scheduled = false;
    const flush = () => {
      scheduled = false;
      setEntries(all.slice());
    };
    setEntries([]);
    const source = new EventSource(`/v1/transactions/${encodeURIComponent(gid)}/events`);
    source.onmessage = (message) => {
      const event = JSON.parse(message.data) as TransactionEvent;
      if (event.entry.revision > (all[all.length - 1]?.revision ?? 0)) {
        all.push(event.entry);
        if (!scheduled) {
          scheduled = true;
          requestAnimationFrame(flush);
        }
      }
    };
    return () => {
      all = [];
      source.close();
    };
  }, [gid]);
  return entries;
}
