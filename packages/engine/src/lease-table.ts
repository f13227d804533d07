/** The state's leases, by id and in the order of their grants. */
import type { Amounts, EngineMs, Holder, Lifeline, Origin } from './facts.ts';
import { BrokenInvariant } from './invariant.ts';
import { compareTexts, type Order, Ordered } from './ordered.ts';

export interface Lease {
  readonly id: string;
  /** The fencing token: the position of the grant. */
  readonly token: number;
  readonly sessionId: string;
  readonly lifeline: Lifeline;
  ttlMs: number | null;
  /** Whether the lease was ever renewed: then its holder has received it. */
  renewed: boolean;
  readonly grantedAtMs: EngineMs;
  readonly holder: Holder;
  /** The slots that the lease holds. It may hold none: all its names were unknown and allowed, or rates. */
  amounts: Amounts;
  /**
   * The slots that it took of rates and does not hold: they stay spent when the lease ends. Forgotten when the limit is
   * deleted, or its decay changes.
   */
  spent: Amounts;
  readonly origin: Origin;
  /** The value of `State.snapshots` when the lease was added, or when a snapshot last wrote it. */
  snapshot: number;
}

/** Leases in the order of their grants. */
export type LeasesInOrder = Ordered<number, Lease>;

const BY_TOKEN: Order<number, Lease> = { key: ({ token }) => token, compare: (a, b) => a - b };

export function leasesInOrder(): LeasesInOrder {
  return new Ordered(BY_TOKEN);
}

type Held = Pick<Lease, 'token'> & { readonly holder: Pick<Holder, 'id'> };

const BY_HOLDER: Order<Held, Lease> = {
  key: (lease) => lease,
  compare: (a, b) => compareTexts(a.holder.id ?? '', b.holder.id ?? '') || a.token - b.token,
};

export class LeaseTable {
  readonly #byId = new Map<string, Lease>();
  /** The same leases in the order of their grants. */
  readonly #inOrder = leasesInOrder();
  /** The leases over REST (lifeline `renewal`) whose holder has an id. */
  readonly #byHolder = new Ordered(BY_HOLDER);

  get size(): number {
    return this.#byId.size;
  }

  has(id: string): boolean {
    return this.#byId.has(id);
  }

  get(id: string): Lease | undefined {
    return this.#byId.get(id);
  }

  /** All leases in the order of their grants. */
  values(): IterableIterator<Lease> {
    return this.#inOrder[Symbol.iterator]();
  }

  /** The leases granted after this token, in the order of their grants. */
  after(token: number): IterableIterator<Lease> {
    return this.#inOrder.after(token);
  }

  /** The leases over REST (lifeline `renewal`) whose holder has this id, in the order of their grants. */
  *ofHolder(id: string): IterableIterator<Lease> {
    for (const lease of this.#byHolder.from({ holder: { id }, token: 0 })) {
      if (lease.holder.id !== id) return;
      yield lease;
    }
  }

  /** Throws if a lease with this id or token is there already. */
  add(lease: Lease): void {
    if (this.#byId.has(lease.id)) throw new BrokenInvariant(`there is a lease ${lease.id} already`);
    this.#inOrder.add(lease);
    if (isOfHolder(lease)) this.#byHolder.add(lease);
    this.#byId.set(lease.id, lease);
  }

  remove(lease: Lease): void {
    this.#inOrder.remove(lease);
    if (isOfHolder(lease)) this.#byHolder.remove(lease);
    this.#byId.delete(lease.id);
  }
}

function isOfHolder({ lifeline, holder }: Lease): boolean {
  return lifeline === 'renewal' && holder.id !== null;
}
