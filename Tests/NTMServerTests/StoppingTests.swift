import Testing

@testable import NTMServer

/// What clients see of a service that stops.
struct StoppingTests {
  /// One loop, which goes on as long as it has a request.
  private static let options = ServiceOptions.testing { $0.http.eventLoops = 1 }

  @Test func beforeItStopsItMakesNoSessionsAndIsNotReady() async throws {
    let service = try Service(pool: .copy, options: Self.options, logger: .silent)
    try service.start()
    let port = try #require(service.port)
    let kept = try SocketClient(port: port)
    let session = try kept.makeSession()
    service.retire()
    // On connections that are there and on new ones.
    for client in [kept, try SocketClient(port: port)] {
      for path in ["/readyz", "/v2/health/ready"] {
        try expectProblem(try client.exchange("GET", path), 503, "stopping")
      }
      #expect(try client.exchange("GET", "/livez").status == 200)
      #expect(try client.exchange("GET", "/metrics").status == 200)
      for path in ["/sessions", "/sessions/\(session)/fork"] {
        let refused = try client.post(path)
        try expectProblem(refused, 503, "stopping")
        #expect(refused.header("Retry-After") != nil)
      }
      #expect(try client.step(session, [Float](repeating: 0, count: 9)).step >= 1)
    }
    #expect(service.stop(drainTimeout: .seconds(SocketClient.timeoutSeconds)) == .drained)
    // A service that is started again makes them again.
    try service.start()
    let again = try SocketClient(port: try #require(service.port))
    #expect(try again.exchange("GET", "/readyz").status == 200)
    _ = try again.makeSession()
    again.close()
    #expect(service.stop(drainTimeout: .seconds(SocketClient.timeoutSeconds)) == .drained)
  }

  @Test func whileRunningRequestsFinishOpenConnectionsAreToldToGo() async throws {
    let service = try Service(pool: .copy, options: Self.options, logger: .silent)
    try service.start()
    let port = try #require(service.port)
    let running = try SocketClient(port: port)
    let session = try running.makeSession()
    let paths = ["/readyz", "/livez", "/metrics", "/models", "/sessions/\(session)"]
    let open = try paths.map { path in
      let client = try SocketClient(port: port)
      #expect(try client.exchange("GET", path).status == 200)
      return (path, client)
    }
    let body = Array(String.step([Float](repeating: 0, count: 9), returning: .output).utf8)
    try running.send(
      "POST", "/sessions/\(session)/step", headers: [("Content-Length", "\(body.count)")])
    try running.send(Array(body.prefix(5)))
    // Once this is answered, the loop has seen what came before it.
    #expect(try open[0].1.exchange("GET", "/livez").status == 200)

    let ending = Monitor<HTTPServer.Ending?>(nil)
    try SystemThread {
      let result = service.stop(drainTimeout: .seconds(SocketClient.timeoutSeconds))
      ending.withLock { $0 = result }
      ending.broadcast()
    }.detach()
    // A new connection is refused, which tells a probe or a load balancer enough.
    while let late = try? SocketClient(port: port) { late.close() }
    for (path, client) in open {
      let response = try client.exchange("GET", path)
      #expect(response.header("Connection") == "close", "\(path)")
      if ["/livez", "/metrics"].contains(path) {
        #expect(response.status == 200)
      } else {
        try expectProblem(response, 503, "stopping")
        #expect(response.header("Retry-After") != nil)
      }
      #expect(try client.isClosedByServer())
    }
    try running.send(Array(body.dropFirst(5)))
    #expect(try running.receive().status == 200)
    #expect(ending.wait { $0 } == .drained)
  }
}
