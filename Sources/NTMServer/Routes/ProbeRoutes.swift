/// `GET /livez`, `GET /readyz`, and what the Open Inference Protocol has in their place.
struct ProbeRoutes: Sendable {
  let sessions: SessionTable

  static let paths = ["/livez", "/readyz", "/v2/health/live", "/v2/health/ready"]

  var routes: [Router.Route] {
    [
      Router.Route("GET", "/livez") { _ in .respond(Self.ok) },
      Router.Route("GET", "/readyz") { _ throws(Problem) in
        try checkReady()
        return .respond(Self.ok)
      },
    ]
  }

  private static let ok = HTTPResponse.json(["status": "ok"])

  /// The models are loaded before the server listens, so it is ready until it stops or the store's
  /// file is deleted or replaced.
  func checkReady() throws(Problem) {
    if sessions.isClosed { throw Problem(.stopping, "the server is stopping") }
    if let error = sessions.journal.replacement() { throw .notSaved(error) }
  }
}
