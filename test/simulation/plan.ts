/**
 * What one simulation does, drawn from a seed: which clients, which work, which faults and when. Swarm style: each seed
 * has some of the kinds of faults and work and not others, so that rare combinations come up. A plan is plain JSON: it
 * can be kept, made smaller, and run again.
 */
import { Random } from '../random.ts';

export interface Plan {
  readonly seed: number;
  readonly hours: number;
  readonly latencyMs: readonly [min: number, max: number];
  /** Whether frames travel as text, as over a WebSocket; default: true. */
  readonly isText?: boolean;
  /** How long the journal takes to make a batch durable, when nothing is wrong with it. */
  readonly appendMs: number;
  /** Default: the server's own. */
  readonly snapshotEveryFacts?: number;
  readonly limits: readonly LimitPlan[];
  readonly clients: readonly ClientPlan[];
  readonly faults: readonly Fault[];
  readonly changes: readonly Change[];
}

export interface LimitPlan {
  readonly name: string;
  readonly slots: number;
  /** Of a rate; otherwise it is a semaphore. */
  readonly slotDecayPerSecond?: number;
}

export interface ClientPlan {
  /** A source of random numbers of its own, so that changes of the others do not change it. */
  readonly seed: number;
  readonly ttlMs: number;
  readonly connectTimeoutMs: number;
  readonly clockRate: number;
  readonly work: Work;
}

/** How a client works; chances are from 0 to 1. */
export interface Work {
  /** Between two acquires, in the mean. */
  readonly everyMs: number;
  /** More than one: so many are asked for in one moment, and held as long as one another, as seldom as leaves the mean. */
  readonly atOnce?: number;
  readonly holdMs: number;
  /** Of holding for about twice the time to live. */
  readonly holdsLong: number;
  readonly slotsMax: number;
  readonly severalLimits: number;
  readonly priority: number;
  readonly timeout: number;
  readonly aTry: number;
  readonly cancel: number;
  /** Of `concurrency(…, body)` instead of `acquire`. */
  readonly body: number;
  readonly keepsOn: number;
  readonly allowsMissing: number;
  readonly createsMissing: number;
  readonly check: number;
  /** Of `rateLimit(…)`, if all that is wanted is of rates. */
  readonly spends?: number;
}

export type Fault = { readonly atMs: number } & (
  | { readonly kind: 'server killed' | 'server stopped'; readonly forMs: number; readonly silently: boolean }
  | { readonly kind: 'server stalled'; readonly forMs: number }
  | { readonly kind: 'all cut' | 'cut' | 'reply lost'; readonly client: number }
  | {
      /** Nothing arrives, and neither end is notified. */
      readonly kind: 'silent' | 'all silent';
      readonly client: number;
      readonly direction: 'to server' | 'to client' | 'both';
      /** Slower by so much for a while before: answers are under way as it begins. */
      readonly slowMs: number;
      readonly forMs: number;
    }
  | { readonly kind: 'slow network'; readonly client: number; readonly extraMs: number; readonly forMs: number }
  | { readonly kind: 'left behind'; readonly client: number; readonly forMs: number; readonly afterMs: number }
  | { readonly kind: 'slow journal'; readonly appendMs: number; readonly forMs: number }
  | { readonly kind: 'append fails'; readonly when: 'before' | 'after' }
  | {
      readonly kind: 'crash';
      readonly step: 'opened' | 'before the write' | 'after the write' | 'before the snapshot' | 'after the snapshot';
      readonly forMs: number;
    }
  | { readonly kind: 'client killed'; readonly client: number; readonly forMs: number; readonly silently: boolean }
  | { readonly kind: 'client closed'; readonly client: number; readonly forMs: number }
  | { readonly kind: 'client paused' | 'client suspended'; readonly client: number; readonly forMs: number }
  | { readonly kind: 'wall jumps'; readonly client: number | null; readonly byMs: number }
);
export type FaultKind = Fault['kind'];

/** What an operator does to a limit. */
export type Change = { readonly atMs: number; readonly limit: number } & (
  | { readonly kind: 'resize'; readonly slots: number }
  | { readonly kind: 'off' | 'pause' | 'drain' | 'delete'; readonly forMs: number }
  | { readonly kind: 'settings'; readonly overtakes: number; readonly maxWaiters: number | null }
  /** Null: it is a semaphore for so long. */
  | { readonly kind: 'decay'; readonly slotDecayPerSecond: number | null; readonly forMs: number }
);

/** The part of all seeds in which frames travel as text, which takes a third more time: the codec has tests and a fuzz of its own. */
const TEXT = 0.1;
/** Between two acquires of a client, in the mean. */
const EVERY_MS = 1_000;
/** What clients ask for in one moment; each seed has one of them. */
const BATCHES = [1, 1, 2, 4, 8];
/** A hold, in the mean. */
const HOLD_MS_MIN = 5;
const HOLD_MS_MAX = 3_000;
/** Beyond so many hours there is a quarter as many faults and changes. */
const FULL_HOURS = 0.5;

const FAULTS: { readonly [K in FaultKind]: (random: Random, atMs: number, clients: number) => Fault } = {
  'server killed': (random, atMs) => ({
    atMs,
    kind: 'server killed',
    forMs: spread(random, 50, 20_000),
    silently: random.next() < 0.2,
  }),
  'server stopped': (random, atMs) => ({
    atMs,
    kind: 'server stopped',
    forMs: spread(random, 50, 5_000),
    silently: false,
  }),
  'server stalled': (random, atMs) => ({ atMs, kind: 'server stalled', forMs: spread(random, 50, 40_000) }),
  'all cut': (_, atMs) => ({ atMs, kind: 'all cut', client: 0 }),
  cut: (random, atMs, clients) => ({ atMs, kind: 'cut', client: random.integer(0, clients - 1) }),
  'reply lost': (random, atMs, clients) => ({ atMs, kind: 'reply lost', client: random.integer(0, clients - 1) }),
  silent: (random, atMs, clients) => ({ ...silence(random, atMs, clients), kind: 'silent' }),
  'slow network': (random, atMs, clients) => ({
    atMs,
    kind: 'slow network',
    client: random.integer(0, clients - 1),
    extraMs: spread(random, 50, 15_000),
    forMs: spread(random, 1_000, 60_000),
  }),
  'all silent': (random, atMs, clients) => ({ ...silence(random, atMs, clients), kind: 'all silent' }),
  'left behind': (random, atMs, clients) => ({
    atMs,
    kind: 'left behind',
    client: random.integer(0, clients - 1),
    forMs: spread(random, 50, 10_000),
    afterMs: spread(random, 50, 10_000),
  }),
  'slow journal': (random, atMs) => ({
    atMs,
    kind: 'slow journal',
    appendMs: spread(random, 20, 10_000),
    forMs: spread(random, 1_000, 60_000),
  }),
  'append fails': (random, atMs) => ({ atMs, kind: 'append fails', when: random.pick(['before', 'after']) }),
  crash: (random, atMs) => ({
    atMs,
    kind: 'crash',
    step: random.pick(['opened', 'before the write', 'after the write', 'before the snapshot', 'after the snapshot']),
    forMs: spread(random, 50, 20_000),
  }),
  'client killed': (random, atMs, clients) => ({
    atMs,
    kind: 'client killed',
    client: random.integer(0, clients - 1),
    forMs: spread(random, 100, 30_000),
    silently: random.next() < 0.5,
  }),
  'client closed': (random, atMs, clients) => ({
    atMs,
    kind: 'client closed',
    client: random.integer(0, clients - 1),
    forMs: spread(random, 100, 10_000),
  }),
  'client paused': (random, atMs, clients) => ({
    atMs,
    kind: 'client paused',
    client: random.integer(0, clients - 1),
    forMs: spread(random, 50, 60_000),
  }),
  'client suspended': (random, atMs, clients) => ({
    atMs,
    kind: 'client suspended',
    client: random.integer(0, clients - 1),
    forMs: spread(random, 1_000, 60_000),
  }),
  'wall jumps': (random, atMs, clients) => ({
    atMs,
    kind: 'wall jumps',
    client: random.next() < 0.5 ? null : random.integer(0, clients - 1),
    byMs: spread(random, 100, 3_600_000) * (random.next() < 0.5 ? 1 : -1),
  }),
};

const CHANGES: {
  readonly [K in Exclude<Change['kind'], 'decay'>]: (
    random: Random,
    at: { atMs: number; limit: number },
    slots: number,
  ) => Change;
} = {
  resize: (random, at, slots) => ({
    ...at,
    kind: 'resize',
    slots: random.integer(random.next() < 0.1 ? 0 : 1, slots * 2),
  }),
  off: (random, at) => ({ ...at, kind: 'off', forMs: spread(random, 100, 20_000) }),
  pause: (random, at) => ({ ...at, kind: 'pause', forMs: spread(random, 100, 20_000) }),
  drain: (random, at) => ({ ...at, kind: 'drain', forMs: spread(random, 100, 10_000) }),
  delete: (random, at) => ({ ...at, kind: 'delete', forMs: spread(random, 1, 10_000) }),
  settings: (random, at) => ({
    ...at,
    kind: 'settings',
    overtakes: random.pick([0, 1, 4, 16]),
    maxWaiters: random.pick([null, null, 5, 20]),
  }),
};

/** Of a plan that has rates. */
function decayChange(random: Random, at: { atMs: number; limit: number }, usual: number): Change {
  const slotDecayPerSecond = random.next() < 0.3 ? null : usual * (0.2 + random.next() * 3);
  return { ...at, kind: 'decay', slotDecayPerSecond, forMs: spread(random, 100, 20_000) };
}

function silence(
  random: Random,
  atMs: number,
  clients: number,
): Omit<Extract<Fault, { readonly kind: 'silent' | 'all silent' }>, 'kind'> {
  return {
    atMs,
    client: random.integer(0, clients - 1),
    direction: random.pick(['to server', 'to server', 'to client', 'both']),
    slowMs: random.next() < 0.7 ? spread(random, 300, 4_000) : 0,
    forMs: spread(random, 500, 60_000),
  };
}

interface Drawn {
  readonly limits: readonly LimitPlan[];
  readonly work: Work;
}

/** The plan of a seed. */
export function draw(seed: number, hours: number, clients = 50): Plan {
  const random = new Random(seed);
  const latencyMs = random.pick([
    [0, 0],
    [0, 2],
    [1, 20],
    [5, 200],
  ] as const);
  const appendMs = random.pick([0, 0.1, 1, 5]);
  const drawn = drawWork(random, clients, latencyMs[0] + latencyMs[1] + appendMs);
  const { limits, work } = withRates(drawn, clients, new Random(seed + 2));
  const atOnce = new Random(seed + 4).pick(BATCHES);
  const clocksDrift = random.next() < 0.3;
  const ttls = random.pick([[5_000], [15_000], [30_000], [2_000, 5_000, 15_000, 30_000]]);
  return {
    seed,
    hours,
    latencyMs,
    isText: new Random(seed + 5).next() < TEXT,
    appendMs,
    snapshotEveryFacts: new Random(seed + 6).pick([500, 1_000, 1_000, 10_000]),
    limits,
    clients: Array.from({ length: clients }, () => ({
      seed: random.integer(0, 2 ** 32 - 1),
      ttlMs: random.pick(ttls),
      connectTimeoutMs: random.pick([10_000, 3_600_000]),
      clockRate: clocksDrift ? 1 + (random.next() - 0.5) / 50 : 1,
      work: { ...work, atOnce },
    })),
    faults: drawFaults(random, hours, clients),
    changes: [...drawChanges(random, hours, limits), ...drawDecays(new Random(seed + 3), hours, limits)].sort(byTime),
  };
}

/** Half of all seeds have rates, which give back as much as is taken of them. A source of chance of its own: what else a seed draws does not depend on it. */
function withRates({ limits, work }: Drawn, clients: number, random: Random): Drawn {
  if (random.next() < 0.5) return { limits, work };
  const share = random.next();
  const slotsASecond = slotsAskedASecond(clients, work);
  const all = limits.reduce((sum, { slots }) => sum + slots, 0);
  const load = 0.5 + random.next() * 0.6;
  const rates = limits.map((limit) => {
    if (random.next() > share) return limit;
    return { ...limit, slotDecayPerSecond: (slotsASecond * limit.slots) / all / load };
  });
  return { limits: rates, work: { ...work, spends: random.next() } };
}

function slotsAskedASecond(
  clients: number,
  { slotsMax, severalLimits }: Pick<Work, 'slotsMax' | 'severalLimits'>,
): number {
  return (clients * ((1 + slotsMax) / 2) * (1 + severalLimits)) / (EVERY_MS / 1_000);
}

/**
 * Limits, and clients that keep them as busy as the seed would have it while each acquires about once a second.
 * `wayMs`: how long slots are taken before their holder receives the grant, and after it has given them back.
 */
function drawWork(random: Random, clients: number, wayMs: number): Drawn {
  const sometimes = (chance: number, most: number): number => (random.next() < chance ? random.next() * most : 0);
  const slots = Array.from({ length: random.integer(1, 6) }, () => random.pick([1, 1, 2, 3, 4, 8, 16]));
  const slotsMax = random.pick([1, 1, 2, 4]);
  const severalLimits = sometimes(0.6, 0.6);
  // Of all slots, all the time; sometimes more than there are.
  const load = 0.3 + random.next() * 0.6 + sometimes(0.2, 0.6);
  const slotsASecond = slotsAskedASecond(clients, { slotsMax, severalLimits });
  const capacity = slots.reduce((sum, some) => sum + some, 0);
  // So many times more of each as it takes that the way alone does not fill them.
  const times = Math.ceil((slotsASecond * (wayMs + HOLD_MS_MIN)) / 1_000 / (load * capacity));
  const holdMs = Math.min(HOLD_MS_MAX, (load * capacity * times * 1_000) / slotsASecond - wayMs);
  const limits = slots.map((some, i) => ({ name: `limit-${i}`, slots: some * times }));
  const work = {
    everyMs: EVERY_MS,
    holdMs,
    // So seldom that it takes no more than half of all slots.
    holdsLong: sometimes(0.6, holdMs / 20_000),
    slotsMax,
    severalLimits,
    priority: sometimes(0.4, 0.5),
    timeout: 0.3 + random.next() * 0.7,
    aTry: sometimes(0.5, 0.3),
    cancel: sometimes(0.5, 0.2),
    body: sometimes(0.5, 0.5),
    keepsOn: sometimes(0.4, 0.3),
    allowsMissing: sometimes(0.4, 0.3),
    createsMissing: sometimes(0.4, 0.3),
    check: sometimes(0.3, 0.1),
  };
  return { limits, work };
}

function drawFaults(random: Random, hours: number, clients: number): Fault[] {
  const kinds = Object.values(FAULTS).filter(() => random.next() < 0.4);
  return kinds
    .flatMap((fault) => times(random, hours, [2, 120]).map((atMs) => fault(random, atMs, clients)))
    .sort(byTime);
}

function drawChanges(random: Random, hours: number, limits: Plan['limits']): Change[] {
  const kinds = Object.values(CHANGES).filter(() => random.next() < 0.4);
  return kinds
    .flatMap((change) =>
      times(random, hours, [2, 60]).map((atMs) => {
        const limit = random.integer(0, limits.length - 1);
        return change(random, { atMs, limit }, (limits[limit] as Plan['limits'][number]).slots);
      }),
    )
    .sort(byTime);
}

/** Rates that are slower or faster for a while, or none; semaphores that are rates. */
function drawDecays(random: Random, hours: number, limits: Plan['limits']): Change[] {
  const rates = limits.flatMap(({ slotDecayPerSecond }) => slotDecayPerSecond ?? []);
  if (rates.length === 0 || random.next() < 0.5) return [];
  return times(random, hours, [2, 60]).map((atMs) =>
    decayChange(random, { atMs, limit: random.integer(0, limits.length - 1) }, random.pick(rates)),
  );
}

/** Moments of the run, between so many and so many an hour; in a long run fewer, so that there is also time without any. */
function times(random: Random, hours: number, [least, most]: readonly [number, number]): number[] {
  const anHour = spread(random, least, most);
  const count = Math.round(anHour * Math.min(hours, FULL_HOURS + (hours - FULL_HOURS) / 4) + random.next());
  return Array.from({ length: count }, () => Math.round(random.next() * hours * 3_600_000));
}

/** From `min` to `max`, each order of magnitude as likely as another. */
export function spread(random: Random, min: number, max: number): number {
  return Math.round(min * (max / min) ** random.next());
}

function byTime(a: { readonly atMs: number }, b: { readonly atMs: number }): number {
  return a.atMs - b.atMs;
}
