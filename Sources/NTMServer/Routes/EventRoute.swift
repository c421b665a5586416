/// `GET /sessions/{id}/events`: what happens to a session, while it happens.
struct EventRoute: Sendable {
  let sessions: SessionTable
  /// Bytes of the longest event.
  let maxReply: Int

  var routes: [Router.Route] { [Router.Route("GET", "/sessions/{id}/events", watch)] }

  private func watch(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let request = context.request
    let session = try sessions.find(context)
    _ = try MediaType.preferred(of: [.eventStream], for: request)
    let fields = try StepFields(query: request)
    let last = try Self.lastEvent(request)
    let largest = fields.largestResult(of: session.model)
    guard largest <= maxReply else {
      throw Problem(
        .tooMuch,
        "an event may be longer than \(maxReply) bytes: ask for less by \"return\"")
    }
    try session.events.prepare(fields, largestResult: largest) { sessions.exchange(0, for: $0) }
    return .stream(
      HTTPStreamReply(
        status: 200, contentType: MediaType.eventStream.rawValue,
        headers: [("Cache-Control", "no-store")]
      ) { stream in
        session.events.watch(stream, fields, after: last, greeting: .greeting(session))
      })
  }

  private static func lastEvent(_ request: HTTPRequest) throws(Problem) -> Int? {
    guard let text = request.header("last-event-id"), !text.isEmpty else { return nil }
    guard let number = Int(text), number >= 0 else {
      throw Problem(
        .malformedRequest, "Last-Event-ID is \"\(text)\"; it is the id of an event, a number")
    }
    return number
  }
}
