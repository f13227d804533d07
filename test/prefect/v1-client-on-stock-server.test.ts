/** `slotkeeper/v1` against a real Prefect server. */
import { randomUUID } from 'node:crypto';
import {
  AcquireConcurrencySlotTimeoutError,
  ConcurrencyContext,
  ConcurrencySlotAcquisitionError,
  close,
  concurrency,
} from 'slotkeeper/v1';
import { expect, test } from 'vitest';
import { describeWithPython } from './describe-with-python.ts';
import { slotEvents, useStockServer } from './stock-server.ts';

interface TagLimit {
  readonly id: string;
  readonly active_slots: string[];
}

describeWithPython('slotkeeper/v1 on a stock Prefect server', () => {
  const stock = useStockServer({ PREFECT_SERVER_TASKS_TAG_CONCURRENCY_SLOT_WAIT_SECONDS: '0.2' }, close);

  async function tagLimit(slots: number): Promise<string> {
    const tag = `tag-${randomUUID()}`;
    await stock.server.post('/concurrency_limits/', { tag, concurrency_limit: slots });
    return tag;
  }

  async function holdersOf(tag: string): Promise<string[]> {
    return (await stock.server.get<TagLimit>(`/concurrency_limits/tag/${tag}`)).active_slots;
  }

  test('the slots are held while the body runs and are free afterwards', async () => {
    const tags = [await tagLimit(1), await tagLimit(2)];
    const run = randomUUID();
    const held = await concurrency([...tags, 'a tag without a limit'], run, {}, () => Promise.all(tags.map(holdersOf)));
    expect(held).toEqual([[run], [run]]);
    expect(await Promise.all(tags.map(holdersOf))).toEqual([[], []]);
  });

  test('a full limit answers 423, and the waiter has it once it is free', async () => {
    const tag = await tagLimit(1);
    const first = randomUUID();
    const second = randomUUID();
    const scope = await concurrency(tag, first);
    const order: string[] = [];
    const waiter = concurrency(tag, second, { timeoutSeconds: 20 }, async () => order.push('granted'));
    await expect(concurrency(tag, second, { timeoutSeconds: 0 })).rejects.toThrow(AcquireConcurrencySlotTimeoutError);
    order.push('given back');
    await scope[Symbol.asyncDispose]();
    await waiter;
    expect(order).toEqual(['given back', 'granted']);
  });

  test('a timeout leaves nothing behind', async () => {
    const tag = await tagLimit(1);
    const holder = randomUUID();
    await concurrency(tag, holder, {}, async () => {
      const waiter = concurrency(tag, randomUUID(), { timeoutSeconds: 0.5 });
      await expect(waiter).rejects.toThrow('Attempt to acquire concurrency limits timed out after 0.5 second(s)');
      expect(await holdersOf(tag)).toEqual([holder]);
    });
  });

  test('a limit of 0 is refused with the reason, and nothing is taken of the others', async () => {
    const tags = [await tagLimit(1), await tagLimit(0)] as const;
    const failure = await concurrency([...tags], randomUUID()).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ConcurrencySlotAcquisitionError);
    expect(failure).toMatchObject({
      message: `Unable to acquire concurrency limits ['${tags[0]}', '${tags[1]}']`,
      cause: {
        message: `The concurrency limit on tag "${tags[1]}" is 0 and will deadlock if the task tries to run again.`,
      },
    });
    expect(await holdersOf(tags[0])).toEqual([]);
  });

  test('an abort at any moment around the grant leaves nothing behind', async () => {
    const tag = await tagLimit(1);
    const delaysMs = [0, 2, 5, 10, 20, 40];
    const calls = delaysMs.map((delayMs) =>
      concurrency(tag, randomUUID(), { signal: AbortSignal.timeout(delayMs) }, () => undefined),
    );
    await Promise.allSettled(calls);
    await close();
    expect(await holdersOf(tag)).toEqual([]);
  });

  test('a release that is cancelled is made up for as the context exits', async () => {
    const tag = await tagLimit(1);
    const run = randomUUID();
    const caller = new AbortController();
    await ConcurrencyContext.run(async ({ cleanupSlots }) => {
      await concurrency(tag, run, { signal: caller.signal }, () => caller.abort());
      expect(cleanupSlots).toEqual([[[tag], expect.any(Number), run]]);
      expect(await holdersOf(tag)).toEqual([run]);
    });
    expect(await holdersOf(tag)).toEqual([]);
  });

  test('the events are found on the server, each released one following its acquired one', async () => {
    const tags = [await tagLimit(1), await tagLimit(2)];
    const run = randomUUID();
    await concurrency(tags, run, {}, () => undefined);
    await close();
    const ids = await Promise.all(
      tags.map(async (tag) => (await stock.server.get<TagLimit>(`/concurrency_limits/tag/${tag}`)).id),
    );
    const resources = ids.map((id) => `prefect.concurrency-limit.v1.${id}`);
    for (const [index, resource] of resources.entries()) {
      const [acquired, released] = await slotEvents(stock.server, resource, 2);
      expect(acquired).toMatchObject({
        event: 'prefect.concurrency-limit.v1.acquired',
        follows: null,
        resource: { 'prefect.resource.name': tags[index], limit: String(index + 1), task_run_id: run },
        related: [{ 'prefect.resource.id': resources[1 - index], 'prefect.resource.role': 'concurrency-limit' }],
      });
      expect(released).toMatchObject({ event: 'prefect.concurrency-limit.v1.released', follows: acquired?.id });
    }
  });
});
