import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { FailingJournal } from './failing-journal.ts';
import { type Answer, ApiServer } from './prefect-server.ts';

const ids = (count: number): string[] => Array.from({ length: count }, () => randomUUID());
const tagsOf = ({ body }: Answer): unknown => (body as { tag: string }[]).map(({ tag }) => tag);

describe('a tag limit', () => {
  it('is the limit named tag:T', async () => {
    const server = await ApiServer.start();
    const connection = server.connect();
    const made = await connection.post('/concurrency_limits/', { tag: 'a b ü?#', concurrency_limit: 2 });
    expect(made.status).toBe(201);
    expect([...server.replica.engine.state.limits.values()].map(({ name }) => name)).toEqual(['tag:a b ü?#']);
    const byTag = await connection.ask('GET', `/concurrency_limits/tag/${encodeURIComponent('a b ü?#')}`);
    const { id } = made.body as { id: string };
    const byId = await connection.ask('GET', `/concurrency_limits/${id.toUpperCase().replaceAll('-', '')}`);
    expect([byTag.body, byId.body]).toEqual([made.body, made.body]);
  });

  it('that a native client made is seen, and one of another name is not', async () => {
    const server = await ApiServer.start();
    for (const name of ['tag:native', 'plain']) {
      server.replica.submit({ type: 'limit.ensure', name, id: randomUUID(), patch: { slots: 1 } });
    }
    const plain = server.replica.engine.state.limits.get('plain')!;
    const connection = server.connect();
    expect(tagsOf(await connection.post('/concurrency_limits/filter', { limit: 1 }))).toEqual(['native']);
    expect((await connection.ask('GET', `/concurrency_limits/${plain.id}`)).status).toBe(404);
    expect((await connection.ask('DELETE', `/concurrency_limits/${plain.id}`)).status).toBe(404);
  });

  it('is listed by name, a page at a time', async () => {
    const server = await ApiServer.start();
    for (const tag of ['c', 'a', 'B', 'd']) await server.limit(tag, 1);
    const page = async (body: object) => tagsOf(await server.connect().post('/concurrency_limits/filter', body));
    expect(await page({})).toEqual(['B', 'a', 'c', 'd']);
    expect(await page({ limit: 2, offset: 1 })).toEqual(['a', 'c']);
    expect(await page({ limit: '3', offset: 3.0 })).toEqual(['d']);
  });

  it('is found with a trailing slash or without', async () => {
    const server = await ApiServer.start();
    const connection = server.connect();
    expect((await connection.post('/concurrency_limits', { tag: 't', concurrency_limit: 1 })).status).toBe(201);
    expect((await connection.ask('GET', '/concurrency_limits/tag/t/')).status).toBe(200);
    expect((await connection.post('/concurrency_limits/filter/', {})).status).toBe(200);
  });

  it('that is switched off is neither taken nor listed', async () => {
    const server = await ApiServer.start();
    await server.limit('off', 1);
    await server.limit('on', 1);
    server.replica.submit({ type: 'limit.set', name: 'tag:off', id: '', patch: { active: false } });
    const [a = ''] = ids(1);
    expect((await server.connect().increment(a, 'off', 'on')).body).toMatchObject([{ name: 'on' }]);
    expect((await server.connect().increment(a, 'off')).body).toEqual([]);
    expect(server.holders('off')).toEqual([]);
  });
});

describe('a decrement', () => {
  it('frees the lease on exactly its tags, before an older one', async () => {
    const server = await ApiServer.start();
    await server.limit('x', 3);
    await server.limit('y', 3);
    const [a = ''] = ids(1);
    const connection = server.connect();
    await connection.increment(a, 'x', 'y');
    await connection.increment(a, 'x');
    await connection.decrement(a, 'x');
    expect([server.holders('x'), server.holders('y')]).toEqual([[a], [a]]);
    expect(server.replica.engine.state.leases.size).toBe(1);
  });

  it('frees only what it names', async () => {
    const server = await ApiServer.start();
    await server.limit('x', 1);
    await server.limit('y', 1);
    const [a = ''] = ids(1);
    const connection = server.connect();
    await connection.increment(a, 'x', 'y');
    expect((await connection.decrement(a, 'y', 'unknown', 'y')).body).toMatchObject([{ name: 'y', limit: 1 }]);
    expect([server.holders('x'), server.holders('y')]).toEqual([[a], []]);
    await connection.decrement(a, 'x');
    expect(server.replica.engine.state.leases.size).toBe(0);
  });

  it('frees one slot of each tag, though they were taken apart', async () => {
    const server = await ApiServer.start();
    await server.limit('x', 2);
    await server.limit('y', 2);
    const [a = ''] = ids(1);
    const connection = server.connect();
    for (const tag of ['x', 'y', 'x']) await connection.increment(a, tag);
    await connection.decrement(a, 'x', 'y');
    expect([server.holders('x'), server.holders('y')]).toEqual([[a], []]);
  });

  it('frees nothing of others, nor of a flow run with that id', async () => {
    const server = await ApiServer.start();
    await server.limit('x', 2);
    const [a = '', b = ''] = ids(2);
    await server.connect().increment(a, 'x');
    const holder = { type: 'flow_run', id: b, label: null, host: null, pid: null };
    const grants = [{ leaseId: randomUUID(), sessionId: randomUUID(), ttlMs: null, holder }];
    server.replica.submit({ type: 'limit.reset', name: 'tag:x', grants });
    const answer = await server.connect().decrement(b, 'x');
    expect([answer.status, answer.body]).toMatchObject([200, [{ name: 'x' }]]);
    expect(server.holders('x')).toEqual([b]);
  });

  it('takes the slots of a limit that is switched off as well', async () => {
    const server = await ApiServer.start();
    await server.limit('x', 1);
    const [a = ''] = ids(1);
    await server.connect().increment(a, 'x');
    server.replica.submit({ type: 'limit.set', name: 'tag:x', id: '', patch: { active: false } });
    await server.connect().decrement(a, 'x');
    expect(server.holders('x')).toEqual([]);
  });
});

describe('a reset', () => {
  it('frees all slots, for those it names and then for those who wait', async () => {
    const server = await ApiServer.start();
    await server.limit('x', 2);
    const [a = '', b = '', c = '', d = ''] = ids(4);
    const connection = server.connect();
    await connection.increment(a, 'x');
    await connection.increment(b, 'x');
    const waiting = server.connect().increment(c, 'x');
    await server.until(() => server.waiters('x').length === 1);
    const answer = await connection.post('/concurrency_limits/tag/x/reset', { slot_override: [d] });
    expect([answer.status, answer.body]).toEqual([200, null]);
    expect((await waiting).status).toBe(200);
    const shown = await connection.ask('GET', '/concurrency_limits/tag/x');
    expect(shown.body).toMatchObject({ active_slots: [d, c] });
  });

  it('for more than there is room for changes nothing, and names the rest', async () => {
    const server = await ApiServer.start();
    await server.limit('x', 1);
    const [a = '', b = '', c = '', d = ''] = ids(4);
    await server.connect().increment(a, 'x');
    const answer = await server.connect().post('/concurrency_limits/tag/x/reset', { slot_override: [b, c, d] });
    expect(answer.status).toBe(422);
    const { detail } = answer.body as { detail: string };
    expect([b, c, d].map((id) => detail.includes(id))).toEqual([false, true, true]);
    expect(server.holders('x')).toEqual([a]);
  });
});

describe('a limit that is deleted', () => {
  it('takes its leases with it', async () => {
    const server = await ApiServer.start();
    await server.limit('x', 1);
    await server.connect().increment(randomUUID(), 'x');
    const answer = await server.connect().ask('DELETE', '/concurrency_limits/tag/x');
    expect([answer.status, answer.body]).toEqual([200, null]);
    expect(server.replica.engine.state.leases.size).toBe(0);
  });
});

describe('bad input', () => {
  const bad: readonly [what: string, tag: string, type: string][] = [
    ...[...'/%&><'].map((banned) => [`a tag with ${banned}`, `a${banned}b`, 'string_pattern_mismatch'] as const),
    ['a tag with NUL', 'a\0b', 'value_error'],
    ['a tag with half a character', 'a\ud800', 'string_unicode'],
    ['a tag of 252 characters', 'x'.repeat(252), 'string_too_long'],
  ].map(([what = '', tag = '', type = '']) => [what, tag, type] as const);

  for (const [what, tag, type] of bad) {
    it(`${what} is refused where a limit is made or addressed`, async () => {
      const server = await ApiServer.start();
      const connection = server.connect();
      const made = await connection.post('/concurrency_limits/', { tag, concurrency_limit: 1 });
      expect(made).toMatchObject({ status: 422, body: { exception_detail: [{ type, loc: ['body', 'tag'] }] } });
      if (!tag.isWellFormed()) return;
      const path = `/concurrency_limits/tag/${encodeURIComponent(tag)}`;
      for (const answer of [await connection.ask('GET', path), await connection.ask('DELETE', path)]) {
        expect(answer).toMatchObject({ status: 422, body: { exception_detail: [{ type, loc: ['path', 'tag'] }] } });
      }
    });
  }

  it('a tag of 251 characters is fine', async () => {
    const server = await ApiServer.start();
    await server.limit('é'.repeat(251), 1);
    const path = `/concurrency_limits/tag/${encodeURIComponent('é'.repeat(251))}`;
    expect((await server.connect().ask('GET', path)).status).toBe(200);
  });

  it.each([2 ** 31, -1, 1e300, '2147483648'])('a limit of %s is refused', async (limit) => {
    const server = await ApiServer.start();
    const answer = await server.connect().post('/concurrency_limits/', { tag: 't', concurrency_limit: limit });
    expect(answer).toMatchObject({ status: 422, body: { exception_detail: [{ loc: ['body', 'concurrency_limit'] }] } });
    expect(server.replica.engine.state.limits.size).toBe(0);
  });

  it.each([
    ['a body that is nested without end', `${'['.repeat(200_000)}${']'.repeat(200_000)}`, 422],
    ['a number beyond all bounds', '{"tag":"t","concurrency_limit":1e999}', 422],
    ['a body of more than a mebibyte', `"${'x'.repeat(2 ** 20)}"`, 413],
    ['fields of the prototype', '{"__proto__":{"tag":"t"},"constructor":1,"concurrency_limit":1}', 422],
  ])('%s is refused', async (_, text, status) => {
    const server = await ApiServer.start();
    const bytes = Buffer.from(text);
    const answer = await server.connect().ask('POST', '/concurrency_limits/', { bytes });
    expect(answer.status).toBe(status);
    expect((await server.connect().ask('GET', '/health')).body).toBe(true);
  });
});

describe('when the journal fails', () => {
  it('the client is told to ask again, and then finds what there is', async () => {
    const server = await ApiServer.start({ journal: (store, clock) => new FailingJournal(store, clock) });
    await server.limit('t', 1);
    const [a = '', b = ''] = ids(2);
    await server.connect().increment(a, 't');
    const waiting = server.connect().increment(b, 't');
    await server.until(() => server.waiters('t').length === 1);
    FailingJournal.fails = true;
    const failed = await server.connect().post('/concurrency_limits/', { tag: 'u', concurrency_limit: 1 });
    expect([failed.status, failed.body]).toEqual([503, { exception_message: 'Service Unavailable' }]);
    expect((await waiting).status).toBe(503);

    await server.until(() => server.replica.ready);
    expect(tagsOf(await server.connect().post('/concurrency_limits/filter', {}))).toEqual(['t']);
    expect((await server.connect().ask('GET', '/ready')).status).toBe(200);
  });
});
