/// `GET /` and `GET /inspector/{file}`: the page that shows what sessions do with their memories. It
/// is a client of the API like any other.
struct InspectorRoutes: Sendable {
  private static let page = "/"
  private static let folder = "/inspector/"

  var routes: [Router.Route] {
    [
      Router.Route("GET", Self.page) { context throws(Problem) in
        try answer("index.html", to: context.request)
      },
      Router.Route("GET", Self.folder + "{file}") { context throws(Problem) in
        try answer(context.parameter(0), to: context.request)
      },
    ]
  }

  /// The page has nothing secret in it, and asks for a key where the API needs one.
  static func isPage(_ path: String) -> Bool { path == page || path.hasPrefix(folder) }

  private func answer(_ name: String, to request: HTTPRequest) throws(Problem) -> HTTPOutcome {
    guard let file = EmbeddedFile.all["inspector/\(name)"] else {
      throw Problem(.noSuchResource, "the inspector has no file \"\(name)\"")
    }
    return .respond(file.response(to: request, headers: Self.headers))
  }

  /// What a browser may do with the page: nothing but show it and have it ask this server.
  private static let headers = [
    (
      name: "Content-Security-Policy",
      value: "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        + "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    (name: "X-Content-Type-Options", value: "nosniff"),
    (name: "Referrer-Policy", value: "no-referrer"),
  ]
}
