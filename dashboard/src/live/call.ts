// What a branch's operation sends, or would send if it were called now.
import { api, take, type BranchCall } from '../api/client';
import { useLoad, type Loaded } from './load';

export function useBranchCall(gid: string, branch: string): Loaded<BranchCall> {
  return useLoad(() => take(api.GET('/v1/transactions/{gid}/branches/{branch}/call', { params: { path: { gid, branch } } })), [gid, branch]);
}

export function sends(call: BranchCall): string {
  return [call.operation, call.participant, call.method, call.target, call.child].filter(Boolean).join(' ');
}
