/** For tests of everything that talks to members: Maps behind the service interfaces, over real gRPC; certificates. */
export { type CertificateSpec, certificates, type PemPair } from './certificates.ts';
export { FakeGrid, FakeMember, type FakeStore, PARTITION_COUNT } from './fake-member.ts';
export { unsupportedServices } from './fake-services.ts';
