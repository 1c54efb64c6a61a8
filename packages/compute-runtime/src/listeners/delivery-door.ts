/** Deliveries between members: to this one at once, to others over the network, and from them. */
import type { GridView } from '@ashlar/cluster';
import { GridError, type MemberId, type WireError } from '@ashlar/core';
import type { EntryLimits, KeyGate, NeedMap, WritePath } from '@ashlar/partitions';
import { decodeMessage, encodeMessage } from '@ashlar/serialization';
import type { MemberStore } from '@ashlar/storage';
import { DeliveryTarget } from './delivery-target.ts';
import { GatedWrites } from './gated-writes.ts';
import { type Delivery, decodeDeliveries, encodeDeliveries } from './listener-records.ts';
import { OutboxRelay } from './outbox-relay.ts';

export interface DeliveryDoorParts {
  readonly store: MemberStore;
  readonly writes: WritePath;
  readonly control: GridView;
  readonly clock: { now(): number };
  readonly gate: KeyGate;
  readonly limits: EntryLimits;
  readonly needMap: NeedMap;
  /** Hands deliveries to another member, and answers what its take() answered. */
  readonly send: (member: MemberId, body: Uint8Array) => Promise<Uint8Array>;
}

export class DeliveryDoor {
  readonly relay: OutboxRelay;
  readonly #target: DeliveryTarget;

  constructor(parts: DeliveryDoorParts) {
    const { control, send } = parts;
    this.#target = new DeliveryTarget({ ...parts, writes: new GatedWrites(parts) });
    this.relay = new OutboxRelay({
      control,
      deliver: async (member, deliveries) =>
        member === control.self
          ? this.#target.take(deliveries)
          : answersOf(await send(member, encodeDeliveries(deliveries)), deliveries),
    });
  }

  /** Deliveries of another member. @throws GridError CORRUPT_DATA */
  async take(body: Uint8Array): Promise<Uint8Array> {
    const failures = await this.#target.take(decodeDeliveries(body));
    return encodeMessage(failures.map((failure) => (failure === undefined ? null : wireOf(failure))));
  }
}

/** The failure as plain data. It has no refusal of user code, for no user code runs here. */
function wireOf(failure: GridError): Record<string, unknown> {
  const { code, message, hint, details } = failure.toWire();
  return { code, message, ...(hint === undefined ? {} : { hint }), ...(details === undefined ? {} : { details }) };
}

function answersOf(body: Uint8Array, deliveries: readonly Delivery[]): readonly (GridError | undefined)[] {
  const answers = decodeMessage(body) as readonly (WireError | null)[];
  if (answers.length !== deliveries.length) {
    throw new GridError('INTERNAL', `${answers.length} answers to ${deliveries.length} deliveries arrived`);
  }
  return answers.map((wire) => (wire === null ? undefined : GridError.from(wire)));
}
