/** How good the alerts are: precision and recall, by scenario and the rule made for it. */
import type { Rule } from './model.ts';
import type { SimulatedTransaction } from './simulation.ts';

export interface ScenarioQuality {
  readonly scenario: 1 | 2 | 3;
  readonly what: string;
  readonly rule: Rule;
  /** Transactions of this scenario, and those that some rule found. */
  readonly frauds: number;
  readonly found: number;
  readonly recall: number;
  /** Alerts of the rule, and those that are frauds of any scenario. */
  readonly alerts: number;
  readonly right: number;
  readonly precision: number;
}

const SCENARIOS = [
  { scenario: 1, rule: 'amount', what: 'amount above 220' },
  { scenario: 2, rule: 'terminal', what: 'terminal compromised for 28 days' },
  { scenario: 3, rule: 'habit', what: 'leaked card, amounts times 5' },
] as const;

/** Labels of the transactions sent; alerts are judged against them. */
export class QualityCounter {
  readonly #scenarioOf = new Map<number, 1 | 2 | 3>();

  note({ txId, scenario }: SimulatedTransaction): void {
    if (scenario !== 0) this.#scenarioOf.set(txId, scenario);
  }

  isFraud(txId: number): boolean {
    return this.#scenarioOf.has(txId);
  }

  /** @param alerts  each rule and transaction at most once */
  judge(alerts: Iterable<{ readonly txId: number; readonly rule: Rule }>): ScenarioQuality[] {
    const flagged = new Set<number>();
    const byRule = new Map<Rule, { alerts: number; right: number }>();
    for (const { txId, rule } of alerts) {
      flagged.add(txId);
      const count = byRule.get(rule) ?? { alerts: 0, right: 0 };
      byRule.set(rule, { alerts: count.alerts + 1, right: count.right + (this.isFraud(txId) ? 1 : 0) });
    }
    return SCENARIOS.map(({ scenario, rule, what }) => {
      const ofScenario = [...this.#scenarioOf].filter(([, label]) => label === scenario);
      const frauds = ofScenario.length;
      const found = ofScenario.filter(([txId]) => flagged.has(txId)).length;
      const { alerts: raised, right } = byRule.get(rule) ?? { alerts: 0, right: 0 };
      const quality = { recall: found / frauds, precision: right / raised };
      return { scenario, what, rule, frauds, found, alerts: raised, right, ...quality };
    });
  }
}
