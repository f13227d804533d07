/** Sends every frame back as it came: what a WebSocket costs on this machine, and nothing else. */
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
server.on('connection', (socket) => {
  socket.on('message', (frame) => socket.send(frame, { binary: false }));
});
server.on('listening', () => console.log(`ready on ws://127.0.0.1:${(server.address() as AddressInfo).port}`));
