// Keys of a view; silent while somebody types, or while a dialog is open.
import { useEffect, useRef } from 'preact/hooks';

export type Keys = Record<string, () => unknown>;

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT', 'BUTTON', 'A', 'SUMMARY'].includes(target.tagName));
}

export function useKeys(keys: Keys): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const named = event.key === 'Enter' || event.key.length === 1;
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]') || (named && typing(event.target))) {
        return;
      }
      const run = latest.current[event.key];
      if (run) {
        event.preventDefault();
        run();
      }
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, []);
}
