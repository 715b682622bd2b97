// Where the steps of a graph stand, and how the lines between them run.
import dagre from '@dagrejs/dagre';
import type { Step } from './steps';

export const WIDTH = 168;
export const HEIGHT = 46;
const GAP_X = 44;
const GAP_Y = 18;
const MARGIN = 8;
// Beyond it dagre takes seconds, in which the page answers to nothing: edges that span many ranks cost it most.
const MOST_LAID_OUT = 60;
const COLUMNS = 12; // Of a large graph: after so many ranks it goes on below, as text does.
const GRID_COLUMNS = 6;

export interface Placed { step: Step; x: number; y: number } // Its middle.
export interface Edge { from: string; to: string; points: { x: number; y: number }[] }
export interface Layout { nodes: Placed[]; edges: Edge[]; width: number; height: number }

// Of steps that do not follow each other, such as the branches of a client.
function grid(steps: Step[]): Layout {
  const nodes = steps.map((step, at) => ({
    step, x: (at % GRID_COLUMNS) * (WIDTH + 16) + WIDTH / 2 + MARGIN, y: Math.floor(at / GRID_COLUMNS) * (HEIGHT + 12) + HEIGHT / 2 + MARGIN,
  }));
  return { nodes, edges: [], width: GRID_COLUMNS * (WIDTH + 16), height: Math.ceil(steps.length / GRID_COLUMNS) * (HEIGHT + 12) + 16 };
}

function byDagre(steps: Step[], before: (step: Step) => string[]): Layout {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: 'LR', nodesep: GAP_Y, ranksep: GAP_X, marginx: MARGIN, marginy: MARGIN });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const step of steps) {
    graph.setNode(step.id, { width: WIDTH, height: HEIGHT });
  }
  for (const step of steps) {
    for (const id of before(step)) {
      graph.setEdge(id, step.id);
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

// Each step one rank after the last of those it follows. What is in a circle, which no valid definition has, comes last.
export function ranksOf(steps: Step[], before: (step: Step) => string[]): Step[][] {
  const rank = new Map<string, number>();
  const waits = new Map(steps.map((step) => [step.id, before(step).length]));
  const followers = new Map<string, Step[]>();
  for (const step of steps) {
    for (const id of before(step)) {
      const all = followers.get(id);
      if (all) {
        all.push(step);
      } else {
        followers.set(id, [step]);
      }
    }
  }
  const ready = steps.filter((step) => waits.get(step.id) === 0);
  for (const step of ready) { // Grows as it is walked.
    const own = rank.get(step.id) ?? 0;
    rank.set(step.id, own);
    for (const next of followers.get(step.id) ?? []) {
      rank.set(next.id, Math.max(rank.get(next.id) ?? 0, own + 1));
      const left = waits.get(next.id)! - 1;
      waits.set(next.id, left);
      if (left === 0) {
        ready.push(next);
      }
    }
  }
  const ranks: Step[][] = [];
  for (const step of steps) {
    const at = waits.get(step.id) === 0 ? rank.get(step.id)! : ranks.length;
    while (ranks.length <= at) {
      ranks.push([]);
    }
    ranks[at]!.push(step);
  }
  return ranks;
}

// By rank, within it by where those stand that a step follows. Linear, where dagre is not.
function byRank(steps: Step[], before: (step: Step) => string[]): Layout {
  const ranks = ranksOf(steps, before);
  const place = new Map<string, { x: number; y: number }>();
  const nodes: Placed[] = [];
  let top = MARGIN;
  for (let first = 0; first < ranks.length; first += COLUMNS) {
    const band = ranks.slice(first, first + COLUMNS);
    band.forEach((column, at) => {
      const middle = (step: Step) => {
        const known = before(step).map((id) => place.get(id)?.y ?? 0);
        return known.reduce((sum, y) => sum + y, 0) / Math.max(known.length, 1);
      };
      const wish = new Map(column.map((step) => [step.id, middle(step)]));
      [...column].sort((a, b) => wish.get(a.id)! - wish.get(b.id)!).forEach((step, row) => {
        const spot = { x: MARGIN + at * (WIDTH + GAP_X) + WIDTH / 2, y: top + row * (HEIGHT + GAP_Y) + HEIGHT / 2 };
        place.set(step.id, spot);
        nodes.push({ step, ...spot });
      });
    });
    top += Math.max(...band.map((column) => column.length)) * (HEIGHT + GAP_Y) + GAP_Y;
  }
  const edges = steps.flatMap((step) => before(step).map((id) => {
    const [from, to] = [place.get(id)!, place.get(step.id)!];
    return { from: id, to: step.id, points: [{ x: from.x + WIDTH / 2, y: from.y }, { x: to.x - WIDTH / 2, y: to.y }] };
  }));
  return { nodes, edges, width: Math.min(ranks.length, COLUMNS) * (WIDTH + GAP_X) + 2 * MARGIN, height: top };
}

export function layOut(steps: Step[]): Layout {
  const known = new Set(steps.map((step) => step.id));
  const before = new Map(steps.map((step) => [step.id, [...new Set(step.after)].filter((id) => known.has(id) && id !== step.id)]));
  const of = (step: Step) => before.get(step.id)!;
  if (steps.length <= MOST_LAID_OUT) {
    return byDagre(steps, of);
  }
  return steps.some((step) => of(step).length > 0) ? byRank(steps, of) : grid(steps);
}
