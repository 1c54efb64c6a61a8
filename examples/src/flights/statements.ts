/** Three questions in SQL. Averages of flights are taken where there are enough of them to mean something. */

export interface Statement {
  readonly name: string;
  readonly title: string;
  readonly sql: string;
  readonly params: readonly unknown[];
}

/** A busy airport is the origin of one in this many flights, or more. */
const BUSY_SHARE = 300;

/** @param flightCount  flights loaded: what counts as a busy airport depends on it */
export function flightStatements(flightCount: number): readonly Statement[] {
  const busy = Math.max(1, Math.floor(flightCount / BUSY_SHARE));
  return [
    {
      name: 'lateLongFlights',
      title: 'How many flights over 1,000 miles came in more than an hour late?',
      sql: 'SELECT count(*) AS flights FROM flights WHERE delay > 60 AND distance > 1000',
      params: [],
    },
    {
      name: 'worstOrigins',
      title: 'Which busy airports have the worst delays?',
      sql: `SELECT origin, count(*) AS flights, avg(delay) AS average_delay
FROM flights
GROUP BY origin HAVING count(*) >= $1
ORDER BY average_delay DESC LIMIT 10`,
      params: [busy],
    },
    {
      name: 'worstStates',
      title: 'And which states? (a join with the map of airports)',
      sql: `SELECT a.state, count(*) AS flights, avg(f.delay) AS average_delay
FROM flights f JOIN airports a ON f.origin = a.iata
GROUP BY a.state HAVING count(*) >= $1
ORDER BY average_delay DESC LIMIT 10`,
      params: [busy],
    },
  ];
}
