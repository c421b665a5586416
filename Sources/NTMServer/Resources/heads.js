/**
 * The heads of a model, in the order in which they act.
 *
 * @param {object} model as `GET /models/{name}` has it
 * @returns {{type: string, index: number, read: number | null, write: number | null}[]} read and
 *   write: the index among the heads that do so, null for one that doesn't
 */
export function headsOf(model) {
  const counts = { read: 0, write: 0 };
  return model.heads.map((type, index) => ({
    type,
    index,
    read: type === 'write' ? null : counts.read++,
    write: type === 'read' ? null : counts.write++,
  }));
}

/** @returns {string} a head's name: `read head`, or `read head 2` where there are several. */
export function headName(head, heads) {
  const alike = heads.filter((other) => other.type === head.type);
  const kind = { read: 'read', write: 'write', read_write: 'read-write' }[head.type];
  return alike.length > 1 ? `${kind} head ${alike.indexOf(head) + 1}` : `${kind} head`;
}
