/** Runs holder.ts in a process of its own, and ends it with its scope. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Order, Report } from './holder.ts';

type ReportOf<T extends Report['type']> = Extract<Report, { readonly type: T }>;

export class HolderProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #reports: Report[] = [];

  private constructor(url: string, limit: string, wallOffsetMs: number) {
    this.#child = fork(join(import.meta.dirname, 'holder.ts'), [url, limit], {
      env: { ...process.env, WALL_OFFSET_MS: String(wallOffsetMs) },
      stdio: 'inherit',
    });
    this.#child.on('message', (report: Report) => this.#reports.push(report));
  }

  /** Resolves once it is connected. */
  static async start(url: string, limit: string, wallOffsetMs = 0): Promise<HolderProcess> {
    const holder = new HolderProcess(url, limit, wallOffsetMs);
    await holder.report('ready');
    return holder;
  }

  tell(type: Order['type']): void {
    this.#child.send({ type });
  }

  /** The next report of that type; each is told once. */
  async report<T extends Report['type']>(type: T): Promise<ReportOf<T>> {
    for (;;) {
      const at = this.#reports.findIndex((report) => report.type === type);
      if (at !== -1) return this.#reports.splice(at, 1)[0] as ReportOf<T>;
      await Promise.race([
        once(this.#child, 'message'),
        once(this.#child, 'exit').then(([code, signal]) => {
          throw new Error(`the holder ended with ${code ?? signal} before it reported '${type}'`);
        }),
      ]);
    }
  }

  async ask<T extends Report['type']>(order: Order['type'], answer: T): Promise<ReportOf<T>> {
    this.tell(order);
    return await this.report(answer);
  }

  /** Resolves once it has ended by itself. */
  async ended(): Promise<void> {
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}
