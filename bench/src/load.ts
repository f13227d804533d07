/** A load process: connects to one contender's server, measures one thing, reports it to its parent and ends. */
import { type Caller, type Contender, type Held, NotDone, type Rival } from './contender.ts';
import { cpuMs } from './machine.ts';
import { Samples } from './statistics.ts';
import { contenderNamed, ofVersion } from './suites.ts';
import type { Version } from './version.ts';

/** What to measure, as the process's argument. */
export type Order = {
  readonly contender: string;
  /** Of a contender of ours, which checkout it is. */
  readonly version: Version | undefined;
  readonly server: { readonly pid: number; readonly url: string };
} & (
  | { readonly measure: 'pairs'; readonly callers: number; readonly warmUp: Span; readonly span: Span }
  | { readonly measure: 'hand-over'; readonly warmUp: number; readonly count: number }
);

/** How long callers go on: for a time, or until all of them together have made so many pairs. */
export type Span = { readonly ms: number } | { readonly pairs: number };

export interface PairsResult {
  readonly pairsPerSecond: number;
  readonly acquireP50Us: number;
  readonly acquireP99Us: number;
  /** Of all requests, the part that the server has not carried out; the pairs are without them. */
  readonly notDone: number;
  /** CPU time of each end by pair; null where the system does not say. */
  readonly serverCpuUs: number | null;
  readonly clientCpuUs: number;
}

export interface HandOverResult {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly serverCpuUs: number | null;
  readonly clientCpuUs: number;
}

const SAMPLES_MAX = 1 << 21;

interface Taken {
  readonly pairs: number;
  readonly notDone: number;
  readonly elapsedMs: number;
}

/** Each caller takes and gives back, again and again; what a server has not done it asks again, at once. */
async function takeAndGiveBack(callers: readonly Caller[], span: Span, latencies: Samples): Promise<Taken> {
  const startMs = performance.now();
  const endMs = 'ms' in span ? startMs + span.ms : Number.POSITIVE_INFINITY;
  const pairsMax = 'pairs' in span ? span.pairs : Number.POSITIVE_INFINITY;
  let pairs = 0;
  let notDone = 0;
  const untilDone = async <T>(ask: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof NotDone)) throw error;
        notDone++;
      }
    }
  };
  await Promise.all(
    callers.map(async (caller) => {
      for (;;) {
        const askedAtMs = performance.now();
        if (askedAtMs >= endMs || pairs >= pairsMax) return;
        const held = await untilDone(() => caller.acquire());
        latencies.add(performance.now() - askedAtMs);
        await untilDone(() => held.release());
        pairs++;
      }
    }),
  );
  return { pairs, notDone, elapsedMs: performance.now() - startMs };
}

function contenderOf({ contender, version }: Order): Contender {
  return version ? ofVersion(version, contender) : contenderNamed(contender);
}

async function measurePairs(order: Order & { measure: 'pairs' }): Promise<PairsResult> {
  const { callers, close } = await contenderOf(order).separate(order.server.url, order.callers);
  await takeAndGiveBack(callers, order.warmUp, new Samples(0));

  const latencies = new Samples(SAMPLES_MAX);
  const cpu = startCpu(order.server.pid);
  const { pairs, notDone, elapsedMs } = await takeAndGiveBack(callers, order.span, latencies);
  const used = cpu(pairs);

  await close();
  const { p50, p99 } = latencies.summary();
  return {
    pairsPerSecond: (pairs / elapsedMs) * 1000,
    acquireP50Us: p50 * 1000,
    acquireP99Us: p99 * 1000,
    notDone: notDone / (2 * pairs + notDone),
    ...used,
  };
}

/** From now on; returns what tells the CPU time of each end by piece of work. */
function startCpu(serverPid: number): (pieces: number) => Pick<PairsResult, 'serverCpuUs' | 'clientCpuUs'> {
  const serverBeforeMs = cpuMs(serverPid);
  const clientBefore = process.cpuUsage();
  return (pieces) => {
    const { user, system } = process.cpuUsage(clientBefore);
    const serverAfterMs = cpuMs(serverPid);
    return {
      serverCpuUs:
        serverBeforeMs === null || serverAfterMs === null ? null : ((serverAfterMs - serverBeforeMs) / pieces) * 1000,
      clientCpuUs: (user + system) / pieces,
    };
  };
}

/** The slot goes to and fro between two connections. Both are in this process, so that one clock sees both ends. */
async function handOver(rivals: readonly Rival[], count: number, latencies: Samples): Promise<void> {
  let [holder, waiter] = rivals as readonly [Rival, Rival];
  let held: Held = await holder.acquire();
  for (let i = 0; i < count; i++) {
    const granted = waiter.acquire().then((next) => ({ next, atMs: performance.now() }));
    await waiter.queued();
    const releasedAtMs = performance.now();
    const released = held.release();
    const { next, atMs } = await granted;
    latencies.add(atMs - releasedAtMs);
    await released;
    held = next;
    [holder, waiter] = [waiter, holder];
  }
  await held.release();
}

async function measureHandOver(order: Order & { measure: 'hand-over' }): Promise<HandOverResult> {
  const contender = contenderOf(order);
  if (!contender.rivals) throw new Error(`${contender.name} has no queue, so there is no hand-over to measure.`);
  const { callers, close } = await contender.rivals(order.server.url);
  await handOver(callers, order.warmUp, new Samples(0));
  const latencies = new Samples(order.count);
  const cpu = startCpu(order.server.pid);
  await handOver(callers, order.count, latencies);
  const used = cpu(order.count);
  await close();
  const { p50, p99 } = latencies.summary();
  return { p50Us: p50 * 1000, p99Us: p99 * 1000, ...used };
}

/** Without its parent it would go on asking a server that is gone. */
process.once('disconnect', () => process.exit(1));

const order = JSON.parse(process.argv[2]!) as Order;
const result = await (order.measure === 'pairs' ? measurePairs(order) : measureHandOver(order));
process.send!(result, () => process.exit(0));
