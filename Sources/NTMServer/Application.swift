import Logging

/// What the server answers: every route, and the shape of every refusal.
struct Application: HTTPHandler {
  let router: Router
  private let maxStream: Int
  private let accessLog: AccessLog
  private let logger: Logger

  init(pool: ModelPool, sessions: SessionTable, options: ServiceOptions, logger: Logger) {
    router = Router(
      routes: ProbeRoutes().routes + ContractRoutes().routes
        + ModelRoutes(
          pool: pool, sessions: sessions, isAdminAllowed: options.allowModelAdmin, logger: logger
        ).routes
        + SessionRoutes(pool: pool, sessions: sessions).routes
        + StepRoute(sessions: sessions, maxReply: options.maxReply).routes
        + EventRoute(sessions: sessions, maxReply: options.maxReply).routes
        + InferenceRoutes(pool: pool, sessions: sessions, maxReply: options.maxReply).routes)
    maxStream = options.maxStream
    accessLog = AccessLog(logger, isOn: options.accessLog)
    self.logger = logger
  }

  func handle(_ request: HTTPRequest) -> HTTPOutcome {
    do throws(Problem) {
      return try router.handle(request)
    } catch {
      return .respond(error.response)
    }
  }

  func bodyLimit(for request: HTTPRequest) -> HTTPBodyLimit {
    MediaType.isJSONLines(request) ? .spooled(max: maxStream) : .memory(max: .max)
  }

  func refuse(_ refusal: HTTPRefusal, _ request: HTTPRequest) -> HTTPResponse {
    let problem =
      switch refusal {
      case .bodyTooLarge(let limit):
        Problem(
          .bodyTooLarge, "the body is longer than \(limit) bytes", fields: ["limit": .number(limit)]
        )
      case .headersTooLarge:
        Problem(.headersTooLarge, "the request's headers are too long, or too many")
      case .badFraming(let reason): Problem(.malformedRequest, reason)
      case .bodyNotStored:
        Problem(.limitReached, "there is no room to store the body; nothing of it was applied")
      case .draining: Problem(.stopping, "the server is stopping and takes no more requests")
      case .overloaded: Problem(.overloaded, "too much work is waiting; try again in a moment")
      case .unanswered: Problem(.internalError, "the request was given up without an answer")
      }
    return InferenceRoutes.isInference(request)
      ? problem.response.withInferenceError : problem.response
  }

  func completed(_ request: HTTPRequest, status: Int, responseBytes: Int, duration: UInt64) {
    accessLog.write(request, status: status, responseBytes: responseBytes, duration: duration)
    if status >= 500 {
      logger.warning("\(request.summary) failed with \(status)")
    }
  }
}
