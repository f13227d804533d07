/** Tables as people read them. Pure. */
import { printable } from '@slotkeeper/shape';

export interface Column<Row> {
  readonly title: string;
  readonly of: (row: Row) => string | number;
}

/** One line for the titles and one for each row; numbers stand to the right. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string[] {
  const cells = rows.map((row) => columns.map((column) => column.of(row)));
  const widths = columns.map((column, i) =>
    Math.max(column.title.length, ...cells.map((line) => width(printable(String(line[i] ?? ''))))),
  );
  const isNumeric = columns.map((_, i) => cells.length > 0 && cells.every((line) => typeof line[i] === 'number'));
  const aligned = (line: readonly (string | number)[]) =>
    line
      .map((cell, i) => pad(printable(String(cell)), widths[i]!, isNumeric[i]!))
      .join('  ')
      .trimEnd();
  return [aligned(columns.map((column) => column.title)), ...cells.map(aligned)];
}

function pad(text: string, toWidth: number, right: boolean): string {
  const space = ' '.repeat(Math.max(0, toWidth - width(text)));
  return right ? space + text : text + space;
}

function width(text: string): number {
  return [...text].length;
}
