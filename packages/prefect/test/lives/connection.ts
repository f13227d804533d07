/** A connection between a client and a server: one request at a time, and anything may be lost. */
import type { Requester } from '../../src/increments/held-increment.ts';
import type { Increment, Outcome } from '../../src/increments/increment.ts';
import type { Reply, Server } from './server.ts';
import type { World } from './world.ts';

export class Connection {
  static #number = 0;
  readonly number = ++Connection.#number;
  readonly #world: World;
  readonly #server: Server;
  /** Of the last increment over it: until it is known that its answer has arrived. */
  #exchange: Exchange | undefined;
  /** What its client is told. */
  #hear: ((reply: Reply | 'lost', lease?: string) => void) | undefined;
  isOpen = true;

  constructor(world: World, server: Server) {
    this.#world = world;
    this.#server = server;
  }

  isWaitingFor(answer: unknown): boolean {
    return this.isOpen && this.#hear === answer;
  }

  get isOfNow(): boolean {
    return this.isOpen && this.#server === this.#world.server;
  }

  increment(increment: Omit<Increment, 'connection'>, hear: (reply: Reply | 'lost', lease?: string) => void): void {
    this.#world.cutSometimes(this, hear);
    this.#request(hear, () => {
      const exchange: Exchange = new Exchange(
        (outcome) => this.#answer(outcome.is, outcome.is === 'granted' ? outcome.leaseId : undefined, exchange),
        this.#world,
      );
      this.#exchange = exchange;
      if (this.#server.replica.ready) this.#server.increments.ask({ ...increment, connection: this.number }, exchange);
      else exchange.answer({ is: 'unavailable' });
    });
  }

  /** `mayBeLost`: it, or its answer. */
  ask(
    hear: (reply: Reply | 'lost') => void,
    act: (server: Server, reply: (reply: Reply) => void) => void,
    mayBeLost = true,
  ): void {
    if (mayBeLost) this.#world.cutSometimes(this, hear);
    this.#request(hear, () => act(this.#server, (reply) => this.#answer(reply)));
  }

  /** Both ends hear of it; what was under way is lost. */
  cut(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    const exchange = this.#exchange;
    if (exchange)
      this.#onServer(() => this.#server.increments.ended(exchange, exchange.isWritten ? 'reset' : 'unwritten'));
    const hear = this.#hear;
    if (hear) this.#world.later(10, () => hear('lost'));
  }

  /** By a client that has read all. */
  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    const exchange = this.#exchange;
    if (exchange) this.#onServer(() => this.#server.increments.ended(exchange, 'in order'));
  }

  #request(hear: (reply: Reply | 'lost', lease?: string) => void, act: () => void): void {
    this.#hear = hear;
    this.#onServer(() => {
      if (!this.isOpen) return;
      if (this.#exchange) this.#server.increments.arrived(this.#exchange);
      this.#exchange = undefined;
      act();
    });
  }

  #answer(reply: Reply, lease?: string, exchange?: Exchange): void {
    this.#onServer(() => {
      if (!this.isOpen) return;
      if (exchange) {
        exchange.isWritten = true;
        this.#server.increments.written(exchange);
      }
      this.#world.later(20, () => {
        const hear = this.#hear;
        if (!this.isOpen || !hear) return;
        this.#hear = undefined;
        hear(reply, lease);
      });
    });
  }

  #onServer(act: () => void): void {
    const { process } = this.#server;
    this.#world.later(20, () => process.arrive(act));
  }
}

/** One increment over one connection, as the server has it. */
class Exchange implements Requester {
  readonly #answer: (outcome: Outcome) => void;
  readonly #world: World;
  #isAnswered = false;
  isWritten = false;

  constructor(answer: (outcome: Outcome) => void, world: World) {
    this.#answer = answer;
    this.#world = world;
  }

  answer(outcome: Outcome): void {
    if (this.#isAnswered) this.#world.violations.push(`an increment is answered twice, now with ${outcome.is}`);
    this.#isAnswered = true;
    this.#answer(outcome);
  }
}
