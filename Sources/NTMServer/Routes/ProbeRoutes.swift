/// `GET /livez`, `GET /readyz`.
struct ProbeRoutes: Sendable {
  let sessions: SessionTable

  static let paths = ["/livez", "/readyz"]

  var routes: [Router.Route] {
    [
      Router.Route("GET", Self.paths[0]) { _ in ok },
      // The models are loaded before the server listens, so whoever can ask finds it ready until it
      // stops.
      Router.Route("GET", Self.paths[1]) { _ throws(Problem) in
        guard !sessions.isClosed else { throw Problem(.stopping, "the server is stopping") }
        return ok
      },
    ]
  }

  private var ok: HTTPOutcome { .respond(.json(["status": "ok"])) }
}
