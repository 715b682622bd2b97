// Prometheus text, as far as the page needs it.
import { ApiError, problemOf } from './client';
import { send } from './token';

export type Samples = Map<string, number>;

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^}]*\})?\s+(\S+)/;

// "name" or "name{label=\"value\"}" -> value.
export function parseMetrics(text: string): Samples {
  const samples: Samples = new Map();
  for (const line of text.split('\n')) {
    const match = LINE.exec(line);
    if (match && !line.startsWith('#')) {
      samples.set(match[1]! + (match[2] ?? ''), Number(match[3]));
    }
  }
  return samples;
}

// What lies between two bounds of a histogram.
export interface Bucket { from: number; to: number; count: number }

// Over all labels, or those that contain `label`. The last has as its end twice its beginning: it has none.
export function histogram(name: string, samples: Samples, label = ''): Bucket[] {
  const counts = new Map<number, number>();
  for (const [sample, value] of samples) {
    if (sample.startsWith(`${name}_bucket{`) && sample.includes(label)) {
      const bound = /le="([^"]+)"/.exec(sample)![1]!;
      const at = bound === '+Inf' ? Infinity : Number(bound);
      counts.set(at, (counts.get(at) ?? 0) + value);
    }
  }
  let [lower, below] = [0, 0];
  return [...counts].sort(([a], [b]) => a - b).map(([bound, count]) => {
    const bucket = { from: lower, to: bound === Infinity ? lower * 2 : bound, count: count - below };
    [lower, below] = [bound, count];
    return bucket;
  });
}

// Below which value a share `q` of what the histogram counted since `before` lies, as Prometheus estimates it; over all its
// labels, or those that contain `label`. Nothing where it counted nothing.
export function quantile(q: number, name: string, after: Samples, before?: Samples, label = ''): number | undefined {
  const counts = new Map<number, number>();
  for (const [sample, value] of after) {
    if (sample.startsWith(`${name}_bucket{`) && sample.includes(label)) {
      const bound = /le="([^"]+)"/.exec(sample)![1]!;
      const at = bound === '+Inf' ? Infinity : Number(bound);
      counts.set(at, (counts.get(at) ?? 0) + value - (before?.get(sample) ?? 0));
    }
  }
  const buckets = [...counts].sort(([a], [b]) => a - b);
  const all = buckets[buckets.length - 1]?.[1] ?? 0;
  if (all <= 0) {
    return undefined;
  }
  let [lower, below] = [0, 0];
  for (const [bound, count] of buckets) {
    if (count >= q * all && count > below) {
      return bound === Infinity ? lower : lower + (bound - lower) * ((q * all - below) / (count - below));
    }
    [lower, below] = [bound, count];
  }
  return lower;
}

export async function readMetrics(): Promise<Samples> {
  const response = await send(new Request('/metrics'));
  if (!response.ok) {
    throw new ApiError(problemOf(response, await response.json().catch(() => undefined)));
  }
  return parseMetrics(await response.text());
}
