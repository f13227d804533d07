/** From facts to events: one acquired and one released event for each grant and limit, however the grant ends. */
import type { Amounts, Fact, LimitSettings, Origin } from '@slotkeeper/engine';
import { describe, expect, it } from 'vitest';
import type { PrefectEvent } from '../../src/events/event.ts';
import { ChangingMap } from '../../src/events/projection/changing-map.ts';
import { Projection } from '../../src/events/projection/projection.ts';

const SETTINGS: LimitSettings = {
  slots: 10,
  slotDecayPerSecond: null,
  active: true,
  mode: 'open',
  overtakes: 16,
  maxWaiters: null,
  description: null,
};
const NOBODY = { type: null, id: null, label: null, host: null, pid: null };
const START_MS = Date.parse('2026-11-24T12:00:00Z');

/** Facts a second apart, unless told otherwise, and the events that they come to. */
class History {
  readonly #projection = new Projection(new ChangingMap(), new ChangingMap());
  #position = 0;
  #atMs = START_MS;

  add(
    fact: { readonly [K in Fact['type']]: Omit<Extract<Fact, { type: K }>, 'at' | 'by'> }[Fact['type']],
  ): PrefectEvent[] {
    this.#position += 1;
    this.#atMs += 1_000;
    return [...this.#projection.apply(this.#position, { ...fact, at: this.#atMs, by: null } as Fact)];
  }

  pass(ms: number): void {
    this.#atMs += ms;
  }

  limit(name: string, settings: Partial<LimitSettings> = {}): PrefectEvent[] {
    return this.add({ type: 'limit.set', name, id: `id-of-${name}`, settings: { ...SETTINGS, ...settings } });
  }

  grant(lease: string, amounts: Amounts, more: { origin?: Origin; refunds?: boolean; holder?: object } = {}) {
    const { origin = 'session', refunds = false, holder = {} } = more;
    const whose = {
      sessionId: 's',
      lifeline: 'heartbeat',
      ttlMs: 15_000,
      holder: { ...NOBODY, ...holder },
      origin,
    } as const;
    return this.add({ type: 'lease.granted', leaseId: lease, amounts, refunds, ...whose });
  }

  release(
    lease: string,
    names: readonly string[] | null = null,
    how: 'returned' | 'undone' | 'untracked' = 'returned',
  ) {
    return this.add({ type: 'lease.released', leaseId: lease, names, how });
  }
}

/** What happened to which limit, and why. */
function told(events: readonly PrefectEvent[]): unknown[] {
  return events.map(({ event, resource, payload: { cause } }) => {
    const what = `${event.replace(/^prefect\.concurrency-limit\./, '')} ${resource['prefect.resource.name']}`;
    return cause === undefined ? what : `${what}: ${cause}`;
  });
}

describe('a grant', () => {
  it('ends once for each of its limits, with the cause', () => {
    const history = new History();
    for (const name of ['a', 'b']) history.limit(name);
    for (const lease of ['returned', 'undone', 'expired', 'revoked']) {
      const taken = [
        ['a', 1],
        ['b', 2],
      ] as const;
      expect(told(history.grant(lease, taken))).toEqual(['acquired a', 'acquired b']);
    }
    expect(told(history.release('returned'))).toEqual(['released a: returned', 'released b: returned']);
    expect(told(history.release('undone', null, 'undone'))).toEqual(['released a: undone', 'released b: undone']);
    expect(told(history.add({ type: 'lease.expired', leaseId: 'expired' }))).toEqual([
      'released a: expired',
      'released b: expired',
    ]);
    const [a, b] = history.add({ type: 'lease.revoked', leaseId: 'revoked', reason: 'because' });
    expect(a?.payload).toEqual({ cause: 'revoked', reason: 'because', occupancy_seconds: 4 });
    expect(b?.payload).toEqual(a?.payload);
  });

  it('given back limit by limit ends limit by limit', () => {
    const history = new History();
    for (const name of ['a', 'b', 'c']) history.limit(name);
    history.grant('l', [
      ['a', 1],
      ['b', 1],
      ['c', 1],
    ]);
    expect(told(history.release('l', ['b']))).toEqual(['released b: returned']);
    expect(told(history.add({ type: 'lease.expired', leaseId: 'l' }))).toEqual([
      'released a: expired',
      'released c: expired',
    ]);
  });

  it('is followed by its end within five minutes, and not after', () => {
    const history = new History();
    history.limit('a');
    const [first] = history.grant('short', [['a', 1]]);
    history.pass(298_999);
    expect(history.release('short')[0]?.follows).toBe(first?.id);
    history.grant('long', [['a', 1]]);
    history.pass(299_000);
    expect(history.release('long')[0]?.follows).toBe(null);
  });

  it('of v1 has the form of v1, with the task run and no prefix of tags', () => {
    const history = new History();
    history.limit('tag:etl', { slots: 2 });
    history.limit('tag:x', { slots: 3 });
    const v1 = { origin: 'prefect-tag', holder: { type: 'task_run', id: 'run' }, refunds: true } as const;
    const taken = [
      ['tag:etl', 1],
      ['tag:x', 1],
    ] as const;
    const [event] = history.grant('l', taken, v1);
    expect(event).toMatchObject({
      event: 'prefect.concurrency-limit.v1.acquired',
      resource: {
        'prefect.resource.id': 'prefect.concurrency-limit.v1.id-of-tag:etl',
        'prefect.resource.name': 'etl',
        limit: '2',
        task_run_id: 'run',
      },
      related: [
        {
          'prefect.resource.id': 'prefect.concurrency-limit.v1.id-of-tag:x',
          'prefect.resource.role': 'concurrency-limit',
        },
      ],
      payload: {},
    });
    expect(history.release('l')[0]).toMatchObject({
      event: 'prefect.concurrency-limit.v1.released',
      resource: event?.resource,
      related: event?.related,
      payload: { cause: 'returned', occupancy_seconds: 1 },
    });
  });

  it('tells who holds it, as far as that is known', () => {
    const history = new History();
    history.limit('a');
    const [event] = history.grant('l', [['a', 1]], { holder: { label: 'import', pid: 7 } });
    expect(event?.payload).toEqual({ holder: { label: 'import', pid: 7 } });
    expect(history.release('l')[0]?.payload.holder).toEqual({ label: 'import', pid: 7 });
  });

  it('of nothing tells nothing', () => {
    const history = new History();
    expect(history.grant('l', [])).toEqual([]);
    expect(history.add({ type: 'lease.renewed', leaseId: 'l', ttlMs: 1 })).toEqual([]);
    expect(history.release('l')).toEqual([]);
  });

  it('has the same ids whenever it is told', () => {
    const tell = (): string[] => {
      const history = new History();
      const events = [history.limit('a'), history.grant('l', [['a', 1]]), history.release('l')];
      return events.flat().map(({ id }) => id);
    };
    const ids = tell();
    expect(tell()).toEqual(ids);
    expect(new Set(ids).size).toBe(3);
    const [, , atMs] = ids.map((id) => Number.parseInt(id.slice(0, 13).replace('-', ''), 16));
    expect(atMs).toBe(START_MS + 3_000);
  });
});

describe('a rate', () => {
  it('takes back by itself what is spent of it: there is no released event', () => {
    const history = new History();
    history.limit('rate', { slotDecayPerSecond: 1 });
    history.limit('a');
    const taken = [
      ['rate', 3],
      ['a', 1],
    ] as const;
    expect(told(history.grant('l', taken))).toEqual(['acquired rate', 'acquired a']);
    expect(told(history.release('l'))).toEqual(['released a: returned']);
  });

  it('takes back what was undone', () => {
    const history = new History();
    history.limit('rate', { slotDecayPerSecond: 1 });
    history.grant('l', [['rate', 3]]);
    expect(told(history.release('l', null, 'undone'))).toEqual(['released rate: undone']);
  });

  it('is held by a lease of Prefect’s API until that ends', () => {
    const history = new History();
    history.limit('rate', { slotDecayPerSecond: 1 });
    history.grant('l', [['rate', 3]], { origin: 'prefect-lease', refunds: true });
    expect(told(history.release('l'))).toEqual(['released rate: returned']);
  });
});

describe('slots that are left taken without a lease', () => {
  function withLeft(...amounts: readonly number[]): History {
    const history = new History();
    history.limit('a');
    for (const [at, slots] of amounts.entries()) {
      history.grant(`l${at}`, [['a', slots]], { refunds: true });
      expect(history.release(`l${at}`, null, 'untracked')).toEqual([]);
    }
    return history;
  }

  it('are released as they are returned, the oldest first, once all of a grant are back', () => {
    const history = withLeft(1, 3, 1);
    const give = (slots: number): unknown[] => {
      return history.add({ type: 'untracked.returned', amounts: [['a', slots]] }).map(({ resource, payload }) => {
        return [resource['slots-acquired'], payload.cause];
      });
    };
    expect(give(1)).toEqual([['1', 'returned']]);
    expect(give(2)).toEqual([]);
    expect(give(2)).toEqual([
      ['3', 'returned'],
      ['1', 'returned'],
    ]);
    expect(give(5)).toEqual([]);
  });

  it('are released as fewer are said to be taken', () => {
    const history = withLeft(1, 2);
    history.grant('held', [['a', 4]]);
    expect(history.add({ type: 'untracked.set', name: 'a', slots: 7 })).toEqual([]);
    const [event, ...others] = history.add({ type: 'untracked.set', name: 'a', slots: 6 });
    expect(event?.payload).toMatchObject({ cause: 'revoked', reason: 'The taken slots were set to 6.' });
    expect(others).toEqual([]);
    expect(told(history.add({ type: 'untracked.set', name: 'a', slots: 4 }))).toEqual(['released a: revoked']);
  });

  it('are released with their limit', () => {
    const history = withLeft(1);
    expect(told(history.add({ type: 'limit.deleted', name: 'a' }))).toEqual(['released a: revoked', 'deleted a']);
  });

  it('of a rate decay, and have no released event', () => {
    const history = withLeft(2);
    expect(told(history.limit('a', { slotDecayPerSecond: 1 }))).toEqual(['updated a', 'released a: returned']);
    history.grant('l', [['a', 1]], { refunds: true });
    history.release('l', null, 'untracked');
    expect(history.add({ type: 'untracked.returned', amounts: [['a', 1]] })).toEqual([]);
  });
});

describe('a limit', () => {
  it('is created, updated and deleted', () => {
    const history = new History();
    const [created] = history.limit('a', { slots: 1 });
    expect(created).toMatchObject({
      event: 'prefect.concurrency-limit.created',
      resource: { 'prefect.resource.id': 'prefect.concurrency-limit.id-of-a', 'prefect.resource.name': 'a' },
      related: [],
      payload: { name: 'a', limit: 1, active: true, slot_decay_per_second: 0 },
      follows: null,
    });
    const [updated] = history.limit('a', { slots: 2, active: false, slotDecayPerSecond: 0.5 });
    expect(updated).toMatchObject({
      event: 'prefect.concurrency-limit.updated',
      resource: created?.resource,
      payload: { name: 'a', limit: 2, active: false, slot_decay_per_second: 0.5 },
    });
    const [deleted] = history.add({ type: 'limit.deleted', name: 'a' });
    expect(deleted).toMatchObject({ event: 'prefect.concurrency-limit.deleted', payload: updated?.payload });
    expect(told(history.limit('a'))).toEqual(['created a']);
  });

  it('keeps its holders under a new name', () => {
    const history = new History();
    history.limit('a');
    const [acquired] = history.grant('l', [['a', 1]]);
    const [renamed] = history.add({ type: 'limit.renamed', name: 'a', to: 'b' });
    expect(renamed).toMatchObject({ event: 'prefect.concurrency-limit.updated', payload: { name: 'b' } });
    expect(history.release('l', ['b'])).toMatchObject([{ resource: acquired?.resource, follows: acquired?.id }]);
    expect(told(history.add({ type: 'limit.deleted', name: 'b' }))).toEqual(['deleted b']);
  });
});
