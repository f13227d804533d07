/** Reads the parts of a snapshot, and builds the state. */

import { emptyState, insertLease, type Lease, type Limit, type State } from '@slotkeeper/engine';
import { Malformed } from '@slotkeeper/shape';
import { list, parse } from './fields.ts';
import { LEASE, LIMIT, readLease, readLimit, readState, STATE } from './snapshot-rows.ts';

export class SnapshotReader {
  readonly #state = emptyState();
  readonly #leases: Lease[] = [];
  #hasState = false;

  /** @throws Malformed on anything that `SnapshotWriter` does not write. */
  add(part: string): void {
    for (const row of list(parse(part))) {
      const [kind, ...fields] = list(row);
      if (!this.#hasState) this.#begin(kind, fields);
      else if (kind === LIMIT) addLimit(this.#state, readLimit(fields));
      else if (kind === LEASE) this.#leases.push(readLease(fields));
      else throw new Malformed('', `it has a row of the unknown kind ${JSON.stringify(kind)}`);
    }
  }

  /** Call once all parts were added. Puts leases in the order of their grants, which their rows need not be in. */
  finish(): State {
    if (!this.#hasState) throw new Malformed('', 'it is empty');
    this.#leases.sort((a, b) => a.token - b.token);
    for (const lease of this.#leases) addLease(this.#state, lease);
    return this.#state;
  }

  #begin(kind: unknown, fields: readonly unknown[]): void {
    if (kind !== STATE) throw new Malformed('', 'its first row is not that of the state');
    const { position, atMs } = readState(fields);
    this.#state.position = position;
    this.#state.atMs = atMs;
    this.#hasState = true;
  }
}

export function addLimit(state: State, limit: Limit): void {
  if (state.limits.has(limit.name)) throw new Malformed('', `it has limit '${limit.name}' twice`);
  state.limits.add(limit);
}

/** Adds a lease, and to its limits what is derived from it: `usage.held`, `leases` and `spenders`. */
export function addLease(state: State, lease: Lease): void {
  if (lease.token > state.position)
    throw new Malformed('', `its lease ${lease.id} was granted later, at ${lease.token}`);
  try {
    insertLease(state, lease);
  } catch (error) {
    throw new Malformed('', (error as Error).message);
  }
}
