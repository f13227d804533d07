/**
 * The client's end of the session protocol (packages/protocol/src/messages.ts). Time, transport, ids and chance are
 * arguments: real ones in `connect.ts`, virtual ones in tests.
 *
 *                 ┌────────────── pause is over ─────────────┐
 *                 ▼                                          │
 *   idle ──▶ dialing ── welcome ──▶ connected ── leave ──▶ closing ──▶ ended
 *                 │                     │                    │
 *                 └──── the connection is lost, or silent ───┴──▶ waiting (not from closing)
 *   all but ended ── goodbye for good, nobody answers in time, closed ──▶ ended
 *
 * Everything that the client sends follows from three collections: held leases, unanswered acquires and unanswered calls. A
 * lost connection loses only the outbox; the next connection begins with the content of the collections.
 */
import {
  type Channel,
  type ChannelEvents,
  type ClientFrame,
  type ClientMessage,
  type Clock,
  type Method,
  type Methods,
  ProtocolError,
  type ServerFrame,
  type ServerMessage,
  type Timer,
  VERSIONS,
  type Versions,
  type WireError,
} from '@slotkeeper/protocol';
import type { AcquireCall } from './acquire-call.ts';
import { describe } from './amounts.ts';
import { Calls } from './calls.ts';
import {
  AcquireTimeoutError,
  AuthError,
  errorOf,
  InvalidRequestError,
  LeaseLostError,
  type ServerUnreachableError,
  type SlotkeeperError,
  unreachable,
  unusable,
} from './errors.ts';
import { HeldLease } from './lease.ts';
import { Link } from './link.ts';
import { Backoff } from './reconnect.ts';
import { ClockDrift, TrustWindow } from './trust-window.ts';
import { VersionOffer } from './version-offer.ts';
import { WaitingAcquire } from './waiting-acquire.ts';

export interface SessionWorld {
  readonly clock: Clock;
  /**
   * Opens a connection. Frames sent before it is open wait in it. If it cannot be opened, `closed` is called, never before this
   * returns.
   */
  dial(events: ChannelEvents<ServerFrame>): Channel<ClientFrame>;
  /** A UUID that nobody else has. */
  newId(): string;
  /** From 0 to 1. */
  random(): number;
}

export interface SessionSettings {
  /** 2,000 … 300,000; null: the session does not expire (the server is in this process). */
  readonly ttlMs: number | null;
  readonly connectTimeoutMs: number;
  readonly apiKey: string | null;
  /** The server's address, for errors. */
  readonly address: string;
  /** The protocol versions. Default: those of this release. */
  readonly versions?: Versions;
}

export type Status = 'connected' | 'reconnecting' | 'closed';

export interface SessionListener {
  /** Called at each change, with the cause, if there was one. */
  status(status: Status, cause?: SlotkeeperError): void;
  /** Whether it connects, waits for something, or holds something. */
  busy(busy: boolean): void;
}

type Mode = 'idle' | 'dialing' | 'connected' | 'waiting' | 'closing' | 'ended';

const TRANSITIONS: { readonly [M in Mode]: readonly Mode[] } = {
  idle: ['dialing', 'ended'],
  dialing: ['connected', 'waiting', 'ended'],
  connected: ['waiting', 'closing', 'ended'],
  waiting: ['dialing', 'ended'],
  closing: ['ended'],
  ended: [],
};

/** A frame is sent at least every quarter of the TTL. A connection without an acknowledgement for half of the TTL is given up. */
const HEARTBEATS_PER_TTL = 4;
const SILENCES_PER_TTL = 2;
/** Wall clock and monotonic clock are compared at least so often. */
const PULSE_MS_MAX = 1_000;
/** How long a farewell may take if the session does not expire. */
const FAREWELL_MS = 5_000;
const NO_ANSWER = 'it has not answered';

export class Session {
  readonly #world: SessionWorld;
  readonly #settings: SessionSettings;
  readonly #listener: SessionListener;
  readonly #id: string;
  readonly #trust = new TrustWindow();
  readonly #drift: ClockDrift;
  readonly #backoff: Backoff;
  readonly #leases = new Map<string, HeldLease>();
  readonly #acquires = new Map<string, WaitingAcquire>();
  readonly #calls = new Calls();
  readonly #offer: VersionOffer;
  readonly #started = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  #mode: Mode = 'idle';
  #connection = 0;
  /** Invariant: set while dialing, connected and closing. */
  #link: Link | undefined;
  #outbox: ClientMessage[] = [];
  /** Leases whose release is in the outbox. */
  #outboxReleases: HeldLease[] = [];
  #flushIsDue = false;
  /** Resolves when the outbox is emptied: true if it was sent, false if its connection ended first. */
  #outboxLeft: PromiseWithResolvers<boolean> | undefined;
  #pulseTimer: Timer | undefined;
  /** The timers of the pause before the next attempt, of the first connect, and of the farewell. */
  readonly #timers = new Map<'pause' | 'connect' | 'farewell', Timer>();
  #wasConnected = false;
  /** When the last connection was lost. */
  #awaySinceMs = 0;
  #isBusy = false;
  /** Why the last connection was lost. */
  #lostBecause = NO_ANSWER;
  /** Whether the server itself ended the last connection: then it is there, and need not be started. */
  #lostByItsWord = false;
  /** Set once new acquires and calls are refused. */
  #refusal: SlotkeeperError | undefined;

  constructor(world: SessionWorld, settings: SessionSettings, listener: SessionListener) {
    this.#world = world;
    this.#settings = settings;
    this.#listener = listener;
    this.#id = world.newId();
    this.#drift = new ClockDrift(world.clock);
    this.#backoff = new Backoff(settings.ttlMs, world.random);
    this.#offer = new VersionOffer(settings.versions ?? VERSIONS);
    this.#started.promise.catch(() => {});
  }

  get status(): Status {
    if (this.#mode === 'connected') return 'connected';
    return this.#mode === 'closing' || this.#mode === 'ended' ? 'closed' : 'reconnecting';
  }

  /** Leases that are held, or whose release is not acknowledged. */
  get leases(): Iterable<HeldLease> {
    return this.#leases.values();
  }

  /** For a grant, or for the answer of a call. */
  get isWaiting(): boolean {
    return this.#acquires.size + this.#calls.size > 0;
  }

  /**
   * Connects. Resolves at the first welcome. Rejects with `SERVER_UNREACHABLE` if there is none in time, with `AUTH` or the
   * server's own reason if it is refused.
   */
  start(): Promise<void> {
    this.#after('connect', this.#settings.connectTimeoutMs, () => {
      if (!this.#wasConnected) this.#end(this.#unreachable());
    });
    this.#dial();
    this.#reportBusy();
    return this.#started.promise;
  }

  /** Resolves to the lease. Rejects with the server's refusal, when its time is up, or with the reason of its signal. */
  acquire(call: AcquireCall): Promise<HeldLease> {
    if (this.#refusal) return Promise.reject(this.#refusal);
    if (call.signal?.aborted) return Promise.reject(call.signal.reason);
    if (call.timeoutMs === 0 && this.#mode !== 'connected') return Promise.reject(this.#unreachable());
    const acquire = new WaitingAcquire(this.#world.newId(), call, this.#world.clock);
    this.#acquires.set(acquire.id, acquire);
    acquire.watch(
      () => this.#mode === 'connected',
      () => this.#giveUpAcquire(acquire, this.#timeoutError(acquire)),
      (reason) => this.#giveUpAcquire(acquire, reason),
    );
    if (this.#mode === 'connected') this.#ask(acquire);
    this.#reportBusy();
    return acquire.promise;
  }

  /** Releases the lease. Resolves when the server has made that durable, or when the lease would have ended anyway. */
  release(held: HeldLease): Promise<void> {
    if (held.state !== 'held') return held.releasing();
    const released = held.releasing();
    if (this.#link) {
      this.#outboxReleases.push(held);
      this.#post({ type: 'release', leaseId: held.id, token: held.grant.token });
    } else {
      this.#leaveToTheNextConnection(held);
    }
    return released;
  }

  /**
   * Releases the lease. Resolves when the release has been sent: later acquires of this session find the slots free, since
   * frames arrive in order. If the connection ends before the server has it, the next one sends it again.
   */
  async sendRelease(held: HeldLease): Promise<void> {
    const released = this.release(held);
    if (this.#outbox.length > 0) {
      this.#outboxLeft ??= Promise.withResolvers();
      if (await this.#outboxLeft.promise) return;
    } else if (this.#link) {
      return;
    }
    await released;
  }

  /** Checks the clock now: if the event loop was blocked, its timers have not run yet. */
  look(): void {
    this.#loseTheUncertain();
  }

  async check(held: HeldLease): Promise<boolean> {
    if (held.state !== 'held') return false;
    const { valid } = await this.call('check', { lease: held.id, token: held.grant.token });
    return valid;
  }

  /** Rejects with the server's refusal, or with `SERVER_UNREACHABLE` if it is away for longer than a first connect may take. */
  call<M extends Method>(method: M, params: Methods[M]['params']): Promise<Methods[M]['value']> {
    if (this.#refusal) return Promise.reject(this.#refusal);
    const { id, value } = this.#calls.add(method, params, this.#world.clock.monotonicMs());
    if (this.#mode === 'connected') this.#post(this.#calls.message(id));
    this.#reportBusy();
    return value;
  }

  /** Refuses new acquires and calls, rejects those that wait, and aborts the signals of held leases. */
  refuse(refusal: SlotkeeperError, abortReason: (held: HeldLease) => SlotkeeperError): void {
    this.#refusal ??= refusal;
    for (const acquire of [...this.#acquires.values()]) this.#giveUpAcquire(acquire, this.#refusal);
    for (const held of this.#leases.values()) held.abort(abortReason(held));
  }

  /** Releases all leases and sends `bye`. Call after `refuse`. Resolves once the session is ended; never rejects. */
  async leave(): Promise<void> {
    if (this.#mode !== 'ended') this.#after('farewell', this.#settings.ttlMs ?? FAREWELL_MS, () => this.#end());
    await Promise.all([...this.#leases.values()].map((held) => this.release(held)));
    if (this.#mode === 'connected') {
      this.#enter('closing');
      this.#post({ type: 'bye' });
      this.#reportBusy();
    } else if (this.#mode !== 'closing' && this.#mode !== 'ended') {
      this.#end();
    }
    return this.#ended.promise;
  }

  /** Another kind of server answers. Another try is of no use, unless a Slotkeeper server answered there before. */
  giveUp(error: SlotkeeperError): void {
    if (!this.#wasConnected && this.#mode !== 'ended') this.#end(error);
  }

  #enter(mode: Mode): void {
    if (!TRANSITIONS[this.#mode].includes(mode)) throw new Error(`a session that is ${this.#mode} cannot be ${mode}`);
    this.#mode = mode;
  }

  // ── Connections

  #dial(): void {
    this.#enter('dialing');
    this.#loseTheUncertain();
    this.#connection += 1;
    this.#link = new Link(this.#world.clock, (events) => this.#world.dial(events), {
      frame: (frame) => this.#receive(frame),
      garbled: (problem) => this.#breach(problem),
      closed: (reason) => this.#lose(reason),
    });
    this.#link.send([
      {
        type: 'hello',
        ...this.#offer.fields,
        sessionId: this.#id,
        connection: this.#connection,
        ttlMs: this.#settings.ttlMs,
        apiKey: this.#settings.apiKey,
      },
    ]);
    // A frame of its own: until the server has accepted a hello it takes no more than that.
    this.#link.send([
      ...this.#claims(),
      ...[...this.#acquires.values()].map((acquire) => this.#asked(acquire)),
      { type: 'ready' },
    ]);
    this.#pulseLater();
  }

  #claims(): ClientMessage[] {
    const held = [...this.#leases.values()].filter(({ state }) => state === 'held');
    return held.map((lease) => {
      lease.claimedOn = this.#connection;
      return { type: 'claim', leaseId: lease.id, token: lease.grant.token };
    });
  }

  #welcome({ ttlMs, version }: Extract<ServerMessage, { readonly type: 'welcome' }>): void {
    if (this.#mode !== 'dialing') throw new ProtocolError('welcome', 'must come once on a connection');
    this.#offer.accept(version);
    this.#enter('connected');
    this.#trust.open(ttlMs);
    this.#trust.confirm(this.#link!.lastSentAtMs);
    this.#backoff.reset();
    for (const held of this.#leases.values()) {
      if (held.state === 'releasing' && held.claimedOn !== this.#connection) this.#over(held);
    }
    for (const acquire of this.#acquires.values()) {
      if (acquire.askedOn !== this.#connection) this.#ask(acquire);
    }
    for (const message of this.#calls.messages) this.#post(message);
    if (this.#outbox.length > 0) this.#flushSoon();
    this.#wasConnected = true;
    this.#lostBecause = NO_ANSWER;
    this.#lostByItsWord = false;
    this.#started.resolve();
    this.#listener.status('connected');
    this.#loseIfTooLate();
    // From now on heartbeats are due.
    this.#pulseLater();
  }

  /** Gives up the connection. */
  #lose(reason: string, byItsWord = false): void {
    if (this.#mode === 'closing') {
      this.#end();
      return;
    }
    const wasConnected = this.#mode === 'connected';
    this.#lostBecause = reason.replace(/\.$/, '');
    this.#lostByItsWord = byItsWord;
    this.#enter('waiting');
    this.#dropLink();
    for (const held of [...this.#leases.values()]) if (held.state === 'releasing') this.#leaveToTheNextConnection(held);
    const now = this.#world.clock.monotonicMs();
    if (wasConnected) {
      this.#awaySinceMs = now;
      this.#offer.reset();
    }
    const givenUpBeforeMs = now - this.#settings.connectTimeoutMs;
    if (this.#wasConnected && this.#awaySinceMs <= givenUpBeforeMs)
      this.#calls.giveUp(givenUpBeforeMs, this.#unreachable());
    this.#after('pause', this.#backoff.next(), () => this.#dial());
    this.#pulseLater();
    if (wasConnected) this.#listener.status('reconnecting', this.#unreachable());
    this.#reportBusy();
  }

  #end(error?: SlotkeeperError): void {
    this.#enter('ended');
    this.#refusal ??= error ?? this.#unreachable();
    this.#dropLink();
    for (const timer of this.#timers.values()) timer.cancel();
    this.#pulseTimer?.cancel();
    for (const acquire of this.#acquires.values()) acquire.failed(this.#refusal);
    this.#acquires.clear();
    this.#calls.giveUp(Number.POSITIVE_INFINITY, this.#refusal);
    for (const held of [...this.#leases.values()]) this.#over(held, lost(held, this.#refusal.message, this.#refusal));
    this.#started.reject(this.#refusal);
    this.#ended.resolve();
    this.#listener.status('closed', error);
    this.#reportBusy();
  }

  #dropLink(): void {
    this.#link?.close();
    this.#link = undefined;
    this.#outbox = [];
    this.#outboxReleases = [];
    this.#outboxLeave(false);
  }

  // ── What the server sends

  #receive(frame: ServerFrame): void {
    try {
      if (this.#doubtIfDrifted() && this.#mode === 'connected') this.#flush();
      this.#acknowledged(frame.ack);
      this.#loseIfTooLate();
      for (const message of frame.messages) if (this.#link) this.#handle(message);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#breach(error);
    }
    this.#reportBusy();
  }

  #breach({ message, field }: ProtocolError): void {
    const text = `${this.#settings.address} does not speak this protocol: ${message} Are client and server of the same version?`;
    this.#end(new InvalidRequestError(text, { field }));
  }

  /** Drops a grant that came after the trust window closed: its frame was unread for too long, and the slots may be another's. */
  #loseIfTooLate(): void {
    if (this.#mode === 'connected' && this.#trust.isOver(this.#world.clock.monotonicMs())) {
      this.#lose('its answers came too late');
      this.#loseTheUncertain();
    }
  }

  #acknowledged(ack: number): void {
    const link = this.#link!;
    for (let frame = link.nextAcknowledged(ack); frame; frame = link.nextAcknowledged(ack)) {
      // Before the welcome, an acknowledgement does not mean that the server keeps the session.
      if (this.#mode === 'connected') this.#trust.confirm(frame.sentAtMs);
      for (const held of frame.releases) this.#over(held);
    }
  }

  #handle(message: ServerMessage): void {
    switch (message.type) {
      case 'welcome':
        this.#welcome(message);
        return;
      case 'granted':
        if (this.#trust.isInDoubt) this.#lose('the clocks have drifted apart, and a grant may be old');
        else this.#granted(message.leaseId, message.grant);
        return;
      case 'queued': {
        const acquire = this.#acquires.get(message.leaseId);
        if (acquire) acquire.place = message.place;
        return;
      }
      case 'refused':
        this.#settle(message.leaseId)?.failed(errorOf(message.error));
        return;
      case 'ended': {
        const held = this.#leases.get(message.leaseId);
        if (held) this.#over(held, errorOf(message.error) as LeaseLostError);
        return;
      }
      case 'reply':
        this.#calls.replied(message.id, message.value);
        return;
      case 'failed':
        this.#calls.failed(message.id, message.error);
        return;
      case 'goodbye':
        this.#goodbye(message.error, message.retry);
        return;
    }
  }

  #goodbye(error: WireError, retry: boolean): void {
    const otherVersions = this.#mode === 'dialing' ? this.#offer.refusedBecause(error) : undefined;
    // The leases stay held meanwhile, and the server may come back in its old version before they end.
    if (otherVersions !== undefined) this.#lose(otherVersions, true);
    else if (retry) this.#lose(error.message, true);
    else this.#end(this.#turnedAway(error));
  }

  // ── Acquires and leases

  #granted(id: string, grant: HeldLease['grant']): void {
    const acquire = this.#settle(id);
    if (acquire) {
      const { waitedMs, calledAtMs, call } = acquire;
      const grantedAtMs = calledAtMs + waitedMs;
      const held = new HeldLease(id, grant, {
        waitedMs,
        grantedAtMs,
        onLost: call.onLost,
        connection: this.#connection,
      });
      this.#leases.set(id, held);
      acquire.granted(held);
    } else if (!this.#leases.has(id)) {
      // The acquire was given up while it was granted. The cancel gives the lease back; this release makes sure of it.
      this.#post({ type: 'release', leaseId: id, token: grant.token });
    }
  }

  #settle(id: string): WaitingAcquire | undefined {
    const acquire = this.#acquires.get(id);
    this.#acquires.delete(id);
    return acquire;
  }

  #giveUpAcquire(acquire: WaitingAcquire, reason: unknown): void {
    this.#acquires.delete(acquire.id);
    acquire.failed(reason);
    if (acquire.askedOn === this.#connection) this.#post({ type: 'cancel', leaseId: acquire.id });
    this.#reportBusy();
  }

  #over(held: HeldLease, reason?: LeaseLostError): void {
    this.#leases.delete(held.id);
    held.end(reason);
  }

  /**
   * The server releases every lease that the next `hello` does not claim, so no release message is needed. An embedded session
   * never expires and has nobody to wait for: it is over now.
   */
  #leaveToTheNextConnection(held: HeldLease): void {
    if (this.#settings.ttlMs === null) this.#over(held);
  }

  /**
   * Ends the leases that may be another's by now, unless their holders want to go on. The server may still count such a lease as
   * held, and each heartbeat of a connection on which it was claimed or granted keeps it so. Therefore it is released there.
   */
  #loseTheUncertain(): void {
    if (!this.#wasConnected || !this.#trust.isOver(this.#world.clock.monotonicMs())) return;
    for (const held of [...this.#leases.values()]) {
      if (held.state === 'held' && held.onLost === 'continue') continue;
      if (held.state === 'held') this.#post({ type: 'release', leaseId: held.id, token: held.grant.token });
      const ttlSeconds = (this.#settings.ttlMs ?? 0) / 1_000;
      const why = this.#mode === 'connected' ? '' : `: ${this.#lostBecause}`;
      this.#over(held, lost(held, `the server has not answered within its time to live (${ttlSeconds} s)${why}`));
    }
    this.#reportBusy();
  }

  // ── What is sent

  #ask(acquire: WaitingAcquire): void {
    this.#post(this.#asked(acquire));
  }

  #asked(acquire: WaitingAcquire): ClientMessage {
    acquire.askedOn = this.#connection;
    return { type: 'acquire', request: acquire.request };
  }

  /** Sends the message with all others of this turn; while dialing, after the welcome. Without a connection it sends nothing. */
  #post(message: ClientMessage): void {
    if (!this.#link) return;
    this.#outbox.push(message);
    if (this.#mode !== 'dialing') this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushIsDue) return;
    this.#flushIsDue = true;
    this.#world.clock.soon(() => {
      this.#flushIsDue = false;
      if (this.#outbox.length > 0 && (this.#mode === 'connected' || this.#mode === 'closing')) this.#flush();
    });
  }

  #flush(): void {
    const messages = this.#outbox;
    const releases = this.#outboxReleases;
    this.#outbox = [];
    this.#outboxReleases = [];
    this.#link!.send(messages, releases);
    this.#outboxLeave(true);
  }

  #outboxLeave(wasSent: boolean): void {
    this.#outboxLeft?.resolve(wasSent);
    this.#outboxLeft = undefined;
  }

  // ── Time

  /** Does what is due: compares the clocks, sends a heartbeat, gives up a silent connection, ends leases that may be lost. */
  #pulse(): void {
    const { ttlMs } = this.#settings;
    const now = this.#world.clock.monotonicMs();
    const drifted = this.#doubtIfDrifted();
    this.#loseTheUncertain();
    if (ttlMs !== null && this.#link) {
      const { waitsSinceMs = now, lastSentAtMs } = this.#link;
      if (now - waitsSinceMs >= ttlMs / SILENCES_PER_TTL) this.#lose('it has fallen silent');
      else if (this.#mode === 'connected' && (drifted || now - lastSentAtMs >= ttlMs / HEARTBEATS_PER_TTL))
        this.#flush();
    }
    this.#pulseLater();
  }

  #doubtIfDrifted(): boolean {
    const drifted = this.#drift.noticed();
    if (drifted) this.#trust.doubt(this.#world.clock.monotonicMs());
    return drifted;
  }

  #pulseLater(): void {
    const { ttlMs } = this.#settings;
    if (ttlMs === null || this.#mode === 'ended') return;
    const now = this.#world.clock.monotonicMs();
    let dueMs = now + PULSE_MS_MAX;
    if (this.#trust.endsAtMs > now) dueMs = Math.min(dueMs, this.#trust.endsAtMs);
    if (this.#link) dueMs = Math.min(dueMs, (this.#link.waitsSinceMs ?? now) + ttlMs / SILENCES_PER_TTL);
    if (this.#mode === 'connected') dueMs = Math.min(dueMs, this.#link!.lastSentAtMs + ttlMs / HEARTBEATS_PER_TTL);
    this.#pulseTimer?.cancel();
    this.#pulseTimer = this.#world.clock.setTimer(Math.max(0, dueMs - now), () => this.#pulse());
  }

  #after(name: 'pause' | 'connect' | 'farewell', delayMs: number, callback: () => void): void {
    this.#timers.get(name)?.cancel();
    this.#timers.set(name, this.#world.clock.setTimer(delayMs, callback));
  }

  #reportBusy(): void {
    const waits = this.#acquires.size + this.#leases.size + this.#calls.size > 0;
    const isBusy = this.#mode !== 'ended' && (waits || !this.#wasConnected || this.#mode === 'closing');
    if (isBusy === this.#isBusy) return;
    this.#isBusy = isBusy;
    this.#listener.busy(isBusy);
  }

  // ── Errors

  #unreachable(): ServerUnreachableError {
    const { address } = this.#settings;
    return this.#lostByItsWord ? unusable(address, this.#lostBecause) : unreachable(address, this.#lostBecause);
  }

  #turnedAway(error: WireError): SlotkeeperError {
    if (error.code !== 'AUTH') return errorOf(error);
    const { address, apiKey } = this.#settings;
    const reason = apiKey === null ? 'it asks for an API key' : 'the API key given is not its own';
    const message = `The Slotkeeper server at ${address} does not let us in: ${reason}. Give its key as apiKey to connect, or in SLOTKEEPER_API_KEY.`;
    return new AuthError(message, { address, reason });
  }

  #timeoutError(acquire: WaitingAcquire): SlotkeeperError {
    const { timeoutMs, amounts } = acquire.call;
    if (timeoutMs === 0) return this.#unreachable();
    const stood = acquire.place ? 'it stood in the wait queue' : 'the server had not answered';
    const why = this.#mode === 'connected' ? stood : `${stood} as the connection was lost: ${this.#lostBecause}`;
    return new AcquireTimeoutError(
      `${describe(amounts)}: not granted within ${(timeoutMs ?? 0) / 1_000} s; ${why}. Wait longer, or look at who holds it.`,
      { timeoutMs, place: acquire.place },
    );
  }
}

function lost(held: HeldLease, why: string, cause?: SlotkeeperError): LeaseLostError {
  return new LeaseLostError(
    `Lease ${held.id} on ${held.text} is not safely ours any more: ${why.replace(/\.$/, '')}. Stop what it guards, and acquire again to go on.`,
    { lease: held.id },
    cause && { cause },
  );
}
