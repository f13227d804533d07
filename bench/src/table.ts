/** Figures and tables as people read them. */
import { median } from './statistics.ts';

export function row(...cells: string[]): string {
  return `| ${cells.join(' | ')} |`;
}

export function counted(count: number, what: string): string {
  return `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`;
}

/** Median (least–greatest). */
export function spread(values: readonly number[]): string {
  if (values.length === 1) return figure(values[0]!);
  return `${figure(median(values))} (${figure(Math.min(...values))}–${figure(Math.max(...values))})`;
}

export function percent(part: number): string {
  return part === 0 ? '0' : `${figure(part * 100, 2)} %`;
}

/** Three significant digits unless told: the machine's noise is greater than the fourth. */
export function figure(value: number, digits = 3): string {
  return Number(value.toPrecision(digits)).toLocaleString('en', { maximumSignificantDigits: digits });
}
