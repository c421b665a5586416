import NTMModel

/// The Open Inference Protocol 2, as KServe and Triton speak it, with Triton's extensions for
/// sequences, binary tensors and statistics. A sequence is a session like any other.
struct InferenceRoutes: Sendable {
  let pool: ModelPool
  let sessions: SessionTable
  /// Bytes of the longest reply.
  let maxReply: Int

  init(pool: ModelPool, sessions: SessionTable, maxReply: Int) {
    self.pool = pool
    self.sessions = sessions
    self.maxReply = maxReply
  }

  static func isInference(_ request: HTTPRequest) -> Bool { request.path.hasPrefix("/v2") }

  var routes: [Router.Route] {
    [
      Router.Route("GET", "/v2") { _ in .respond(.json(Server())) },
      Router.Route("GET", "/v2/health/live") { _ in .respond(.json(["live": true])) },
      Router.Route("GET", "/v2/health/ready") { _ throws(Problem) in
        try ProbeRoutes(sessions: sessions).checkReady()
        return .respond(.json(["ready": true]))
      },
    ] + modelRoutes("/v2/models/{name}") + modelRoutes("/v2/models/{name}/versions/{version}")
  }

  private func modelRoutes(_ path: String) -> [Router.Route] {
    [
      Router.Route("GET", path) { context throws(Problem) in
        .respond(.json(Metadata(try model(context))))
      },
      Router.Route("GET", path + "/ready") { context throws(Problem) in
        .respond(.json(["name": try model(context).name]))
      },
      Router.Route("GET", path + "/stats") { context throws(Problem) in
        let model = try model(context)
        return .respond(.json(["model_stats": [model.statistics.report(model)]]))
      },
      Router.Route("POST", path + "/infer", body: .whole, takesKey: true, infer),
    ]
  }

  // MARK: What there is

  private struct Server: Encodable {
    let name = "ntm"
    let version = Release.version
    let extensions = [
      "sequence", "sequence(string_id)", "binary_tensor_data", "statistics", "parameters",
    ]
  }

  private struct Metadata: Encodable {
    let name: String
    let versions: [String]
    let platform = "ntm"
    let inputs: [TensorMetadata]
    let outputs: [TensorMetadata]

    init(_ model: ServedModel) {
      name = model.name
      versions = [model.version]
      inputs = [.input(of: model)]
      outputs = TensorMetadata.outputs(of: model)
    }
  }

  /// The model that a path names.
  ///
  /// - Throws: `Problem` 404 where it is not served, or not in this version.
  private func model(_ context: Router.Context) throws(Problem) -> ServedModel {
    let model = try pool.model(context.parameter(0))
    try check(model, context)
    return model
  }

  private func check(_ model: ServedModel, _ context: Router.Context) throws(Problem) {
    guard context.parameterCount > 1 else { return }
    let version = try context.parameter(1)
    guard version == model.version || version == model.digest else {
      throw Problem(
        .noSuchModel, "model \"\(model.name)\" is there in version \(model.version), not \(version)"
      )
    }
  }

  // MARK: Inference

  private func infer(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let http = context.request
    let headerLength = try Self.headerLength(http)
    let body = http.body
    if body.count <= Router.smallBody {
      let request = try InferenceRequest(body, headerLength: headerLength)
      // A sequence that is not in memory is read from the disk, on a worker.
      let key = try self.key(of: request, context)
      let isAtHand =
        key.map { sessions.isAtHand(sequence: $0.text, starts: request.starts) } ?? true
      if isAtHand {
        return try infer(context, request, isOnWorker: false)
      }
    }
    return .onWorker { () throws(Problem) in
      let request = try InferenceRequest(body, headerLength: headerLength)
      return try infer(context, request, isOnWorker: true)
    }
  }

  private func key(
    of request: InferenceRequest, _ context: Router.Context
  ) throws(Problem) -> SequenceKey? {
    guard let id = request.sequence else { return nil }
    return SequenceKey(model: try context.parameter(0), id: id)
  }

  private static func headerLength(_ request: HTTPRequest) throws(Problem) -> Int? {
    guard let text = request.header("inference-header-content-length") else { return nil }
    guard let length = Int(text), length >= 0 else {
      throw Problem(
        .malformedRequest, "Inference-Header-Content-Length is \"\(text)\"; it is a number of bytes"
      )
    }
    return length
  }

  private func infer(
    _ context: Router.Context, _ request: InferenceRequest, isOnWorker: Bool
  ) throws(Problem) -> HTTPOutcome {
    let key = try self.key(of: request, context)
    // A sequence goes on with the model that it began with, also where that is not served any more.
    let running = if let key, !request.starts { try sessions.find(key) } else { nil as Session? }
    let model = if let running { running.model } else { try self.model(context) }
    try check(model, context)
    let http = context.request
    let inputs = try request.inputs(for: model) { memory throws(Problem) in
      guard http.bodyCount > Router.smallBody else { return }
      do throws(HTTPRefusal) { try http.reserveMemory(memory) } catch { throw Problem(error) }
    }
    http.forgetBody(keeping: inputs.memory)
    let largest = InferenceReply.largest(request, model, steps: inputs.count)
    guard largest <= maxReply else {
      throw Problem(
        .tooMuch,
        "the outputs of \(inputs.count) steps may be longer than \(maxReply) bytes: send fewer at "
          + "once, or ask for fewer outputs")
    }
    let job = Job(request: request.withoutInput, model: model, inputs: inputs)
    let isCheap = model.isCheap(
      steps: inputs.count,
      resultBytes: largest / inputs.count + (running?.events.stepCost ?? 0))
    let place: Session.Place = isCheap ? .loop : .worker
    if let running {
      return try running.run(on: place, context.claim) { content throws(Problem) in
        let response = try job.take(&content, in: running)
        sessions.forgetReply(&content)
        if request.ends {
          content.ends = .deleted
        }
        return response
      }
    }
    if isCheap || isOnWorker { return try begin(key, job, context.claim) }
    return .onWorker { () throws(Problem) in try begin(key, job, context.claim) }
  }

  /// Takes the first steps of a sequence, or all steps of a request that is of none.
  private func begin(
    _ key: SequenceKey?, _ job: Job, _ claim: KeyClaim?
  ) throws(Problem) -> HTTPOutcome {
    guard let key, !job.request.ends else {
      // No later request can use this state.
      var content = Session.Content(state: try job.model.makeState())
      let response = try job.take(&content, in: nil)
      guard let key else { return .respond(response) }
      return try sessions.end(sequence: key.text, response)
    }
    return try sessions.begin(
      sequence: key.text, job.model, keepAlive: try KeepAlive(nil, sessions.limits).seconds, claim
    ) { session, content throws(Problem) in
      try job.take(&content, in: session)
    }
  }

  /// The steps of one request.
  private struct Job: Sendable {
    let request: InferenceRequest
    let model: ServedModel
    let inputs: StepInputs
    /// Monotonic nanoseconds.
    let read = monotonicNanoseconds()

    /// - Parameter session: nil where the request is of no sequence
    func take(
      _ content: inout Session.Content, in session: Session?
    ) throws(Problem) -> HTTPResponse {
      let started = monotonicNanoseconds()
      do throws(Problem) {
        return try model.withRoom { room throws(Problem) in
          room.text.removeAll()
          var reply = InferenceReply(request, model)
          var record = session?.stepRecord() ?? StepRecord()
          try model.take(inputs, "input", &content, room, &record) { _, content in
            reply.add(content, room)
          }
          session?.took(inputs, &content, record)
          let inferred = monotonicNanoseconds()
          let response = reply.response(session: session?.id, step: content.step, &room.text)
          model.statistics.succeeded(
            steps: inputs.count,
            InferenceStatistics.Durations(
              queue: started - read, input: read - request.begun, inference: inferred - started,
              output: monotonicNanoseconds() - inferred))
          return response
        }
      } catch {
        model.statistics.failed(after: monotonicNanoseconds() - request.begun)
        throw error
      }
    }
  }
}

extension ServedModel {
  /// - Throws: `Problem` 503 where the machine has no memory for it.
  fileprivate func makeState() throws(Problem) -> State {
    do throws(AllocationError) {
      return try model.makeState()
    } catch {
      throw Problem(.limitReached, "the machine has no memory for a state: \(error)")
    }
  }
}
