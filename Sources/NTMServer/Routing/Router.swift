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

    init(
      _ method: String, _ pattern: String, takesKey: Bool = false, _ handler: @escaping Handler
    ) {
      self.method = method
      self.takesKey = takesKey
      self.pattern = pattern
      self.handler = handler
    }
  }

  /// A pattern with the routes that have it.
  private struct Pattern: Sendable {
    private let segments: [Segment]
    let routes: [Route]

    private enum Segment: Sendable {
      case literal([UInt8])
      case parameter
    }

    init(_ pattern: String, of routes: [Route]) {
      self.routes = routes.filter { $0.pattern == pattern }
      segments = pattern.split(separator: "/").map {
        $0.hasPrefix("{") ? .parameter : .literal(Array($0.utf8))
      }
    }

    /// Whether a path is one of these.
    func matches(_ path: Path) -> Bool {
      guard path.segments.count == segments.count else { return false }
      for (segment, part) in zip(segments, path.segments) {
        switch segment {
        case .literal(let literal):
          guard part.count == literal.count, path.bytes[part].elementsEqual(literal) else {
            return false
          }
        case .parameter: guard !part.isEmpty else { return false }
        }
      }
      return true
    }

    /// The variable parts of a path that matches, decoded.
    ///
    /// - Throws: `Problem` 400 for a malformed percent-escape.
    func parameters(of path: Path) throws(Problem) -> [String] {
      var parameters: [String] = []
      for (segment, part) in zip(segments, path.segments) {
        guard case .parameter = segment else { continue }
        let text = String(decoding: path.bytes[part], as: UTF8.self)
        guard let decoded = PercentEncoding.decode(text) else {
          throw Problem(.malformedRequest, "the path has a malformed percent-escape: \(text)")
        }
        parameters.append(decoded)
      }
      return parameters
    }
  }

  /// A request's path, in bytes: characters cost several times as much.
  private struct Path {
    let bytes: [UInt8]
    /// The parts between slashes. A slash at the end makes an empty last part, which no route has.
    let segments: [Range<Int>]

    init(_ bytes: [UInt8]) {
      self.bytes = bytes
      var start = 0
      // The absolute form, which proxies send, must be taken too (RFC 9112, section 3.2.2).
      if bytes.first != UInt8(ascii: "/"),
        let scheme = ["http://", "https://"].first(where: { bytes.starts(with: $0.utf8) })
      {
        start = bytes[scheme.utf8.count...].firstIndex(of: UInt8(ascii: "/")) ?? bytes.count
      }
      guard start < bytes.count, bytes[start] == UInt8(ascii: "/") else {
        // None, which no route has either.
        segments = [start..<start]
        return
      }
      start += 1
      var segments: [Range<Int>] = []
      segments.reserveCapacity(8)
      if start < bytes.count {
        for index in bytes.indices[start...] where bytes[index] == UInt8(ascii: "/") {
          segments.append(start..<index)
          start = index + 1
        }
        segments.append(start..<bytes.count)
      }
      self.segments = segments
    }
  }

  /// Those of the routes, in their order.
  private let patterns: [Pattern]
  var routes: [Route] { patterns.flatMap(\.routes) }
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
    patterns = Self.patterns(of: routes).map { Pattern($0, of: routes) }
  }

  /// Of all routes, each once.
  static func patterns(of routes: [Route]) -> [String] {
    routes.reduce(into: []) { patterns, route in
      if !patterns.contains(route.pattern) { patterns.append(route.pattern) }
    }
  }

  /// The index of the pattern that a request's path has; nil for none.
  func pattern(of request: HTTPRequest) -> Int? {
    let path = Path(request.pathBytes)
    return patterns.firstIndex { $0.matches(path) }
  }

  /// Runs the handler of the request's route, and notes which it is.
  ///
  /// - Throws: `Problem` 404 for an unknown path and 405 for an unknown method, or what the handler
  ///   throws. HEAD is answered as GET is.
  func handle(_ request: HTTPRequest) throws(Problem) -> HTTPOutcome {
    let path = Path(request.pathBytes)
    let method = request.method == "HEAD" ? "GET" : request.method
    var allowed: [String] = []
    for index in patterns.indices where patterns[index].matches(path) {
      request.note { $0.route = index }
      let pattern = patterns[index]
      guard let route = pattern.routes.first(where: { $0.method == method }) else {
        allowed += pattern.routes.map(\.method)
        continue
      }
      var context = Context(request: request, parameters: try pattern.parameters(of: path))
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
}
