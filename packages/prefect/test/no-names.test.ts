/** A call that names no limit: refused or for nothing, as by the Prefect server that its client takes this one for. */
import { expect, it } from 'vitest';
import { ApiServer } from './prefect-server.ts';

const CALLS = ['increment', 'increment-with-lease', 'decrement'];

/** As 3.9.1 says it. */
const TOO_SHORT = {
  type: 'too_short',
  loc: ['body', 'names'],
  msg: 'List should have at least 1 item after validation, not 0',
  input: [],
  ctx: { field_type: 'List', min_length: 1, actual_length: 0 },
};

it.each([
  ['prefect/3.0.11 (API 0.8.4)', undefined, 200],
  ['prefect/3.8.8 (API 0.8.4)', undefined, 200],
  ['prefect/3.9.0 (API 0.8.4)', undefined, 422],
  ['prefect/3.9.1 (API 0.8.4)', undefined, 422],
  ['prefect/3.9.1 (API 0.8.4)', '3.8.8', 200],
  ['prefect/3.8.8 (API 0.8.4)', '3.10.0', 422],
  ['python-httpx/0.28', undefined, 200],
])('of %s, which is told %s, is answered %i', async (agent, prefectVersion, status) => {
  const server = await ApiServer.start({ ...(prefectVersion && { prefectVersion }) });
  await server.globalLimit('x', 1);
  const headers = { 'user-agent': agent };
  for (const call of CALLS) {
    const answer = await server.connect().post(`/v2/concurrency_limits/${call}`, { names: [], slots: 1 }, { headers });
    expect([call, answer.status]).toEqual([call, status]);
    if (status === 422) expect(answer.body).toMatchObject({ exception_detail: [TOO_SHORT] });
    // A name that no limit has is none the less a name.
    const some = { names: ['a/b'], slots: 1 };
    expect((await server.connect().post(`/v2/concurrency_limits/${call}`, some, { headers })).status).toBe(200);
  }
});
