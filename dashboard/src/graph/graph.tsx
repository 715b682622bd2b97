// The steps as a graph: solid edges forward, dashed ones back where something is undone; a forEach is one node.
import { useMemo } from 'preact/hooks';
import type { Branch, Status } from '../api/client';
import { phaseText } from '../words/sentence';
import { t } from '../words/words';
import { HEIGHT, layOut, WIDTH, type Placed } from './layout';
import { groupByStep, stateOf, type Step, type StepState } from './steps';

const path = (points: { x: number; y: number }[]) => points.map((p, at) => `${at ? 'L' : 'M'}${p.x},${p.y}`).join('');

function lineTwo(step: Step, state: StepState, status: Status | undefined): string {
  if (step.forEach && state.branches.length > 0) {
    return `${state.done}/${state.branches.length}` + (state.stuck ? ` · ${state.stuck} !` : '');
  }
  const branch = state.branches[0];
  if (!branch) {
    return step.participant || step.kind;
  }
  const attempt = branch.attempt && branch.attempt > 1 ? ` ${branch.attempt}${branch.maxAttempts ? '/' + branch.maxAttempts : ''}` : '';
  return `${phaseText(branch, status)}${attempt}`;
}

// A button of the page's own rather than a shape with a role: it has its name, its focus and its keys for nothing.
function Node({ placed, state, status, chosen, onChoose }: {
  placed: Placed; state: StepState; status: Status | undefined; chosen: boolean; onChoose: (step: string) => void;
}) {
  const { step } = placed;
  const taken = state.branches[0]?.alternative;
  const marks = `${step.alternatives > 0 ? ' ways' : ''}${step.pivot ? ' pivot' : ''}${chosen ? ' chosen' : ''}`;
  return (
    <button type="button" class={`node t-${state.tone}${marks}`} style={{ left: `${placed.x - WIDTH / 2}px`, top: `${placed.y - HEIGHT / 2}px` }}
      aria-pressed={chosen} title={`${step.id}${step.when ? `\nwhen ${step.when}` : ''}`} onClick={() => onChoose(step.id)}>
      <span class="name">{step.id}</span>{' '}
      {taken !== undefined && taken > 0 && <span class="alt">{t('graph.alternative', { n: taken, m: step.alternatives })}</span>}
      <span class="sub">{lineTwo(step, state, status)}</span>
      {step.forEach && state.branches.length > 0 && (
        <span class="bar" style={{ width: `${(100 * state.done) / state.branches.length}%` }} />
      )}
    </button>
  );
}

// `branches` may be empty: then it is a definition that is drawn, not a run of it.
export function Graph({ steps, branches, status, chosen, onChoose }: {
  steps: Step[]; branches: Branch[]; status?: Status; chosen?: string; onChoose: (step: string) => void;
}) {
  const shape = JSON.stringify(steps.map((step) => [step.id, step.after]));
  const layout = useMemo(() => layOut(steps), [shape]);
  const byStep = useMemo(() => groupByStep(branches), [branches]);
  const states = useMemo(() => new Map(steps.map((step) => [step.id, stateOf(step, byStep)])), [shape, byStep]);
  const undone = (id: string) => ['undoing', 'undone'].includes(states.get(id)?.tone ?? '');
  return (
    <div class="graph">
      <div class="canvas" style={{ width: `${layout.width}px`, height: `${layout.height}px` }}>
        <svg width={layout.width} height={layout.height} aria-hidden="true">
          {layout.edges.map((edge) => (
            <g key={`${edge.from}>${edge.to}`}>
              <path class={`edge${states.get(edge.to)?.tone === 'skipped' ? ' faint' : ''}`} d={path(edge.points)} />
              {undone(edge.from) && undone(edge.to) && <path class="edge back" d={path(edge.points.map((p) => ({ x: p.x, y: p.y + 7 })))} />}
            </g>
          ))}
        </svg>
        {layout.nodes.map((placed) => (
          <Node key={placed.step.id} placed={placed} state={states.get(placed.step.id)!} status={status} chosen={chosen === placed.step.id} onChoose={onChoose} />
        ))}
      </div>
    </div>
  );
}
