// A definition's steps, as far as drawing them needs: what follows what, and where each stands in a transaction.
import type { Branch } from '../api/client';

export interface Step {
  id: string;
  after: string[];
  participant: string;
  kind: 'call' | 'wait' | 'child';
  forEach: boolean;
  pivot: boolean;
  when: string;
  alternatives: number;
  undo: boolean;
}

type Doc = Record<string, unknown>;

function isDoc(value: unknown): value is Doc {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

// What a step follows, or those of which it follows the first; nothing if it does not say.
function statedAfter(after: unknown): string[] | undefined {
  const named = isDoc(after) ? after.any : after;
  return Array.isArray(named) ? named.map(String) : typeof named === 'string' ? [named] : undefined;
}

// Steps run in order unless `after` says otherwise. A source that can not be read has none.
export function stepsOf(source: string | undefined): Step[] {
  let document: unknown;
  try {
    document = JSON.parse(source ?? '');
  } catch {
    return [];
  }
  const list = isDoc(document) && Array.isArray(document.steps) ? document.steps.filter(isDoc) : [];
  return list.map((step, at) => {
    const previous = at > 0 ? [String(list[at - 1]!.id)] : [];
    return {
      id: String(step.id),
      after: statedAfter(step.after) ?? previous,
      participant: String(step.participant ?? ''),
      kind: step.wait !== undefined ? 'wait' : step.transaction !== undefined ? 'child' : 'call',
      forEach: step.forEach !== undefined,
      pivot: step.pivot === true,
      when: typeof step.when === 'string' ? step.when : '',
      alternatives: Array.isArray(step.alternatives) ? step.alternatives.length : 0,
      undo: isDoc(step.compensate) || isDoc(step.cancel) || isDoc(step.rollback),
    };
  });
}

// Of a transaction without a definition: its branches, side by side.
export function stepsOfBranches(branches: Branch[]): Step[] {
  const seen = new Map<string, Step>();
  for (const branch of branches) {
    seen.set(branch.step, { id: branch.step, after: [], participant: branch.participant ?? '', kind: 'call',
      forEach: branch.index !== undefined, pivot: false, when: '', alternatives: 0, undo: true });
  }
  return [...seen.values()];
}

export type Tone = 'idle' | 'moving' | 'done' | 'skipped' | 'refused' | 'undoing' | 'undone' | 'stuck' | 'retrying';

const TONES: Record<string, Tone> = {
  blocked: 'idle', skipped: 'skipped', enlisted: 'moving', waiting: 'moving', forward: 'moving', 'forward-backoff': 'retrying',
  'forward-pending': 'moving', done: 'done', 'read-only': 'done', refused: 'refused', 'gave-up': 'refused', 'forward-stuck': 'stuck',
  undo: 'undoing', 'undo-backoff': 'undoing', 'undo-pending': 'undoing', undone: 'undone', 'undo-stuck': 'stuck', finish: 'moving',
  'finish-backoff': 'retrying', 'finish-pending': 'moving', finished: 'done', 'finish-stuck': 'stuck',
};

export function toneOf(branch: Branch): Tone {
  return TONES[branch.phase] ?? 'idle';
}

export interface StepState {
  tone: Tone;
  branches: Branch[];
  done: number;
  stuck: number;
}

// The worst of a step's branches gives its tone.
const WORST: Tone[] = ['stuck', 'undoing', 'retrying', 'moving', 'refused', 'undone', 'idle', 'done', 'skipped'];

export function stateOf(step: Step, byStep: Map<string, Branch[]>): StepState {
  const branches = byStep.get(step.id) ?? [];
  const tones = branches.map(toneOf);
  return {
    tone: WORST.find((tone) => tones.includes(tone)) ?? 'idle',
    branches,
    done: tones.filter((tone) => tone === 'done').length,
    stuck: tones.filter((tone) => tone === 'stuck').length,
  };
}

export function groupByStep(branches: Branch[]): Map<string, Branch[]> {
  const groups = new Map<string, Branch[]>();
  for (const branch of branches) {
    const group = groups.get(branch.step);
    if (group) {
      group.push(branch);
    } else {
      groups.set(branch.step, [branch]);
    }
  }
  return groups;
}
