import { Agent, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { type Caller, type Callers, NotDone } from './contender.ts';

export interface Post {
  readonly path: string;
  readonly body: unknown;
}

/** How one caller takes a slot and gives it back. */
export interface Pair {
  acquire(): Post;
  /** @param answer to the acquire */
  release(answer: unknown): Post;
}

/** Callers over HTTP, each on a connection of its own that is kept. */
export function httpCallers(url: string, pairs: readonly Pair[]): Callers {
  const agents = pairs.map(() => new Agent({ keepAlive: true, maxSockets: 1 }));
  return {
    callers: pairs.map((pair, i) => httpCaller(url, agents[i]!, pair)),
    async close() {
      for (const agent of agents) agent.destroy();
    },
  };
}

function httpCaller(url: string, agent: Agent, pair: Pair): Caller {
  return {
    async acquire() {
      const answer = await post(url, agent, pair.acquire());
      return { release: () => post(url, agent, pair.release(answer)) };
    },
  };
}

/** Rejects with `NotDone` where the server said 503. */
async function post(url: string, agent: Agent, { path, body }: Post): Promise<unknown> {
  const content = JSON.stringify(body);
  const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(content) };
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url + path, { method: 'POST', agent, headers }, resolve)
      .on('error', reject)
      .end(content);
  });
  const { socket } = answer;
  const said = await text(answer);
  if (answer.statusCode === 503) {
    // A stock Prefect server closes the connection after it without saying so, and the next request would be lost.
    socket.destroy();
    throw new NotDone(said);
  }
  if (answer.statusCode !== 200 && answer.statusCode !== 204)
    throw new Error(`POST ${path} was answered with ${answer.statusCode}: ${said}`);
  return said === '' ? undefined : JSON.parse(said);
}
