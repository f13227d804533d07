/** The session protocol's WebSocket, `/session`. */
import {
  type Channel,
  type ChannelEvents,
  type ClientFrame,
  decodeClientFrame,
  encodeServerFrame,
  hearText,
  MAX_FRAME_BYTES,
  type ServerFrame,
} from '@slotkeeper/protocol';
import { type WebSocket, WebSocketServer } from 'ws';
import type { SessionFace } from './session.ts';
import type { Upgrade } from './upgrades.ts';

/** Above the protocol's bound, so that a frame that is too long is told so; beyond this the connection is cut. */
const MAX_PAYLOAD_BYTES = 4 * MAX_FRAME_BYTES;
/** `closeTimeout`: so long a client may take to agree to a close. One that does not read must not hold up the server's end. */
const OPTIONS = { noServer: true, perMessageDeflate: false, maxPayload: MAX_PAYLOAD_BYTES, closeTimeout: 1_000 };

export function sessionUpgrade(face: SessionFace): Upgrade {
  const sockets = new WebSocketServer(OPTIONS);
  return (request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, (webSocket) => face.accept((events) => channelOf(webSocket, events)));
}

function channelOf(socket: WebSocket, events: ChannelEvents<ClientFrame>): Channel<ServerFrame> {
  socket.on('message', (data, isBinary) => {
    if (isBinary) socket.close(1003, 'frames are text');
    else hearText(data.toString(), decodeClientFrame, events);
  });
  socket.on('close', (code) => events.closed(`the WebSocket was closed with ${code}`));
  // A broken frame or a reset: `close` follows.
  socket.on('error', () => {});
  return {
    send: (frame) => {
      for (const text of encodeServerFrame(frame)) socket.send(text);
    },
    close: () => socket.close(),
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
  };
}
