/** Prefect's v1 API as far as a client can tell. */
import { type Answer, type Asked, type Script, ScriptedApi } from '../rest/scripted-api.ts';

export type { Answer };

interface Body {
  readonly names: string[];
  readonly task_run_id: string;
  readonly occupancy_seconds?: number;
}

export class FakePrefect extends ScriptedApi<Body> {
  readonly limits = new Map<string, number>();
  /** Holders by tag, one entry for each slot. */
  readonly holders = new Map<string, string[]>();
  override readonly scripts = { increment: [] as Script<Body>[], decrement: [] as Script<Body>[] };

  static start(): Promise<FakePrefect> {
    return new FakePrefect().listen();
  }

  protected override usual(asked: Asked<Body>): Answer {
    return asked.path === 'increment' ? this.#increment(asked) : this.#decrement(asked);
  }

  #increment({ body }: Asked<Body>): Answer {
    const known = body.names.filter((name) => this.limits.has(name));
    const zero = known.find((name) => this.limits.get(name) === 0);
    if (zero !== undefined) return { status: 423, body: { detail: `The concurrency limit on tag "${zero}" is 0` } };
    if (known.some((name) => this.#holdersOf(name).length >= (this.limits.get(name) ?? 0))) {
      return { status: 423, headers: { 'Retry-After': this.retryAfter }, body: { detail: 'full' } };
    }
    for (const name of known) this.#holdersOf(name).push(body.task_run_id);
    return { status: 200, body: known.map((name) => ({ id: `id-of-${name}`, name, limit: this.limits.get(name) })) };
  }

  #decrement({ body }: Asked<Body>): Answer {
    for (const name of body.names) {
      const left = this.#holdersOf(name).filter((holder) => holder !== body.task_run_id);
      this.holders.set(name, left);
    }
    return { status: 200, body: [] };
  }

  #holdersOf(name: string): string[] {
    const holders = this.holders.get(name) ?? [];
    this.holders.set(name, holders);
    return holders;
  }
}
