// The coordinator's REST API, typed by the document that it serves itself.
import createClient from 'openapi-fetch';
import { answerCame } from '../live/link';
import { parseExact } from './exact';
import { send } from './token';
import type { components, paths } from './schema';

type Schemas = components['schemas'];
export type Branch = Schemas['Branch'];
// With its branches, which the coordinator leaves out where they are many.
export type Transaction = Schemas['Transaction'] & { branches: Branch[] };
export type Summary = Schemas['TransactionSummary'];
export type BulkAction = Schemas['BulkAction'];
export type BranchCall = Schemas['BranchCall'];
export type Incident = Schemas['Incident'];
export type Participant = Schemas['Participant'];
export type Node = Schemas['Node'];
export type DeadLetter = Schemas['DeadLetter'];
export type AuditEntry = Schemas['AuditEntry'];
export type Definition = Schemas['Definition'];
export type DryRunReport = Schemas['DryRunReport'];
export type HistoryEntry = Schemas['HistoryEntry'];
export type TransactionEvent = Schemas['TransactionEvent'];
export type Health = Schemas['Health'];
export type Session = Schemas['Session'];
export type Problem = Schemas['Problem'];
export type DefinitionProblem = Schemas['DefinitionProblem'];
export type Status = Summary['status'];
export type ListQuery = NonNullable<paths['/v1/transactions']['get']['parameters']['query']>;
export type AuditQuery = NonNullable<paths['/v1/audit']['get']['parameters']['query']>;

async function fetchExact(request: Request): Promise<Response> {
  const response = await send(request);
  response.json = async () => parseExact(await response.text());
  return response;
}

export const api = createClient<paths>({ baseUrl: location.origin, fetch: fetchExact });

// An answer of 400 or more, or none at all (`problem` is absent then).
export class ApiError extends Error {
  constructor(readonly problem: Problem | undefined, cause?: unknown) {
    super(problem ? problem.detail : String(cause ?? 'no answer'));
  }
  get code(): string {
    return this.problem?.code ?? '';
  }
  // Not for the token that was shown; asking again is of no use.
  get denied(): boolean {
    return this.problem?.status === 403;
  }
}

// What an answer that is no success says.
export function problemOf(response: Response, error: unknown): Problem {
  return error && typeof error === 'object' ? (error as Problem)
    : { type: '', title: response.statusText, status: response.status, detail: String(error || response.statusText), code: '' };
}

// The data of an answer, or an ApiError.
export async function take<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  let answer;
  try {
    answer = await call;
    answerCame(true);
  } catch (cause) {
    answerCame(false);
    throw new ApiError(undefined, cause);
  }
  if (answer.error !== undefined || !answer.response.ok) {
    throw new ApiError(problemOf(answer.response, answer.error));
  }
  return answer.data as T;
}

const PAGE = 1000;

// The elements of all pages. `page` asks for the one after a cursor.
export async function takeAll<T>(page: (query: { limit: number; cursor?: string }) => Promise<{ items: T[]; nextCursor?: string }>): Promise<T[]> {
  const all: T[] = [];
  let cursor: string | undefined;
  do {
    const taken = await page({ limit: PAGE, cursor });
    all.push(...taken.items);
    cursor = taken.nextCursor || undefined;
  } while (cursor);
  return all;
}

export async function takeTransaction(gid: string): Promise<Transaction> {
  const path = { gid };
  const txn = await take(api.GET('/v1/transactions/{gid}', { params: { path } }));
  const branches = txn.branches ?? await takeAll(async (query) => {
    const page = await take(api.GET('/v1/transactions/{gid}/branches', { params: { path, query } }));
    return { items: page.branches, nextCursor: page.nextCursor };
  });
  return { ...txn, branches };
}

export function takeParticipants(): Promise<Participant[]> {
  return takeAll(async (query) => {
    const page = await take(api.GET('/v1/participants', { params: { query } }));
    return { items: page.participants, nextCursor: page.nextCursor };
  });
}

export function takeDefinitions(): Promise<Definition[]> {
  return takeAll(async (query) => {
    const page = await take(api.GET('/v1/definitions', { params: { query } }));
    return { items: page.definitions, nextCursor: page.nextCursor };
  });
}

export function takeVersions(name: string): Promise<Definition[]> {
  return takeAll(async (query) => {
    const page = await take(api.GET('/v1/definitions/{name}/versions', { params: { path: { name }, query } }));
    return { items: page.definitions, nextCursor: page.nextCursor };
  });
}

// Answers 503 with a report, too.
export async function health(): Promise<Health> {
  return (await (await fetch('/healthz')).json()) as Health;
}

export function isOpen(status: Status): boolean {
  return status === 'ACTIVE' || status === 'COMMITTING' || status === 'ABORTING';
}
