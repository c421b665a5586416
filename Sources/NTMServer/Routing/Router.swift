/// Finds the route of a request.
struct Router: Sendable {
  /// A request with what its path says.
  struct Context: Sendable {
    let request: HTTPRequest
    /// The path's variable parts, decoded.
    let parameters: [String]
    /// Of the request's key, if it has one and the route takes it.
    var claim: KeyClaim?
  }

  typealias Handler = @Sendable (Context) throws(Problem) -> HTTPOutcome

  struct Route: Sendable {
    let method: String
    /// Such as "/sessions/{id}/step".
    let pattern: String
    let handler: Handler
    /// Whether an `Idempotency-Key` protects it from being carried out twice.
    let takesKey: Bool
    /// Whether the first variable part of the path is a session's name.
    var isOfSession: Bool { pattern.hasPrefix("/sessions/{id}") }
    private let segments: [Segment]

    private enum Segment: Sendable {
      case literal(String)
      case parameter
    }

    init(
      _ method: String, _ pattern: String, takesKey: Bool = false, _ handler: @escaping Handler
    ) {
      self.method = method
      self.takesKey = takesKey
      self.pattern = pattern
      self.handler = handler
      segments = pattern.split(separator: "/").map {
        $0.hasPrefix("{") ? .parameter : .literal(String($0))
      }
    }

    /// The path's variable parts as sent, or nil where the path is another one.
    func match(_ path: [Substring]) -> [Substring]? {
      guard path.count == segments.count else { return nil }
      var parameters: [Substring] = []
      for (part, segment) in zip(path, segments) {
        switch segment {
        case .literal(let literal): guard part == literal else { return nil }
        case .parameter:
          guard !part.isEmpty else { return nil }
          parameters.append(part)
        }
      }
      return parameters
    }
  }

  let routes: [Route]
  /// Of all routes, each once.
  let patterns: [String]
  /// For each route the index of its pattern.
  private let patternIndices: [Int]
  private let keys: IdempotencyStore
  private let isAtHand: @Sendable (String) -> Bool

  /// - Parameters:
  ///   - keys: remembers replies to requests with keys
  ///   - isAtHand: whether a session of this name can be found without waiting for a disk
  init(
    routes: [Route], keys: IdempotencyStore = IdempotencyStore(),
    isAtHand: @escaping @Sendable (_ session: String) -> Bool = { _ in true }
  ) {
    self.keys = keys
    self.isAtHand = isAtHand
    let patterns = Self.patterns(of: routes)
    self.routes = routes
    self.patterns = patterns
    patternIndices = routes.map { patterns.firstIndex(of: $0.pattern)! }
  }

  static func patterns(of routes: [Route]) -> [String] {
    routes.reduce(into: []) { patterns, route in
      if !patterns.contains(route.pattern) { patterns.append(route.pattern) }
    }
  }

  /// The index of the pattern that a path has; nil for none.
  func pattern(of path: String) -> Int? {
    let path = Self.segments(path)
    return routes.firstIndex { $0.match(path) != nil }.map { patternIndices[$0] }
  }

  /// Runs the handler of the request's route, and notes which it is.
  ///
  /// - Throws: `Problem` 404 for an unknown path and 405 for an unknown method, or what the handler
  ///   throws. HEAD is answered as GET is.
  func handle(_ request: HTTPRequest) throws(Problem) -> HTTPOutcome {
    let path = Self.segments(request.path)
    let method = request.method == "HEAD" ? "GET" : request.method
    var allowed: [String] = []
    for index in routes.indices {
      guard let raw = routes[index].match(path) else { continue }
      let route = routes[index]
      request.notes.route = patternIndices[index]
      guard route.method == method else {
        allowed.append(route.method)
        continue
      }
      var parameters: [String] = []
      for part in raw {
        guard let decoded = PercentEncoding.decode(part) else {
          throw Problem(.malformedRequest, "the path has a malformed percent-escape: \(part)")
        }
        parameters.append(decoded)
      }
      var context = Context(request: request, parameters: parameters)
      guard route.takesKey, let key = try IdempotencyStore.key(of: request) else {
        return try run(route, context)
      }
      return try keys.run(key, request) { claim throws(Problem) in
        context.claim = claim
        return try run(route, context)
      }
    }
    guard !allowed.isEmpty else {
      throw Problem(.noSuchResource, "there is nothing at \(request.path)")
    }
    if allowed.contains("GET") { allowed.append("HEAD") }
    allowed.sort()
    throw Problem(
      .methodNotAllowed,
      "\(request.path) has no \(request.method); it has \(allowed.joined(separator: ", "))",
      fields: ["allowed": .list(allowed)], headers: ["Allow": allowed.joined(separator: ", ")])
  }

  /// Runs a route's handler, on a worker where it may have to wait for a disk.
  private func run(_ route: Route, _ context: Context) throws(Problem) -> HTTPOutcome {
    guard route.isOfSession, !isAtHand(context.parameters[0]) else {
      return try route.handler(context)
    }
    return .onWorker { () throws(Problem) in try route.handler(context) }
  }

  /// The parts of a path between slashes. A slash at the end makes an empty last part, which no
  /// route has.
  private static func segments(_ path: String) -> [Substring] {
    var path = path[...]
    // The absolute form, which proxies send, must be taken too (RFC 9112, section 3.2.2).
    if let scheme = ["http://", "https://"].first(where: { path.hasPrefix($0) }) {
      path = path.dropFirst(scheme.count).drop { $0 != "/" }
    }
    guard path.hasPrefix("/") else { return ["", ""] }
    // By bytes: looking for the ends of characters costs several times as much.
    return path == "/"
      ? []
      : path.utf8.dropFirst().split(
        separator: UInt8(ascii: "/"), omittingEmptySubsequences: false
      ).map(Substring.init)
  }
}
