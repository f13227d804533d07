/** How each client stands, as far as can be seen from outside: since when it is connected, paused, gone, or cut off. */

import type { Amounts } from './auditor-model.ts';

/** A client process, as the auditor knows it. */
export interface Client {
  readonly name: string;
  readonly ttlMs: number;
  session: string;
  isGone: boolean;
  goneAtMs: number;
  isConnected: boolean;
  /** When its status changed last. */
  statusAtMs: number;
  isPaused: boolean;
  pausedAtMs: number;
  resumedAtMs: number;
  /** How long its clock has stood still in all. */
  suspendedMs: number;
  /** Until then its own clocks mislead it: it was suspended. */
  misledUntilMs: number;
  /** Until then something is wrong with its network, or was. */
  disturbedUntilMs: number;
  readonly acquires: Set<Acquire>;
}

export interface Asked {
  readonly id: string;
  readonly client: Client;
  readonly amounts: Amounts;
  readonly priority: number;
  readonly timeoutMs: number | null;
  readonly onMissing: 'error' | 'allow' | 'create';
}

export interface Acquire extends Asked {
  readonly calledAtMs: number;
  state: 'waiting' | 'held' | 'releasing' | 'over';
  /** The token that its client received; 0: none yet. */
  token: number;
  /** When the state became what it is. */
  sinceMs: number;
  /** When the journal last had it as granted. */
  grantedAtMs: number;
  /** What was granted, and of it what it holds: the rest was of rates and is spent. */
  given: Amounts;
  holds: Amounts;
  isRevoked: boolean;
  /** Whether its client would go on with its work now. */
  believes: () => boolean;
}

/** Time enough for anything that is not disturbed: a round trip, a write, a client's grace. */
export const CALM_MS = 5_000;

export class Standing {
  readonly clients = new Set<Client>();
  readonly #nowMs: () => number;
  #serverDisturbedUntilMs = 0;
  #serverIsDown = true;
  #serverUpSinceMs = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Until then something is wrong with the server, or was. */
  get serverDisturbedUntilMs(): number {
    return this.#serverDisturbedUntilMs;
  }

  /** When the server that runs, or ran last, began to. */
  get serverUpSinceMs(): number {
    return this.#serverUpSinceMs;
  }

  get serverIsDown(): boolean {
    return this.#serverIsDown;
  }

  client(name: string, ttlMs: number): Client {
    const client: Client = {
      name,
      ttlMs,
      session: '',
      isGone: false,
      goneAtMs: 0,
      isConnected: false,
      statusAtMs: this.#nowMs(),
      isPaused: false,
      pausedAtMs: -1,
      resumedAtMs: -1,
      suspendedMs: 0,
      misledUntilMs: 0,
      disturbedUntilMs: 0,
      acquires: new Set(),
    };
    this.clients.add(client);
    return client;
  }

  status(client: Client, isConnected: boolean): void {
    client.isConnected = isConnected;
    client.statusAtMs = this.#nowMs();
  }

  paused(client: Client): void {
    client.isPaused = true;
    client.pausedAtMs = this.#nowMs();
  }

  resumed(client: Client, suspendedMs: number): void {
    client.isPaused = false;
    client.resumedAtMs = this.#nowMs();
    client.suspendedMs += suspendedMs;
    // It asks the server at its next look at the clocks, and gives that a quarter of its time to live.
    if (suspendedMs > 0) client.misledUntilMs = client.resumedAtMs + client.ttlMs * 0.3 + 1_500;
  }

  disturbed(client: Client | 'server', untilMs: number): void {
    if (client === 'server') this.#serverDisturbedUntilMs = Math.max(this.#serverDisturbedUntilMs, untilMs);
    else client.disturbedUntilMs = Math.max(client.disturbedUntilMs, untilMs);
  }

  /** A server runs, or does not. */
  server(isUp: boolean): void {
    this.#serverIsDown = !isUp;
    if (isUp) this.#serverUpSinceMs = this.#nowMs();
    this.disturbed('server', this.#nowMs() + 2_000);
  }

  // Judgement

  /** The latest possible sign of life of a client that is gone, at a server that could receive it. */
  lastHeardAtMs(client: Client): number {
    return Math.max(client.goneAtMs, client.disturbedUntilMs, this.#serverDisturbedUntilMs);
  }

  /** Whether the client works on with it, and may. */
  believes(acquire: Acquire): boolean {
    const { client } = acquire;
    const nowMs = this.#nowMs();
    if (client.isGone || client.isPaused || client.resumedAtMs === nowMs || client.misledUntilMs >= nowMs) return false;
    return acquire.believes();
  }

  serverIsCalm(forMs: number): boolean {
    return !this.#serverIsDown && this.#serverDisturbedUntilMs + forMs < this.#nowMs();
  }

  /** Nothing was wrong between the client and the server for so long. */
  isCalm(client: Client, forMs: number): boolean {
    const sinceMs = this.#nowMs() - forMs;
    return (
      this.serverIsCalm(forMs) &&
      !client.isGone &&
      client.isConnected &&
      !client.isPaused &&
      Math.max(client.statusAtMs, client.disturbedUntilMs, client.resumedAtMs, client.misledUntilMs) < sinceMs
    );
  }
}
