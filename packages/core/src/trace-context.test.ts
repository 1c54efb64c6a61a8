import { spanOf, traceContextOf } from './trace-context.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';

describe('a trace context', () => {
  it('is written and read as the standard says', () => {
    const traceState = { serialize: () => 'vendor=1' };
    const context = traceContextOf({ traceId, spanId, traceFlags: 1, traceState })!;
    expect(context).toEqual({ traceparent: `00-${traceId}-${spanId}-01`, tracestate: 'vendor=1' });
    expect(spanOf(context)).toEqual({ traceId, spanId, traceFlags: 1 });
  });

  it('of a later version is read as far as it is known', () => {
    expect(spanOf({ traceparent: `01-${traceId}-${spanId}-01-more`, tracestate: '' })).toMatchObject({ traceId });
  });

  it.each([
    '',
    'nonsense',
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId}-${spanId}-01-more`,
    `ff-${traceId}-${spanId}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
  ])('that is %j is none', (traceparent) => {
    expect(spanOf({ traceparent, tracestate: '' })).toBeUndefined();
  });

  it('of a span without identity is none', () => {
    expect(traceContextOf({ traceId: '0'.repeat(32), spanId, traceFlags: 0 })).toBeUndefined();
  });
});
