import { rawDefinition, SERVICE_NAMES } from './bindings.ts';
import { serviceMethods, serviceNames } from './schema.ts';

describe('definitions that are made without the schemas', () => {
  it('are of all services of the schemas', () => {
    expect([...SERVICE_NAMES].sort()).toEqual([...serviceNames()].sort());
  });

  it.each(SERVICE_NAMES)('say of %s what its schema says', (service) => {
    const schema = serviceMethods(service);
    const made = rawDefinition(service, Object.keys(schema));
    for (const [name, { path, requestStream, responseStream }] of Object.entries(schema)) {
      expect(made[name]).toMatchObject({ path, requestStream, responseStream });
    }
  });
});
