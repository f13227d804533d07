import type { Machine } from './machine.ts';
import type { Field, Rows, Size } from './rounds.ts';
import { type Scale, scaleTable } from './scale.ts';
import { median } from './statistics.ts';
import type { Case, Suite } from './suite.ts';
import { counted, figure, percent, row, spread } from './table.ts';

export interface Report {
  readonly date: string;
  readonly command: string;
  readonly machine: Machine;
  readonly size: Size;
  /** What did not take part, and why. */
  readonly skipped: readonly { readonly name: string; readonly why: string }[];
  readonly results: readonly Result[];
  readonly scales: readonly Scale[];
}

/** What came out of a suite. */
export interface Result extends Field {
  readonly rows: readonly Rows[];
}

/** The report as the first page of results. */
export function asMarkdown({ date, command, machine, size, skipped, results, scales }: Report): string {
  const redis = machine.redis === null ? 'no Redis' : `Redis ${machine.redis}`;
  const lines = [
    '# Results',
    '',
    `${date} · \`${command}\` · ${machine.cores}, shared with the load · Node ${machine.node} · ${redis} · ` +
      `loopback · 4 KiB made durable in ${machine.fsyncMs.toFixed(2)} ms (median) · load average before ${machine.loadAverage.toFixed(1)}`,
    '',
    `Rounds: ${size.rounds}, of the cases at the end ${size.caseRounds}, the contenders in turn within each. Medians of the rounds, least and greatest in brackets; ` +
      'ratios are taken within a round. What is measured and how to read it: [README.md](README.md).',
  ];
  for (const { name, why } of skipped) lines.push('', `Skipped: ${name}, since ${why}.`);
  for (const { suite, cases, rows } of results) {
    for (const callers of suite.callers) lines.push('', ...pairsTable(suite, rows, callers));
    lines.push(...besideLines(suite, rows), ...handOverTable(rows));
    for (const each of cases) lines.push('', ...caseTable(each, rows, size));
  }
  for (const scale of scales) lines.push('', ...scaleTable(scale));
  return `${lines.join('\n')}\n`;
}

/** The report for programs: each round's figures as measured. */
export function asJson({ results, ...rest }: Report): string {
  const rows = results.flatMap((result) => result.rows);
  const figures = rows.map(({ contender, pairs, handOver, cases }) => ({
    contender: contender.name,
    durable: contender.durable,
    pairs: Object.fromEntries(pairs),
    handOver,
    cases: Object.fromEntries([...cases].map(([{ name }, rounds]) => [name, rounds])),
  }));
  return JSON.stringify({ ...rest, results: figures }, null, 2);
}

function pairsTable({ pair, caller, contenders }: Suite, rows: readonly Rows[], callers: number): string[] {
  const bound = contenders[0]!.name;
  const boundRounds = pairsOf(rows, bound)?.get(callers);
  return [
    `## ${pair}, ${counted(callers, caller)}`,
    '',
    `| | durable | pairs a second | of ${bound} | acquire p50 µs | p99 µs | not done (503) | server CPU µs a pair | client CPU µs a pair |`,
    '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows.map(({ contender, pairs }) => {
      const rounds = pairs.get(callers)!;
      const ratios = boundRounds?.map((bare, round) => rounds[round]!.pairsPerSecond / bare.pairsPerSecond);
      const serverCpu = rounds.map((round) => round.serverCpuUs).filter((used) => used !== null);
      return row(
        contender.name,
        contender.durable,
        spread(rounds.map((round) => round.pairsPerSecond)),
        ratios ? figure(median(ratios), 2) : '–',
        spread(rounds.map((round) => round.acquireP50Us)),
        spread(rounds.map((round) => round.acquireP99Us)),
        percent(median(rounds.map((round) => round.notDone))),
        serverCpu.length > 0 ? figure(median(serverCpu)) : '–',
        figure(median(rounds.map((round) => round.clientCpuUs))),
      );
    }),
  ];
}

/** Of two that answer to the same API: how many times as many pairs one does. */
function besideLines({ beside, callers, caller }: Suite, rows: readonly Rows[]): string[] {
  const lines = beside.flatMap(([ours, theirs]) => {
    const [a, b] = [pairsOf(rows, ours), pairsOf(rows, theirs)];
    if (!a || !b) return [];
    const ratios = callers.map((count) =>
      spread(a.get(count)!.map((round, i) => round.pairsPerSecond / b.get(count)![i]!.pairsPerSecond)),
    );
    return [row(`${ours} ÷ ${theirs}`, ...ratios)];
  });
  if (lines.length === 0) return [];
  const counts = callers.map((count) => counted(count, caller));
  return ['', row('pairs a second', ...counts), row('---', ...counts.map(() => '---:')), ...lines];
}

function handOverTable(rows: readonly Rows[]): string[] {
  const measured = rows.filter(({ handOver }) => handOver.length > 0);
  if (measured.length === 0) return [];
  return [
    '',
    '## Hand-over: release → the next grant, at a full limit of one slot',
    '',
    '| | durable | p50 µs | p99 µs |',
    '| --- | --- | ---: | ---: |',
    ...measured.map(({ contender, handOver }) =>
      row(
        contender.name,
        contender.durable,
        spread(handOver.map((round) => round.p50Us)),
        spread(handOver.map((round) => round.p99Us)),
      ),
    ),
  ];
}

function caseTable(each: Case, rows: readonly Rows[], { caseSeconds }: Size): string[] {
  const ideal = each.ideal({ seconds: caseSeconds });
  const [first, ...others] = each.figures;
  return [
    `## ${each.title({ seconds: caseSeconds })}`,
    '',
    row('', first!, `of the ideal ${figure(ideal)}`, ...others),
    row('---', ...Array.from({ length: each.figures.length + 1 }, () => '---:')),
    ...rows.flatMap(({ contender, cases }) => {
      const rounds = cases.get(each);
      if (!rounds) return [];
      const [measured, ...beside] = each.figures.map((_, i) => rounds.map((figures) => figures[i]!));
      return [row(contender.name, spread(measured!), figure(median(measured!) / ideal, 3), ...beside.map(spread))];
    }),
  ];
}

function pairsOf(rows: readonly Rows[], name: string): Rows['pairs'] | undefined {
  return rows.find(({ contender }) => contender.name === name)?.pairs;
}
