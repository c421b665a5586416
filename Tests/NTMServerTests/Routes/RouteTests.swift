import Testing

@testable import NTMServer

/// Every route, through the router and over a live socket. Extensions in the files beside this one
/// group the tests.
@Suite struct RouteTests {
  // MARK: Paths and methods

  @Test(arguments: Transport.allCases, ["/livez", "/readyz"])
  func aProbeIsAnswered(_ transport: Transport, _ path: String) async throws {
    try await withService(transport) { client in
      let response = try await client.get(path)
      #expect(response.status == 200)
      #expect(response.header("Content-Type") == "application/json")
      #expect(response.text == #"{"status":"ok"}"#)
    }
  }

  @Test(
    arguments: Transport.allCases,
    [
      "/nothing", "/models/copy/", "/models/", "/sessions/", "/livez/", "//livez", "/models//copy",
      "/sessions/x/y", "/sessions/x/step/1", "/Models", "/models/copy/heads",
    ])
  func anUnknownPathIsNotFound(_ transport: Transport, _ path: String) async throws {
    try await withService(transport) { client in
      let response = try await client.get(path)
      try expectProblem(
        response, 404, "no-such-resource", detail: "there is nothing at \(path)")
    }
  }

  @Test(
    arguments: Transport.allCases,
    [
      (method: "POST", path: "/models", allow: "GET, HEAD"),
      (method: "DELETE", path: "/models/copy", allow: "GET, HEAD"),
      (method: "PUT", path: "/sessions", allow: "GET, HEAD, POST"),
      (method: "PATCH", path: "/sessions/x", allow: "DELETE, GET, HEAD"),
      (method: "GET", path: "/sessions/x/step", allow: "POST"),
      (method: "HEAD", path: "/sessions/x/step", allow: "POST"),
      (method: "GET", path: "/sessions/x/reset", allow: "POST"),
      (method: "POST", path: "/sessions/x/memory", allow: "GET, HEAD"),
      (method: "OPTIONS", path: "/livez", allow: "GET, HEAD"),
    ])
  func anotherMethodIsToldWhichThereAre(
    _ transport: Transport, _ route: (method: String, path: String, allow: String)
  ) async throws {
    try await withService(transport) { client in
      let response = try await client.send(route.method, route.path, headers: [], body: [])
      #expect(response.status == 405)
      #expect(response.header("Allow") == route.allow)
      guard route.method != "HEAD" else { return }
      try expectProblem(
        response, 405, "method-not-allowed",
        detail: "\(route.path) has no \(route.method); it has \(route.allow)")
      #expect(
        try response.object()["allowed"] as? [String]
          == route.allow.split(separator: ", ").map(String.init))
    }
  }

  @Test(arguments: Transport.allCases)
  func headIsAnsweredAsGetWithoutBody(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let session = try await client.makeSession()
      for path in [
        "/livez", "/models", "/models/copy", "/sessions", "/sessions/\(session)",
        "/sessions/\(session)/memory", "/nothing", "/sessions/none",
      ] {
        let get = try await client.get(path)
        let head = try await client.send("HEAD", path, headers: [], body: [])
        #expect(head.status == get.status, "\(path)")
        #expect(head.header("Content-Type") == get.header("Content-Type"), "\(path)")
        #expect(head.body.isEmpty && !get.body.isEmpty, "\(path)")
      }
    }
  }

  @Test(arguments: Transport.allCases)
  func percentEscapesInANameAreDecoded(_ transport: Transport) async throws {
    try await withService(transport, .several) { client in
      for path in ["/models/c%6Fpy", "/models/%63%6f%70%79"] {
        #expect(try await client.get(path).object()["name"] as? String == "copy")
      }
      #expect(
        try await client.get("/models/content%20only").object()["name"] as? String
          == "content only")
      let session = try await client.makeSession("copy")
      let escaped = session.utf8.map { "%\(String($0, radix: 16))" }.joined()
      #expect(try await client.get("/sessions/\(escaped)").object()["id"] as? String == session)
      // A slash in a name does not separate, and a zero does not end.
      try expectProblem(
        try await client.get("/models/copy%2Fheads"), 404, "no-such-model")
      try expectProblem(try await client.get("/models/copy%00"), 404, "no-such-model")
    }
  }

  @Test(arguments: ["/models/%", "/models/%4", "/models/%zz", "/models/%ff", "/sessions/%c3%28"])
  func aMalformedPercentEscapeIsRefused(_ path: String) async throws {
    // Foundation's client would escape it: here the bytes matter.
    try await withService(.router) { client in
      try expectProblem(try await client.get(path), 400, "malformed-request")
    }
    try await withLiveService { port in
      let response = try SocketClient(port: port).exchange("GET", path)
      try expectProblem(response, 400, "malformed-request")
    }
  }

  // MARK: Refusals

  @Test(arguments: [
    (kind: "malformed-request", status: 400, title: "The request is malformed"),
    (kind: "no-such-resource", status: 404, title: "There is no such resource"),
    (kind: "no-such-model", status: 404, title: "There is no such model"),
    (kind: "no-default-model", status: 422, title: "There is no default model"),
    (kind: "no-such-session", status: 404, title: "There is no such session"),
    (kind: "method-not-allowed", status: 405, title: "The resource has no such method"),
    (kind: "not-acceptable", status: 406, title: "The resource has no such form"),
    (kind: "body-too-large", status: 413, title: "The body is too large"),
    (kind: "wrong-size", status: 422, title: "A size is wrong"),
    (kind: "not-finite", status: 422, title: "A value is not finite"),
    (kind: "too-much", status: 422, title: "The request asks for too much"),
    (kind: "limit-reached", status: 503, title: "A limit is reached"),
    (kind: "stopping", status: 503, title: "The server is stopping"),
    (kind: "overloaded", status: 503, title: "The server has too much to do"),
  ])
  func aKindOfRefusalHasItsStatusAndTitle(
    _ expected: (kind: String, status: Int, title: String)
  ) throws {
    let kind = try #require(Problem.Kind(rawValue: expected.kind))
    let problem = Problem(
      kind, "what \"was\" wrong", fields: ["expected": .number(9), "some_list": .list(["a"])],
      headers: ["Retry-After": "7"])
    let reply = problem.response
    let response = Response(status: reply.status, headers: reply.allHeaders, body: reply.body)
    try expectProblem(
      response, expected.status, expected.kind, detail: "what \"was\" wrong",
      fields: ["title": .text(expected.title), "expected": .number(9), "some_list": .list(["a"])])
    #expect(response.header("Retry-After") == "7")
  }
}
