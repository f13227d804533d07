/** Names that differ for machines and not for people. */
import { describe, expect, it, test } from 'vitest';
import { Scene } from './scene.ts';

const PAIRS: [what: string, existing: string, other: string][] = [
  ['a blank at the end', 'db', 'db '],
  ['a blank at the beginning', 'db', ' db'],
  ['a blank of no width', 'db', 'd\u200bb'],
  ['two blanks for one', 'my db', 'my  db'],
  ['a blank of another kind', 'my db', 'my\u00a0db'],
  ['é as two characters', 'caf\u00e9', 'cafe\u0301'],
  ['the direction of writing', 'db', '\u202adb'],
];

describe.each(
  PAIRS.flatMap(([what, a, b]) => [[what, a, b] as const, [`${what}, the other way round`, b, a] as const]),
)('%s', (_, existing, other) => {
  it('is told of where no limit has the name, with both names as they are written', () => {
    const scene = new Scene({ [existing]: 1 });
    expect(scene.acquire('lease', { [other]: 1 })).toBe('LIMIT_NOT_FOUND');
    const { message, details } = scene.refusal('lease');
    expect(details).toEqual({ names: [other], lookAlikes: [existing] });
    const [, first, second] = /'([^']*)' looks the same as '([^']*)', which there is\.$/.exec(message) ?? [];
    expect(first).not.toBe(second);
  });

  it('is refused where an acquire would make the limit', () => {
    const scene = new Scene({ [existing]: 1 });
    const onMissing = { slots: 1 };
    expect(scene.acquire('lease', { [other]: 1 }, { onMissing, limitIds: ['id'] })).toBe('CONFLICT');
    expect(scene.engine.state.limits.size).toBe(1);
    expect(scene.acquire('both', { gpu: 1, 'gpu ': 1 }, { onMissing, limitIds: ['a', 'b'] })).toBe('CONFLICT');
  });

  it('is no more once the other limit is gone or has another name', () => {
    const scene = new Scene({ [existing]: 1 });
    scene.do({ type: 'limit.rename', name: existing, to: 'another' });
    expect(scene.engine.state.limits.lookAlike(other)).toBeUndefined();
    scene.do({ type: 'limit.rename', name: 'another', to: existing });
    expect(scene.engine.state.limits.lookAlike(other)).toBe(existing);
    scene.do({ type: 'limit.delete', name: existing, force: false });
    expect(scene.engine.state.limits.lookAlike(other)).toBeUndefined();
  });
});

test('names that people can tell apart are different names', () => {
  const scene = new Scene({ db: 1, DB: 1, 'd b': 1, 'd-b': 1, café: 1, cafe: 1, Straße: 1, 部: 1, '👩‍💻': 1 });
  for (const { name } of scene.engine.state.limits.values())
    expect(scene.engine.state.limits.lookAlike(name)).toBeUndefined();
});

test('limits of Prefect, which may look the same, are all found', () => {
  const scene = new Scene({ 'db ': 1, ' db': 1, db: 1 });
  expect(scene.engine.state.limits.lookAlike('db')).toBe('db ');
  scene.do({ type: 'limit.delete', name: 'db ', force: false });
  expect(scene.engine.state.limits.lookAlike('db')).toBe(' db');
});
