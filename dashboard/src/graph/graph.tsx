// The steps as a graph: solid edges forward, dashed ones back where something is undone; a forEach is one node.
import dagre from '@dagrejs/dagre';
import { useMemo } from 'preact/hooks';
import type { Branch } from '../api/client';
import { word } from '../words/words';
import { groupByStep, stateOf, type Step, type StepState } from './steps';

const WIDTH = 168;
const HEIGHT = 46;
const MOST_LAID_OUT = 300; // Above it steps stand in a plain grid: a layout would take seconds.

interface Placed { step: Step; x: number; y: number }
interface Edge { from: string; to: string; points: { x: number; y: number }[] }
interface Layout { nodes: Placed[]; edges: Edge[]; width: number; height: number }

function grid(steps: Step[]): Layout {
  const columns = 6;
  const nodes = steps.map((step, at) => ({
    step, x: (at % columns) * (WIDTH + 16) + WIDTH / 2 + 8, y: Math.floor(at / columns) * (HEIGHT + 12) + HEIGHT / 2 + 8,
  }));
  return { nodes, edges: [], width: columns * (WIDTH + 16), height: Math.ceil(steps.length / columns) * (HEIGHT + 12) + 16 };
}

function layOut(steps: Step[]): Layout {
  if (steps.length > MOST_LAID_OUT) {
    return grid(steps);
  }
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: 'LR', nodesep: 18, ranksep: 44, marginx: 8, marginy: 8 });
  graph.setDefaultEdgeLabel(() => ({}));
  const known = new Set(steps.map((step) => step.id));
  for (const step of steps) {
    graph.setNode(step.id, { width: WIDTH, height: HEIGHT });
  }
  for (const step of steps) {
    for (const before of step.after.filter((id) => known.has(id))) {
      graph.setEdge(before, step.id);
    }
  }
  dagre.layout(graph);
  const size = graph.graph();
  return {
    nodes: steps.map((step) => ({ step, x: graph.node(step.id).x, y: graph.node(step.id).y })),
    edges: graph.edges().map((edge) => ({ from: edge.v, to: edge.w, points: graph.edge(edge).points })),
    width: size.width ?? WIDTH,
    height: size.height ?? HEIGHT,
  };
}

const path = (points: { x: number; y: number }[]) => points.map((p, at) => `${at ? 'L' : 'M'}${p.x},${p.y}`).join('');

const clip = (text: string, most: number) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function lineTwo(step: Step, state: StepState): string {
  if (step.forEach && state.branches.length > 0) {
    return `${state.done}/${state.branches.length}` + (state.stuck ? ` · ${state.stuck} !` : '');
  }
  const branch = state.branches[0];
  if (!branch) {
    return step.participant || step.kind;
  }
  const attempt = branch.attempt && branch.attempt > 1 ? ` ${branch.attempt}${branch.maxAttempts ? '/' + branch.maxAttempts : ''}` : '';
  return `${word('phase', branch.phase)}${attempt}`;
}

function Node({ placed, state, chosen, onChoose }: {
  placed: Placed; state: StepState; chosen: boolean; onChoose: (step: string) => void;
}) {
  const { step } = placed;
  const taken = state.branches[0]?.alternative;
  const choose = () => onChoose(step.id);
  return (
    <g class={`node t-${state.tone}${chosen ? ' chosen' : ''}`} transform={`translate(${placed.x - WIDTH / 2},${placed.y - HEIGHT / 2})`}
      role="button" tabIndex={0} aria-label={`${clip(step.id, 21)} ${clip(lineTwo(step, state), 24)}${taken ? ` alt ${taken}` : ''}`} aria-pressed={chosen} onClick={choose}
      onKeyDown={(e) => (e.key === 'Enter' || e.key === ' ') && (e.preventDefault(), choose())}>
      <title>{step.id}{step.when ? `\nwhen ${step.when}` : ''}</title>
      {step.alternatives > 0 && <rect class="behind" x="4" y="4" width={WIDTH} height={HEIGHT} rx="5" />}
      <rect class="box" width={WIDTH} height={HEIGHT} rx="5" />
      {step.pivot && <line class="pivot" x1={WIDTH} x2={WIDTH} y1="-5" y2={HEIGHT + 5} />}
      <text class="name" x="10" y="19">{clip(step.id, 21)}</text>
      <text class="sub" x="10" y="35">{clip(lineTwo(step, state), 24)}</text>
      {taken !== undefined && taken > 0 && <text class="alt" x={WIDTH - 8} y="19" text-anchor="end">alt {taken}</text>}
      {step.forEach && state.branches.length > 0 && (
        <rect class="bar" x="0" y={HEIGHT - 4} width={(WIDTH * state.done) / state.branches.length} height="4" />
      )}
    </g>
  );
}

// `branches` may be empty: then it is a definition that is drawn, not a run of it.
export function Graph({ steps, branches, chosen, onChoose }: {
  steps: Step[]; branches: Branch[]; chosen?: string; onChoose: (step: string) => void;
}) {
  const shape = JSON.stringify(steps.map((step) => [step.id, step.after]));
  const layout = useMemo(() => layOut(steps), [shape]);
  const byStep = useMemo(() => groupByStep(branches), [branches]);
  const states = new Map(steps.map((step) => [step.id, stateOf(step, byStep)]));
  const undone = (id: string) => ['undoing', 'undone'].includes(states.get(id)?.tone ?? '');
  return (
    <div class="graph">
      <svg width={layout.width} height={layout.height} viewBox={`0 0 ${layout.width} ${layout.height}`} role="group">
        {layout.edges.map((edge) => (
          <g key={`${edge.from}>${edge.to}`}>
            <path class={`edge${states.get(edge.to)?.tone === 'skipped' ? ' faint' : ''}`} d={path(edge.points)} />
            {undone(edge.from) && undone(edge.to) && <path class="edge back" d={path(edge.points.map((p) => ({ x: p.x, y: p.y + 7 })))} />}
          </g>
        ))}
        {layout.nodes.map((placed) => (
          <Node key={placed.step.id} placed={placed} state={states.get(placed.step.id)!} chosen={chosen === placed.step.id} onChoose={onChoose} />
        ))}
      </svg>
    </div>
  );
}
