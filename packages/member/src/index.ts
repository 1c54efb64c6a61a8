/** member: One member: wires the rooms, answers requests, lifecycle, configuration, metrics. */
export {};
