// Returns the snapshot of a running export, as the server sends it.
export function snapshot(fields = {}) {
  return {
    id: "1",
    label: "Flights",
    format: "csv",
    status: "running",
    stage: "extracting",
    waits_for: "",
    rows_done: 0,
    rows_again: 0,
    rows_total: null,
    rows_added: 0,
    rows_removed: 0,
    assembled: null,
    bytes: 0,
    rate: null,
    eta: null,
    attempt: 1,
    version: 1,
    queue_position: null,
    finished_at: null,
    links: { self: "/exports/1/", download: null },
    ...fields,
  };
}
