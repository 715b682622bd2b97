// Prometheus text, as far as the page needs it.
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

export async function readMetrics(): Promise<Samples> {
  const response = await fetch('/metrics');
  if (!response.ok) {
    throw new Error(`metrics: ${response.status}`);
  }
  return parseMetrics(await response.text());
}
