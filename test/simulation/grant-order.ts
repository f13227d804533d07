/** Which grants on each limit the clients have seen: whether somebody was granted before one who came first. */

interface Grant {
  readonly id: string;
  readonly token: number;
  readonly calledAtMs: number;
  /** The earliest place that it can have had. */
  readonly placeMs: number;
}

/** So many of a limit's last grants are remembered. */
const REMEMBERED = 200;

export class GrantOrder {
  readonly #byLimit = new Map<string, { readonly last: Grant[]; latestCallMs: number }>();

  granted(limit: string, grant: Grant): void {
    const seen = this.#byLimit.get(limit) ?? { last: [], latestCallMs: 0 };
    this.#byLimit.set(limit, seen);
    seen.latestCallMs = Math.max(seen.latestCallMs, grant.calledAtMs);
    seen.last.push(grant);
    if (seen.last.length > 2 * REMEMBERED) seen.last.splice(0, REMEMBERED);
  }

  /** A grant with a lesser token to one who called after `arrivedAtMs` and stood behind `placeMs`, if there was one. */
  passed(limit: string, token: number, arrivedAtMs: number, placeMs: number): string | undefined {
    const seen = this.#byLimit.get(limit);
    if (!seen || seen.latestCallMs <= arrivedAtMs) return undefined;
    const grant = seen.last.find(
      (other) => other.token < token && other.calledAtMs > arrivedAtMs && other.placeMs > placeMs,
    );
    return grant && `${grant.id}, called at ${grant.calledAtMs} and in line from ${grant.placeMs}, has ${grant.token}`;
  }
}
