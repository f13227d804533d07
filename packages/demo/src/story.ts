/** What happened in the demo, and what follows from it. Pure: the picture and the sum come from these events alone. */

/** Times are milliseconds of a clock that all processes of a machine share. */
export type StoryEvent =
  | { readonly type: 'waits'; readonly worker: number; readonly atMs: number }
  | { readonly type: 'holds'; readonly worker: number; readonly atMs: number }
  /** The work is done; the slot is given back from here on. */
  | { readonly type: 'rests'; readonly worker: number; readonly atMs: number }
  | { readonly type: 'failed'; readonly worker: number; readonly atMs: number; readonly message: string }
  | { readonly type: 'killed'; readonly worker: number; readonly atMs: number }
  | { readonly type: 'server.ready'; readonly atMs: number }
  | { readonly type: 'server.killed'; readonly atMs: number };

export type Activity = 'absent' | 'waits' | 'holds' | 'rests' | 'killed';

/** A worker, or the server, in one state from then on. */
interface Turn<State> {
  readonly atMs: number;
  readonly state: State;
}

/**
 * The events in their order in time. They come over one channel a process, so a later one may come first; the times in
 * them are what counts.
 */
export class Story {
  readonly #events: StoryEvent[] = [];

  add(event: StoryEvent): void {
    const after = this.#events.findLastIndex((earlier) => earlier.atMs <= event.atMs);
    this.#events.splice(after + 1, 0, event);
  }

  get events(): readonly StoryEvent[] {
    return this.#events;
  }

  /** What a worker does at that instant, and since when. */
  activity(worker: number, atMs: number): Turn<Activity> {
    const last = this.#events.findLast((event) => event.atMs <= atMs && isAbout(event, worker));
    if (last === undefined) return { atMs: -Infinity, state: 'absent' };
    return { atMs: last.atMs, state: activityAfter(last) };
  }

  server(atMs: number): 'absent' | 'up' | 'killed' {
    const last = this.#events.findLast((event) => event.atMs <= atMs && event.type.startsWith('server.'));
    if (last === undefined) return 'absent';
    return last.type === 'server.ready' ? 'up' : 'killed';
  }

  /** The workers of `count` that are in that state, who has been in it longest first. */
  those(state: Activity, count: number, atMs: number): { readonly worker: number; readonly sinceMs: number }[] {
    return Array.from({ length: count }, (_, i) => ({ worker: i + 1, turn: this.activity(i + 1, atMs) }))
      .filter(({ turn }) => turn.state === state)
      .map(({ worker, turn }) => ({ worker, sinceMs: turn.atMs }))
      .sort((a, b) => a.sinceMs - b.sinceMs);
  }
}

function isAbout(event: StoryEvent, worker: number): boolean {
  return 'worker' in event && event.worker === worker && event.type !== 'failed';
}

function activityAfter(event: StoryEvent): Activity {
  return event.type === 'waits' || event.type === 'holds' || event.type === 'rests' || event.type === 'killed'
    ? event.type
    : 'absent';
}

export interface Sum {
  readonly grants: number;
  /** The fewest and the most grants of one worker, the killed ones left out. */
  readonly grantsOfOne: { readonly fewest: number; readonly most: number };
  /** The most that worked at one instant. */
  readonly peak: number;
  readonly longestWaitMs: number;
  /** From the kill of a holder until all slots were in use again without it; null if that never came. */
  readonly regrantedAfterMs: number | null;
  /** From the kill of the server until it was ready again; null if that never came. */
  readonly serverAwayMs: number | null;
  /** From the kill of the server until the first grant of the restarted one; null if that never came. */
  readonly firstGrantAfterMs: number | null;
  readonly failures: readonly string[];
}

/** Adds the events up. `slots` is what the limit has, `workers` how many there are. */
export function sumOf(events: readonly StoryEvent[], slots: number, workers: number): Sum {
  const holding = new Set<number>();
  const waitingSince = new Map<number, number>();
  const grants = new Map<number, number>(Array.from({ length: workers }, (_, i) => [i + 1, 0]));
  const failures: string[] = [];
  let all = 0;
  let peak = 0;
  let longestWaitMs = 0;
  for (const event of events) {
    if (event.type === 'waits') waitingSince.set(event.worker, event.atMs);
    if (event.type === 'rests') holding.delete(event.worker);
    if (event.type === 'killed') {
      holding.delete(event.worker);
      grants.delete(event.worker);
    }
    if (event.type === 'failed') failures.push(`worker ${event.worker}: ${event.message}`);
    if (event.type !== 'holds') continue;
    all += 1;
    grants.set(event.worker, (grants.get(event.worker) ?? 0) + 1);
    holding.add(event.worker);
    peak = Math.max(peak, holding.size);
    longestWaitMs = Math.max(longestWaitMs, event.atMs - (waitingSince.get(event.worker) ?? event.atMs));
  }
  const readyAgain = serverReadyAgain(events);
  return {
    grants: all,
    grantsOfOne: { fewest: Math.min(...grants.values()), most: Math.max(...grants.values()) },
    peak,
    longestWaitMs,
    regrantedAfterMs: regrantedAfterMs(events, slots),
    serverAwayMs: readyAgain?.awayMs ?? null,
    firstGrantAfterMs: readyAgain?.firstGrantAfterMs ?? null,
    failures,
  };
}

/** The killed holder's slot is granted on with the grant that fills all slots again, without it. */
function regrantedAfterMs(events: readonly StoryEvent[], slots: number): number | null {
  const holding = new Set<number>();
  let killedAtMs: number | undefined;
  for (const event of events) {
    if (event.type === 'rests' || event.type === 'killed') holding.delete(event.worker);
    if (event.type === 'killed') killedAtMs = event.atMs;
    if (event.type === 'holds') holding.add(event.worker);
    if (killedAtMs !== undefined && holding.size === slots) return event.atMs - killedAtMs;
  }
  return null;
}

/** A worker may report a grant from before the kill after it. So only grants after the server's return count. */
function serverReadyAgain(
  events: readonly StoryEvent[],
): { readonly awayMs: number; readonly firstGrantAfterMs: number | null } | undefined {
  const killed = events.find((event) => event.type === 'server.killed');
  if (killed === undefined) return undefined;
  const ready = events.find((event) => event.type === 'server.ready' && event.atMs > killed.atMs);
  if (ready === undefined) return undefined;
  const grant = events.find((event) => event.type === 'holds' && event.atMs > ready.atMs);
  return { awayMs: ready.atMs - killed.atMs, firstGrantAfterMs: grant ? grant.atMs - killed.atMs : null };
}
