@testable import NTMServer

extension SessionTable {
  /// A session that is kept as long as the table keeps those that don't ask.
  func make(_ model: ServedModel) throws(Problem) -> Session {
    try make(model, keepAlive: limits.timeToLive)
  }

  func delete(_ session: Session) {
    remove(session, SessionEnding(reason: .deleted, at: .now), bytes: session.stateBytes)
  }
}

extension Session {
  /// Runs `body` when nobody else uses the session, which must be so.
  func use<Result>(
    _ body: (inout Content) throws(Problem) -> Result
  ) throws(Problem) -> Result {
    guard let result = try useIfFree(.change, body) else {
      preconditionFailure("somebody else uses the session")
    }
    return result
  }
}

extension Problem {
  /// What is said of a session that has expired.
  static func ended(_ session: Session) -> Problem {
    .sessionEnded(
      session.id, SessionEnding(reason: .expired, at: session.expiresAt ?? session.lastActivity))
  }
}

extension TestClient {
  func put(_ target: String, _ body: [UInt8]) async throws -> Response {
    try await send("PUT", target, headers: [], body: body)
  }

  func post(_ target: String, _ body: String, key: String) async throws -> Response {
    try await send(
      "POST", target, headers: [("Idempotency-Key", key)], body: Array(body.utf8))
  }

  /// What a session's memory is and how many steps it has taken.
  func memoryText(_ session: String) async throws -> String {
    let response = try await get("/sessions/\(session)/memory").text
    return String(response.drop { $0 != "," })
  }
}
