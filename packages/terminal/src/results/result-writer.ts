/** Where rows go: begun once with the columns, fed batch by batch, ended once. */
import type { ColumnBatch, ResultColumn } from '@ashlar/api';
import type { Screen } from '../render/screen.ts';
import { csvResult } from './csv-result.ts';
import { expandedResult } from './expanded-result.ts';
import { jsonResult, ndjsonResult } from './json-result.ts';
import type { ResultMode } from './result-mode.ts';
import { tableResult } from './table-result.ts';

export interface ResultEnd {
  readonly rowCount: number;
  /** Undefined: nobody wants to know. */
  readonly durationMs: number | undefined;
  /** Whether rows were left out, behind the first `rowCount`. */
  readonly more: boolean;
}

export interface ResultWriter {
  /** Rows it shows at most. */
  readonly rowsMax: number;
  begin(columns: readonly ResultColumn[]): Promise<void>;
  /** The first `rowCount` rows of a batch. */
  rows(batch: ColumnBatch, rowCount: number): Promise<void>;
  end(end: ResultEnd): Promise<void>;
}

/** @param rowsMax  rows that people are shown; programs get all */
export function makeResultWriter(mode: ResultMode, screen: Screen, rowsMax: number): ResultWriter {
  switch (mode) {
    case 'table':
      return tableResult(screen, rowsMax);
    case 'expanded':
      return expandedResult(screen, rowsMax);
    case 'csv':
      return csvResult(screen.stream);
    case 'json':
      return jsonResult(screen.stream);
    case 'ndjson':
      return ndjsonResult(screen.stream);
  }
}
