// JSON whose numbers keep their digits. A browser reads 12345678901234567890 as 12345678901234567000; shown so it would
// mislead, and sent back so, by somebody who edited something else, it would do harm.

// The browser's own means for it (ES2026: JSON.parse source text access), where it has them.
type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown;
const parse = JSON.parse as (text: string, reviver?: Reviver) => unknown;
const rawJSON = (JSON as unknown as { rawJSON?: (text: string) => unknown }).rawJSON;

const LONG = /\d{16}/; // Whatever has fewer digits in a row is exact already.

function survives(source: string): boolean {
  return /[.eE]/.test(source) ? source.replace(/^[-0.]+|[eE].*$|\./g, '').length <= 17 : Number.isSafeInteger(Number(source));
}

// What stands for a long number is written by JSON.stringify as it was read.
export function parseExact(text: string): unknown {
  if (!rawJSON || !LONG.test(text)) {
    return parse(text);
  }
  return parse(text, (_, value, context) => (typeof value === 'number' && context?.source && !survives(context.source) ? rawJSON(context.source) : value));
}

// What somebody typed and will be sent; undefined for nothing. Throws for what is not JSON, and for what this browser
// would not send as it was typed.
export function typedJson(text: string): unknown {
  if (!text.trim()) {
    return undefined;
  }
  const value = parseExact(text);
  if (!rawJSON && LONG.test(text)) {
    throw new Error('This browser can not keep all digits of a number: use a newer one, or the command line.');
  }
  return value;
}
