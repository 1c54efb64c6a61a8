/** Messages as a line, without what is the same in all of them; undefined: a sign of life that says nothing else. */
import type { Acknowledge, Append, Message } from '../src/index.ts';

export function messageText(message: Message): string | undefined {
  switch (message.kind) {
    case 'append':
      return appendText(message);
    case 'acknowledge':
      return acknowledgeText(message);
    case 'fence':
      return joined(
        'fence',
        message.partition.map(
          (partition, at) => `${partition}@${message.epoch[at]}${message.isFresh[at] ? ' fresh' : ''}`,
        ),
      );
    case 'fenced':
      return joined(
        'fenced',
        message.copies.map(({ partition, epoch, copy, held, lineage }) => {
          const runs = lineage.map(([at, first]) => `${at} from ${first}`).join(', ');
          return `${partition}@${epoch} ${copy === undefined ? 'no copy' : `holds ${held} (${runs})`}`;
        }),
      );
    case 'pull':
      return joined(
        'pull',
        message.partition.map((partition, at) => `${partition}@${message.epoch[at]} from ${message.from[at]}`),
      );
    case 'tail': {
      const { partition, firstSequence, count } = message.batches;
      return joined(
        'tail',
        partition.map((one, at) => `${one}:${firstSequence[at]}..${firstSequence[at]! + count[at]! - 1}`),
      );
    }
    case 'transferAsk':
      return `transfer ${message.partition}@${message.epoch}: page ${message.page}?`;
    case 'transferPage': {
      const { sequence, logFrom } = message.start;
      return `transfer ${message.partition}@${message.epoch}: page ${message.page}${message.isLast ? ', the last' : ''} (at ${sequence}, log from ${logFrom})`;
    }
    case 'transferCut':
      return `transfer ${message.partition}@${message.epoch}: cut (${message.reason})`;
  }
}

function appendText({ batches, marks }: Append): string | undefined {
  const runs = batches.partition.map((partition, at) => {
    const first = batches.firstSequence[at]!;
    const written = batches.recordEpoch[at] === batches.epoch[at] ? '' : ` written at ${batches.recordEpoch[at]}`;
    return `${partition}@${batches.epoch[at]}:${first}..${first + batches.count[at]! - 1}${written}`;
  });
  const commits = marks.partition.map((partition, at) => `${partition}@${marks.epoch[at]} commit ${marks.commit[at]}`);
  return joined('append', [...runs, ...commits]);
}

function acknowledgeText({ held, refusals }: Acknowledge): string | undefined {
  const acks = held.partition.map(
    (partition, at) => `${partition}@${held.epoch[at]} holds ${held.held[at]}${held.hasGap[at] ? ' with a gap' : ''}`,
  );
  const refused = refusals.partition.map(
    (partition, at) => `refuses ${partition}@${refusals.epoch[at]} (${refusals.reason[at]})`,
  );
  return joined('ack', [...acks, ...refused]);
}

function joined(kind: string, parts: readonly string[]): string | undefined {
  return parts.length === 0 ? undefined : `${kind} ${parts.join(', ')}`;
}
