/** The session protocol's WebSocket, `/session`. */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { type Channel, type ChannelEvents, MAX_FRAME_BYTES } from '@slotkeeper/protocol';
import { type WebSocket, WebSocketServer } from 'ws';
import type { SessionFace } from './session.ts';

/** Above the protocol's bound, so that a frame that is too long is told so; beyond this the connection is cut. */
const MAX_PAYLOAD_BYTES = 4 * MAX_FRAME_BYTES;

export function serveSessions(server: Server, face: SessionFace): void {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: MAX_PAYLOAD_BYTES });
  server.on('upgrade', (request, socket, head) => {
    const refusal = whyNot(request);
    if (refusal) refuse(socket, refusal);
    else
      sockets.handleUpgrade(request, socket, head, (webSocket) =>
        face.accept((events) => channelOf(webSocket, events)),
      );
  });
}

/** A web page elsewhere must not talk to a server on loopback through its visitor's browser. */
function whyNot({ url, headers }: IncomingMessage): '404 Not Found' | '403 Forbidden' | undefined {
  if (new URL(url ?? '/', 'http://localhost').pathname !== '/session') return '404 Not Found';
  if (headers.origin !== undefined && URL.parse(headers.origin)?.host !== headers.host) return '403 Forbidden';
  return undefined;
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function channelOf(socket: WebSocket, events: ChannelEvents): Channel {
  socket.on('message', (data, isBinary) => {
    if (isBinary) socket.close(1003, 'frames are text');
    else events.frame(data.toString());
  });
  socket.on('close', (code) => events.closed(`the WebSocket was closed with ${code}`));
  // A broken frame or a reset: `close` follows.
  socket.on('error', () => {});
  return {
    send: (frame) => socket.send(frame),
    close: () => socket.close(),
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
  };
}
