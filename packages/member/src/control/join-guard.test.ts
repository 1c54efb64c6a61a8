import type { JoinedMember } from '@ashlar/cluster';
import { GridError, type MemberId } from '@ashlar/core';
import type { HelloResponse } from '@ashlar/transport';
import { joinerOf, refuseTakenName } from './join-guard.ts';

const member = (id: string, incarnation: string): JoinedMember => ({
  id: id as MemberId,
  incarnation,
  address: `${id}:1`,
  httpAddress: `${id}:2`,
  zone: 'z',
});

const SELF = 'coordinator' as MemberId;
const MEMBERS = [member(SELF, 'i1'), member('a', 'i1')];

function join(joiner: JoinedMember, answer: Partial<HelloResponse> | undefined): Promise<void> {
  const hello = async ({ address }: JoinedMember): Promise<HelloResponse> => {
    expect(address).toBe('a:1');
    if (answer === undefined) throw new GridError('CONNECTION_LOST', 'nobody is there');
    return answer as HelloResponse;
  };
  return refuseTakenName(joiner, { self: SELF, members: MEMBERS, hello });
}

describe('a join under a name that the table has', () => {
  const lives = { memberId: 'a', incarnation: 'i1' };
  const refused = { code: 'INVALID_CONFIG', message: expect.stringMatching(/'a' is running at a:1/) };

  it('is refused while the member of that name answers', async () => {
    await expect(join(member('a', 'i2'), lives)).rejects.toMatchObject(refused);
  });

  it('is refused for the name of the coordinator itself', async () => {
    await expect(join(member(SELF, 'i2'), undefined)).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
  });

  it.each<[string, JoinedMember, Partial<HelloResponse> | undefined]>([
    ['the same process again', member('a', 'i1'), lives],
    ['a new process where the old one is gone', member('a', 'i2'), undefined],
    ['a new process at the address of the old one', member('a', 'i2'), { memberId: 'a', incarnation: 'i2' }],
    ['a new process where another member has the address now', member('a', 'i2'), { memberId: 'b', incarnation: 'i1' }],
    ['a member of a new name', member('b', 'i1'), lives],
  ])('is taken from %s', async (_, joiner, answer) => {
    await expect(join(joiner, answer)).resolves.toBeUndefined();
  });
});

describe('a member that asks to join', () => {
  const asks = { id: 'a', address: '127.0.0.1:7710', httpAddress: '[::1]:7711', zone: 'z' };

  it('is taken with a name and addresses', () => {
    expect(joinerOf({ member: asks, incarnation: 'i' })).toEqual({ ...asks, incarnation: 'i' });
  });

  it.each<[string, object | null, string]>([
    ['nothing', null, 'i'],
    ['no name', { ...asks, id: '' }, 'i'],
    ['a name of 200 characters', { ...asks, id: 'x'.repeat(200) }, 'i'],
    ['no address', { ...asks, address: '' }, 'i'],
    ['an address that is none', { ...asks, address: 'http://x/' }, 'i'],
    ['an HTTP address that is none', { ...asks, httpAddress: 'x' }, 'i'],
    ['no incarnation', asks, ''],
  ])('with %s is refused', (_, member, incarnation) => {
    const request = { member: member as typeof asks, incarnation };
    expect(() => joinerOf(request)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
