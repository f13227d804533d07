export { type Bounds, DEFAULT_BOUNDS } from './bounds.ts';
export type * from './commands.ts';
export { Engine, HOLD_BACK_MS } from './engine.ts';
export type { Explanation, Lack } from './explain.ts';
export type * from './facts.ts';
export { type Lease, leasesInOrder } from './lease-table.ts';
export type { Limit } from './limit-table.ts';
export type { Place } from './place.ts';
export { looksTheSame, notFound, queueFull, type Refusal, type RefusalCode, resumed } from './refusals.ts';
export {
  canonical,
  emptyState,
  evolve,
  insertLease,
  type SnapshotUnderWay,
  type State,
  slotsIn,
} from './state.ts';
export { untrackedSlots } from './untracked.ts';
export { newUsage, type Usage } from './usage.ts';
export type { HolderView, LimitView, WaiterView } from './views.ts';
