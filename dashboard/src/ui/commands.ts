// What can be done where one is, for the palette: each view says its own while it is shown.
import { useEffect, useRef } from 'preact/hooks';

export interface Command { label: string; run: () => void }

const views = new Set<{ current: Command[] }>();

export const commandsHere = (): Command[] => [...views].flatMap((view) => view.current);

export function useCommands(commands: Command[]): void {
  const latest = useRef(commands);
  latest.current = commands;
  useEffect(() => {
    views.add(latest);
    return () => void views.delete(latest);
  }, []);
}
