import NTMModel

/// `/sessions` and what is below it, apart from steps.
struct SessionRoutes: Sendable {
  let pool: ModelPool
  let sessions: SessionTable

  var routes: [Router.Route] {
    [
      Router.Route("POST", "/sessions", body: .whole, takesKey: true, create),
      Router.Route("GET", "/sessions", list),
      Router.Route("GET", "/sessions/{id}") { context throws(Problem) in
        .respond(.json(resource(try sessions.look(for: context.parameter(0)))))
      },
      Router.Route("DELETE", "/sessions/{id}", delete),
      Router.Route("POST", "/sessions/{id}/reset", takesKey: true, reset),
      Router.Route("POST", "/sessions/{id}/fork", body: .whole, takesKey: true, fork),
      Router.Route("GET", "/sessions/{id}/state", state),
      Router.Route("PUT", "/sessions/{id}/state", body: .whole, replaceState),
      Router.Route("GET", "/sessions/{id}/memory", memory),
    ]
  }

  // MARK: The collection

  private func create(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let body = context.request.body
    if StateFile.isLikely(body) {
      let keepAlive = try KeepAlive(nil, sessions.limits).seconds
      return .onWorker { () throws(Problem) in
        let file = try StateFile(checking: body)
        let model = try pool.model(of: file)
        return try make(
          model, keepAlive: keepAlive, start: try file.start(of: model), mayWait: true,
          context.claim)
      }
    }
    let fields = body.isEmpty ? [:] : try JSONValue(body: body).fields(["model", "keep_alive"])
    context.request.forgetBody(keeping: 0)
    let model =
      if let name = fields["model"] { try pool.model(name.string("model")) } else {
        try pool.standard()
      }
    let keepAlive = try KeepAlive(fields["keep_alive"], sessions.limits).seconds
    if !model.isLarge, sessions.hasRoom(model.stateBytes) {
      return try make(model, keepAlive: keepAlive, mayWait: false, context.claim)
    }
    return .onWorker { () throws(Problem) in
      try make(model, keepAlive: keepAlive, mayWait: true, context.claim)
    }
  }

  private func make(
    _ model: ServedModel, keepAlive: Double?, start: consuming Session.Start? = nil,
    mayWait: Bool, _ claim: KeyClaim?
  ) throws(Problem) -> HTTPOutcome {
    let session = try sessions.make(
      model, keepAlive: keepAlive, start: start.take(), mayWait: mayWait,
      reply: claim.map { claim in
        { claim.reply(created($0), AppliedSteps($0.id, step: $0.step)) }
      })
    return session.acknowledged(
      Session.Answer(created(session), .first, step: session.step), claim)
  }

  private func created(_ session: Session) -> HTTPResponse {
    .json(resource(session), status: 201, headers: [("Location", "/sessions/\(session.id)")])
  }

  private static let largestPage = 1000

  private func list(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let limit = try Self.integer(context.request, "limit", 1...Self.largestPage) ?? 100
    let after = try Self.integer(context.request, "after", 0...Int.max) ?? 0
    return .onWorker { () throws(Problem) in
      // The number of a damaged session may be below 0.
      let page = try sessions.page(after: after == 0 ? .min : after, limit: limit)
      let last = page.sessions.last.map { max(1, $0.record.number) }
      return .respond(
        .json(
          SessionList(
            sessions: page.sessions.map { resource($0) },
            next: page.hasMore ? last.map { "/sessions?limit=\(limit)&after=\($0)" } : nil)))
    }
  }

  private static func integer(
    _ request: HTTPRequest, _ name: StaticString, _ range: ClosedRange<Int>
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
    let found = try sessions.look(for: context.parameter(0))
    try sessions.journal.checkWritable()
    switch found {
    case .session(let session) where session.model.isLarge:
      // Returning a large state to the system takes milliseconds.
      return .onWorker { () throws(Problem) in try session.delete() }
    case .session(let session): return try session.delete()
    case .record(let record):
      return sessions.delete(record, answering: HTTPResponse(status: 204))
    }
  }

  private func reset(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let session = try sessions.find(context)
    let place: Session.Place = session.model.isLarge ? .worker : .loop
    return try session.run(on: place, context.claim) { content in
      session.reset(&content)
      session.events.publish(.reset(session.id)) { session.step = 0 }
      return .json(resource(session, step: content.step))
    }
  }

  private func memory(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let session = try sessions.find(context)
    let form = try MediaType.preferred(of: [.json, .csv], for: context.request)
    let memory = MemoryWriter(session: session)
    return try session.run(.look, on: memory.isLarge ? .worker : .loop) {
      content throws(Problem) in
      try memory.response(as: form, content)
    }
  }

  /// A new session with the same state, which goes its own way.
  private func fork(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let session = try sessions.find(context)
    let body = context.request.body
    let fields = body.isEmpty ? [:] : try JSONValue(body: body).fields(["keep_alive"])
    context.request.forgetBody(keeping: 0)
    let keepAlive =
      if let value = fields["keep_alive"] { try KeepAlive(value, sessions.limits).seconds } else {
        session.keepAlive
      }
    return try session.fork(on: session.model.isLarge ? .worker : .loop) {
      content throws(Problem) in
      let copy = try session.model.copy(content.state, for: "a fork")
      let start = Session.Start(state: copy, step: content.step)
      return try make(
        session.model, keepAlive: keepAlive, start: start, mayWait: false, context.claim)
    }
  }

  // MARK: State

  private func state(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let session = try sessions.find(context)
    _ = try MediaType.preferred(of: [.safeTensors], for: context.request)
    return try session.run(.look, on: .worker) { content in
      let name = "\(session.model.name)-\(content.step).safetensors"
      return HTTPResponse(
        status: 200, contentType: MediaType.safeTensors.rawValue,
        headers: [
          ("Content-Disposition", "attachment; filename=\"\(name.filter(\.isPlain))\"")
        ],
        body: StateFile.bytes(
          of: content.state, step: content.step, modelName: session.model.name,
          modelDigest: session.model.digest))
    }
  }

  private func replaceState(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let session = try sessions.find(context)
    let request = context.request
    if let type = request.header(.contentType), type.hasPrefix(MediaType.json.rawValue) {
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
          request.forgetBody(keeping: session.stateBytes)
          session.answer(completion, .change, context.claim) { content throws(Problem) in
            try session.replaceState(&content, by: start.state, step: start.step)
            let step = content.step
            session.events.publish(.state(session.id, step: step)) { session.step = step }
            return .json(resource(session, step: content.step))
          }
        }
      }
    }
  }

  /// - Parameter step: how many steps the session has taken, where the caller knows better
  private func resource(_ session: Session, step: Int? = nil) -> SessionResource {
    var record = session.record
    if let step { record.step = step }
    return SessionResource(
      record, since: sessions.journal.begin, clock: sessions.journal.clock,
      stateBytes: session.stateBytes)
  }

  private func resource(_ found: SessionTable.Found) -> SessionResource {
    switch found {
    case .session(let session): resource(session)
    case .record(let record):
      SessionResource(
        record, since: sessions.journal.begin, clock: sessions.journal.clock,
        stateBytes: sessions.model(of: record)?.stateBytes)
    }
  }
}
