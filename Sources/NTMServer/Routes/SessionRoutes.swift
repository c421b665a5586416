import NTMModel

/// `/sessions` and what is below it, apart from steps.
struct SessionRoutes: Sendable {
  let pool: ModelPool
  let sessions: SessionTable

  var routes: [Router.Route] {
    [
      Router.Route("POST", "/sessions", takesKey: true, create),
      Router.Route("GET", "/sessions", list),
      Router.Route("GET", "/sessions/{id}") { context throws(Problem) in
        .respond(.json(resource(try sessions.find(context.parameters[0]))))
      },
      Router.Route("DELETE", "/sessions/{id}", delete),
      Router.Route("POST", "/sessions/{id}/reset", takesKey: true, reset),
      Router.Route("POST", "/sessions/{id}/fork", takesKey: true, fork),
      Router.Route("GET", "/sessions/{id}/state", state),
      Router.Route("PUT", "/sessions/{id}/state", replaceState),
      Router.Route("GET", "/sessions/{id}/memory", memory),
    ]
  }

  // MARK: The collection

  private func create(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let body = context.request.body
    if StateFile.isLikely(body) {
      let keepAlive = try KeepAlive(nil, sessions.limits).seconds
      return .offloading({ () throws(Problem) in
        let file = try StateFile(checking: body)
        let model = try pool.model(of: file)
        return created(
          try sessions.make(model, keepAlive: keepAlive, start: try file.start(of: model)))
      })
    }
    let fields = body.isEmpty ? [:] : try JSONValue(body: body).fields(["model", "keep_alive"])
    let model =
      if let name = fields["model"] { try pool.model(name.string("model")) } else {
        try pool.standard()
      }
    let keepAlive = try KeepAlive(fields["keep_alive"], sessions.limits).seconds
    let make: @Sendable () throws(Problem) -> HTTPResponse = { () throws(Problem) in
      created(try sessions.make(model, keepAlive: keepAlive))
    }
    return model.isLarge ? .offloading(make) : .respond(try make())
  }

  private func created(_ session: Session) -> HTTPResponse {
    .json(resource(session), status: 201, headers: [("Location", "/sessions/\(session.id)")])
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
    return try session.run(.look) { content in
      let end = session.end(&content, .deleted)
      sessions.remove(session, end.ending, keptBytes: end.keptBytes)
      return HTTPResponse(status: 204)
    }
  }

  private func reset(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let session = try sessions.find(context.parameters[0])
    return try session.run(on: session.model.isLarge ? .worker : .loop) { content in
      session.model.model.reset(&content.state)
      content.step = 0
      sessions.forgetReply(&content)
      session.events.publish(.reset(session.id))
      return .json(resource(session, step: content.step))
    }
  }

  private func memory(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let session = try sessions.find(context.parameters[0])
    let form = try MediaType.preferred(of: [.json, .csv], for: context.request)
    let memory = MemoryWriter(session: session)
    return try session.run(.look, on: memory.isLarge ? .worker : .loop) {
      content throws(Problem) in
      try memory.response(as: form, content)
    }
  }

  /// A new session with the same state, which goes its own way.
  private func fork(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let session = try sessions.find(context.parameters[0])
    let body = context.request.body
    let fields = body.isEmpty ? [:] : try JSONValue(body: body).fields(["keep_alive"])
    let keepAlive =
      if let value = fields["keep_alive"] { try KeepAlive(value, sessions.limits).seconds } else {
        session.keepAlive
      }
    return try session.run(.look, on: session.model.isLarge ? .worker : .loop) {
      content throws(Problem) in
      let copy = try session.model.copy(content.state, for: "a fork")
      return created(
        try sessions.make(
          session.model, keepAlive: keepAlive,
          start: Session.Start(state: copy, step: content.step)))
    }
  }

  // MARK: State

  private func state(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let session = try sessions.find(context.parameters[0])
    _ = try MediaType.preferred(of: [.safeTensors], for: context.request)
    return try session.run(.look, on: .worker) { content in
      let name = "\(session.model.name)-\(content.step).safetensors"
      return HTTPResponse(
        status: 200,
        headers: [
          ("Content-Type", MediaType.safeTensors.rawValue),
          ("Content-Disposition", "attachment; filename=\"\(name.filter(\.isPlain))\""),
        ],
        body: StateFile.bytes(
          of: content.state, step: content.step, modelName: session.model.name,
          modelDigest: session.model.digest))
    }
  }

  private func replaceState(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let session = try sessions.find(context.parameters[0])
    let request = context.request
    if let type = request.header("content-type"), type.hasPrefix(MediaType.json.rawValue) {
      throw Problem(
        .unsupportedType, "the body is \(type); a state is \(MediaType.safeTensors.rawValue)")
    }
    let body = request.body
    return .later { completion in
      completion.perform {
        completion.refusing { () throws(Problem) in
          let file = try StateFile(checking: body)
          guard file.modelDigest == session.model.digest else {
            throw .otherModel(file, session.model.digest)
          }
          // Checked whole, before the session is touched.
          let start = try file.start(of: session.model)
          session.answer(completion) { content in
            content.state.assign(start.state)
            content.step = start.step
            sessions.forgetReply(&content)
            session.events.publish(.state(session.id, step: content.step))
            return .json(resource(session, step: content.step))
          }
        }
      }
    }
  }

  /// - Parameter step: how many steps the session has taken, where the caller knows better
  private func resource(_ session: Session, step: Int? = nil) -> SessionResource {
    SessionResource(
      id: session.id, model: session.model.name, modelVersion: session.model.version,
      step: step ?? session.step,
      createdAt: session.createdAt, lastActivity: session.lastActivity,
      keepAlive: session.keepAlive, expiresAt: session.expiresAt, stateBytes: session.stateBytes)
  }
}

/// A session as clients see it.
private struct SessionResource: Encodable {
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
  let stateBytes: Int

  private enum CodingKeys: CodingKey {
    case id, model, modelVersion, step, createdAt, lastActivity, keepAlive, expiresAt, stateBytes
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
  }
}
