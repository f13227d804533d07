/** A channel to a server in another process: the WebSocket `/session`. */
import type { ClientRequest } from 'node:http';
import {
  type Channel,
  type ChannelEvents,
  type ClientFrame,
  CODECS,
  codecNamed,
  jsonCodec,
  receive,
  type ServerFrame,
} from '@slotkeeper/protocol';
import { proxyTo } from '@slotkeeper/protocol/proxy';
import WebSocket from 'ws';
import { connectFailure, noSession } from './connect-failure.ts';
import type { ServerUnreachableError } from './errors.ts';

/** `closeTimeout`: how long the other end may take to agree to a close. */
const OPTIONS = {
  perMessageDeflate: false,
  closeTimeout: 1_000,
  finishRequest(request: ClientRequest): void {
    request.on('socket', (socket) => socket.unref());
    request.end();
  },
};

/** Whether the status is temporary: the server is busy, or a proxy's server is being started again. */
const isPassing = (status: number): boolean => status >= 500 || status === 429 || status === 408;

/**
 * Opens the channel. Frames sent before the socket is open wait. Neither the socket nor the attempt to open it keeps the process
 * alive. If another kind of server answers, `refused` is called before the channel is closed.
 */
export function dialWebSocket(
  { address, sessionUrl }: { readonly address: string; readonly sessionUrl: string },
  events: ChannelEvents<ServerFrame>,
  refused: (error: ServerUnreachableError) => void,
): Channel<ClientFrame> {
  const proxy = proxyTo(sessionUrl);
  const socket = new WebSocket(
    sessionUrl.replace(/^http/, 'ws'),
    CODECS.map(({ name }) => name),
    { ...OPTIONS, agent: proxy?.agent },
  );
  let unsent: ClientFrame[] = [];
  let reason: string | undefined;
  // The server chooses the sub-protocol only when the socket opens.
  let codec = jsonCodec;
  const send = (frame: ClientFrame): void => {
    for (const data of codec.encodeClientFrame(frame)) socket.send(data);
  };
  socket.on('open', () => {
    codec = codecNamed(socket.protocol);
    for (const frame of unsent) send(frame);
    unsent = [];
  });
  socket.on('message', (data, isBinary) =>
    receive(isBinary ? (data as Buffer) : String(data), codec.decodeServerFrame, events),
  );
  socket.on('error', (error) => {
    if (reason !== undefined) return;
    const failure = connectFailure(error, sessionUrl, address, proxy);
    reason = failure.reason;
    if (failure.final) refused(failure.final);
  });
  socket.on('unexpected-response', (_request, { statusCode: status = 0 }) => {
    reason = `it answers with HTTP status ${status}`;
    if (!isPassing(status)) refused(noSession(address, status, proxy));
    socket.terminate();
  });
  socket.on('close', () => events.closed(reason ?? 'the connection was closed'));
  return {
    send: (frame) => {
      if (socket.readyState === WebSocket.OPEN) send(frame);
      else if (socket.readyState === WebSocket.CONNECTING) unsent.push(frame);
    },
    close: () => (socket.readyState === WebSocket.CONNECTING ? socket.terminate() : socket.close()),
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
  };
}
