/** Traffic: client processes that take slots and give them back. Knows nothing of what befalls them, nor what is checked. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Random } from '../random.ts';
import type { Duty, Load } from './client.ts';
import { nowMs, type Observation } from './observation.ts';

export class Client {
  readonly log: string;
  readonly ended: Promise<number | NodeJS.Signals>;
  readonly #child: ChildProcess;

  constructor(duty: Duty, hear: (word: 'ready' | 'granted') => void) {
    this.log = duty.log;
    this.#child = fork(join(import.meta.dirname, 'client.ts'), [JSON.stringify(duty)], {
      // Built, as the server is: what this process was told of sources is not passed on.
      execArgv: [],
      stdio: 'inherit',
    });
    this.#child.on('message', hear);
    this.ended = once(this.#child, 'exit').then(([code, signal]) => code ?? signal);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What it saw so far, in order. */
  get observations(): Observation[] {
    const lines = readFileSync(this.log, 'utf8').split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Observation);
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    appendFileSync(this.log, `${JSON.stringify({ type: 'killed', atMs: nowMs() } satisfies Observation)}\n`);
    this.#child.kill('SIGKILL');
    await this.ended;
  }

  tellToStop(): void {
    if (this.#child.connected) this.#child.send('stop');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isRunning) return;
    this.#child.kill('SIGKILL');
    await this.ended;
  }
}

export class Traffic implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'slotkeeper-chaos-'));
  readonly #url: string;
  readonly #load: Load;
  readonly #random: Random;
  readonly #clients: Client[] = [];
  #granted = 0;
  #waiting: { readonly until: number; readonly resolve: () => void }[] = [];

  constructor(url: string, load: Load, random: Random) {
    this.#url = url;
    this.#load = load;
    this.#random = random;
  }

  /** Those that have not been killed. */
  get running(): readonly Client[] {
    return this.#clients.filter(({ isRunning }) => isRunning);
  }

  /** All that there ever were, by a name for each. */
  get observations(): ReadonlyMap<string, readonly Observation[]> {
    return new Map(this.#clients.map((client, index) => [`client ${index + 1}`, client.observations]));
  }

  /** One more process. Resolves once it is connected. */
  async add(): Promise<Client> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const log = join(this.#folder, `${this.#clients.length + 1}.log`);
    const seed = this.#random.integer(0, 2 ** 32 - 1);
    const client = new Client({ ...this.#load, url: this.#url, log, seed }, (word) => {
      if (word === 'ready') resolve();
      else this.#hearOfGrant();
    });
    void client.ended.then((how) => reject(new Error(`a client ended with ${how} before it was connected`)));
    this.#clients.push(client);
    await promise;
    return client;
  }

  async start(processes: number): Promise<void> {
    await Promise.all(Array.from({ length: processes }, () => this.add()));
  }

  /** Resolves after so many more grants. */
  async grants(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (count === 0) return;
    this.#waiting.push({ until: this.#granted + count, resolve });
    await promise;
  }

  /** Asks for nothing new, and resolves once everybody has been served and has gone; to false if some have not after `withinMs`. */
  async finish(withinMs: number): Promise<boolean> {
    const { running } = this;
    for (const client of running) client.tellToStop();
    const tooLong = Promise.withResolvers<false>();
    const timer = setTimeout(() => tooLong.resolve(false), withinMs);
    const ends = Promise.all(running.map(({ ended }) => ended)).then((codes) => codes.every((code) => code === 0));
    const allEnded = await Promise.race([ends, tooLong.promise]);
    clearTimeout(timer);
    return allEnded;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client[Symbol.asyncDispose]()));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #hearOfGrant(): void {
    this.#granted += 1;
    const due = this.#waiting.filter(({ until }) => until <= this.#granted);
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter(({ until }) => until > this.#granted);
    for (const { resolve } of due) resolve();
  }
}
