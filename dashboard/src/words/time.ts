// Instants and spans as people say them.
import { t } from './words';

export type Zone = 'local' | 'utc';
export let zone: Zone = localStorage.getItem('zone') === 'utc' ? 'utc' : 'local';

export function chooseZone(to: Zone): void {
  zone = to;
  localStorage.setItem('zone', to);
}

const STEPS: [number, string][] = [[86_400_000, 'd'], [3_600_000, 'h'], [60_000, 'min'], [1_000, 's']];

// 1234 -> "1.2 s", 75_000 -> "1 min 15 s": two units at most.
export function span(ms: number): string {
  const size = Math.abs(ms);
  if (size > 0 && size < 1) {
    return `${Math.round(size * 1_000)} µs`;
  }
  if (size < 1_000) {
    return `${Math.round(size)} ms`;
  }
  if (size < 10_000) {
    return `${(size / 1_000).toFixed(1)} s`;
  }
  const first = STEPS.findIndex(([unit]) => size >= unit);
  const [unit, name] = STEPS[first]!;
  const whole = Math.floor(size / unit);
  const rest = STEPS[first + 1];
  const part = rest ? Math.floor((size - whole * unit) / rest[0]) : 0;
  return part && rest ? `${whole} ${name} ${part} ${rest[1]}` : `${whole} ${name}`;
}

// 75_000 -> "1 min": for narrow columns.
export function shortSpan(ms: number): string {
  return span(ms).split(' ').slice(0, 2).join(' ');
}

export function relative(instant: string, now = Date.now(), say: (ms: number) => string = span): string {
  const ms = Date.parse(instant) - now;
  if (Math.abs(ms) < 1_000) {
    return t('common.now');
  }
  return ms < 0 ? t('common.ago', { t: say(-ms) }) : t('common.in', { t: say(ms) });
}

export function exact(instant: string): string {
  const at = new Date(instant);
  if (Number.isNaN(at.getTime())) {
    return instant;
  }
  if (zone === 'utc') {
    return at.toISOString().replace('T', ' ').replace(/(\.\d+)Z$/, '$1 UTC');
  }
  const two = (n: number, width = 2) => String(n).padStart(width, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ` +
    `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${two(at.getMilliseconds(), 3)}`;
}

export function clock(instant: string): string {
  return exact(instant).slice(11, 19);
}

// "1.5s", as the API writes a duration.
export const spanOfSeconds = (text: string): string => span(parseFloat(text) * 1_000);

// 1536 -> "1.5 KiB".
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(count, 1)) / 10));
  const value = count / 1024 ** power;
  return `${power > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}
