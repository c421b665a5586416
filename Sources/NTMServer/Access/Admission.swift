/// Who may send requests: looked at before anything else of a request, and before its body is read.
struct Admission: Sendable {
  /// nil for any name.
  let hosts: HostRules?
  let origins: OriginRules
  /// nil where no key is needed.
  let keys: APIKeys?
  /// Whether metrics are for anybody.
  let areMetricsOpen: Bool

  /// - Returns: the answer where the request is a question about what it may do; nil where it may be
  ///   carried out
  /// - Throws: `Problem` 421 for a host that is not this one, 403 for another site's page, and 401
  ///   without a key.
  func admit(_ request: HTTPRequest) throws(Problem) -> HTTPResponse? {
    if let hosts, !request.withHeader(.host, hosts.allows), !isProbe(request) {
      throw Problem(
        .misdirected,
        "this server is not \(request.header(.host) ?? ""): it may be called by the names of --allowed-host, "
          + "localhost and what it listens on")
    }
    if let origin = request.header(.origin),
      let answer = try admit(request, from: origin, to: request.header(.host))
    {
      return answer
    }
    if let keys { try admit(request, with: keys) }
    return nil
  }

  /// Probes are asked by orchestrators, which have no key and call the server by its address.
  private func isProbe(_ request: HTTPRequest) -> Bool {
    ProbeRoutes.paths.contains(request.path)
  }

  private func admit(
    _ request: HTTPRequest, from origin: String, to host: String?
  ) throws(Problem) -> HTTPResponse? {
    switch origins.judge(origin, host: host) {
    case .own: return nil
    case .refused:
      throw Problem(
        .foreignOrigin,
        "requests of pages of \(origin) are refused; --cors-origin of the server would allow them",
        fields: ["origin": .text(origin)])
    case .allowed:
      request.note { $0.foreignOrigin = origin }
      let isPreflight =
        request.knownMethod == .options && request.header("Access-Control-Request-Method") != nil
      return isPreflight ? OriginRules.preflight : nil
    }
  }

  private func admit(_ request: HTTPRequest, with keys: APIKeys) throws(Problem) {
    let token = request.header(.authorization).flatMap(Self.bearerToken)
    if let token, let name = keys.name(of: token) {
      request.note { $0.keyName = name }
      return
    }
    if isProbe(request) || InspectorRoutes.isPage(request.path)
      || areMetricsOpen && request.path == MetricsRoute.path
    {
      return
    }
    // RFC 6750, section 3.
    let challenge = "Bearer realm=\"ntm\""
    throw Problem(
      .unauthorized,
      token == nil
        ? "a key is needed: Authorization: Bearer <key>" : "the key is none of this server's",
      headers: [
        "WWW-Authenticate": token == nil ? challenge : "\(challenge), error=\"invalid_token\""
      ])
  }

  private static func bearerToken(_ header: String) -> String? {
    let parts = header.split(separator: " ", maxSplits: 1)
    guard parts.count == 2, equalsIgnoringASCIICase(parts[0], "Bearer") else { return nil }
    return String(parts[1].drop { $0 == " " })
  }
}
