/// What turns requests into responses. One handler serves all event loops at the same time.
protocol HTTPHandler: Sendable {
  /// Called on an event loop with a complete request. Whatever takes long (some hundred
  /// microseconds) goes into `.offload`: until this returns, no other connection of the loop is
  /// served.
  func handle(_ request: HTTPRequest) -> HTTPOutcome

  /// Called on an event loop when the headers of a request that has a body are here.
  ///
  /// - Returns: an answer where the body is not worth waiting for; the connection is closed then
  func admit(_ request: HTTPRequest) -> HTTPResponse?

  /// Whether a request is handled even while the server stops. Asked on an event loop, then.
  func isAnsweredWhileStopping(_ request: HTTPRequest) -> Bool

  /// Called once with every response before it is sent, refusals and the heads of streams included,
  /// on the thread that the request belongs to: the place for what all have.
  func complete(_ response: inout HTTPResponse, to request: HTTPRequest)

  /// How much of a body is taken, and where to. Called on an event loop when the headers of a
  /// request that has a body are here. What is not said here is in memory, up to the server's
  /// `maxBodyBytes`.
  func bodyLimit(for request: HTTPRequest) -> HTTPBodyLimit

  /// The response to a request that the transport itself refuses. Its status and the headers that
  /// the refusal needs (`Connection`, `Retry-After`, `Accept-Encoding`) are set afterwards, so that
  /// only the body and its type are left to say. The body of such a request is empty; one whose
  /// headers did not come has no method and no path either.
  func refuse(_ refusal: HTTPRefusal, _ request: HTTPRequest) -> HTTPResponse

  /// Called on an event loop once for every request that was answered, when its response has been
  /// handed to the kernel or the connection broke over it.
  ///
  /// - Parameters:
  ///   - responseBytes: length of the body sent, 0 for HEAD; of a stream what was handed to
  ///     libmicrohttpd.
  ///   - duration: monotonic nanoseconds from the end of the request's headers to this call.
  func completed(_ request: HTTPRequest, status: Int, responseBytes: Int, duration: UInt64)
}

extension HTTPHandler {
  func admit(_ request: HTTPRequest) -> HTTPResponse? { nil }
  func isAnsweredWhileStopping(_ request: HTTPRequest) -> Bool { false }
  func complete(_ response: inout HTTPResponse, to request: HTTPRequest) {}
}

enum HTTPOutcome: Sendable {
  case respond(HTTPResponse)
  /// Work too long for an event loop. It runs on a worker thread while the connection is suspended;
  /// the request may be used in it. A client that leaves meanwhile is noticed only afterwards: the
  /// work is not interrupted.
  case offload(@Sendable () -> HTTPResponse)
  /// An answer that somebody gives from any thread, without a worker that waits for it. The closure
  /// is called at once, on the event loop, and keeps the completion, or answers through it. The
  /// connection is suspended as for `.offload`, and the same goes for a client that leaves.
  case later(@Sendable (HTTPCompletion) -> Void)
  /// A body that is made while it is sent.
  case stream(HTTPStreamReply)
}

/// Why the transport refuses a request before the handler sees it, or before its work has begun.
enum HTTPRefusal: Sendable, Equatable {
  /// The body is longer than `limit` bytes.
  case bodyTooLarge(limit: Int)
  /// The headers leave no room in the connection's memory for a reply.
  case headersTooLarge
  /// The request target is longer than `limit` bytes.
  case targetTooLong(limit: Int)
  /// The query has more than `limit` parameters.
  case tooManyParameters(limit: Int)
  /// The host is missing or said twice, the body's length is said in two ways or by a transfer
  /// coding that is not known, or the body can't be unpacked.
  case malformed(reason: String)
  /// The body is packed in a way that is not known.
  case unsupportedCoding(String)
  /// The request took longer than so many seconds to arrive.
  case requestTimeout(seconds: Int)
  /// More than `limit` connections are open.
  case tooManyConnections(limit: Int)
  /// More than `limit` connections of the client's address are open.
  case tooManyConnectionsOfAddress(limit: Int)
  /// There is no room on disk for the body.
  case bodyNotStored(reason: String)
  /// The server is stopping.
  case draining
  /// All workers are busy and their queue is full.
  case overloaded(retryAfterSeconds: Int)
  /// Whoever was to answer has given it up: a bug.
  case unanswered

  var status: Int {
    switch self {
    case .malformed: 400
    case .requestTimeout: 408
    case .bodyTooLarge: 413
    case .targetTooLong, .tooManyParameters: 414
    case .unsupportedCoding: 415
    case .tooManyConnectionsOfAddress: 429
    case .headersTooLarge: 431
    case .unanswered: 500
    case .bodyNotStored, .draining, .overloaded, .tooManyConnections: 503
    }
  }

  /// The handler's response, with what the refusal itself demands.
  func applied(to response: HTTPResponse) -> HTTPResponse {
    var response = response
    response.status = status
    switch self {
    case .bodyNotStored, .draining, .tooManyConnections, .tooManyConnectionsOfAddress:
      response.headers.append(("Retry-After", "1"))
    case .overloaded(let seconds): response.headers.append(("Retry-After", "\(seconds)"))
    // RFC 7694.
    case .unsupportedCoding: response.headers.append(("Accept-Encoding", "gzip"))
    case .bodyTooLarge, .headersTooLarge, .targetTooLong, .tooManyParameters, .malformed,
      .requestTimeout, .unanswered:
      break
    }
    return response
  }
}
