/** `slotkeeper holders` and `slotkeeper waiters`: who holds slots, and who waits for them. */

import { type Column, duration, printable, table } from '@slotkeeper/terminal';
import { Command } from 'commander';
import type { Holder, Waiter } from 'slotkeeper';
import { addClientOptions, type ClientOptions, printAnswer, withKeeper } from './client-call.ts';

export function holdersCommand(): Command {
  const command = new Command('holders').description('who holds slots').argument('[name]', 'only of this limit');
  return addClientOptions(command).action(async (name: string | undefined, options: ClientOptions) => {
    const holders = await withKeeper(options, (keeper) => keeper.holders(name));
    printAnswer(options, holders, () =>
      holders.length === 0 ? [nobody('holds', name)] : table(holders, holderColumns(Date.now())),
    );
  });
}

export function waitersCommand(): Command {
  const command = new Command('waiters')
    .description('who waits for slots, in the order of the wait queue')
    .argument('[name]', 'only of this limit');
  return addClientOptions(command).action(async (name: string | undefined, options: ClientOptions) => {
    const waiters = await withKeeper(options, (keeper) => keeper.waiters(name));
    printAnswer(options, waiters, () =>
      waiters.length === 0 ? [nobody('waits for', name)] : table(waiters, waiterColumns(Date.now())),
    );
  });
}

function nobody(does: 'holds' | 'waits for', name: string | undefined): string {
  return name === undefined ? `Nobody ${does} any limit.` : `Nobody ${does} '${printable(name)}'.`;
}

function holderColumns(nowMs: number): Column<Holder>[] {
  return [
    { title: 'LIMITS', of: (row) => amounts(row.limits) },
    { title: 'HOLDER', of: (row) => who(row.holder) },
    { title: 'WHERE', of: (row) => where(row.holder) },
    { title: 'FOR', of: (row) => duration(nowMs - row.since.getTime()) },
    { title: 'TOKEN', of: (row) => row.token },
    { title: 'LEASE', of: (row) => row.leaseId },
  ];
}

function waiterColumns(nowMs: number): Column<Waiter>[] {
  return [
    { title: 'LIMITS', of: (row) => amounts(row.limits) },
    { title: 'WAITER', of: (row) => who(row.holder) },
    { title: 'WHERE', of: (row) => where(row.holder) },
    { title: 'FOR', of: (row) => duration(nowMs - row.since.getTime()) },
    { title: 'PRIORITY', of: (row) => row.priority },
    { title: 'HELD UP BY', of: (row) => row.blockedOn ?? (row.connected ? 'a paused limit' : 'its client is away') },
    { title: 'TICKET', of: (row) => row.ticket },
  ];
}

/** `db`, `db, gpu×2`. */
function amounts(limits: Holder['limits']): string {
  return limits.map(({ name, slots }) => (slots === 1 ? name : `${name}×${slots}`)).join(', ');
}

function who({ type, id, label }: Holder['holder']): string {
  const what = [type, id].filter((part) => part !== null).join(' ');
  return [what, label].filter((part) => part !== null && part !== '').join(' · ') || '-';
}

/** `host (pid)` */
function where({ host, pid }: Holder['holder']): string {
  return [host, pid === null ? null : `(${pid})`].filter((part) => part !== null).join(' ') || '-';
}
