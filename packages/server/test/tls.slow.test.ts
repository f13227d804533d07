/** https, with a certificate that is replaced while the server runs. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { serve } from '../src/serve.ts';

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'slotkeeper-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A certificate for 127.0.0.1 by that name of its own, with its key. */
function makeCertificate(folder: string, name: string): { cert: string; key: string } {
  const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return { cert, key };
}

async function start() {
  const folder = newFolder();
  const files = makeCertificate(folder, 'first');
  const log: string[] = [];
  const server = await serve({
    host: '127.0.0.1',
    port: 0,
    data: join(folder, 'data'),
    apiKey: 'secret',
    tls: files,
    upstream: null,
    v1LeaseSeconds: null,
    prefectVersion: null,
    log: pino({}, { write: (line: string) => void log.push(JSON.parse(line).msg) }),
  });
  onTestFinished(() => server.close());
  return { server, folder, files, log };
}

async function subjectOf(url: string): Promise<unknown> {
  const socket: TLSSocket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return subject.CN;
}

test('sessions and requests go over TLS, on the same port', async () => {
  const { server, files } = await start();
  expect(server.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
  const socket = new WebSocket(`${server.url.replace('https', 'wss')}/session`, { ca: readFileSync(files.cert) });
  onTestFinished(() => socket.terminate());
  await once(socket, 'open');
  expect(await subjectOf(server.url)).toBe('first');
});

test('a new certificate is used from the reload on; one that does not fit its key changes nothing', async () => {
  const { server, folder, files, log } = await start();
  const second = makeCertificate(folder, 'second');
  copyFileSync(second.cert, files.cert);
  server.reload();
  expect(log.at(-1)).toMatch(/^The certificate stays as it was: /);
  expect(await subjectOf(server.url)).toBe('first');
  copyFileSync(second.key, files.key);
  server.reload();
  expect(await subjectOf(server.url)).toBe('second');
  writeFileSync(files.cert, '');
  server.reload();
  expect(await subjectOf(server.url)).toBe('second');
});
