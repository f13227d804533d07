/**
 * `slotkeeper demo`: the main job on real processes. Twelve workers share three slots; one is killed while it holds, then
 * the server is. The sum at the end compares what was promised with what was seen.
 */
import { EventEmitter, once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandFailure, duration, Interrupted, paintFor } from '@slotkeeper/terminal';
import { connect, type Keeper } from 'slotkeeper';
import { Processes, type ServerProcess, type WorkerProcess } from './processes.ts';
import { machineMs, type Report } from './reports.ts';
import { openScreen, type Screen } from './screen.ts';
import { Story, type StoryEvent, type Sum, sumOf } from './story.ts';
import { type Finding, findingLines, findings, type Remains } from './verdict.ts';

const LIMIT = 'db';
const SLOTS = 3;
const WORKERS = 12;
/** Short, so that a killed worker's slot is back while one watches. */
const TTL_SECONDS = 2;
/** No slow machine needs as long for a step of the demo. What takes longer hangs, and the demo says on what. */
const STEP_MS_MAX = 120_000;

/**
 * Runs the demo to its end, and cleans up however it ends.
 *
 * @param command the file of the `slotkeeper` command, which the demo starts as its server
 * @throws {CommandFailure} if a promise was not kept
 * @throws {Interrupted} after a signal
 */
export async function runDemo(command: string): Promise<void> {
  const interrupted = interruption();
  const folder = await mkdtemp(join(tmpdir(), 'slotkeeper-demo-'));
  const processes = new Processes(command);
  const scene = { story: new Story(), notes: [], workers: WORKERS, slots: SLOTS, startedAtMs: machineMs() };
  const screen = openScreen(scene, process.stdout);
  let left: Omit<Remains, 'processes' | 'hasFolder'>;
  try {
    left = await new Demo(scene.story, screen, processes, folder, interrupted).play();
  } finally {
    screen.end();
    await processes.end();
    await rm(folder, { recursive: true, force: true });
  }
  const remains = { ...left, processes: processes.alive, hasFolder: existsSync(folder) };
  conclude(findings(sumOf(scene.story.events, SLOTS, WORKERS), remains, SLOTS, TTL_SECONDS));
}

interface Interruption {
  readonly signal: AbortSignal;
  /** Never resolves; rejects with `Interrupted` as `signal` aborts. */
  readonly failure: Promise<never>;
}

/** Comes with Ctrl-C, SIGTERM, the terminal's end, or when nobody reads the output any more. */
function interruption(): Interruption {
  const controller = new AbortController();
  const abort = () => controller.abort();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, abort);
  process.stdout.on('error', abort);
  const failure = once(controller.signal, 'abort').then(() => {
    throw new Interrupted('Interrupted: the processes of the demo are ended, its folder is removed.');
  });
  failure.catch(() => {});
  return { signal: controller.signal, failure };
}

function conclude(all: readonly Finding[]): void {
  const paint = paintFor(process.stdout);
  process.stdout.write(`\n${paint('bold', 'Promised, and seen')}\n${findingLines(all, paint).join('\n')}\n\n`);
  const broken = all.filter(({ isKept }) => !isKept).map(({ promise }) => promise);
  if (broken.length > 0) throw new CommandFailure(`The demo did not see what was promised: ${broken.join(', ')}.`);
}

class Demo {
  readonly #story: Story;
  readonly #screen: Screen;
  readonly #processes: Processes;
  readonly #folder: string;
  readonly #interrupted: Interruption;
  readonly #news = new EventEmitter();
  readonly #hanging = new Set<number>();
  /** Workers that were told to end or killed. Any other worker that ends has failed. */
  readonly #leaving = new Set<number>();
  readonly #gone = new Set<number>();

  constructor(story: Story, screen: Screen, processes: Processes, folder: string, interrupted: Interruption) {
    this.#story = story;
    this.#screen = screen;
    this.#processes = processes;
    this.#folder = folder;
    this.#interrupted = interrupted;
  }

  async play(): Promise<Omit<Remains, 'processes' | 'hasFolder'>> {
    let server = await this.#startServer(0);
    const { url } = server;
    this.#screen.note(`The server is ready on ${url}.`);
    await this.#ask(server, (keeper) => keeper.limits.ensure(LIMIT, { slots: SLOTS }));
    this.#screen.note(`${WORKERS} processes start; each takes a slot of '${LIMIT}', works, gives it back.`);
    const workers = Array.from({ length: WORKERS }, (_, i) => this.#startWorker(i + 1, url));
    await this.#until('the first turn of every worker', () => this.#sum().grantsOfOne.fewest > 0);
    await this.#pause(3000);
    await this.#killHolder(workers);
    await this.#pause(1500);
    server = await this.#killServer(server);
    await this.#pause(3000);
    return await this.#finish(server, workers);
  }

  async #startServer(port: number): Promise<ServerProcess> {
    const server = await this.#unlessInterrupted(this.#processes.server(this.#folder, port));
    this.#record({ type: 'server.ready', atMs: machineMs() });
    return server;
  }

  #startWorker(number: number, url: string): WorkerProcess {
    const to = { url, limit: LIMIT, ttlSeconds: TTL_SECONDS };
    const worker = this.#processes.worker(number, to, (report) => this.#receive(number, report));
    worker.gone.then((lastWords) => {
      this.#gone.add(number);
      this.#news.emit('news');
      if (this.#leaving.has(number) || this.#interrupted.signal.aborted) return;
      this.#record({ type: 'failed', worker: number, atMs: machineMs(), message: `its process ended: ${lastWords}` });
    });
    return worker;
  }

  #receive(worker: number, report: Report): void {
    if (report.type === 'hangs') {
      this.#hanging.add(worker);
      this.#news.emit('news');
    } else {
      this.#record({ ...report, worker });
    }
  }

  async #killHolder(workers: readonly WorkerProcess[]): Promise<void> {
    const first = this.#story.those('waits', WORKERS, machineMs())[0]?.worker ?? 1;
    const victim = workers[first - 1]!;
    victim.order('hang');
    await this.#until(`worker ${first} to hold a slot`, () => this.#hanging.has(first));
    this.#leaving.add(first);
    this.#record({ type: 'killed', worker: first, atMs: machineMs() });
    victim.kill();
    this.#screen.note(`kill -9 of worker ${first} while it holds a slot. Its time to live is ${TTL_SECONDS} s.`);
    await this.#until("the killed worker's slot to be granted on", () => this.#sum().regrantedAfterMs !== null);
    this.#screen.note(
      `Its slot was granted on after ${duration(this.#sum().regrantedAfterMs!)}: all ${SLOTS} are in use again.`,
    );
  }

  async #killServer(server: ServerProcess): Promise<ServerProcess> {
    this.#record({ type: 'server.killed', atMs: machineMs() });
    await server.kill();
    this.#screen.note('kill -9 of the server. Holders work on; waiters keep their positions.');
    await this.#pause(1000);
    const restarted = await this.#startServer(Number(new URL(server.url).port));
    this.#screen.note(`The server is back after ${duration(this.#sum().serverAwayMs!)}, on the same port and data.`);
    await this.#until('a grant of the restarted server', () => this.#sum().firstGrantAfterMs !== null);
    this.#screen.note('The wait queue moves on, from where it stood.');
    return restarted;
  }

  async #finish(
    server: ServerProcess,
    workers: readonly WorkerProcess[],
  ): Promise<Omit<Remains, 'processes' | 'hasFolder'>> {
    this.#screen.note('Every worker ends after its next turn.');
    for (const worker of workers) {
      if (this.#leaving.has(worker.number)) continue;
      this.#leaving.add(worker.number);
      worker.order('finish');
    }
    await this.#until('every worker to end', () => this.#gone.size === WORKERS);
    const left = await this.#ask(server, async (keeper) => ({
      taken: (await keeper.limits.get(LIMIT)).taken,
      holders: (await keeper.holders(LIMIT)).length,
      waiters: (await keeper.waiters(LIMIT)).length,
    }));
    return { ...left, serverExitCode: await this.#unlessInterrupted(server.stop()) };
  }

  async #ask<T>({ url }: ServerProcess, question: (keeper: Keeper) => Promise<T>): Promise<T> {
    const asking = async (): Promise<T> => {
      await using keeper = await connect(url, { label: 'slotkeeper demo' });
      return await question(keeper);
    };
    return await this.#unlessInterrupted(asking());
  }

  #record(event: StoryEvent): void {
    this.#story.add(event);
    this.#news.emit('news');
  }

  #sum(): Sum {
    return sumOf(this.#story.events, SLOTS, WORKERS);
  }

  async #until(what: string, condition: () => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(STEP_MS_MAX);
    while (!condition()) {
      const { failures } = this.#sum();
      if (failures.length > 0) throw new CommandFailure(`The demo could not go on: ${failures.join('; ')}`);
      if (deadline.aborted) throw new CommandFailure(`The demo waited ${STEP_MS_MAX / 1000} s for ${what}.`);
      await this.#unlessInterrupted(once(this.#news, 'news', { signal: deadline }).catch(() => {}));
    }
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#interrupted.signal }).catch(() => this.#interrupted.failure);
  }

  async #unlessInterrupted<T>(work: Promise<T>): Promise<T> {
    return await Promise.race([this.#interrupted.failure, work]);
  }
}
