/** member: one member: wires the rooms, answers requests, lifecycle, configuration, metrics. */
export { type ConfigSources, type LoadedConfig, loadConfig, type Origin, settingOf } from './config/load.ts';
export { configJsonSchema, type MemberConfig, SETTINGS, type Setting } from './config/schema.ts';
export { formatSize, parseDuration, parseSize } from './config/units.ts';
export { configOf, type StartedMember, type StartRequest, startMember } from './start.ts';
