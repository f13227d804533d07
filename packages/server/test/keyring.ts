/** Keyrings for servers that are put together by hand. */
import type { Peer } from '@slotkeeper/prefect';
import type { Clock } from '@slotkeeper/protocol';
import { realClock } from '../src/clock.ts';
import { type CredentialOptions, readCredentials } from '../src/keys/credentials.ts';
import { Keyring } from '../src/keys/keyring.ts';

/** Another machine's, over TLS. */
export const ELSEWHERE: Peer = { address: '192.0.2.1', isClear: false };

/** Refusals are told in the next turn. */
const IMPATIENT: Clock = { ...realClock, setTimer: (_, callback) => realClock.setTimer(0, callback) };

export function keyring(options: CredentialOptions = {}, clock: Clock = IMPATIENT): Keyring {
  return new Keyring({ credentials: readCredentials(options), clock, warn: () => {} });
}
