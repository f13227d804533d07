/**
 * The auditor's own picture of what the journal's facts come to. It knows them as plain JSON and shares no code with the
 * engine; what does not fit is a violation.
 */

/** A fact, as plain JSON. */
export type PlainFact = { readonly type: string; readonly at: number } & Readonly<Record<string, unknown>>;

export type Amounts = readonly (readonly [name: string, slots: number])[];

export interface PlainSettings {
  readonly slots: number;
  readonly slotDecayPerSecond: number | null;
  readonly active: boolean;
  readonly mode: string;
  readonly overtakes: number;
  readonly maxWaiters: number | null;
  readonly description: string | null;
}

export interface PlainLimit {
  readonly name: string;
  readonly id: string;
  readonly createdAt: number;
  updatedAt: number;
  settings: PlainSettings;
  held: number;
  /** What counts as taken, at `levelAt`. */
  level: number;
  levelAt: number;
  grants: number;
}

export interface PlainLease {
  readonly id: string;
  readonly token: number;
  readonly fact: PlainFact;
  ttlMs: number | null;
  renewed: boolean;
  amounts: Amounts;
  /** What it took of rates and does not hold; forgotten when such a limit is deleted or decays otherwise. */
  spent: Amounts;
}

export class PlainState {
  position = 0;
  at = 0;
  readonly limits = new Map<string, PlainLimit>();
  readonly leases = new Map<string, PlainLease>();

  /** Returns what is wrong with the fact, if something is. */
  apply(fact: PlainFact): string | undefined {
    this.position += 1;
    if (fact.at < this.at) return `its time ${fact.at} is before ${this.at}`;
    this.at = fact.at;
    switch (fact.type) {
      case 'limit.set':
        this.#set(fact);
        return undefined;
      case 'limit.deleted':
        return this.#delete(fact.name as string);
      case 'lease.granted':
        return this.#grant(fact);
      case 'lease.renewed': {
        const lease = this.leases.get(fact.leaseId as string);
        if (!lease) return 'there is no such lease';
        lease.ttlMs = fact.ttlMs as number | null;
        lease.renewed = true;
        return undefined;
      }
      case 'lease.released':
      case 'lease.expired':
      case 'lease.revoked':
        return this.#end(fact);
      default:
        return 'it is of an unknown type';
    }
  }

  /** As snapshots have it: the same for equal states. */
  canonical(): string {
    const limits = [...this.limits.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const leases = [...this.leases.values()].sort((a, b) => a.token - b.token);
    return JSON.stringify([
      this.position,
      this.at,
      limits.map(({ name, id, createdAt, updatedAt, level, levelAt, settings: s }) => [
        ...[name, id, createdAt, updatedAt, level, s.slotDecayPerSecond === null ? null : levelAt],
        ...[s.slots, s.slotDecayPerSecond, s.active, s.mode, s.overtakes, s.maxWaiters, s.description],
      ]),
      leases.map(({ id, token, fact, ttlMs, renewed, amounts, spent }) => {
        const h = fact.holder as Readonly<Record<string, unknown>>;
        const holder = [h.type, h.id, h.label, h.host, h.pid];
        return [id, token, fact.sessionId, fact.lifeline, ttlMs, renewed, fact.at, holder, amounts, spent, fact.origin];
      }),
    ]);
  }

  #set(fact: PlainFact): void {
    const name = fact.name as string;
    const settings = fact.settings as PlainSettings;
    const limit = this.limits.get(name);
    if (limit) {
      const before = limit.settings.slotDecayPerSecond;
      decay(limit, fact.at);
      if (before !== settings.slotDecayPerSecond) this.#forgetSpent(name);
      if (before !== null && settings.slotDecayPerSecond === null) limit.level = limit.held;
      limit.settings = settings;
      limit.updatedAt = fact.at;
    } else {
      const [id, at] = [fact.id as string, fact.at];
      const counts = { held: 0, level: 0, levelAt: at, grants: 0 };
      this.limits.set(name, { name, id, createdAt: at, updatedAt: at, settings, ...counts });
    }
  }

  #delete(name: string): string | undefined {
    const limit = this.limits.get(name);
    if (!limit) return 'there is no such limit';
    if (limit.held > 0) return `${limit.held} slots of it are held`;
    this.limits.delete(name);
    this.#forgetSpent(name);
    return undefined;
  }

  #forgetSpent(name: string): void {
    for (const lease of this.leases.values()) lease.spent = lease.spent.filter(([other]) => other !== name);
  }

  #grant(fact: PlainFact): string | undefined {
    const id = fact.leaseId as string;
    if (this.leases.has(id)) return 'the lease is held already';
    const amounts: Amounts[number][] = [];
    const spent: Amounts[number][] = [];
    const ttlMs = fact.ttlMs as number | null;
    this.leases.set(id, { id, token: this.position, fact, ttlMs, renewed: false, amounts, spent });
    for (const asked of fact.amounts as Amounts) {
      const [name, slots] = asked;
      const limit = this.limits.get(name);
      if (!limit) return `there is no limit '${name}'`;
      decay(limit, fact.at);
      limit.level += slots;
      limit.grants += 1;
      if (isRate(limit) && !fact.refunds) {
        spent.push(asked);
      } else {
        amounts.push(asked);
        limit.held += slots;
      }
      const { active, mode, slots: all } = limit.settings;
      if (active && limit.level > all + 1e-6)
        return `it makes ${limit.level} slots of '${name}' taken, which has ${all}`;
      if (mode !== 'open') return `'${name}' is ${mode}`;
    }
    return undefined;
  }

  #end(fact: PlainFact): string | undefined {
    const lease = this.leases.get(fact.leaseId as string);
    if (!lease) return 'there is no such lease';
    const names = fact.names as readonly string[] | null | undefined;
    const notHeld = names?.find((name) => !isIn(lease.amounts, name));
    if (notHeld !== undefined) return `it gives back '${notHeld}', which it does not hold`;
    const kept: Amounts[number][] = [];
    for (const held of lease.amounts) {
      const [name, slots] = held;
      if (names && !names.includes(name)) {
        kept.push(held);
        continue;
      }
      const limit = this.limits.get(name);
      if (!limit) return `there is no limit '${name}'`;
      limit.held -= slots;
      if (fact.how !== 'untracked') free(limit, slots, fact.at);
    }
    lease.amounts = kept;
    if (fact.how === 'undone') this.#refund(lease, fact.at);
    if (kept.length === 0) this.leases.delete(lease.id);
    return undefined;
  }

  #refund({ spent, fact }: PlainLease, at: number): void {
    for (const [name, slots] of spent) {
      const limit = this.limits.get(name);
      const perSecond = limit?.settings.slotDecayPerSecond ?? null;
      // What has come back by itself may have been taken by others.
      if (limit && perSecond !== null) free(limit, Math.max(0, slots - (perSecond * (at - fact.at)) / 1_000), at);
    }
  }
}

export function isIn(amounts: Amounts, name: string): boolean {
  return amounts.some(([other]) => other === name);
}

export function isRate(limit: PlainLimit | undefined): boolean {
  return (limit?.settings.slotDecayPerSecond ?? null) !== null;
}

/** What counts as taken, without what has come back by itself since. */
export function levelAt({ level, levelAt: since, settings }: PlainLimit, at: number): number {
  const perSecond = settings.slotDecayPerSecond;
  return perSecond === null ? level : Math.max(0, level - (perSecond * (at - since)) / 1_000);
}

function decay(limit: PlainLimit, at: number): void {
  limit.level = levelAt(limit, at);
  limit.levelAt = at;
}

/** What leases hold stays taken, as far as it is. */
function free(limit: PlainLimit, slots: number, at: number): void {
  decay(limit, at);
  limit.level = Math.max(limit.level - slots, Math.min(limit.level, limit.held));
}
