/** The same wrong frames, and worse, over real sockets to a real server, while two clients go on with their work. */
import { describe, expect, it } from 'vitest';
import type { Random } from '../random.ts';
import { ServerProcess } from '../server-process.ts';
import { BadSocket, badBytes, badUpgrade, raw, upgrade } from './bad-socket.ts';
import { seeded, TEST_TIMEOUT_MS, times } from './budget.ts';
import { HonestPair } from './honest.ts';
import { Peer, uuid } from './peer.ts';
import { Resident } from './resident.ts';

/** How a WebSocket is closed that is not one: https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1 */
const NOT_A_WEBSOCKET = [1002, 1003, 1006, 1007, 1009];

describe('a real server', () => {
  it(
    'goes on for the others whatever comes over a socket, and does not grow',
    async () => {
      const random = seeded('session-sockets.test.ts');
      await using server = await ServerProcess.start();
      await using honest = await HonestPair.start(server.url);
      const { pid } = server;
      const memory = new Resident(pid);
      const pool = Array.from({ length: 30 }, () => uuid(random));
      const peers = Array.from({ length: 6 }, () => new Peer(random, pool, uuid(random)));
      let conversations = 0;
      for (let turn = 0; turn < times(60); turn++) {
        await Promise.all([
          ...peers.map((peer) => converse(server.url, random, peer)),
          ...strangers(server.url, random),
        ]);
        conversations += peers.length + 3;
        memory.sample();
        await honest.more(1);
        expect(
          await (await fetch(`${server.url}/readyz`)).json(),
          `of process ${server.pid}, once ${pid}`,
        ).toMatchObject({
          status: 'ok',
        });
      }
      await honest.stop();
      console.log(
        `${conversations} conversations, ${honest.rounds} rounds of the honest, ${memory.maxMib.toFixed()} MiB at the most`,
      );
      expect(memory.growthMib).toBeLessThan(100);
    },
    TEST_TIMEOUT_MS,
  );
});

/** A connection of up to 60 frames. It ends with why, if the server ended it. */
async function converse(url: string, random: Random, peer: Peer): Promise<void> {
  const socket = await BadSocket.open(url);
  const said: string[] = [];
  let isText = true;
  let saidBye = false;
  const frames = [...peer.greeting(), ...Array.from({ length: random.integer(1, 60) }, () => peer.frame())];
  for (const frame of frames) {
    if (socket.isClosed) break;
    said.push(frame.slice(0, 500));
    saidBye ||= frame.includes('["z"');
    isText = socket.send(random, frame) === 'text' && isText;
    if (random.next() < 0.2) await new Promise((resolve) => setImmediate(resolve));
  }
  if (random.next() < 0.2) {
    socket.terminate();
    return;
  }
  // It is closed at the latest by something that is surely wrong.
  if (!socket.isClosed) isText = socket.send(random, 'no frame') === 'text' && isText;
  await socket.closed();
  const isTold = socket.last?.type === 'goodbye' && socket.last.error.message !== '';
  const isBelow = !isText && NOT_A_WEBSOCKET.includes(socket.closeCode ?? 0);
  if (!isTold && !isBelow && !saidBye)
    throw new Error(`closed with ${socket.closeCode} after ${JSON.stringify(socket.last)}:\n${said.join('\n')}`);
}

/** Those who do not even speak WebSocket. */
function strangers(url: string, random: Random): Promise<unknown>[] {
  const reset = random.next() < 0.5;
  return [
    raw(url, [badUpgrade(random), badBytes(random)], 100, reset),
    raw(url, [upgrade('/session'), badBytes(random), badBytes(random)], 100, reset),
    raw(url, [badBytes(random)], 100, reset),
  ];
}
