/** Limits of v2, as they are set by hand. */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Answer, ApiServer } from './prefect-server.ts';

const PATH = '/v2/concurrency_limits';
const namesOf = ({ body }: Answer): unknown => (body as { name: string }[]).map(({ name }) => name);

describe('a limit', () => {
  it('is found by its name and by its id, however that is written', async () => {
    const server = await ApiServer.start();
    const id = await server.globalLimit('a b ü?#', 2);
    const connection = server.connect();
    const forms = [id, id.toUpperCase(), id.replaceAll('-', ''), `%7B${id}%7D`, `urn:uuid:${id}`];
    for (const form of [...forms, encodeURIComponent('a b ü?#')]) {
      const answer = await connection.ask('GET', `${PATH}/${form}`);
      expect([form, answer.status, answer.body]).toMatchObject([form, 200, { id, name: 'a b ü?#', limit: 2 }]);
    }
  });

  it('whose name is the id of none is found by it', async () => {
    const server = await ApiServer.start();
    const name = randomUUID();
    await server.globalLimit(name, 1);
    expect((await server.connect().ask('GET', `${PATH}/${name}`)).body).toMatchObject({ name });
  });

  it('may be named like a call', async () => {
    const server = await ApiServer.start();
    const connection = server.connect();
    expect((await connection.ask('GET', `${PATH}/increment`)).status).toBe(404);
    await server.globalLimit('increment', 1);
    expect((await connection.ask('PATCH', `${PATH}/increment`, { body: { limit: 2 } })).status).toBe(204);
    expect((await connection.ask('GET', `${PATH}/increment/`)).body).toMatchObject({ limit: 2 });
    expect((await connection.ask('DELETE', `${PATH}/increment`)).status).toBe(204);
  });

  it('is made as it is told', async () => {
    const server = await ApiServer.start();
    const given = {
      name: 'x',
      limit: '5',
      active: 'false',
      active_slots: 7,
      denied_slots: 3,
      slot_decay_per_second: 0.25,
    };
    const answer = await server.connect().post(PATH, given);
    const expected = { name: 'x', limit: 5, active: false, active_slots: 7, slot_decay_per_second: 0.25 };
    expect([answer.status, answer.body]).toMatchObject([
      201,
      { ...expected, denied_slots: 3, avg_slot_occupancy_seconds: 2 },
    ]);
    const shown = (await server.connect().ask('GET', `${PATH}/x`)).body as object;
    expect(shown).toMatchObject(expected);
    expect(Object.keys(shown)).toEqual([
      'id',
      'created',
      'updated',
      'active',
      'name',
      'limit',
      'active_slots',
      'slot_decay_per_second',
    ]);
  });

  it('is listed by name with all others, a page at a time', async () => {
    const server = await ApiServer.start();
    for (const name of ['c', 'a', 'B', 'd']) await server.globalLimit(name, 1);
    await server.limit('t', 1);
    const page = async (body: object) => namesOf(await server.connect().post(`${PATH}/filter`, body));
    expect(await page({})).toEqual(['B', 'a', 'c', 'd', 'tag:t']);
    expect(await page({ limit: 2, offset: 1 })).toEqual(['a', 'c']);
    expect(await page({ limit: null, offset: 9 })).toEqual([]);
  });

  it('takes its leases with it as it is deleted', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 1);
    const connection = server.connect();
    const granted = await connection.take('increment-with-lease', ['x'], 1);
    const { lease_id: lease } = granted.body as { lease_id: string };
    const deleted = await connection.ask('DELETE', `${PATH}/x`);
    expect([deleted.status, deleted.text, deleted.headers['content-type']]).toEqual([204, '', undefined]);
    expect((await connection.post(`${PATH}/leases/${lease}/renew`, {})).status).toBe(410);
    expect((await connection.post(`${PATH}/decrement-with-lease`, { lease_id: lease })).status).toBe(204);
  });
});

describe('a change', () => {
  it('touches only what it names', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 5, { slot_decay_per_second: 0.5, active_slots: 2 });
    const connection = server.connect();
    const changed = await connection.ask('PATCH', `${PATH}/x`, { body: { active: false, denied_slots: 9 } });
    expect([changed.status, changed.text, changed.headers['content-type']]).toEqual([204, '', undefined]);
    expect((await connection.ask('GET', `${PATH}/x`)).body).toMatchObject({
      active: false,
      limit: 5,
      active_slots: 2,
      slot_decay_per_second: 0.5,
    });
  });

  it('of the name keeps the id and the holders, and tags by their new name', async () => {
    const server = await ApiServer.start();
    await server.limit('x', 1);
    const connection = server.connect();
    const taskRun = randomUUID();
    await connection.increment(taskRun, 'x');
    const { id } = (await connection.ask('GET', `${PATH}/tag:x`)).body as { id: string };
    expect((await connection.ask('PATCH', `${PATH}/tag:x`, { body: { name: 'plain', limit: 4 } })).status).toBe(204);
    expect((await connection.ask('GET', `${PATH}/tag:x`)).status).toBe(404);
    expect((await connection.ask('GET', `/concurrency_limits/${id}`)).status).toBe(404);
    expect((await connection.ask('GET', `${PATH}/plain`)).body).toMatchObject({ id, limit: 4, active_slots: 1 });
    await connection.ask('PATCH', `${PATH}/${id}`, { body: { name: 'tag:y' } });
    expect((await connection.ask('GET', '/concurrency_limits/tag/y')).body).toMatchObject({
      id,
      active_slots: [taskRun],
    });
  });

  it('to a name that is taken changes nothing at all', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 1);
    await server.globalLimit('y', 1);
    const connection = server.connect();
    const before = (await connection.ask('GET', `${PATH}/x`)).body;
    const answer = await connection.ask('PATCH', `${PATH}/x`, { body: { limit: 9, active_slots: 1, name: 'y' } });
    expect([answer.status, answer.body]).toMatchObject([
      409,
      { detail: expect.stringMatching(/^Data integrity conflict/) },
    ]);
    expect((await connection.ask('GET', `${PATH}/x`)).body).toEqual(before);
  });

  it('of what is taken counts with what leases hold, and lets those who wait go on', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 2, { active_slots: 2 });
    const connection = server.connect();
    const waiting = server.connect().take('increment-with-lease', ['x'], 1);
    await server.until(() => server.held > 0);
    const set = (slots: number) => connection.ask('PATCH', `${PATH}/x`, { body: { active_slots: slots } });
    await set(1);
    expect((await waiting).status).toBe(200);
    expect(await server.activeSlots('x')).toBe(2);
    await set(2);
    expect(await server.activeSlots('x')).toBe(2);
  });

  it.each([[{}], [{ name: 'y', limit: 3 }]])(
    'of what is taken to 0, and of %j, ends the leases, and those who wait go on',
    async (more) => {
      const server = await ApiServer.start();
      await server.globalLimit('x', 3, { active_slots: 1 });
      const connection = server.connect();
      const stuck = await connection.take('increment-with-lease', ['x'], 1);
      await connection.take('increment', ['x'], 1);
      const { lease_id: id } = stuck.body as { lease_id: string };
      const waiting = server.connect().take('increment-with-lease', ['x'], 2);
      await server.until(() => server.held > 0);
      const answer = await connection.ask('PATCH', `${PATH}/x`, { body: { ...more, active_slots: 0 } });
      expect(answer.status).toBe(204);
      if ('name' in more) {
        expect(await server.activeSlots('y')).toBe(0);
      } else {
        expect((await waiting).status).toBe(200);
        expect(await server.activeSlots('x')).toBe(2);
      }
      const renewed = await connection.post(`${PATH}/leases/${id}/renew`, { lease_duration: 60 });
      expect(renewed.status).toBe(410);
      await waiting;
    },
  );

  it('of what is taken to 0 frees a rate', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 3, { slot_decay_per_second: 0.001 });
    const connection = server.connect();
    await connection.take('increment', ['x'], 3, { mode: 'rate_limit' });
    expect(await server.activeSlots('x')).toBe(3);
    await connection.ask('PATCH', `${PATH}/x`, { body: { active_slots: 0 } });
    expect(await server.activeSlots('x')).toBe(0);
  });

  it('of what is taken counts what has just been taken without a lease', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 2);
    await server.connect().take('increment', ['x'], 2);
    await server.connect().ask('PATCH', `${PATH}/x`, { body: { active_slots: 1 } });
    expect(await server.activeSlots('x')).toBe(1);
  });

  it('of the limit lets those who fit now go on, and tells the others that they never will', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 4, { active_slots: 4 });
    const three = server.connect().take('increment', ['x'], 3);
    await server.until(() => server.held > 0);
    const connection = server.connect();
    await connection.ask('PATCH', `${PATH}/x`, { body: { limit: 2 } });
    const refused = await three;
    expect([refused.status, refused.body]).toEqual([422, { detail: 'Slots requested is greater than the limit' }]);
    const two = server.connect().take('increment', ['x'], 2);
    await server.until(() => server.held > 0);
    await connection.ask('PATCH', `${PATH}/x`, { body: { limit: 6 } });
    expect((await two).body).toMatchObject([{ name: 'x', limit: 6 }]);
  });

  it('switches decay on and off', async () => {
    const server = await ApiServer.start();
    await server.globalLimit('x', 4, { active_slots: 4 });
    const connection = server.connect();
    await connection.ask('PATCH', `${PATH}/x`, { body: { slot_decay_per_second: 1 } });
    await server.time.pass(1_500);
    expect(await server.activeSlots('x')).toBe(3);
    await connection.ask('PATCH', `${PATH}/x`, { body: {} });
    expect(await server.activeSlots('x')).toBe(3);
    const rate = await connection.take('increment', ['x'], 1, { mode: 'rate_limit' });
    expect(rate.status).toBe(200);
    await connection.ask('PATCH', `${PATH}/x`, { body: { slot_decay_per_second: 0 } });
    expect((await connection.take('increment', ['x'], 1, { mode: 'rate_limit' })).status).toBe(422);
  });
});
