/** Times as Prefect's clients read them. */

const FIRST_MS = Date.parse('0001-01-01T00:00:00Z');
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z');

/** A time to the microsecond. Sorted as text these sort by time: `2026-11-24T16:10:00.123456Z`. */
export function instant(ms: number): string {
  const whole = Math.floor(ms);
  const micros = Math.floor((ms - whole) * 1000);
  const text = new Date(Math.min(Math.max(whole, FIRST_MS), LAST_MS)).toISOString();
  return `${text.slice(0, -1)}${String(micros).padStart(3, '0')}Z`;
}

/** A time of the past by the engine's clock. That may be ahead of the wall clock, and nothing has happened later than now. */
export function pastInstant(engineMs: number): string {
  return instant(Math.min(engineMs, Date.now()));
}
