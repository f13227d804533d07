/** Answers the calls of a session: limits, holders, waiters, check. Each is told once what it saw is durable. */
import { randomUUID } from 'node:crypto';
import {
  type Command,
  type HolderView,
  type LimitView,
  notFound,
  queueFull,
  type Refusal,
  resumed,
  type WaiterView,
} from '@slotkeeper/engine';
import {
  type ClientMessage,
  checkCall,
  invalidRequest,
  MAX_FRAME_BYTES,
  type Method,
  type Methods,
  type Page,
  type ServerMessage,
} from '@slotkeeper/protocol';
import type { Replica } from './replica.ts';

/** A page ends at the first of these, so that it fits in a frame. */
const PAGE_ITEMS = 500;
const PAGE_LENGTH = MAX_FRAME_BYTES / 4;
/** Lists and drains of one connection that wait for their answers. All other calls are answered with their batch. */
const WAITING_MAX = 1_000;

type Call = Extract<ClientMessage, { readonly type: 'call' }>;
type Say = (message: ServerMessage) => void;
type Value<M extends Method> = Methods[M]['value'];

/** `done` is called with the value, or with why there is none; not before it is durable. */
type Handler<M extends Method> = (
  replica: Replica,
  params: Methods[M]['params'],
  done: (refusal: Refusal | undefined, value?: Value<M>) => void,
) => void;

const LISTS: ReadonlySet<Method> = new Set<Method>(['limits.list', 'holders', 'waiters']);

/**
 * The calls of one connection. Lists are answered one by one, each once the one before it has been written: a single frame
 * can ask for gigabytes of them.
 */
export class Calls {
  readonly #replica: Replica;
  readonly #say: Say;
  /** The first of them is under way. */
  readonly #lists: Call[] = [];
  #listIsAnswered = false;
  #waiting = 0;

  constructor(replica: Replica, say: Say) {
    this.#replica = replica;
    this.#say = say;
  }

  answer(call: Call): void {
    const isList = LISTS.has(call.method);
    if (!isList && call.method !== 'limits.drain') {
      answerCall(this.#replica, call, this.#say);
    } else if (this.#waiting >= WAITING_MAX) {
      const error = queueFull('lists and drains of one client that wait for their answers', WAITING_MAX);
      this.#replica.tell(() => this.#say({ type: 'failed', id: call.id, error }));
    } else {
      this.#waiting += 1;
      if (!isList) answerCall(this.#replica, call, (answer) => this.#answered(answer));
      else if (this.#lists.push(call) === 1) this.#answerList(call);
    }
  }

  /** To be called when all that was said has been written. */
  written(): void {
    if (!this.#listIsAnswered) return;
    this.#listIsAnswered = false;
    this.#lists.shift();
    const next = this.#lists[0];
    if (next && this.#replica.ready) this.#answerList(next);
  }

  #answerList(call: Call): void {
    answerCall(this.#replica, call, (answer) => {
      this.#listIsAnswered = true;
      this.#answered(answer);
    });
  }

  #answered(answer: ServerMessage): void {
    this.#waiting -= 1;
    this.#say(answer);
  }
}

function answerCall(replica: Replica, { id, method, params }: Call, say: Say): void {
  const problem = checkCall(method, params);
  if (problem) {
    replica.tell(() => say({ type: 'failed', id, error: invalidRequest(problem) }));
    return;
  }
  const handler = handlers[method] as Handler<Method>;
  handler(replica, params as Methods[Method]['params'], (refusal, value) => {
    if (refusal) say({ type: 'failed', id, error: refusal });
    else say({ type: 'reply', id, value });
  });
}

const handlers: { readonly [M in Method]: Handler<M> } = {
  'limits.ensure': (replica, { name, spec }, done) =>
    change(replica, { type: 'limit.ensure', name, id: randomUUID(), patch: spec }, name, done),

  'limits.set': (replica, { name, spec }, done) =>
    change(replica, { type: 'limit.set', name, id: randomUUID(), patch: spec }, name, done),

  'limits.get': (replica, { name }, done) => {
    const view = replica.engine.limitView(name, replica.nowMs);
    replica.tell(() => (view ? done(undefined, view) : done(notFound([name]))));
  },

  'limits.list': (replica, { prefix, after }, done) => {
    const names = [...replica.engine.state.limits.keys()].filter(
      (name) => name.startsWith(prefix) && name > (after ?? ''),
    );
    const shown = names.sort().slice(0, PAGE_ITEMS + 1);
    const views = shown.map((name) => replica.engine.limitView(name, replica.nowMs) as LimitView);
    replica.tell(() =>
      done(
        undefined,
        page(views, (view) => view.name),
      ),
    );
  },

  'limits.delete': (replica, { name, force }, done) => {
    replica.submit({ type: 'limit.delete', name, force }, (refusal) => done(refusal, null));
  },

  'limits.pause': (replica, { name }, done) => setMode(replica, name, 'paused', done),
  'limits.resume': (replica, { name }, done) => setMode(replica, name, 'open', done),
  'limits.drain': (replica, { name }, done) =>
    setMode(replica, name, 'draining', (refusal) => {
      if (refusal) done(refusal);
      else
        replica.whenDrained(name, (isEmpty) =>
          isEmpty ? handlers['limits.get'](replica, { name }, done) : done(resumed(name)),
        );
    }),

  holders: (replica, { limit, after }, done) => {
    if (isMissing(replica, limit, done)) return;
    const from = Number(after ?? 0);
    const views: HolderView[] = [];
    for (const view of replica.engine.holders(limit)) {
      if (view.token > from) views.push(view);
      if (views.length > PAGE_ITEMS) break;
    }
    replica.tell(() =>
      done(
        undefined,
        page(views, (view) => String(view.token)),
      ),
    );
  },

  waiters: (replica, { limit, after }, done) => {
    if (isMissing(replica, limit, done)) return;
    const [atMs = Number.NEGATIVE_INFINITY, number = 0] = after?.split(' ').map(Number) ?? [];
    const views = replica.engine
      .waiters(limit)
      .filter(({ place }) => place.atMs > atMs || (place.atMs === atMs && place.number > number))
      .slice(0, PAGE_ITEMS + 1);
    replica.tell(() =>
      done(
        undefined,
        page(views, ({ place }: WaiterView) => `${place.atMs} ${place.number}`),
      ),
    );
  },

  check: (replica, { leaseId: lease, token }, done) => {
    const valid = replica.engine.isValid(lease, token);
    replica.tell(() => done(undefined, { valid }));
  },
};

function change(
  replica: Replica,
  command: Command,
  name: string,
  done: (refusal: Refusal | undefined, value?: LimitView) => void,
): void {
  let view: LimitView | undefined;
  replica.submit(command, (refusal) => done(refusal, view));
  if (replica.ready) view = replica.engine.limitView(name, replica.nowMs);
}

function setMode(replica: Replica, name: string, mode: LimitView['mode'], done: Parameters<typeof change>[3]): void {
  if (isMissing(replica, name, done)) return;
  change(replica, { type: 'limit.set', name, id: '', patch: { mode } }, name, done);
}

function isMissing(replica: Replica, name: string | null, done: (refusal: Refusal) => void): boolean {
  if (name === null || replica.engine.state.limits.has(name)) return false;
  replica.tell(() => done(notFound([name])));
  return true;
}

/** `items` may be one more than a page holds: then there is another. */
function page<T>(items: readonly T[], cursor: (item: T) => string): Page<T> {
  const shown: T[] = [];
  let length = 0;
  for (const item of items) {
    length += JSON.stringify(item).length;
    if (shown.length > 0 && (shown.length === PAGE_ITEMS || length > PAGE_LENGTH)) break;
    shown.push(item);
  }
  const last = shown.at(-1);
  return { items: shown, next: shown.length < items.length && last !== undefined ? cursor(last) : null };
}
