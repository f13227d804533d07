/** A page of a list of limits. */

import { fields } from '../input/bodies.ts';
import { Faults, type Reader } from '../input/faults.ts';
import { integer } from '../input/values.ts';
import { PrefectError } from './answers.ts';

/** The greatest page that may be asked for, and the default. */
const PAGE_MAX = 200;

/** A stock server checks this bound on its own: the error names it alone, also when other fields are wrong. */
const pageLimit: Reader<number> = (input, loc) => {
  const limit = integer()(input, loc);
  if (limit instanceof Faults) return limit;
  const bound =
    limit < 0 ? 'greater than or equal to 0' : limit > PAGE_MAX ? `less than or equal to ${PAGE_MAX}` : null;
  if (bound) throw new PrefectError(422, { detail: `Invalid limit: must be ${bound}.` });
  return limit;
};

export const readPage = fields({
  limit: { read: pageLimit, otherwise: PAGE_MAX },
  offset: { read: integer({ ge: 0 }), otherwise: 0 },
});
