import NTMModel

/// `/sessions` and what is below it, apart from steps.
struct SessionRoutes: Sendable {
  let pool: ModelPool
  let sessions: SessionTable

  var routes: [Router.Route] {
    [
      Router.Route("POST", "/sessions", create),
      Router.Route("GET", "/sessions", list),
      Router.Route("GET", "/sessions/{id}") { context throws(Problem) in
        .respond(.json(resource(try sessions.find(context.parameters[0]))))
      },
      Router.Route("DELETE", "/sessions/{id}", delete),
      Router.Route("POST", "/sessions/{id}/reset", reset),
      Router.Route("GET", "/sessions/{id}/memory", memory),
    ]
  }

  // MARK: The collection

  private func create(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let body = context.request.body
    let fields = body.isEmpty ? [:] : try JSONValue(body: body).fields(["model"])
    let model =
      if let name = fields["model"] { try pool.model(name.string("model")) } else {
        try pool.standard()
      }
    let make: @Sendable () throws(Problem) -> HTTPResponse = { () throws(Problem) in
      let session = try sessions.make(model)
      return .json(
        resource(session), status: 201, headers: [("Location", "/sessions/\(session.id)")])
    }
    return model.isLarge ? .offloading(make) : .respond(try make())
  }

  private static let largestPage = 1000

  private func list(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let limit = try Self.integer(context.request, "limit", 1...Self.largestPage) ?? 100
    let after = try Self.integer(context.request, "after", 0...Int.max) ?? 0
    return .offload {
      let page = sessions.page(after: after, limit: limit)
      let last = page.sessions.last?.number
      return .json(
        SessionList(
          sessions: page.sessions.map { resource($0) },
          next: page.hasMore ? last.map { "/sessions?limit=\(limit)&after=\($0)" } : nil))
    }
  }

  private static func integer(
    _ request: HTTPRequest, _ name: String, _ range: ClosedRange<Int>
  ) throws(Problem) -> Int? {
    guard let text = request.queryValue(name) else { return nil }
    guard let value = Int(text), range.contains(value) else {
      let valid =
        range.upperBound == .max
        ? "a number from \(range.lowerBound) on"
        : "a number from \(range.lowerBound) to \(range.upperBound)"
      throw Problem(.malformedRequest, "\(name) is \"\(text)\"; valid is \(valid)")
    }
    return value
  }

  private struct SessionList: Encodable {
    let sessions: [SessionResource]
    /// Where the next page is; null on the last.
    let next: String?

    private enum CodingKeys: CodingKey { case sessions, next }

    func encode(to encoder: any Encoder) throws {
      var fields = encoder.container(keyedBy: CodingKeys.self)
      try fields.encode(sessions, forKey: .sessions)
      try fields.encode(next, forKey: .next)
    }
  }

  // MARK: One session

  private func delete(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let session = try sessions.find(context.parameters[0])
    return try session.run { content in
      content.hasEnded = true
      sessions.remove(session)
      return HTTPResponse(status: 204)
    }
  }

  private func reset(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let session = try sessions.find(context.parameters[0])
    return try session.run(on: session.model.isLarge ? .worker : .loop) { content in
      session.model.model.reset(&content.state)
      content.step = 0
      return .json(resource(session, step: content.step))
    }
  }

  private func memory(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let session = try sessions.find(context.parameters[0])
    let form = try MediaType.preferred(of: [.json, .csv], for: context.request)
    let memory = MemoryWriter(session: session)
    return try session.run(on: memory.isLarge ? .worker : .loop) { content throws(Problem) in
      try memory.response(as: form, content)
    }
  }

  /// - Parameter step: how many steps the session has taken, where the caller knows better
  private func resource(_ session: Session, step: Int? = nil) -> SessionResource {
    SessionResource(
      id: session.id, model: session.model.name, step: step ?? session.step,
      createdAt: session.createdAt, lastActivity: session.lastActivity,
      expiresAt: sessions.expiry(of: session), stateBytes: session.stateBytes)
  }
}

/// A session as clients see it.
private struct SessionResource: Encodable {
  let id: String
  let model: String
  /// Steps taken.
  let step: Int
  let createdAt: Timestamp
  let lastActivity: Timestamp
  let expiresAt: Timestamp
  let stateBytes: Int
}
