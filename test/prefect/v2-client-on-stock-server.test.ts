/** `slotkeeper/prefect` against a real Prefect server. */
import { randomUUID } from 'node:crypto';
import {
  AcquireConcurrencySlotTimeoutError,
  ConcurrencyContext,
  ConcurrencySlotAcquisitionError,
  close,
  concurrency,
  rateLimit,
} from 'slotkeeper/prefect';
import { expect, test } from 'vitest';
import { describeWithPython } from './describe-with-python.ts';
import { PythonProgram } from './python-program.ts';
import { slotEvents, useStockServer } from './stock-server.ts';

interface GlobalLimit {
  readonly id: string;
  readonly active_slots: number;
}

describeWithPython('slotkeeper/prefect on a stock Prefect server', () => {
  const stock = useStockServer({ PREFECT_SERVER_CONCURRENCY_MAXIMUM_CONCURRENCY_SLOT_WAIT_SECONDS: '0.2' }, close);

  async function newLimit(slots: number, settings: object = {}): Promise<string> {
    const name = `limit-${randomUUID()}`;
    await stock.server.post('/v2/concurrency_limits/', { name, limit: slots, ...settings });
    return name;
  }

  async function takenOf(name: string): Promise<number> {
    return (await stock.server.get<GlobalLimit>(`/v2/concurrency_limits/${name}`)).active_slots;
  }

  test('the slots are held while the body runs and are free afterwards', async () => {
    const names = [await newLimit(2), await newLimit(3)];
    const held = await concurrency([...names, 'a name without a limit'], { occupy: 2 }, () =>
      Promise.all(names.map(takenOf)),
    );
    expect(held).toEqual([2, 2]);
    expect(await Promise.all(names.map(takenOf))).toEqual([0, 0]);
  });

  test('the lease belongs to its holder', async () => {
    const tag = `tag-${randomUUID()}`;
    await stock.server.post('/concurrency_limits/', { tag, concurrency_limit: 1 });
    const holder = { type: 'task_run', id: randomUUID() } as const;
    const holders = await concurrency(`tag:${tag}`, { holder }, async () => {
      return (await stock.server.get<{ active_slots: string[] }>(`/concurrency_limits/tag/${tag}`)).active_slots;
    });
    expect(holders).toEqual([holder.id]);
  });

  test('a full limit answers 423, and the waiter has it once it is free', async () => {
    const name = await newLimit(1);
    const scope = await concurrency(name);
    const order: string[] = [];
    const waiter = concurrency(name, { timeoutSeconds: 20 }, async () => order.push('granted'));
    await expect(concurrency(name, { timeoutSeconds: 0 })).rejects.toThrow(AcquireConcurrencySlotTimeoutError);
    order.push('given back');
    await scope[Symbol.asyncDispose]();
    await waiter;
    expect(order).toEqual(['given back', 'granted']);
  });

  test('a timeout leaves nothing behind, nor do retries that are used up', async () => {
    const name = await newLimit(1);
    await concurrency(name, {}, async () => {
      const waiter = concurrency(name, { timeoutSeconds: 0.5 });
      await expect(waiter).rejects.toThrow('Attempt to acquire concurrency slots timed out after 0.5 second(s)');
      await expect(concurrency(name, { maxRetries: 1 })).rejects.toThrow(
        `Unable to acquire concurrency slots on ['${name}']: 423 Locked: Locked`,
      );
      expect(await takenOf(name)).toBe(1);
    });
    expect(await takenOf(name)).toBe(0);
  });

  test("what is refused is told in Prefect's words", async () => {
    const name = await newLimit(1);
    const tooMany = concurrency(name, { occupy: 2 });
    await expect(tooMany).rejects.toThrow(ConcurrencySlotAcquisitionError);
    await expect(tooMany).rejects.toThrow(/: 422 Unprocessable .*: Slots requested is greater than the limit$/);
    await expect(rateLimit(name)).rejects.toThrow(
      /: 422 Unprocessable .*: Only concurrency limits with slot decay can be used for rate limiting\. .*'limit-/,
    );
  });

  test('no limit at all is an error for strict calls; a limit that is switched off is one', async () => {
    await expect(concurrency('no such limit', { strict: true })).rejects.toThrow(
      "Concurrency limits ['no such limit'] must be created before acquiring slots",
    );
    await expect(rateLimit('no such limit', { strict: true })).rejects.toThrow('must be created');
    const name = await newLimit(1, { active: false });
    expect(await concurrency(name, { strict: true }, () => 'done')).toBe('done');
  });

  test('a rate is taken from, and comes back by itself', async () => {
    const slow = await newLimit(1, { slot_decay_per_second: 0.001 });
    await rateLimit(slow);
    await expect(rateLimit(slow, { timeoutSeconds: 0 })).rejects.toThrow(AcquireConcurrencySlotTimeoutError);
    const fast = await newLimit(1, { slot_decay_per_second: 2 });
    await rateLimit(fast);
    await rateLimit(fast, { timeoutSeconds: 20 });
  });

  test('an abort at any moment around the grant leaves nothing behind', async () => {
    const name = await newLimit(1);
    const delaysMs = [0, 2, 5, 10, 20, 40];
    const calls = delaysMs.map((delayMs) =>
      concurrency(name, { signal: AbortSignal.timeout(delayMs) }, () => undefined),
    );
    await Promise.allSettled(calls);
    await close();
    expect(await takenOf(name)).toBe(0);
  });

  test('what a context still holds is given back as it exits', async () => {
    const name = await newLimit(1);
    await ConcurrencyContext.run(async () => {
      await concurrency(name);
      expect(await takenOf(name)).toBe(1);
    });
    expect(await takenOf(name)).toBe(0);
  });

  test('programs in TypeScript and in Python take turns with the slots of a limit', async () => {
    const name = await newLimit(1);
    await using python = await PythonProgram.start('hold.py', ['async', name, '{}'], {
      PREFECT_API_URL: stock.server.url,
    });
    await python.said('held');
    await expect(concurrency(name, { timeoutSeconds: 0 })).rejects.toThrow(AcquireConcurrencySlotTimeoutError);
    const waiter = concurrency(name, {}, () => 'granted');
    await python.end();
    expect(await waiter).toBe('granted');
  });

  test('the events are found on the server, each released one following its acquired one', async () => {
    const names = [await newLimit(1), await newLimit(2)];
    await concurrency(names, {}, () => undefined);
    await close();
    const ids = await Promise.all(
      names.map(async (name) => (await stock.server.get<GlobalLimit>(`/v2/concurrency_limits/${name}`)).id),
    );
    const resources = ids.map((id) => `prefect.concurrency-limit.${id}`);
    for (const [index, resource] of resources.entries()) {
      const [acquired, released] = await slotEvents(stock.server, resource, 2);
      expect(acquired).toMatchObject({
        event: 'prefect.concurrency-limit.acquired',
        follows: null,
        resource: { 'prefect.resource.name': names[index], limit: String(index + 1), 'slots-acquired': '1' },
        related: [{ 'prefect.resource.id': resources[1 - index], 'prefect.resource.role': 'concurrency-limit' }],
      });
      expect(released).toMatchObject({ event: 'prefect.concurrency-limit.released', follows: acquired?.id });
    }
  });
});
