import { seededRandom } from '@ashlar/core';
import { type EventPlace, HandedPlaces } from './handed-places.ts';
import { decodeToken } from './token.ts';

const PARTITIONS = 7;

/** Places that stand: every log is incarnation 3. */
function placesOf(partitionCount: number): HandedPlaces {
  const places = new HandedPlaces(partitionCount);
  places.incarnations.fill(3);
  return places;
}

function told(places: HandedPlaces, place: EventPlace, partitionCount: number): number[] {
  return [...decodeToken(places.tokenOf(place, 'm', 1), 'm', partitionCount).sequences];
}

describe('the places of a subscription', () => {
  it('are told as they were when an event was handed out, however late (handed-places P1)', () => {
    const random = seededRandom(12);
    const places = placesOf(PARTITIONS);
    const twin = new Array<number>(PARTITIONS).fill(0);
    const handed: { readonly place: EventPlace; readonly expected: number[] }[] = [];
    for (let step = 0; step < 3000; step++) {
      const partition = random.below(PARTITIONS);
      const sequence = twin[partition]! + 1 + random.below(3);
      twin[partition] = sequence;
      if (random.next() < 0.02) places.advance([partition], [sequence]);
      else handed.push({ place: places.hand(partition, sequence), expected: [...twin] });
    }
    for (const { place, expected } of handed) expect(told(places, place, PARTITIONS)).toEqual(expected);
    expect([...places.sequences]).toEqual(twin);
  });

  it('do not go back where a member tells of a place that is behind', () => {
    const places = placesOf(2);
    places.hand(1, 9);
    places.advance([1, 0], [4, 2]);
    expect([...places.sequences]).toEqual([2, 9]);
  });

  it('begin anew for other partitions', () => {
    const places = placesOf(2);
    places.begin(3);
    places.incarnations.fill(5);
    expect(told(places, places.hand(2, 8), 3)).toEqual([0, 0, 8]);
  });
});
