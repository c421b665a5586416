/// `GET /openapi.yaml` and `GET /openapi.json`: what all routes take and answer.
struct ContractRoutes: Sendable {
  var routes: [Router.Route] {
    ["openapi.yaml", "openapi.json"].map { name in
      guard let file = EmbeddedFile.all[name] else {
        preconditionFailure("\(name) is not embedded")
      }
      return Router.Route("GET", "/\(name)") { .respond(file.response(to: $0.request)) }
    }
  }
}
