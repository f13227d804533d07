/**
 * Advice for a program's author about an error of the server. The server states what happened. What to call depends on the
 * language that the program is written in.
 */
import { optionOfBound, type WireError } from '@slotkeeper/protocol';

type Details = WireError['details'];

const ADVICE: { readonly [C in WireError['code']]: (details: Details, isOfCall: boolean) => string } = {
  ACQUIRE_TIMEOUT: () => 'Wait longer, or look at who holds it.',
  LIMIT_NOT_FOUND: ({ names, lookAlikes, creates }, isOfCall) => {
    if (creates === false) return 'Ask who runs the server for it: it was started with --no-create.';
    if (lookAlikes !== undefined) return 'Ask for the one that there is.';
    if (isOfCall) return 'See which there are (limits.list), or create it (limits.ensure).';
    return Array.isArray(names) && names.length > 1
      ? 'Create them (limits.ensure), or tell onMissing what to do without them.'
      : 'Create it (limits.ensure), or tell onMissing what to do without it.';
  },
  REQUEST_TOO_LARGE: () => 'Ask for less, or raise the limit.',
  QUEUE_FULL: ({ bound, name }) => {
    const setting = optionOfBound(bound) ?? (name === undefined ? undefined : "the limit's maxWaiters");
    return setting === undefined ? 'Try again later.' : `Try again later, or raise ${setting}.`;
  },
  CONFLICT: ({ mode, holders, lease, last, name }) => {
    if (mode === 'draining') return 'Resume it first (limits.resume).';
    if (mode === 'open') return 'Drain it again to wait for them.';
    if (holders !== undefined)
      return 'Wait for them (limits.drain), or delete it with force, which revokes their leases.';
    if (lease !== undefined) return 'Choose a new id for each acquire.';
    if (last !== undefined) return 'Connect anew.';
    return name === undefined ? '' : 'Choose another name, or delete that one first.';
  },
  INVALID_REQUEST: ({ names, name, field }) => {
    if (field === 'limits' && names !== undefined)
      return 'Hold them (concurrency, acquire), or make it a rate (limits.set, with rate).';
    return field === 'slots' && name !== undefined ? 'Give its slots to create it.' : '';
  },
  LEASE_LOST: () => 'Stop what it guards, and acquire again to go on.',
  LEASE_REVOKED: () => 'Stop what it guards.',
  SERVER_UNREACHABLE: () => '',
  AUTH: () => '',
};

/** The message with the advice. A server of 0.1.0 adds the same advice itself. */
export function withAdvice({ code, message, details }: WireError, isOfCall: boolean): string {
  // A later server may have codes that this client does not know.
  const advice = Object.hasOwn(ADVICE, code) ? ADVICE[code](details, isOfCall) : '';
  return advice === '' || message.endsWith(advice) ? message : `${message} ${advice}`;
}
