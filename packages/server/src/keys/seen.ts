/**
 * What a caller sees of holders and waiters.
 *
 * A key for some limits shows only those who hold or wait for these limits, and of each only these limits.
 *
 * A client that knows the id of a lease of Prefect's API can renew and release it, so that id is a secret of its holder. Callers
 * without the right `admin` see only its beginning, which is enough to distinguish two. A lease of the session protocol
 * belongs to its session, so its id is no secret.
 */
import type { Explanation, HolderView, Lack, Refusal, State, WaiterView } from '@slotkeeper/engine';
import type { Caller, Key } from '@slotkeeper/prefect';

const SHOWN_LENGTH = 8;

export function seenHolders({ key }: Caller, views: readonly HolderView[], { leases }: State): readonly HolderView[] {
  const covered = coveredBy(key, views);
  if (key.right === 'admin') return covered;
  return covered.map((view) => (isSecret(leases, view.leaseId) ? { ...view, leaseId: shortened(view.leaseId) } : view));
}

/** A waiter's ticket becomes the id of its lease. Its origin is not known here, so every ticket is shortened. */
export function seenWaiters({ key }: Caller, views: readonly WaiterView[]): readonly WaiterView[] {
  const covered = coveredBy(key, views).map((view) =>
    view.blockedOn?.startsWith(key.prefix) === false ? { ...view, blockedOn: null } : view,
  );
  return covered.map((view) => ({ ...view, ticket: seenTicket(key, view.ticket) }));
}

/** In a cursor, too. A shortened one comes after all that begin so, in the order of texts. */
export function seenTicket({ right }: Key, ticket: string): string {
  return right === 'admin' ? ticket : shortened(ticket);
}

/** A refusal that explains itself says who holds. */
export function seenRefusal({ key }: Caller, refusal: Refusal, { leases }: State): Refusal {
  const explanation = refusal.details.explanation as Explanation | undefined;
  if (key.right === 'admin' || explanation === undefined) return refusal;
  const heldBy = ({ heldBy }: Lack): Lack['heldBy'] =>
    heldBy.map((one) => (isSecret(leases, one.leaseId) ? { ...one, leaseId: shortened(one.leaseId) } : one));
  const lacking = explanation.lacking.map((lack) => ({ ...lack, heldBy: heldBy(lack) }));
  return { ...refusal, details: { ...refusal.details, explanation: { ...explanation, lacking } } };
}

function coveredBy<V extends HolderView | WaiterView>({ prefix }: Key, views: readonly V[]): readonly V[] {
  if (prefix === '') return views;
  return views.flatMap((view) => {
    const limits = view.limits.filter(({ name }) => name.startsWith(prefix));
    return limits.length > 0 ? [{ ...view, limits }] : [];
  });
}

/** One that has ended meanwhile opens nothing. */
function isSecret(leases: State['leases'], id: string): boolean {
  return leases.get(id)?.origin === 'prefect-lease';
}

function shortened(id: string): string {
  return `${id.slice(0, SHOWN_LENGTH)}…`;
}
