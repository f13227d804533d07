/** Which grants on each limit the clients have seen: whether somebody was granted before one who came first. */

interface Grant {
  readonly id: string;
  readonly token: number;
  readonly calledAtMs: number;
  /** The earliest place that it can have had. */
  readonly placeMs: number;
  /** When its client received it. */
  readonly toldAtMs: number;
}

/** So many of a limit's last grants are remembered. */
const REMEMBERED = 200;

export class GrantOrder {
  /** The grants, in the order in which they were received. */
  readonly #byLimit = new Map<string, Grant[]>();

  granted(limit: string, grant: Grant): void {
    const last = this.#byLimit.get(limit) ?? [];
    this.#byLimit.set(limit, last);
    last.push(grant);
    if (last.length > 2 * REMEMBERED) last.splice(0, REMEMBERED);
  }

  /** A grant with a lesser token to one who called after `arrivedAtMs` and stood behind `placeMs`, if there was one. */
  passed(limit: string, token: number, arrivedAtMs: number, placeMs: number): string | undefined {
    const last = this.#byLimit.get(limit) ?? [];
    // A client that called later received its grant later, so earlier grants need no look.
    for (let i = last.length - 1; i >= 0; i -= 1) {
      const other = last[i] as Grant;
      if (other.toldAtMs <= arrivedAtMs) return undefined;
      if (other.token < token && other.calledAtMs > arrivedAtMs && other.placeMs > placeMs)
        return `${other.id}, called at ${other.calledAtMs} and in line from ${other.placeMs}, has ${other.token}`;
    }
    return undefined;
  }
}
