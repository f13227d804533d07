/** A channel to a server elsewhere: the WebSocket `/session`. */
import type { ClientRequest } from 'node:http';
import type { Channel, ChannelEvents } from '@slotkeeper/protocol';
import WebSocket from 'ws';

/** `closeTimeout`: so long the other end may take to agree to a close. */
const OPTIONS = {
  perMessageDeflate: false,
  closeTimeout: 1_000,
  finishRequest(request: ClientRequest): void {
    request.on('socket', (socket) => socket.unref());
    request.end();
  },
};

/** What is sent before the socket is open waits. It does not keep the process alive, nor does the attempt to open it. */
export function dialWebSocket(url: string, events: ChannelEvents): Channel {
  const socket = new WebSocket(url, OPTIONS);
  let unsent: string[] = [];
  let reason = 'the connection was closed';
  socket.on('open', () => {
    for (const frame of unsent) socket.send(frame);
    unsent = [];
  });
  socket.on('message', (data) => events.frame(String(data)));
  socket.on('error', (error: Error & { code?: string }) => {
    // Where a name has several addresses, the error of all of them has a code but no message.
    reason = error.message || error.code || reason;
  });
  socket.on('close', () => events.closed(reason));
  return {
    send: (frame) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(frame);
      else if (socket.readyState === WebSocket.CONNECTING) unsent.push(frame);
    },
    close: () => (socket.readyState === WebSocket.CONNECTING ? socket.terminate() : socket.close()),
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
  };
}
