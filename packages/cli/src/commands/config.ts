/** `ashlar config`: the settings a member would start with and where each comes from; the schema of ashlar.yaml. */

import { renderTable } from '@ashlar/terminal';
import { Command } from 'commander';
import { type CliContext, guarded, plainCommand } from '../context.ts';
import { memberRequest, type SettingOptions, settingOptions } from './start.ts';

interface PrintOptions extends SettingOptions {
  readonly origins?: boolean;
  readonly json?: boolean;
}

export function configCommand(context: CliContext): Command {
  const print = plainCommand('print', 'the settings that `ashlar start` would use', 'ashlar config print --origins');
  const schema = plainCommand('schema', 'JSON schema of ashlar.yaml', 'ashlar config schema > ashlar.schema.json');
  return new Command('config')
    .description('settings of a member')
    .addHelpText(
      'after',
      '\nExample:\n  $ ashlar config print --origins\n  $ ashlar config schema > ashlar.schema.json',
    )
    .addCommand(
      settingOptions(print)
        .option('--origins', 'where each value comes from')
        .option('--json', 'answer as JSON')
        .action(({ origins, json, ...given }: PrintOptions) =>
          guarded(context, { json }, () => printSettings(context, given, origins === true, json === true)),
        ),
    )
    .addCommand(schema.action(() => guarded(context, {}, () => printSchema(context))));
}

/** Secrets are shown as ***. */
async function printSettings(
  { io, out }: CliContext,
  given: SettingOptions,
  withOrigins: boolean,
  asJson: boolean,
): Promise<void> {
  const { configOf, SETTINGS, settingOf, settingText } = await import('@ashlar/member');
  const { config, origins } = configOf(memberRequest(given, io.env));
  const rows = SETTINGS.map((setting) => {
    const { origin, name } = origins.get(setting.name)!;
    const value = settingOf(config, setting);
    const shown = settingText(setting, value);
    return { setting: setting.name, value: setting.isSecret ? shown : value, shown, origin, name };
  });
  if (asJson) {
    const settings = rows.map(({ setting, value, origin, name }) => ({
      setting,
      value,
      origin,
      ...(name && { name }),
    }));
    out.line(JSON.stringify({ settings }));
    return;
  }
  const names = withOrigins ? ['setting', 'value', 'origin'] : ['setting', 'value'];
  const cells = rows.map(({ setting, shown, origin, name }) => {
    const from = origin === 'default' ? 'default' : `${origin}: ${name}`;
    return withOrigins ? [setting, shown, from] : [setting, shown];
  });
  const columns = names.map((name) => ({ name, type: 'text' as const }));
  out.line(renderTable({ columns, rows: cells }, { colours: out.colours, types: false }));
}

async function printSchema({ out }: CliContext): Promise<void> {
  const { configJsonSchema } = await import('@ashlar/member');
  out.line(JSON.stringify(configJsonSchema(), null, 2));
}
