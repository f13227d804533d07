/**
 * Explores deeper than the tests do:
 *   npm run explore -- --limits a:1,b:2 --clients 4 --depth 8 [--turns sessions,time] [--asks try,allow] [--model]
 * `a:1@2` is a rate of which two slots come back a second.
 */
import { parseArgs } from 'node:util';
import { asks, type Cast, EXTRAS, type Extra, TURNS, type Turn } from './cast.ts';
import { explore } from './explore.ts';
import { Alone, Dueling } from './stepper.ts';

const { values } = parseArgs({
  options: {
    limits: { type: 'string', default: 'a:1,b:2' },
    clients: { type: 'string', default: '3' },
    depth: { type: 'string', default: '6' },
    turns: { type: 'string', default: TURNS.join() },
    asks: { type: 'string', default: EXTRAS.join() },
    model: { type: 'boolean', default: false },
  },
});

const limits = values.limits.split(',').map((text) => {
  const [name = '', size = ''] = text.split(':');
  const [slots, perSecond] = size.split('@');
  return [name, Number(slots), perSecond === undefined ? null : Number(perSecond)] as const;
});
const cast: Cast = {
  limits,
  clients: Number(values.clients),
  asks: asks(limits, among(EXTRAS, values.asks)),
  turns: new Set(among(TURNS, values.turns)),
};

console.log(
  `${values.clients} clients, ${cast.asks.length} asks, limits ${values.limits}, turns ${values.turns || 'none'}`,
);
const startedMs = performance.now();
const { states, transitions, complete } = explore(cast, {
  depth: Number(values.depth),
  stepper: () => (values.model ? new Dueling() : new Alone()),
  progress: ({ states, transitions }) => {
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    console.log(
      `depth ${states.length - 1}: ${states.at(-1)} new states, ${transitions} transitions so far, ${seconds} s`,
    );
  },
});
const all = complete ? ' (all there are)' : '';
console.log(`${states.reduce((sum, count) => sum + count)} states${all}, ${transitions} transitions, 0 violations`);

function among<T extends Extra | Turn>(all: readonly T[], text: string): T[] {
  const chosen = text.split(',').filter((word) => word !== '');
  const unknown = chosen.find((word) => !all.some((known) => known === word));
  if (unknown !== undefined) throw new Error(`'${unknown}' is none of ${all.join(', ')}`);
  return all.filter((known) => chosen.includes(known));
}
