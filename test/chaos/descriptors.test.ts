/** File descriptors used up: each connection takes one, and the server has few. */
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { connect } from 'slotkeeper';
import { describe, expect, it } from 'vitest';
import { isLong, LOAD, report, run, type Stage, seeded, TIMEOUT_MS } from './experiment.ts';

const OPEN_FILES_MAX = 64;
const ROUNDS = isLong ? 100 : 5;

/** Connects until the server takes no more, and a little further. */
async function useUp(url: string): Promise<Socket[]> {
  const { hostname, port } = new URL(url);
  const sockets: Socket[] = [];
  let refused = 0;
  while (refused < 20) {
    const socket = createConnection({ host: hostname, port: Number(port) });
    socket.on('error', () => {});
    sockets.push(socket);
    // One that is taken is told that this is no HTTP, once it has been read. One that is not is cut off before.
    await once(socket, 'connect');
    refused = sockets.filter(({ closed }) => closed).length;
    if (sockets.length > 20 * OPEN_FILES_MAX)
      throw new Error(`the server took ${sockets.length - refused} connections`);
  }
  return sockets;
}

async function useUpDescriptors({ server, traffic, random }: Stage): Promise<number> {
  for (let round = 0; round < ROUNDS; round += 1) {
    await traffic.grants(random.integer(1, 100));
    const sockets = await useUp(server.url);
    await traffic.grants(100);
    for (const socket of sockets) socket.destroy();
    await using late = await connect(server.url);
    expect((await late.limits.get('one')).slots).toBe(1);
  }
  return ROUNDS;
}

describe('file descriptors used up', () => {
  it(
    'those it serves are served on, and others again once some are free',
    async () => {
      const random = seeded('descriptors.test.ts');
      const place = { openFilesMax: OPEN_FILES_MAX };
      const outcome = await run({ load: LOAD, processes: 3, place, fault: useUpDescriptors }, random);
      const all = [...outcome.clients.values()].flat();
      expect(all.filter(({ type }) => type === 'lost')).toEqual([]);
      report('file descriptors used up', outcome);
    },
    TIMEOUT_MS,
  );
});
