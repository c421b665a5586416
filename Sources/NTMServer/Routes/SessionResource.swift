/// A session as clients see it.
struct SessionResource: Encodable {
  let id: String
  let model: String
  /// Of the model when the session was made.
  let modelVersion: String
  /// Steps taken.
  let step: Int
  let createdAt: Timestamp
  let lastActivity: Timestamp
  /// Seconds without use after which it ends; null for never.
  let keepAlive: Double?
  let expiresAt: Timestamp?
  /// null where its model is not served.
  let stateBytes: Int?
  /// The first step that was computed again otherwise than the first time; only where there is one.
  let recomputedFrom: Int?
  /// Why it can't be used; only where that is so.
  let damaged: String?

  /// - Parameters:
  ///   - start: when the server was started
  ///   - clock: converts times for display; nil without a server
  init(
    _ record: SessionRecord, since start: Timestamp, clock: ServerClock? = nil, stateBytes: Int?
  ) {
    let display = { (time: Timestamp) in clock?.wallClock(time) ?? time }
    id = record.id
    model = record.modelName
    modelVersion = "sha256:\(record.modelDigest)"
    step = record.step
    createdAt = display(record.createdAt)
    lastActivity = display(record.lastActivity)
    keepAlive = record.keepAlive
    expiresAt = record.expiresAt(since: start).map(display)
    self.stateBytes = stateBytes
    recomputedFrom = record.recomputedFrom
    damaged = record.damage
  }

  private enum CodingKeys: CodingKey {
    case id, model, modelVersion, step, createdAt, lastActivity, keepAlive, expiresAt, stateBytes
    case recomputedFrom, damaged
  }

  func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(id, forKey: .id)
    try fields.encode(model, forKey: .model)
    try fields.encode(modelVersion, forKey: .modelVersion)
    try fields.encode(step, forKey: .step)
    try fields.encode(createdAt, forKey: .createdAt)
    try fields.encode(lastActivity, forKey: .lastActivity)
    // null rather than absent: never is an answer too.
    try fields.encode(keepAlive, forKey: .keepAlive)
    try fields.encode(expiresAt, forKey: .expiresAt)
    try fields.encode(stateBytes, forKey: .stateBytes)
    try fields.encodeIfPresent(recomputedFrom, forKey: .recomputedFrom)
    try fields.encodeIfPresent(damaged, forKey: .damaged)
  }
}
