/// Something that happens to a session, other than a step.
struct SessionEvent: Sendable {
  let name: String
  let data: [UInt8]
  /// How many steps the session has taken, if the event changes that.
  let step: Int?

  private init(_ name: String, step: Int? = nil, _ value: some Encodable) {
    self.name = name
    self.step = step
    data = HTTPResponse.json(value).body
  }

  private struct Position: Encodable {
    let session: String
    var model: String?
    let step: Int
  }

  private struct End: Encodable {
    let session: String
    let reason: String
    var endedAt: Timestamp?
  }

  /// The first event of each watcher.
  static func greeting(_ session: Session, step: Int) -> SessionEvent {
    SessionEvent("session", Position(session: session.id, model: session.model.name, step: step))
  }

  /// The session is back at its start state.
  static func reset(_ id: String) -> SessionEvent {
    SessionEvent("reset", step: 0, Position(session: id, step: 0))
  }

  /// The session has another state than it came to by steps.
  static func state(_ id: String, step: Int) -> SessionEvent {
    SessionEvent("state", step: step, Position(session: id, step: step))
  }

  static func ended(_ id: String, _ ending: SessionEnding) -> SessionEvent {
    SessionEvent("end", End(session: id, reason: ending.reason.rawValue, endedAt: ending.at))
  }

  /// The server stops. The session may go on, if it is a server that keeps them.
  static func stopping(_ id: String) -> SessionEvent {
    SessionEvent("end", End(session: id, reason: "stopping"))
  }
}
