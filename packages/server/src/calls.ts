/** Answers the calls of a session: limits, holders, waiters, check. Each answer is sent once all that it shows is durable. */
import { randomUUID } from 'node:crypto';
import {
  type Command,
  type HolderView,
  type LimitView,
  looksTheSame,
  notFound,
  queueFull,
  type Refusal,
  type WaiterView,
} from '@slotkeeper/engine';
import type { Caller } from '@slotkeeper/prefect';
import {
  type ClientMessage,
  checkCall,
  invalidRequest,
  MAX_FRAME_BYTES,
  type Method,
  type Methods,
  type Page,
  type ServerMessage,
  type WireError,
} from '@slotkeeper/protocol';
import { whyNoCall } from './keys/rights.ts';
import { seenHolders, seenTicket, seenWaiters } from './keys/seen.ts';
import { type Outcome, refusedIfDurable, type Settled } from './replica/outcome.ts';
import type { Replica } from './replica/replica.ts';
import { holderAtWall, waiterAtWall } from './wall-times.ts';

/** A page ends at so many items or bytes, whichever comes first, so that it fits in a frame. */
const PAGE_ITEMS = 500;
const PAGE_LENGTH = MAX_FRAME_BYTES / 4;
/** Lists and drains of one connection that wait for their answers. All other calls are answered with their batch. */
const WAITING_MAX = 1_000;

/** With who asks. */
type Asked = readonly [call: Call, caller: Caller];
type Call = Extract<ClientMessage, { readonly type: 'call' }>;

export interface CallEvents {
  /** The answer, which is durable. */
  send(message: ServerMessage): void;
  /** The replica has failed or stopped first: there is no answer. */
  lost(): void;
}

/** Called once. `value` is given if the call was neither refused nor lost. */
type Done<Value> = (outcome: Outcome, value?: Value) => void;
type Handler<M extends Method> = (
  replica: Replica,
  params: Methods[M]['params'],
  done: Done<Methods[M]['value']>,
  caller: Caller,
) => void;

const LISTS: ReadonlySet<Method> = new Set<Method>(['limits.list', 'holders', 'waiters']);

/**
 * The calls of one connection. Lists are answered one by one, each once the one before it has been written: a single frame
 * can ask for gigabytes of them.
 */
export class Calls {
  readonly #replica: Replica;
  readonly #events: CallEvents;
  /** Lists that are not answered yet. The first is under way. */
  readonly #lists: Asked[] = [];
  #listIsAnswered = false;
  #waiting = 0;

  constructor(replica: Replica, events: CallEvents) {
    this.#replica = replica;
    this.#events = events;
  }

  answer(call: Call, caller: Caller): void {
    const isList = LISTS.has(call.method);
    if (!isList && call.method !== 'limits.drain') {
      answerCall(this.#replica, [call, caller], this.#events);
    } else if (this.#waiting >= WAITING_MAX) {
      const error = queueFull('lists and drains of one client that wait for their answers', WAITING_MAX);
      refuseCall(this.#replica, call.id, error, this.#events);
    } else {
      this.#waiting += 1;
      const send = (answer: ServerMessage): void => this.#answered(answer);
      if (!isList) answerCall(this.#replica, [call, caller], { ...this.#events, send });
      else if (this.#lists.push([call, caller]) === 1) this.#answerList([call, caller]);
    }
  }

  /** Call when all answers so far have been written. */
  written(): void {
    if (!this.#listIsAnswered) return;
    this.#listIsAnswered = false;
    this.#lists.shift();
    const next = this.#lists[0];
    if (next && this.#replica.ready) this.#answerList(next);
  }

  #answerList(asked: Asked): void {
    const send = (answer: ServerMessage): void => {
      this.#listIsAnswered = true;
      this.#answered(answer);
    };
    answerCall(this.#replica, asked, { ...this.#events, send });
  }

  #answered(answer: ServerMessage): void {
    this.#waiting -= 1;
    this.#events.send(answer);
  }
}

function answerCall(replica: Replica, [{ id, method, params }, caller]: Asked, events: CallEvents): void {
  const problem = checkCall(method, params);
  const error = problem ? invalidRequest(problem) : whyNoCall(caller, method, params, replica);
  if (error) {
    refuseCall(replica, id, error, events);
    return;
  }
  const handler = handlers[method] as Handler<Method>;
  const done: Done<unknown> = (outcome, value) => {
    if (outcome.is === 'lost') events.lost();
    else if (outcome.refusal) events.send({ type: 'failed', id, error: outcome.refusal });
    else events.send({ type: 'reply', id, value });
  };
  handler(replica, params as Methods[Method]['params'], done, caller);
}

function refuseCall(replica: Replica, id: number, error: WireError, { send, lost }: CallEvents): void {
  replica.confirm(({ is }) => (is === 'lost' ? lost() : send({ type: 'failed', id, error })));
}

const handlers: { readonly [M in Method]: Handler<M> } = {
  'limits.ensure': (replica, { name, spec }, done, { by }) =>
    make(replica, { type: 'limit.ensure', name, id: randomUUID(), patch: spec, by }, name, done),

  'limits.set': (replica, { name, spec }, done, { by }) =>
    make(replica, { type: 'limit.set', name, id: randomUUID(), patch: spec, by }, name, done),

  'limits.get': (replica, { name }, done) => {
    const view = replica.engine.limitView(name, replica.nowMs);
    if (view) replica.confirm((outcome) => done(outcome, view));
    else refuse(replica, notFound([name], replica.engine.state.limits), done);
  },

  'limits.list': (replica, { prefix, after }, done, { key }) => {
    const narrower = prefix.startsWith(key.prefix) ? prefix : key.prefix;
    const views = narrower.startsWith(prefix)
      ? replica.engine.limits(narrower, after, PAGE_ITEMS + 1, replica.nowMs)
      : [];
    confirmPage(replica, views, (view) => view.name, done);
  },

  'limits.delete': (replica, { name, force }, done, { by }) => {
    replica.submit({ type: 'limit.delete', name, force, by }, (outcome) => done(outcome, null));
  },

  'limits.pause': (replica, { name }, done, caller) => setMode(replica, name, 'paused', caller, done),
  'limits.resume': (replica, { name }, done, caller) => setMode(replica, name, 'open', caller, done),
  'limits.drain': (replica, { name }, done, caller) =>
    setMode(replica, name, 'draining', caller, (set) => {
      if (hasFailed(set)) done(set);
      else
        replica.whenDrained(name, (drained) => {
          if (hasFailed(drained)) done(drained);
          else if (replica.ready) handlers['limits.get'](replica, { name }, done, caller);
          else replica.confirm(done);
        });
    }),

  holders: (replica, { limit, after }, done, caller) => {
    if (isMissing(replica, limit, done)) return;
    const views = replica.engine.holders(limit, Number(after ?? 0), PAGE_ITEMS + 1);
    const seen = (page: readonly HolderView[]) =>
      seenHolders(caller, page, replica.engine.state).map((view) => holderAtWall(view, replica.aheadMs));
    confirmPage(replica, views, (view) => String(view.token), done, seen);
  },

  waiters: (replica, { limit, after }, done, caller) => {
    if (isMissing(replica, limit, done)) return;
    const views = replica.engine.waiters(limit, after === null ? null : readPosition(after), PAGE_ITEMS + 1);
    const cursor = ({ place, ticket }: WaiterView) => writePosition(place, seenTicket(caller.key, ticket));
    confirmPage(replica, views, cursor, done, (page) =>
      seenWaiters(caller, page).map((view) => waiterAtWall(view, replica.aheadMs)),
    );
  },

  check: (replica, { lease, token }, done) => {
    const valid = replica.engine.isValid(lease, token);
    replica.confirm((outcome) => done(outcome, { valid }));
  },
};

/** A change that creates the limit if it does not exist. */
function make(replica: Replica, command: Command, name: string, done: Done<LimitView>): void {
  const { limits } = replica.engine.state;
  const lookAlike = limits.has(name) ? undefined : limits.lookAlike(name);
  if (lookAlike === undefined) change(replica, command, name, done);
  else refuse(replica, looksTheSame(name, lookAlike), done);
}

function change(replica: Replica, command: Command, name: string, done: Done<LimitView>): void {
  let view: LimitView | undefined;
  replica.submit(command, (outcome) => done(outcome, view));
  if (replica.ready) view = replica.engine.limitView(name, replica.nowMs);
}

function setMode(replica: Replica, name: string, mode: LimitView['mode'], { by }: Caller, done: Done<LimitView>): void {
  if (isMissing(replica, name, done)) return;
  change(replica, { type: 'limit.set', name, id: '', patch: { mode }, by }, name, done);
}

function isMissing(replica: Replica, name: string | null, done: Settled): boolean {
  if (name === null || replica.engine.state.limits.has(name)) return false;
  refuse(replica, notFound([name], replica.engine.state.limits), done);
  return true;
}

function refuse(replica: Replica, refusal: Refusal, done: Settled): void {
  replica.confirm((outcome) => done(refusedIfDurable(outcome, refusal)));
}

/** The cursor of a list of waiters. */
function writePosition({ atMs, number }: WaiterView['place'], ticket: string): string {
  return `${atMs} ${number} ${ticket}`;
}

function readPosition(cursor: string): { place: WaiterView['place']; leaseId: string } {
  const [atMs, number, ...leaseId] = cursor.split(' ');
  return { place: { atMs: Number(atMs), number: Number(number) }, leaseId: leaseId.join(' ') };
}

function hasFailed(outcome: Outcome): boolean {
  return outcome.is === 'lost' || outcome.refusal !== undefined;
}

/** `seen`: what of a page its caller may see. A page may be empty and have another after it. */
function confirmPage<T>(
  replica: Replica,
  items: readonly T[],
  cursor: (item: T) => string,
  done: Done<Page<T>>,
  seen: (items: readonly T[]) => readonly T[] = (items) => items,
): void {
  const whole = page(items, cursor);
  const shown = { ...whole, items: seen(whole.items) };
  replica.confirm((outcome) => done(outcome, shown));
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
