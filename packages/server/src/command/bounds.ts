/** The options of `slotkeeper serve` that bound what clients may make it keep (docs/operations.md). */

import { type Bounds, DEFAULT_BOUNDS } from '@slotkeeper/engine';
import { type Command, Option } from 'commander';
import { byteCount, sizeText, wholeNumber } from './arguments.ts';

export interface BoundOptions {
  readonly create: boolean;
  readonly maxLimits: number;
  readonly maxClients: number;
  readonly maxWaiters: number;
  readonly maxLeases: number;
  readonly maxWaitersPerClient: number;
  readonly maxLeasesPerClient: number;
  readonly maxBytes: number;
}

/** With less one client could not hold a lease of the longest names. */
const MAX_BYTES_MIN = 2 ** 20;

export function addBoundOptions(command: Command): Command {
  const { limits, sessions, waiters, leases, waitersPerSession, leasesPerSession, bytes } = DEFAULT_BOUNDS;
  return command
    .option('--no-create', 'create no limits for clients: those that exist stay')
    .addOption(maxOption('limits', 'limits', limits))
    .addOption(maxOption('clients', 'clients', sessions))
    .addOption(maxOption('waiters', 'acquires that wait', waiters))
    .addOption(maxOption('leases', 'leases', leases))
    .addOption(maxOption('waiters-per-client', 'acquires of one client that wait', waitersPerSession))
    .addOption(maxOption('leases-per-client', 'leases of one client', leasesPerSession))
    .addOption(
      new Option('--max-bytes <size>', 'how much memory leases and waiters may take; one client a quarter of it')
        .env('SLOTKEEPER_MAX_BYTES')
        .default(bytes, sizeText(bytes))
        .argParser(byteCount(MAX_BYTES_MIN)),
    );
}

export function boundsOf(options: BoundOptions): Bounds {
  return {
    limits: options.maxLimits,
    sessions: options.maxClients,
    waiters: options.maxWaiters,
    leases: options.maxLeases,
    waitersPerSession: options.maxWaitersPerClient,
    leasesPerSession: options.maxLeasesPerClient,
    bytes: options.maxBytes,
    creates: options.create,
  };
}

function maxOption(name: string, what: string, otherwise: number): Option {
  return new Option(`--max-${name} <n>`, `how many ${what} it keeps at the most`)
    .env(`SLOTKEEPER_MAX_${name.toUpperCase().replaceAll('-', '_')}`)
    .default(otherwise)
    .argParser(wholeNumber(1, 2 ** 31 - 1));
}
