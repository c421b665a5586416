/// What watchers are to be told of steps, kept until it is certain that the steps stay taken.
struct StepRecord: ~Copyable {
  private let writer: StepResultWriter?
  /// For each choice of fields that is watched, the newest steps' results as JSON.
  private var records: [(fields: StepFields, texts: EventHistory)] = []
  /// How many steps.
  private(set) var count = 0

  /// Where nobody watches.
  init() { writer = nil }

  /// - Parameters:
  ///   - fields: the choices that are watched
  ///   - writer: writes the results
  init(_ fields: [StepFields], _ writer: consuming StepResultWriter) {
    self.writer = consume writer
    records = fields.map { ($0, EventHistory()) }
  }

  /// Notes the step that `room` was just used for.
  mutating func add(_ content: borrowing Session.Content, _ room: StepRoom) {
    count += 1
    for index in records.indices {
      let start = room.text.count
      writer!.writeObject(records[index].fields, content, room)
      records[index].texts.append(room.text.bytes(from: start))
      room.text.removeAll(from: start)
    }
  }

  func texts(with fields: StepFields) -> EventHistory? {
    records.first { $0.fields == fields }?.texts
  }
}
