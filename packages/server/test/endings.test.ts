/** Each command ends once, after any failure, any throw of a receiver, and from any place where it was submitted. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualTime } from '../../../test/virtual-time.ts';
import { Replica } from '../src/replica/replica.ts';
import { acquire, BROKEN, endOf, ensure, open } from './commands.ts';
import { Script } from './scripted-journal.ts';

async function start() {
  const script = new Script(new VirtualTime());
  const replica = await Replica.start(script.journal, script.time);
  const ended: string[] = [];
  const log: string[] = [];
  const end = (who: string) => (outcome: Parameters<typeof endOf>[0]) => ended.push(`${who} ${endOf(outcome)}`);
  replica.on({ failed: () => ended.push('failed'), log: (_level, message) => log.push(message) });
  return { script, replica, ended, end, log };
}

const bug = (): never => {
  throw new Error('a bug of the receiver');
};

describe('a receiver that throws', () => {
  for (const [who, submit] of Object.entries({
    'one that waits for its command': (replica: Replica) => replica.submit(ensure('b'), bug),
    'the sink of a session': (replica: Replica) => {
      replica.submit(open('one'), undefined, bug);
      replica.submit(acquire('one', 'l', 'a'));
    },
    'a listener': (replica: Replica) => {
      const bugs = [bug];
      replica.on({ flushed: () => bugs.pop()?.() });
    },
  })) {
    it(`keeps nobody else from what is durable, and the replica starts again: ${who}`, async () => {
      const { script, replica, ended, end, log } = await start();
      replica.submit(ensure('a'), end('before it'));
      submit(replica);
      replica.submit(ensure('c'), end('after it'));
      let flushed = 0;
      replica.on({ flushed: () => (flushed += 1) });
      // It is decided while the batch is delivered, and never written.
      replica.confirm(() => replica.submit(ensure('d'), end('next')));
      script.time.soon(() => expect(flushed).toBe(1));
      await script.time.pass(0);
      expect(ended).toEqual(['before it durable', 'after it durable', 'next lost', 'failed']);
      expect(log[0]).toContain('a bug of the receiver');
      expect(replica.engine.limitView('c')).toBeDefined();
      expect(replica.engine.limitView('d')).toBeUndefined();
    });
  }

  it('each time makes it start again once a second, not in a loop', async () => {
    const { script, replica, log } = await start();
    replica.on({ flushed: bug });
    await script.time.pass(9_999);
    expect(log.filter((message) => message === 'Running again.')).toHaveLength(10);
  });

  it('is a connection that is displaced: the command that displaces it is lost', async () => {
    const { script, replica, ended, end } = await start();
    replica.submit(open('one'), undefined, (notice) => notice.type === 'disconnect' && bug());
    await script.time.pass(0);
    expect(replica.submit({ ...open('one'), connection: 2 }, end('second'))).toBeUndefined();
    expect([replica.ready, ended]).toEqual([false, []]);
    await script.time.pass(0);
    expect([replica.ready, ended]).toEqual([true, ['second lost', 'failed']]);
  });

  it('as it learns of a failure keeps nobody else from learning of it', async () => {
    const { script, replica, ended, end, log } = await start();
    replica.on({ failed: bug, log: bug });
    replica.on({ failed: () => ended.push('failed, second listener') });
    replica.submit(ensure('a'), bug);
    replica.submit(ensure('b'), end('other'));
    replica.submit(BROKEN, bug);
    await script.time.pass(0);
    expect(ended).toEqual(['other lost', 'failed', 'failed, second listener']);
    expect(log.filter((message) => message.includes('a bug of the receiver'))).toHaveLength(3);
    expect(log.at(-1)).toBe('Running again.');
  });
});

describe('who submits as something ends', () => {
  it('joins the next batch', async () => {
    const { script, replica, ended, end } = await start();
    script.appendMs = 2;
    replica.submit(ensure('a'), () => {
      expect(replica.submit(ensure('b'), end('second'))).toBeUndefined();
      replica.confirm(end('read'));
      ended.push('first');
    });
    replica.submit(ensure('c'), end('third'));
    await script.time.pass(2);
    expect(ended).toEqual(['first', 'third durable']);
    await script.time.pass(2);
    expect(ended).toEqual(['first', 'third durable', 'second durable', 'read durable']);
  });

  it('a command at which the replica fails loses it, and what is durable is delivered to the end', async () => {
    const { script, replica, ended, end } = await start();
    replica.submit(ensure('a'), () => replica.submit(BROKEN, end('broken')));
    replica.submit(ensure('b'), end('durable with it'));
    replica.on({ flushed: () => ended.push(`flushed, ${replica.ready}`) });
    await script.time.pass(0);
    expect(ended.slice(0, 4)).toEqual(['durable with it durable', 'flushed, false', 'broken lost', 'failed']);
    expect(replica.ready).toBe(true);
  });

  it('something that is lost loses that, too, while the replica does not run', async () => {
    const { script, replica, ended, end } = await start();
    replica.submit(ensure('a'), (outcome) => {
      ended.push(`first ${endOf(outcome)}`);
      replica.submit(ensure('b'), end('again'));
      replica.whenDrained('a', end('drained'));
    });
    replica.submit(BROKEN);
    await script.time.pass(0);
    expect(ended).toEqual(['first lost', 'again lost', 'drained lost', 'failed']);
  });
});

describe('a replica that stops', () => {
  it('makes durable what has been decided, and what is decided meanwhile is lost', async () => {
    const { script, replica, ended, end } = await start();
    script.appendMs = 3;
    replica.submit(ensure('a'), end('written'));
    await script.time.pass(1);
    replica.submit(ensure('b'), end('open'));
    replica.submit({ type: 'limit.set', name: 'b', id: '', patch: { mode: 'draining' } });
    replica.submit(open('one'));
    const stopped = replica.stop();
    expect(replica.stop()).toBe(stopped);
    await script.time.pass(3);
    replica.submit(ensure('c'), end('meanwhile'));
    replica.whenDrained('a', end('drain'));
    await script.time.pass(10);
    await stopped;
    replica.submit(ensure('d'), end('afterwards'));
    await script.time.pass(0);
    expect(ended).toEqual(['written durable', 'open durable', 'meanwhile lost', 'drain lost', 'afterwards lost']);
    expect(script.store.position).toBe(3);
  });

  it('while it starts again does not run any more', async () => {
    const { script, replica, ended, end } = await start();
    replica.submit(ensure('a'), end('a'));
    replica.submit(BROKEN, end('broken'));
    await replica.stop();
    await script.time.pass(10_000);
    expect([replica.ready, ended]).toEqual([false, ['a lost', 'broken lost', 'failed']]);
  });
});

const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('ensure' as const), name: fc.nat(20) }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom({ do: 'refused' as const }, { do: 'confirm' as const }, { do: 'open' as const }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('drain' as const), name: fc.nat(20) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat(8) }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      { do: 'append before the write' as const },
      { do: 'append after the write' as const },
      { do: 'confirm fails' as const },
      { do: 'broken' as const },
      { do: 'throws' as const },
      { do: 'stop' as const },
    ),
  },
);

it('whatever fails and whenever: each ends once, not within its own call, and what is said to be durable is in the journal', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(action, { maxLength: 60 }),
      fc.nat(3),
      fc.option(fc.nat(3)),
      async (actions, appendMs, confirmMs) => {
        const { script, replica } = await start();
        script.appendMs = appendMs;
        script.confirmMs = confirmMs;
        const ends: string[][] = [];
        const durable = new Set<string>();
        let stopped: Promise<void> | undefined;
        const tracked = (
          submit: (settled: (outcome: Parameters<typeof endOf>[0]) => void) => void,
          name?: string,
        ): void => {
          const own: string[] = [];
          ends.push(own);
          submit((outcome) => {
            own.push(endOf(outcome));
            if (name !== undefined && endOf(outcome) === 'durable') durable.add(name);
            // Some ask again from within.
            if (own.length === 1 && ends.length % 5 === 0) tracked((settled) => replica.confirm(settled));
          });
          expect(own, 'called within its own call').toEqual([]);
        };
        for (const step of actions) {
          switch (step.do) {
            case 'ensure':
              tracked((settled) => replica.submit(ensure(`l${step.name}`), settled), `l${step.name}`);
              break;
            case 'refused':
              tracked((settled) => replica.submit({ type: 'limit.delete', name: 'nope', force: false }, settled));
              break;
            case 'open':
              tracked((settled) => replica.submit(open('one'), settled));
              break;
            case 'confirm':
              tracked((settled) => replica.confirm(settled));
              break;
            case 'drain':
              tracked((settled) => replica.whenDrained(`l${step.name}`, settled));
              break;
            case 'broken':
              tracked((settled) => replica.submit(BROKEN, settled));
              break;
            case 'throws':
              replica.confirm(() => bug());
              break;
            case 'stop':
              stopped = replica.stop();
              break;
            case 'confirm fails':
              script.fails.add('confirm');
              break;
            case 'pass':
              await script.time.pass(step.ms);
              break;
            default:
              script.fails.add(step.do);
          }
        }
        stopped ??= replica.stop();
        await script.time.pass(5_000);
        await stopped;
        expect(ends.filter((own) => own.length !== 1)).toEqual([]);
        const written = script.store.facts.map((fact) => ('name' in fact ? fact.name : ''));
        expect([...durable].filter((name) => !written.includes(name))).toEqual([]);
      },
    ),
    { numRuns: 300 },
  ));
