import type { Machine } from './machine.ts';
import { CALLERS, type Rows, type Size } from './rounds.ts';
import { median } from './statistics.ts';

export interface Report {
  readonly date: string;
  readonly command: string;
  readonly machine: Machine;
  readonly size: Size;
  /** Those that did not take part, and why. */
  readonly skipped: readonly { readonly contender: string; readonly why: string }[];
  readonly rows: readonly Rows[];
}

/** The report as the first page of results. */
export function asMarkdown({ date, command, machine, size, skipped, rows }: Report): string {
  const redis = machine.redis === null ? 'no Redis' : `Redis ${machine.redis}`;
  const lines = [
    '# Results',
    '',
    `${date} · \`${command}\` · ${machine.cores}, shared with the load · Node ${machine.node} · ${redis} · ` +
      `loopback · 4 KiB made durable in ${machine.fsyncMs.toFixed(2)} ms (median) · load average before ${machine.loadAverage.toFixed(1)}`,
    '',
    `Rounds: ${size.rounds}, the contenders in turn within each. Medians of the rounds, least and greatest in brackets; ` +
      'ratios are taken within a round. What is measured and how to read it: [README.md](README.md).',
  ];
  for (const { contender, why } of skipped) lines.push('', `Skipped: ${contender}, since ${why}.`);
  for (const callers of CALLERS) lines.push('', ...pairsTable(rows, callers));
  lines.push('', ...handOverTable(rows));
  return `${lines.join('\n')}\n`;
}

/** The report for programs: each round's figures as measured. */
export function asJson({ rows, ...rest }: Report): string {
  const results = rows.map(({ contender, pairs, handOver }) => ({
    contender: contender.name,
    durable: contender.durable,
    pairs: Object.fromEntries(pairs),
    handOver,
  }));
  return JSON.stringify({ ...rest, results }, null, 2);
}

function pairsTable(rows: readonly Rows[], callers: number): string[] {
  const echo = rows.find(({ contender }) => contender.name === 'ws-echo')?.pairs.get(callers);
  return [
    `## Acquire + release, ${callers === 1 ? '1 caller' : `${callers.toLocaleString('en')} callers`}`,
    '',
    '| | durable | pairs a second | of the echo | acquire p50 µs | p99 µs | server CPU µs a pair | client CPU µs a pair |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows.map(({ contender, pairs }) => {
      const rounds = pairs.get(callers)!;
      const ratios = echo?.map((bound, round) => rounds[round]!.pairsPerSecond / bound.pairsPerSecond);
      const serverCpu = rounds.map((round) => round.serverCpuUs).filter((used) => used !== null);
      return row(
        contender.name,
        contender.durable ? 'yes' : 'no',
        spread(rounds.map((round) => round.pairsPerSecond)),
        ratios ? median(ratios).toFixed(2) : '–',
        spread(rounds.map((round) => round.acquireP50Us)),
        spread(rounds.map((round) => round.acquireP99Us)),
        serverCpu.length > 0 ? figure(median(serverCpu)) : '–',
        figure(median(rounds.map((round) => round.clientCpuUs))),
      );
    }),
  ];
}

function handOverTable(rows: readonly Rows[]): string[] {
  return [
    '## Hand-over: release → the next grant, at a full limit of one slot',
    '',
    '| | durable | p50 µs | p99 µs |',
    '| --- | --- | ---: | ---: |',
    ...rows
      .filter(({ handOver }) => handOver.length > 0)
      .map(({ contender, handOver }) =>
        row(
          contender.name,
          contender.durable ? 'yes' : 'no',
          spread(handOver.map((round) => round.p50Us)),
          spread(handOver.map((round) => round.p99Us)),
        ),
      ),
  ];
}

function row(...cells: string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** Median (least–greatest). */
function spread(values: readonly number[]): string {
  if (values.length === 1) return figure(values[0]!);
  return `${figure(median(values))} (${figure(Math.min(...values))}–${figure(Math.max(...values))})`;
}

/** Three significant digits: the machine's noise is greater than the fourth. */
function figure(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en', { maximumFractionDigits: 2 });
}
