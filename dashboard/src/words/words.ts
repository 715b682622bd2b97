// The words of the page in the viewer's language.
import { english, type Catalogue, type Key } from './english';
import { korean } from './korean';

const CATALOGUES: Record<string, Catalogue> = { en: english, ko: korean };
export const LANGUAGES: [string, string][] = [['en', 'English'], ['ko', '한국어']];

export type Values = Record<string, string | number>;

function remembered(): string {
  const chosen = localStorage.getItem('language') ?? navigator.language.slice(0, 2);
  return chosen in CATALOGUES ? chosen : 'en';
}

export let language = remembered();

export function chooseLanguage(code: string): void {
  language = code;
  localStorage.setItem('language', code);
  document.documentElement.lang = code;
}

export function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}

export function t(key: Key, values: Values = {}): string {
  return fill(CATALOGUES[language]![key], values);
}

// A word of the API ("forward-backoff") in the viewer's language; itself if the page does not know it yet.
export function word(family: 'phase' | 'status' | 'blocked' | 'cause', name: string, values: Values = {}): string {
  const key = `${family}.${name}` as Key;
  return key in english ? t(key, values) : name;
}
