/** A restart behind a socket of systemd's: nobody is refused, and the address counts for what it is. */
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'slotkeeper';
import { expect, test } from 'vitest';
import { describeWithPython } from '../prefect/describe-with-python.ts';
import { SocketUnit } from '../socket-unit.ts';

describeWithPython('a server with a socket from outside', () => {
  test('answers what has come while it did not run, and its clients keep their slots', async () => {
    await using unit = await SocketUnit.open();
    expect(await unit.start()).toBe(unit.url);
    await using keeper = await connect(unit.url);
    await keeper.limits.ensure('db', { slots: 1 });
    const lease = await keeper.acquire('db');
    expect(await unit.stop()).toBe(0);
    const asked = get(`${unit.url}/readyz`);
    const [socket] = await once(asked, 'socket');
    // Somebody has taken the connection, and it is not the server.
    await once(socket, 'connect');
    const answered = once(asked, 'response');
    await unit.start();
    const [answer] = (await answered) as [IncomingMessage];
    expect(answer.statusCode).toBe(200);
    answer.resume();
    expect(await lease.check()).toBe(true);
  });

  test('on this machine asks for a known host, as with --host', async () => {
    await using unit = await SocketUnit.open();
    await unit.start();
    const headers = { host: 'page.example' };
    const [answer] = (await once(get(`${unit.url}/readyz`, { headers }), 'response')) as [IncomingMessage];
    expect(answer.statusCode).toBe(421);
    answer.resume();
  });
});
