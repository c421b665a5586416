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
    let choice = EventChannel.Choice(try StepFields(query: request), of: session.model)
    let last = try Self.lastEvent(request)
    guard choice.largestEvent <= maxReply else {
      throw Problem(
        .tooMuch,
        "an event may be longer than \(maxReply) bytes: ask for less by \"return\"")
    }
    // HEAD has no stream, so it reserves nothing.
    if request.knownMethod == .head { return .stream(Self.reply { _ in }) }
    if sessions.hasRoomForEvents(try session.events.bytesNeeded(choice)) {
      return try stream(session, choice, last, mayWait: false)
    }
    return .onWorker { () throws(Problem) in
      try stream(session, choice, last, mayWait: true)
    }
  }

  private func stream(
    _ session: Session, _ choice: EventChannel.Choice, _ last: EventID?, mayWait: Bool
  ) throws(Problem) -> HTTPOutcome {
    let place = try session.events.reserve(choice, of: session, mayWait: mayWait)
    return .stream(
      Self.reply { stream in
        session.events.watch(stream, at: place, after: last) { .greeting(session, step: $0) }
      })
  }

  private static func reply(start: @escaping @Sendable (HTTPBodyStream) -> Void)
    -> HTTPStreamReply
  {
    HTTPStreamReply(
      status: 200, contentType: MediaType.eventStream.rawValue,
      headers: [("Cache-Control", "no-store")], start: start)
  }

  private static func lastEvent(_ request: HTTPRequest) throws(Problem) -> EventID? {
    guard let text = request.header("last-event-id"), !text.isEmpty else { return nil }
    guard let id = EventID(text) else {
      throw Problem(
        .malformedRequest,
        "Last-Event-ID is \"\(text)\"; it is the id of an event, such as 5c2f91-7-12")
    }
    return id
  }
}
