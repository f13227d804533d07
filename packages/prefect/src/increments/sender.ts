/** The sender of an increment, as far as its request shows: Prefect's clients name at most a task run, and usually nothing. */
import type { Holder } from '@slotkeeper/engine';
import type { FastifyRequest } from 'fastify';

/** `prefect/3.8.8` of `prefect/3.8.8 (API 0.8.4)`. */
const PRODUCT = /^[\w.+-]{1,40}\/[\w.+-]{1,60}/;
/** The prefix of an IPv4 address on a socket of both families. */
const MAPPED = /^::ffff:(?=\d)/;

export function senderOf({ ip, headers }: Pick<FastifyRequest, 'ip' | 'headers'>): Pick<Holder, 'label' | 'host'> {
  const label = PRODUCT.exec(headers['user-agent'] ?? '')?.[0] ?? null;
  return { label, host: ip?.replace(MAPPED, '') ?? null };
}
