/** Compares the secret that clients show to a server, in every protocol. */
import { createHash, timingSafeEqual } from 'node:crypto';

/** Whether both are equal. The time that it takes does not depend on how much of `given` is right. */
export function isKey(given: string, key: string): boolean {
  return timingSafeEqual(digest(given), digest(key));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
