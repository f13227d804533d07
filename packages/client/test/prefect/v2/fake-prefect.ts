/** Prefect's v2 API as far as a client can tell: leases and rates, of which nothing comes back by itself. */
import { randomUUID } from 'node:crypto';
import { type Answer, type Asked, type Script, ScriptedApi } from '../rest/scripted-api.ts';

interface Body {
  readonly names: string[];
  readonly slots: number;
  readonly mode: string;
  readonly lease_duration: number;
  readonly holder?: { readonly type: string; readonly id: string };
  readonly lease_id: string;
}

type V2Script = Script<Body>;

export class FakePrefect extends ScriptedApi<Body> {
  readonly limits = new Map<string, number>();
  /** Slots that are taken, by limit. */
  readonly taken = new Map<string, number>();
  readonly leases = new Map<string, Body>();
  override readonly scripts = {
    increment: [] as V2Script[],
    'increment-with-lease': [] as V2Script[],
    'decrement-with-lease': [] as V2Script[],
    renew: [] as V2Script[],
  };

  static start(): Promise<FakePrefect> {
    return new FakePrefect().listen();
  }

  /** Without the renewals, which come when they like. */
  changes(): string[] {
    return this.paths().filter((path) => path !== 'renew');
  }

  protected override usual(asked: Asked<Body>): Answer {
    if (asked.path.startsWith('increment')) return this.#increment(asked);
    if (asked.path === 'decrement-with-lease') return this.#release(asked.body.lease_id);
    const leaseId = asked.url.split('/').at(-2) ?? '';
    return this.leases.has(leaseId) ? { status: 204 } : { status: 410, body: { detail: 'Lease not found' } };
  }

  #increment({ path, body }: Asked<Body>): Answer {
    const known = body.names.filter((name) => this.limits.has(name));
    if (known.some((name) => this.#limitOf(name) < body.slots))
      return { status: 422, body: { detail: 'Slots requested is greater than the limit' } };
    if (known.some((name) => this.#takenOf(name) + body.slots > this.#limitOf(name)))
      return { status: 423, headers: { 'Retry-After': this.retryAfter }, body: { detail: 'Locked' } };
    for (const name of known) this.taken.set(name, this.#takenOf(name) + body.slots);
    const limits = known.map((name) => ({ id: `id-of-${name}`, name, limit: this.limits.get(name) }));
    if (path === 'increment') return { status: 200, body: limits };
    const lease_id = randomUUID();
    this.leases.set(lease_id, { ...body, names: known });
    return { status: 200, body: { lease_id, limits } };
  }

  #release(leaseId: string): Answer {
    const lease = this.leases.get(leaseId);
    this.leases.delete(leaseId);
    for (const name of lease?.names ?? []) this.taken.set(name, this.#takenOf(name) - (lease?.slots ?? 0));
    return { status: 204 };
  }

  #limitOf(name: string): number {
    return this.limits.get(name) ?? 0;
  }

  #takenOf(name: string): number {
    return this.taken.get(name) ?? 0;
  }
}
