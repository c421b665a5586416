/// Finds the route of a request.
struct Router: Sendable {
  /// A request with what its path says.
  struct Context: Sendable {
    let request: HTTPRequest
    fileprivate let path: RequestPath
    /// Of the request's key, if it has one and the route takes it.
    var claim: KeyClaim?

    /// How many parts of the path are variable.
    var parameterCount: Int { path.count }

    /// A variable part of the path, decoded.
    ///
    /// - Parameter index: of the path's variable parts
    /// - Throws: `Problem` 400 for a malformed percent-escape.
    func parameter(_ index: Int) throws(Problem) -> String {
      let text = withParameter(index) { String(decoding: $0, as: UTF8.self) }
      guard let decoded = PercentEncoding.decode(text) else {
        throw Problem(.malformedRequest, "the path has a malformed percent-escape: \(text)")
      }
      return decoded
    }

    /// The bytes of a variable part of the path, as sent.
    func withParameter<Result>(
      _ index: Int, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
      request.withPath { body(UnsafeRawBufferPointer(rebasing: $0[path.parameters[index]])) }
    }
  }

  typealias Handler = @Sendable (Context) throws(Problem) -> HTTPOutcome

  /// The body that a route accepts.
  enum Body: Sendable {
    /// None: a short one is dropped, a long one is refused.
    case nothing
    /// One that is kept in memory.
    case whole
    /// One that is kept in memory, or a stream of lines on disk.
    case wholeOrLines
  }

  final class Route: Sendable {
    let method: HTTPMethod
    /// Such as "/sessions/{id}/step".
    let pattern: String
    let handler: Handler
    /// Whether an `Idempotency-Key` protects it from being carried out twice.
    let takesKey: Bool
    let body: Body
    /// Whether the first variable part of the path is a session's name.
    let isOfSession: Bool

    init(
      _ method: String, _ pattern: String, body: Body = .nothing, takesKey: Bool = false,
      _ handler: @escaping Handler
    ) {
      self.method = HTTPMethod(method)
      self.takesKey = takesKey
      self.body = body
      self.pattern = pattern
      self.handler = handler
      isOfSession = pattern.hasPrefix("/sessions/{id}")
    }
  }

  let routes: [Route]
  private let patterns: PathPatterns
  /// The routes of each pattern, from one of these indices to the next. Not counted, as all threads
  /// would count the same: `routes` holds them.
  private let routesByPattern: [Unmanaged<Route>]
  private let firstOfPattern: [Int]
  private let keys: IdempotencyStore
  private let isAtHand: @Sendable (Context) -> Bool

  /// - Parameters:
  ///   - keys: remembers replies to requests with keys
  ///   - isAtHand: whether the session that a path names can be found without waiting for a disk
  init(
    routes: [Route], keys: IdempotencyStore = IdempotencyStore(),
    isAtHand: @escaping @Sendable (Context) -> Bool = { _ in true }
  ) {
    self.routes = routes
    self.keys = keys
    self.isAtHand = isAtHand
    let patterns = Self.patterns(of: routes)
    self.patterns = PathPatterns(patterns)
    let byPattern = patterns.map { pattern in routes.filter { $0.pattern == pattern } }
    routesByPattern = byPattern.joined().map(Unmanaged.passUnretained)
    firstOfPattern = byPattern.reduce(into: [0]) { $0.append($0.last! + $1.count) }
  }

  /// Of all routes, each once.
  static func patterns(of routes: [Route]) -> [String] {
    routes.reduce(into: []) { patterns, route in
      if !patterns.contains(route.pattern) { patterns.append(route.pattern) }
    }
  }

  /// The index of the pattern that a request's path has; nil for none.
  func pattern(of request: HTTPRequest) -> Int? {
    request.withPath { patterns.match($0, from: 0)?.index }
  }

  /// The body that a request may have; nil if no route has its path and method.
  func body(of request: HTTPRequest) -> Body? {
    let method = request.knownMethod == .head ? .get : request.knownMethod
    var next = 0
    while let match = request.withPath({ patterns.match($0, from: next) }) {
      for index in routes(of: match.index) {
        let body = routesByPattern[index]._withUnsafeGuaranteedRef {
          $0.method == method ? $0.body : nil
        }
        if let body { return body }
      }
      next = match.index + 1
    }
    return nil
  }

  /// Bytes of a body that are parsed, or made a fingerprint of, in less than about a millisecond. A
  /// worker does that for a longer one.
  static let smallBody = 16 << 10

  /// Runs the handler of the request's route, and notes which it is.
  ///
  /// - Throws: `Problem` 404 for an unknown path and 405 for an unknown method, or what the handler
  ///   throws. HEAD is answered as GET is.
  func handle(_ request: HTTPRequest) throws(Problem) -> HTTPOutcome {
    let method = request.knownMethod == .head ? .get : request.knownMethod
    var next = 0
    while let match = request.withPath({ patterns.match($0, from: next) }) {
      request.note { $0.route = match.index }
      for index in routes(of: match.index) {
        let outcome = routesByPattern[index]._withUnsafeGuaranteedRef { route in
          route.method == method
            ? Result { () throws(Problem) in
              try run(route, Context(request: request, path: match.path))
            } : nil
        }
        if let outcome { return try outcome.get() }
      }
      next = match.index + 1
    }
    throw refusal(of: request)
  }

  private func routes(of pattern: Int) -> Range<Int> {
    firstOfPattern[pattern]..<firstOfPattern[pattern + 1]
  }

  private func run(_ route: Route, _ context: Context) throws(Problem) -> HTTPOutcome {
    guard context.request.bodyCount > Self.smallBody, !context.request.isSpooled else {
      return try runNow(route, context)
    }
    return .onWorker { () throws(Problem) in
      do throws(HTTPRefusal) {
        try context.request.reserveMemory(JSONParser.mostMemory(for: context.request.body))
      } catch {
        throw Problem(error)
      }
      return try runNow(route, context)
    }
  }

  private func runNow(_ route: Route, _ context: Context) throws(Problem) -> HTTPOutcome {
    // A stream is no request that a key can protect: its handler refuses the key.
    guard route.takesKey, context.request.has(.idempotencyKey), !context.request.isSpooled,
      let key = try IdempotencyStore.key(of: context.request)
    else { return try handle(route, context) }
    return try keys.run(key, context.request) { claim throws(Problem) in
      var context = context
      context.claim = claim
      return try handle(route, context)
    }
  }

  /// Runs a route's handler, on a worker where it may have to wait for a disk.
  private func handle(_ route: Route, _ context: Context) throws(Problem) -> HTTPOutcome {
    guard route.isOfSession, !isAtHand(context) else { return try route.handler(context) }
    return .onWorker { () throws(Problem) in try route.handler(context) }
  }

  /// Why a request is for no route.
  func refusal(of request: HTTPRequest) -> Problem {
    var allowed: [String] = []
    var next = 0
    while let match = request.withPath({ patterns.match($0, from: next) }) {
      allowed += routes(of: match.index).map {
        routesByPattern[$0]._withUnsafeGuaranteedRef { $0.method.name }
      }
      next = match.index + 1
    }
    guard !allowed.isEmpty else {
      return Problem(.noSuchResource, "there is nothing at \(request.path)")
    }
    if allowed.contains(HTTPMethod.get.name) { allowed.append(HTTPMethod.head.name) }
    allowed.sort()
    return Problem(
      .methodNotAllowed,
      "\(request.path) has no \(request.method); it has \(allowed.joined(separator: ", "))",
      fields: ["allowed": .list(allowed)], headers: ["Allow": allowed.joined(separator: ", ")])
  }
}
