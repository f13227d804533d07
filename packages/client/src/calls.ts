/** Calls that have not been answered. They are sent again on a new connection, so each of them may be carried out twice. */
import type { ClientMessage, Method, Methods, WireError } from '@slotkeeper/protocol';
import { errorOf, type SlotkeeperError } from './errors.ts';

interface Call {
  readonly id: number;
  readonly method: Method;
  readonly params: unknown;
  readonly calledAtMs: number;
  readonly outcome: PromiseWithResolvers<unknown>;
  timesSent: number;
}

export class Calls {
  readonly #calls = new Map<number, Call>();
  #lastId = 0;

  get size(): number {
    return this.#calls.size;
  }

  /** Adds a call, and returns its message for the caller to send. */
  add<M extends Method>(method: M, params: Methods[M]['params'], calledAtMs: number) {
    this.#lastId += 1;
    const outcome = Promise.withResolvers<Methods[M]['value']>();
    const call: Call = {
      id: this.#lastId,
      method,
      params,
      calledAtMs,
      outcome: outcome as PromiseWithResolvers<unknown>,
      timesSent: 0,
    };
    this.#calls.set(call.id, call);
    return { id: call.id, value: outcome.promise };
  }

  message(id: number): ClientMessage {
    const call = this.#calls.get(id)!;
    call.timesSent += 1;
    return { type: 'call', id, method: call.method, params: call.params };
  }

  /** The messages of all calls, to be sent on a new connection. */
  get messages(): ClientMessage[] {
    return [...this.#calls.keys()].map((id) => this.message(id));
  }

  replied(id: number, value: unknown): void {
    this.#take(id)?.outcome.resolve(value);
  }

  failed(id: number, error: WireError): void {
    const call = this.#take(id);
    if (!call) return;
    // The first try may have deleted the limit, and only its answer was lost.
    const isDone = call.method === 'limits.delete' && call.timesSent > 1 && error.code === 'LIMIT_NOT_FOUND';
    if (isDone) call.outcome.resolve(null);
    else call.outcome.reject(errorOf(error, true));
  }

  /** Gives up the calls that were made at or before `calledAtMs`. */
  giveUp(calledAtMs: number, error: SlotkeeperError): void {
    for (const call of this.#calls.values()) {
      if (call.calledAtMs <= calledAtMs) this.#take(call.id)?.outcome.reject(error);
    }
  }

  #take(id: number): Call | undefined {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    return call;
  }
}
