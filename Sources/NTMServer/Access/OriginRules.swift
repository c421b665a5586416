/// Which web sites may use the server. A browser says by `Origin` on whose behalf it asks, and it
/// asks for any site: without rules, every page that somebody looks at could use a server on their
/// machine (WHATWG Fetch, section 3.2).
struct OriginRules: Sendable {
  /// Such as "https://example.org".
  private let allowed: [String]
  private let allowsAny: Bool

  /// - Parameter origins: "*" is any
  init(_ origins: [String]) {
    allowsAny = origins.contains("*")
    allowed = origins
  }

  enum Judgement: Equatable {
    /// Not a browser, or a page of this server.
    case own
    case allowed
    case refused
  }

  /// - Parameters:
  ///   - origin: the header
  ///   - host: the `Host` header
  func judge(_ origin: String, host: String?) -> Judgement {
    // The scheme may be another one where a proxy in front of the server speaks TLS.
    if let host, let scheme = ["http://", "https://"].first(where: origin.hasPrefix),
      equalsIgnoringASCIICase(origin.dropFirst(scheme.count), host)
    {
      return .own
    }
    return allowsAny || allowed.contains { equalsIgnoringASCIICase($0, origin) }
      ? .allowed : .refused
  }

  /// Whether this can be what a browser sends: a scheme and a host, perhaps a port; or "*".
  static func isOrigin(_ text: String) -> Bool {
    if text == "*" { return true }
    guard let scheme = text.firstRange(of: "://"), scheme.lowerBound > text.startIndex else {
      return false
    }
    let authority = text[scheme.upperBound...]
    return !authority.isEmpty && authority.utf8.allSatisfy { (0x21...0x7E).contains($0) }
      && !authority.contains { "/?#@*".contains($0) }
  }

  // MARK: Replies (WHATWG Fetch, section 3.3)

  /// Adds what lets a page of another site read a reply.
  ///
  /// - Parameter origin: the request's, if it is allowed; nil for a request without one
  func addHeaders(to response: inout HTTPResponse, for origin: String?) {
    if let origin {
      response.headers.append(("Access-Control-Allow-Origin", allowsAny ? "*" : origin))
      response.headers.append(
        (
          "Access-Control-Expose-Headers",
          "Location, Idempotent-Replayed, Retry-After, WWW-Authenticate, X-Request-Id"
        ))
    }
    // A cache must not give one site's reply to another.
    if !allowed.isEmpty, !allowsAny { response.headers.append(("Vary", "Origin")) }
  }

  /// The reply to a browser that asks whether it may send what a page wants to.
  static let preflight = HTTPResponse(
    status: 204,
    headers: [
      ("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE"),
      (
        "Access-Control-Allow-Headers",
        "Content-Type, Authorization, Idempotency-Key, Last-Event-ID, X-Request-Id, traceparent"
      ),
      ("Access-Control-Max-Age", "600"),
    ])
}
