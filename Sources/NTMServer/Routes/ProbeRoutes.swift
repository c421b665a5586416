/// `GET /livez`, `GET /readyz`.
struct ProbeRoutes: Sendable {
  var routes: [Router.Route] {
    // The models are loaded before the server listens, so whoever can ask finds it ready; a server
    // that is stopping takes no more requests.
    ["/livez", "/readyz"].map { path in
      Router.Route("GET", path) { _ in .respond(.json(["status": "ok"])) }
    }
  }
}
