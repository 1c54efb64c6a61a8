/** The stores that `scan` compares. */
import type { QueryName, Row } from './data.ts';

export interface ScanSubject {
  /** Every row of the answer, read. */
  ask(query: QueryName, constant: number): Promise<readonly Row[]>;
  close(): Promise<void>;
}
