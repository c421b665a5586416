/// What watchers are to be told of steps, kept until it is certain that the steps stay taken.
struct StepRecord: ~Copyable {
  /// For each choice of fields that is watched, the newest steps' results as JSON.
  private var records: [(fields: StepFields, texts: EventHistory)]
  /// How many steps.
  private(set) var count = 0

  /// - Parameter fields: the choices that are watched
  init(_ fields: [StepFields] = []) { records = fields.map { ($0, EventHistory()) } }

  /// - Parameter text: the result of one more step with the fields given
  mutating func add(_ text: (StepFields) -> [UInt8]) {
    count += 1
    for index in records.indices { records[index].texts.append(text(records[index].fields)) }
  }

  func texts(with fields: StepFields) -> EventHistory? {
    records.first { $0.fields == fields }?.texts
  }
}
