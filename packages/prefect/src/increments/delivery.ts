/**
 * Whether an answer reached its client, as far as a server can tell: a peer that closes with the answer unread resets the
 * connection, one that has read it ends it in order, or sends its next request.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How a connection ended: before the answer was written to it, or after: in order, or reset by a peer that had not read all. */
export type Ending = 'unwritten' | 'in order' | 'reset';

export interface DeliveryEvents {
  /** The answer has been handed to the operating system. */
  written(): void;
  /** The client has asked something else over the connection. */
  arrived(): void;
  ended(how: Ending): void;
}

const watched = new WeakMap<Socket, () => void>();

/** Tells of one answer, from before it is written until its fate is known. False if the connection has ended already. */
export function watchDelivery(response: ServerResponse, events: DeliveryEvents): boolean {
  // The request's: a response behind another one on its connection has none yet.
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
    // Of requests that were sent at once.
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

/** Tells the request's connection from all others. */
export function connectionOf({ req: { socket } }: ServerResponse): number {
  const number = numbers.get(socket) ?? ++connections;
  numbers.set(socket, number);
  return number;
}

/** Call with each request: the one before it over this connection has been answered for good. */
export function nextRequest(socket: Socket): void {
  watched.get(socket)?.();
}
