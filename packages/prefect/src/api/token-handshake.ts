/** The first message of a WebSocket with Prefect's sub-protocol shows a token. */
import type { WebSocket } from 'ws';
import { type Caller, type Keys, type Peer, untilKeyEnds } from '../keys.ts';

const POLICY_VIOLATION = 1008;
const TRY_AGAIN_LATER = 1013;
const REASON_BYTES_MAX = 123;

export interface Handshake {
  readonly keys: Keys;
  readonly peer: Peer;
  /** Why a client with a known key may not go on; undefined if it may. */
  readonly whyNot: (caller: Caller) => string | undefined;
}

/**
 * Resolves to whether the client may go on; then its socket is closed when its key ends. If it may not, its socket is closed, at
 * once or when the refusal may be sent.
 */
export function isAdmitted(socket: WebSocket, token: unknown, { keys, peer, whyNot }: Handshake): boolean {
  const refuse = (reason: string): void => socket.close(POLICY_VIOLATION, closeReason(reason));
  const shown = keys.ofToken(peer, token);
  switch (shown.is) {
    case 'admitted': {
      const why = whyNot(shown.caller);
      if (why !== undefined) refuse(why);
      else
        socket.once(
          'close',
          untilKeyEnds(shown.caller, () => refuse('The token is not valid any more')),
        );
      return why === undefined;
    }
    case 'missing':
      refuse('Auth required but no token provided');
      return false;
    case 'wrong':
      void shown.refusable.then(() => refuse('Invalid token'));
      return false;
    case 'crowded':
      socket.close(TRY_AGAIN_LATER, 'Too many wrong tokens come from this address');
      return false;
  }
}

/** The part of the text that fits into a close frame. */
export function closeReason(text: string): string {
  return Buffer.from(text)
    .subarray(0, REASON_BYTES_MAX)
    .toString()
    .replace(/\uFFFD$/, '');
}
