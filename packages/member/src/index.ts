/** member: one member: wires the rooms, answers requests, lifecycle, configuration, metrics. */
export {
  type ConfigSources,
  type LoadedConfig,
  loadConfig,
  type Origin,
  type SettingOrigin,
  settingOf,
} from './config/load.ts';
export { configJsonSchema, type MemberConfig, SETTINGS, type Setting, settingText } from './config/schema.ts';
export { formatSize, parseDuration, parseSize } from './config/units.ts';
export { configOf, type StartedMember, type StartRequest, startMember } from './start.ts';
