import Logging
internal import NTMModel

/// What the server answers: every route, and the shape of every refusal.
struct Application: HTTPHandler {
  let router: Router
  private let admission: Admission
  private let maxStream: Int
  private let accessLog: AccessLog
  private let metrics: HTTPMetrics
  private let logger: Logger

  /// - Parameter keys: remembers replies to requests with keys
  init(
    pool: ModelPool, sessions: SessionTable, options: ServiceOptions, logger: Logger,
    keys: IdempotencyStore = IdempotencyStore()
  ) {
    // Paths are compared with them in this order, so first come those that are asked for most.
    let routes =
      StepRoute(sessions: sessions, maxReply: options.maxReply).routes
      + ProbeRoutes(sessions: sessions).routes + InspectorRoutes().routes + ContractRoutes().routes
      + ModelRoutes(
        pool: pool, sessions: sessions, isAdminAllowed: options.allowModelAdmin, logger: logger
      ).routes
      + SessionRoutes(pool: pool, sessions: sessions).routes
      + EventRoute(sessions: sessions, maxReply: options.maxReply).routes
      + InferenceRoutes(pool: pool, sessions: sessions, maxReply: options.maxReply).routes
    metrics = HTTPMetrics(patterns: Router.patterns(of: routes) + [MetricsRoute.path])
    router = Router(
      routes: routes
        + MetricsRoute(
          pool: pool, sessions: sessions, http: metrics, log: options.logQueue
        ).routes,
      keys: keys, isAtHand: { sessions.isAtHand($0) })
    admission = Admission(options)
    maxStream = options.maxStream
    accessLog = AccessLog(
      logger, isOn: options.accessLog, hasFields: options.structuredLog)
    self.logger = logger
  }

  func handle(_ request: HTTPRequest) -> HTTPOutcome {
    if let answer = admit(request) { return .respond(answer) }
    do throws(Problem) {
      return try router.handle(request)
    } catch {
      return .respond(error.response)
    }
  }

  func admit(_ request: HTTPRequest) -> HTTPResponse? {
    if request.note({ $0.isAdmitted }) { return nil }
    do throws(Problem) {
      if let answer = try admission.admit(request) { return answer }
      try checkMemory(for: request)
      request.note { $0.isAdmitted = true }
      return nil
    } catch {
      return error.response
    }
  }

  /// Refuses a request if the system has no memory for objects and arrays, whose allocation must not
  /// fail. Requests that free memory or say how the server is are not refused.
  private func checkMemory(for request: HTTPRequest) throws(Problem) {
    guard SystemLimits.refusesAllocations, request.knownMethod != .delete,
      !isAnsweredWhileStopping(request), !MemoryReservation.isPossible(0)
    else { return }
    throw .noMemory("another request")
  }

  /// A stopping server still says how it is to whoever asks on an open connection.
  func isAnsweredWhileStopping(_ request: HTTPRequest) -> Bool {
    let path = request.path
    return ProbeRoutes.paths.contains(path) || path == MetricsRoute.path
  }

  func complete(_ response: inout HTTPResponse, to request: HTTPRequest) {
    let id = request.id
    if response.isProblem {
      if InferenceRoutes.isInference(request) { response.addInferenceError() }
      response.name(id)
    }
    admission.origins.addHeaders(to: &response, for: request.note { $0.foreignOrigin })
    response.requestID = id
  }

  func bodyLimit(for request: HTTPRequest) -> HTTPBodyLimit {
    switch router.body(of: request) {
    case .nothing, nil: .discarded
    case .whole: .memory(max: .max)
    case .wholeOrLines:
      MediaType.isJSONLines(request) ? .spooled(max: maxStream) : .memory(max: .max)
    }
  }

  func refuse(_ refusal: HTTPRefusal, _ request: HTTPRequest) -> HTTPResponse {
    // A long body for a path that does not exist: the path is the better reason.
    if case .unwantedBody = refusal, router.body(of: request) == nil {
      return router.refusal(of: request).response
    }
    if case .bodyNotStored(let reason, let isFull) = refusal {
      logger.log(level: isFull ? .warning : .error, "a request's body can't be stored: \(reason)")
    }
    return Problem(refusal).response
  }

  func completed(_ request: HTTPRequest, status: Int, responseBytes: Int, duration: UInt64) {
    // What was refused before it came to the router has no route yet.
    let route = request.note { $0.route } ?? router.pattern(of: request)
    metrics.answered(route, request.knownMethod, status, nanoseconds: duration)
    accessLog.write(request, status: status, responseBytes: responseBytes, duration: duration)
    if status >= 500 {
      logger.warning("\(request.summary) failed with \(status)", metadata: request.logMetadata)
    }
  }
}

extension Admission {
  fileprivate init(_ options: ServiceOptions) {
    hosts = options.hostNames.map(HostRules.init)
    origins = OriginRules(options.allowedOrigins)
    keys = options.apiKeys
    areMetricsOpen = options.openMetrics
  }
}
