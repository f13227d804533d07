/** The events share a small disk with the journal, to which its end belongs. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { Disk, whyNoDisk } from '../../../../test/disk.ts';
import { instant } from '../../src/api/timestamps.ts';
import { BYTES_MAX, EventLog } from '../../src/events/store/event-log.ts';
import { EventStore } from '../../src/events/store/store.ts';
import { clientEvent, temporaryFolder } from './events-server.ts';

const DISK_BYTES = 32 * 2 ** 20;
const reason = whyNoDisk();

it.skipIf(reason !== undefined)(
  `events are kept until half of a small disk is used${reason === undefined ? '' : ` (skipped: ${reason})`}`,
  async () => {
    using disk = new Disk(DISK_BYTES);
    const file = join(disk.folder, 'events.db');
    const log = new EventLog(file);
    onTestFinished(() => log.close());
    let number = 0;
    const add = async (): Promise<void> => {
      const events = Array.from({ length: 100 }, () => {
        number += 1;
        const { id, event, resource } = clientEvent(number);
        const payload = { text: 'x'.repeat(1_000) };
        return { id, event, resource, payload, occurred: instant(Date.now()), related: [], follows: null };
      });
      await log.call('add', events, instant(Date.now()), Date.now());
    };
    let problem: unknown;
    while (!problem) await add().catch((error) => (problem = error));
    expect(problem).toMatchObject({
      name: 'EventsUnavailableError',
      message: `The disk of '${file}' has less than 16 MiB left: events are not kept until there is more. The file may be deleted while no server runs.`,
    });
    const used = statSync(file).size + statSync(`${file}-wal`).size;
    expect(used).toBeGreaterThan(DISK_BYTES / 4);
    expect(used).toBeLessThan(DISK_BYTES * 0.6);
    disk.fill();
    await expect(add()).rejects.toMatchObject({ name: 'EventsUnavailableError' });
    await log.close();
  },
);

it('the file gives back what the events took that have gone', async () => {
  const file = join(temporaryFolder(), 'events.db');
  const store = new EventStore(file, { bytesMax: BYTES_MAX });
  const add = (number: number, nowMs: number, text = ''): number => {
    const { id, event, resource } = clientEvent(number);
    const one = { id, event, resource, payload: { text }, occurred: instant(nowMs), related: [], follows: null };
    return store.add([one], instant(nowMs), nowMs);
  };
  const nowMs = Date.now();
  for (let number = 0; number < 40; number += 1) add(number, nowMs, 'x'.repeat(2 ** 20));
  for (let number = 100; number < 110; number += 1) add(number, nowMs + 8 * 24 * 3_600_000);
  store.close();
  expect(statSync(file).size).toBeLessThan(20 * 2 ** 20);
});
