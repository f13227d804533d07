/**
 * A process that takes slots and gives them back, over and over, and writes down what it sees. It reports to its parent
 * `ready` once it is connected and `granted` at each grant; after `stop` it holds nothing any longer than it must, asks for
 * nothing new, and ends once all it asked for has been served. Its one argument is a `Duty` as JSON.
 */
import { openSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { connect, type Keeper, type Lease } from 'slotkeeper';
import { Random } from '../random.ts';
import { type Amounts, ObservationLog } from './observation.ts';

/** What a call asks for, and how long it then holds it, from … to. */
export interface Ask {
  readonly amounts: Amounts;
  readonly holdMs: readonly [number, number];
}

export interface Load {
  /** Each call draws one of these. */
  readonly asks: readonly Ask[];
  /** Connections of each process. */
  readonly sessions: number;
  /** Calls at a time of each connection. */
  readonly callers: number;
  readonly ttlSeconds: number;
  readonly onLost: 'abort' | 'continue';
  /** The part of the calls that give up after a moment. */
  readonly impatient: number;
}

export interface Duty extends Load {
  readonly url: string;
  readonly log: string;
  readonly seed: number;
}

const duty = JSON.parse(process.argv[2] as string) as Duty;
const random = new Random(duty.seed);
const log = new ObservationLog(openSync(duty.log, 'a'));
const stopping = new AbortController();

async function acquire(keeper: Keeper, call: string, amounts: Amounts): Promise<Lease<string> | 'given-up' | 'failed'> {
  const patience = random.next() < duty.impatient ? AbortSignal.timeout(random.integer(0, 200)) : undefined;
  log.write({ type: 'asked', call, amounts });
  try {
    return await keeper.acquire(amounts, { onLost: duty.onLost, ...(patience && { signal: patience }) });
  } catch (error) {
    if (patience?.aborted && error === patience.reason) {
      log.write({ type: 'given-up', call });
      return 'given-up';
    }
    log.write({ type: 'failed', call, reason: String(error) });
    return 'failed';
  }
}

async function hold(lease: Lease<string>, call: string, holdMs: Ask['holdMs']): Promise<void> {
  const { id, token, limits, signal } = lease;
  const amounts = Object.fromEntries(limits.map(({ name, slots }) => [name, slots]));
  log.write({ type: 'granted', call, lease: id, token, amounts });
  process.send?.('granted');
  const lost = (): void => log.write({ type: 'lost', call, reason: String(signal.reason) });
  if (signal.aborted) lost();
  else signal.addEventListener('abort', lost, { once: true });
  const until = AbortSignal.any([signal, stopping.signal]);
  await setTimeout(random.integer(...holdMs), undefined, { signal: until }).catch(() => {});
  if (!signal.aborted) log.write({ type: 'releasing', call });
}

async function callAgainAndAgain(keeper: Keeper, caller: string): Promise<void> {
  for (let round = 0; !stopping.signal.aborted; round += 1) {
    const call = `${caller}.${round}`;
    const { amounts, holdMs } = random.pick(duty.asks);
    const lease = await acquire(keeper, call, amounts);
    if (lease === 'failed') return;
    if (lease === 'given-up') continue;
    await hold(lease, call, holdMs);
    const { aborted } = lease.signal;
    await lease.release();
    if (!aborted) log.write({ type: 'released', call, acknowledged: keeper.status === 'connected' });
  }
}

process.once('message', () => stopping.abort());
// Its parent has gone, without a word.
process.once('disconnect', () => process.exit(1));
const keepers = await Promise.all(
  Array.from({ length: duty.sessions }, () =>
    connect(duty.url, { ttlSeconds: duty.ttlSeconds, connectTimeoutSeconds: 60 }),
  ),
);
process.send?.('ready');
const callers = Array.from({ length: duty.callers }, (_, caller) => caller);
await Promise.all(
  keepers.flatMap((keeper, session) =>
    callers.map((caller) => callAgainAndAgain(keeper, `${process.pid}.${session}.${caller}`)),
  ),
);
await Promise.all(keepers.map((keeper) => keeper.close()));
process.removeAllListeners('disconnect');
process.disconnect();
