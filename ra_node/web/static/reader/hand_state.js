// The marks in force on one hand: the page's own copy of what the server folds from all actions.

export const ROWS = [
  ["ip_1", "pip_2", "pip_3", "pip_4", "pip_5"],
  ["mcp_1", "mcp_2", "mcp_3", "mcp_4", "mcp_5"],
  ["wrist_1", "wrist_2", "wrist_3"],
];
export const WHOLE_HAND = "", NOT_GRADABLE = -1;

export class HandState {
  /** `task` is the server's description of one hand before one reader. */
  constructor(task) {
    this.task = task;
    this.past = [];
    this.take(task);
  }

  /** Take over what the server says is in force. */
  take(state) {
    this.labels = { ...state.labels };
    this.reasons = { ...state.reasons };
    this.joints = Object.fromEntries(Object.entries(state.joints).map(([name, [x, y]]) => [name, [x, y]]));
    this.kept = state.kept;
    this.lastAction = state.last_action;
    this.sequence = state.sequence;
    this.past = [];
  }

  /** What can be labelled here, in the order in which the hand shows it from left to right. */
  get rows() {
    if (!this.task.by_joint) return [[WHOLE_HAND]];
    return this.placed.map((row) => row.filter((name) => !this.task.asked || this.task.asked.includes(name))).filter((row) => row.length);
  }

  /** All joints as the hand shows them from left to right. */
  get placed() {
    const mirrored = (this.joints.mcp_2?.[0] ?? 0) > (this.joints.mcp_5?.[0] ?? 0);
    return ROWS.map((row) => (mirrored ? [...row].reverse() : row));
  }

  /** The joints whose boxes are shown: those to be labelled; all that have a place where the whole hand is. */
  get boxRows() {
    const rows = this.task.by_joint ? this.rows : this.placed;
    return rows.map((row) => row.filter((name) => this.task.by_joint || this.joints[name])).filter((row) => row.length);
  }

  get names() { return this.rows.flat(); }

  get open() {
    if (this.labels[WHOLE_HAND] === NOT_GRADABLE) return [];
    return this.names.filter((name) => !(name in this.labels));
  }

  /** Highest stage so far, NOT_GRADABLE where one that could be higher cannot be judged, null without any. */
  get handLabel() {
    if (WHOLE_HAND in this.labels) return this.labels[WHOLE_HAND];
    const known = Object.values(this.labels);
    if (!known.length) return null;
    const most = Math.max(...known);
    return known.includes(NOT_GRADABLE) && most < 5 ? NOT_GRADABLE : most;
  }

  /** Whether a consensus lies outside the range of what the readers said. */
  beyond(joint, label) {
    if (this.task.kind !== "consensus") return false;
    const said = this.task.others.map((one) => one.labels[joint]).filter((one) => one !== undefined);
    const stages = said.filter((one) => one !== NOT_GRADABLE);
    if (!said.length || said.includes(label)) return false;
    return label === NOT_GRADABLE || !stages.length || label < Math.min(...stages) || label > Math.max(...stages);
  }

  /** Apply an action at once and remember how to take it back. */
  apply(id, marks) {
    this.past.push({ id, labels: this.labels, reasons: this.reasons, joints: this.joints, kept: this.kept });
    [this.labels, this.reasons, this.joints] = [{ ...this.labels }, { ...this.reasons }, { ...this.joints }];
    for (const mark of marks) {
      if (mark.kind === "kept") this.kept = true;
      else if (mark.kind === "joint_at") this.joints[mark.joint] = [mark.x, mark.y];
      else {
        if (mark.joint && this.labels[WHOLE_HAND] === NOT_GRADABLE) delete this.labels[WHOLE_HAND];
        this.labels[mark.joint] = mark.kind === "stage" ? mark.stage : NOT_GRADABLE;
        this.reasons[mark.joint] = mark.reason ?? "";
      }
    }
    this.sequence += 1;
    this.lastAction = id;
  }

  /** Take back the last action; gives its id, null where there is none. */
  undo() {
    const undone = this.lastAction;
    if (!undone) return null;
    const before = this.past.pop();
    if (before) [this.labels, this.reasons, this.joints, this.kept] = [before.labels, before.reasons, before.joints, before.kept];
    this.lastAction = this.past.at(-1)?.id ?? "";
    this.sequence += 1;
    return { id: undone, known: Boolean(before) };
  }
}
