// A run as its events tell it: steps, what was said and called in them, and what happened in between.

/** Builds itself from events, in order. */
export class Replay {
  /** Steps and marks, in order. */
  entries = [];
  /** Whether it has ended, as far as was told. */
  isOver = false;
  #calls = new Map();

  apply(event) {
    const { type, data, at } = event;
    switch (type) {
      case "run_queued": return this.#mark(at, "Queued");
      case "run_started":
        this.isOver = false;
        return this.#mark(at, data.attempt > 1 ? `Attempt ${data.attempt} started` : "Started");
      case "run_waiting": return this.#mark(at, waits(data));
      case "run_resumed": return this.#mark(at, "Goes on");
      case "run_interrupted": return this.#mark(at, "The thread was interrupted");
      case "run_finished":
        this.isOver = true;
        return this.#mark(at, ends(data), data.termination.type === "error" ? "failed" : "");
      case "attempt_reset": return this.#drop(at, data);
      case "dispatch_retried": return this.#mark(at, `Will be tried again: ${data.error ?? "the lease of its claim ended"}`, "failed");
      case "dispatch_dead_lettered": return this.#mark(at, `Given up: ${data.error}`, "failed");
      case "error": return this.#mark(at, `${data.code}: ${data.message}`, "failed");
      case "step_started": return void this.entries.push({ kind: "step", at, number: data.step, parts: [], kept: 0 });
      case "text_delta": return this.#write("text", data.text);
      case "reasoning_delta": return this.#write("thought", data.text);
      case "tool_call_started": return void this.#call(data.tool_call_id, data.tool_name);
      case "tool_call_arguments_delta": return this.#change(data.tool_call_id, (call) => { call.written += data.delta; });
      case "tool_call_ready": return void Object.assign(this.#call(data.tool_call_id, data.tool_name), { arguments: data.arguments });
      case "tool_call_output_delta": return this.#change(data.tool_call_id, (call) => { call.shown += data.delta; });
      case "tool_call_finished":
        return this.#change(data.tool_call_id, (call) => Object.assign(call, { output: data.output, isError: data.is_error, isDone: true }));
      case "tool_call_resumed": return this.#change(data.tool_call_id, (call) => { call.decision = data.decision; });
      case "inference_finished": return this.#close((step) => { step.inference = data; });
      case "message_committed":
        if (data.role === "assistant") this.#close((step) => { step.kept = step.parts.length; step.isSaid = true; });
        return undefined;
      case "step_finished": return this.#close((step) => { step.kept = step.parts.length; step.finished = at; });
      default: return undefined;
    }
  }

  /** What is being written now and is no message yet. */
  get draft() {
    const step = this.#step();
    return step && !step.isSaid && !step.isDropped ? step.parts : [];
  }

  #step() {
    return this.entries.findLast((entry) => entry.kind === "step");
  }

  #mark(at, text, tone = "") {
    this.entries.push({ kind: "mark", at, text, tone });
  }

  #write(kind, text) {
    const step = this.#step();
    if (!step) return;
    const last = step.parts.at(-1);
    if (last?.kind === kind) last.text += text;
    else step.parts.push({ kind, text });
  }

  #call(id, name) {
    const step = this.#step();
    const known = step?.parts.find((part) => part.kind === "call" && part.id === id);
    if (known) return known;
    const call = { kind: "call", id, name, written: "", shown: "", isDone: false };
    step?.parts.push(call);
    this.#calls.set(id, call);
    return call;
  }

  #change(id, f) {
    const call = this.#calls.get(id);
    if (call) f(call);
  }

  #close(f) {
    const step = this.#step();
    if (step) f(step);
  }

  /** The attempt died: what it had shown and not committed does not count. */
  #drop(at, data) {
    const step = this.#step();
    if (step && !step.finished && step.kept < step.parts.length) step.isDropped = true;
    if (step && step.parts.length === 0) this.entries.splice(this.entries.indexOf(step), 1);
    this.#mark(at, `Attempt ${data.attempt} died`, "failed");
  }
}

function waits({ reason }) {
  return {
    tool_permission: "Waits for an approval",
    user_input: "Waits for an answer",
    background_tasks: "Waits for other runs",
    external_event: "Waits for an event",
    rate_limit: "Waits for a model's limit",
    manual_pause: "Paused",
  }[reason] ?? "Waits";
}

function ends({ termination }) {
  const { type, code, message } = termination;
  const why = message ? `: ${message}` : code ? `: ${code}` : "";
  return { natural_end: "Done", cancelled: "Cancelled", blocked: `Blocked${why}`, stopped: `Stopped${why}`, error: `Failed${why}` }[type] ?? type;
}
