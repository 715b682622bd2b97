// Server-sent events by fetch: an EventSource can not send a token.

// What became of it: a stream that broke off or was never answered, an answer that is no stream, one that is not for this
// token.
export type Ended = 'broken' | 'no-stream' | 'denied';

interface Told {
  opened: () => void;
  event: (type: string, data: string) => void;
  ended: (how: Ended) => void; // Once, unless it was closed.
}

// The events of text that comes in pieces (https://html.spec.whatwg.org/multipage/server-sent-events.html).
export class EventParser {
  private rest = '';
  private type = '';
  private data: string[] = [];

  constructor(private readonly event: (type: string, data: string) => void) {}

  feed(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop()!;
    lines.forEach((line) => this.line(line.endsWith('\r') ? line.slice(0, -1) : line));
  }

  private line(line: string): void {
    if (line === '') {
      if (this.data.length > 0) {
        this.event(this.type || 'message', this.data.join('\n'));
      }
      this.type = '';
      this.data = [];
      return;
    }
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') {
      this.data.push(value);
    } else if (name === 'event') {
      this.type = value;
    }
  }
}

export class Source {
  private readonly stop = new AbortController();

  constructor(url: string, send: (request: Request) => Promise<Response>, private readonly told: Told) {
    void this.run(new Request(url, { headers: { Accept: 'text/event-stream' }, cache: 'no-store', signal: this.stop.signal }), send);
  }

  close(): void {
    this.stop.abort();
  }

  private async run(request: Request, send: (request: Request) => Promise<Response>): Promise<void> {
    let how: Ended = 'broken';
    try {
      const response = await send(request);
      if (response.status === 200 && response.body !== null) {
        await this.read(response.body);
      } else {
        how = response.status === 403 ? 'denied' : 'no-stream';
      }
    } catch {
      // A connection that breaks, or could not be made: it is opened again.
    }
    if (!this.stop.signal.aborted) {
      this.told.ended(how);
    }
  }

  private async read(body: ReadableStream<Uint8Array>): Promise<void> {
    this.told.opened();
    const parser = new EventParser((type, data) => !this.stop.signal.aborted && this.told.event(type, data));
    const decoder = new TextDecoder();
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      parser.feed(decoder.decode(value, { stream: true }));
    }
  }
}
