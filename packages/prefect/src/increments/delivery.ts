/**
 * Detects whether an answer reached its client, as far as a server can know. A peer that closes with the answer unread resets
 * the connection. One that has read it sends its next request, or closes in order.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How a connection ended: before the answer was written, or after that: in order, or reset by a peer that had not read all. */
export type Ending = 'unwritten' | 'in order' | 'reset';

export interface DeliveryEvents {
  /** The answer has been handed to the operating system. */
  written(): void;
  /** The client has sent its next request over the connection. */
  arrived(): void;
  ended(how: Ending): void;
}

const watched = new WeakMap<Socket, () => void>();

/** Watches one answer, from before it is written until its fate is known. False if the connection has ended already. */
export function watchDelivery(response: ServerResponse, events: DeliveryEvents): boolean {
  // The response itself has no socket yet if another one is before it on the connection.
  const { socket } = response.req;
  if (socket.destroyed) return false;
  let wasReset = false;
  const stop = (): void => {
    watched.delete(socket);
    response.off('finish', finished).off('close', closedBefore);
    socket.off('error', failed).off('close', closed);
  };
  const closedBefore = (): void => {
    if (response.writableFinished) return;
    stop();
    events.ended('unwritten');
  };
  const failed = (): void => {
    wasReset = true;
  };
  const closed = (): void => {
    stop();
    events.ended(wasReset ? 'reset' : 'in order');
  };
  const finished = (): void => {
    socket.on('error', failed).on('close', closed);
    // An earlier request that was sent without waiting for its answer (pipelining).
    const before = watched.get(socket);
    watched.set(socket, () => {
      before?.();
      stop();
      events.arrived();
    });
    events.written();
  };
  response.on('finish', finished).on('close', closedBefore);
  return true;
}

const numbers = new WeakMap<Socket, number>();
let connections = 0;

/** A number for the request's connection. */
export function connectionOf({ req: { socket } }: ServerResponse): number {
  const number = numbers.get(socket) ?? ++connections;
  numbers.set(socket, number);
  return number;
}

/** Call with each request: the answers before it over this connection have arrived. */
export function nextRequest(socket: Socket): void {
  watched.get(socket)?.();
}
