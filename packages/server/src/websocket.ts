/** The session protocol's WebSocket, `/session`. */
import type { Keys } from '@slotkeeper/prefect';
import {
  type Channel,
  type ChannelEvents,
  type ClientFrame,
  codecNamed,
  codecOf,
  MAX_FRAME_BYTES,
  Pongs,
  receive,
  type ServerFrame,
} from '@slotkeeper/protocol';
import { type WebSocket, WebSocketServer } from 'ws';
import { BytesBeforeOpen } from './bytes-before-open.ts';
import type { SessionServer } from './session.ts';
import type { Upgrade } from './upgrades.ts';

/** Above the protocol's bound, so that a frame that is too long is answered with the reason. A longer one cuts the connection. */
const MAX_PAYLOAD_BYTES = 4 * MAX_FRAME_BYTES;
/** `closeTimeout`: how long a client may take to agree to a close. One that does not read must not delay the server's end. */
const OPTIONS = {
  noServer: true,
  perMessageDeflate: false,
  autoPong: false,
  maxPayload: MAX_PAYLOAD_BYTES,
  closeTimeout: 1_000,
  handleProtocols: (offered: ReadonlySet<string>) => codecOf(offered)?.name ?? (false as const),
};

export function sessionUpgrade(sessions: SessionServer, keys: Keys): Upgrade {
  const sockets = new WebSocketServer(OPTIONS);
  const bytes = new BytesBeforeOpen();
  return (request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const enter = bytes.watch(socket, () => {
        turnAway();
        // Nothing more of it is read; it is closed when it has not agreed to that in time.
        socket.pause();
      });
      webSocket.once('close', () => enter('open'));
      const turnAway = sessions.accept((events) => channelOf(webSocket, events), keys.peerOf(request), enter);
    });
}

function channelOf(socket: WebSocket, events: ChannelEvents<ClientFrame>): Channel<ServerFrame> {
  const codec = codecNamed(socket.protocol);
  socket.on('message', (data, isBinary) =>
    receive(isBinary ? (data as Buffer) : data.toString(), codec.decodeClientFrame, events),
  );
  const pongs = new Pongs(socket);
  socket.on('ping', (data) => pongs.answer(data));
  socket.on('close', (code) => events.closed(`the WebSocket was closed with ${code}`));
  // After a broken frame or a reset, `close` follows, and is handled.
  socket.on('error', () => {});
  return {
    send: (frame) => {
      for (const data of codec.encodeServerFrame(frame)) socket.send(data);
    },
    close: () => socket.close(),
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
  };
}
